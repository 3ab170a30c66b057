// SPDX-License-Identifier: Apache-2.0
#pragma once
/* /-/indexes: the indexes of this daemon, as JSON for people and for `wheelyard indexes`. */
#include "server/reply.h"

enum MHD_Result indexes_send(struct request *request);
