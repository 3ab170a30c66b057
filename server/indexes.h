// SPDX-License-Identifier: Apache-2.0
#pragma once
/* /-/indexes: which indexes there are, as JSON for people and for `wheelyard indexes`. */
#include "server/reply.h"

enum MHD_Result indexes_send(struct request *request);
