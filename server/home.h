// SPDX-License-Identifier: Apache-2.0
#pragma once
/* `/`: a plain page for people that says what this is, lists indexes and mirrors, and shows how
 * clients are pointed here. */
#include "server/reply.h"

enum MHD_Result home_send(struct request *request);
