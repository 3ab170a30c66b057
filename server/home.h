// SPDX-License-Identifier: Apache-2.0
#pragma once
/* `/`: a page for people. It says what this program is, lists indexes and mirrors, and shows how to
 * point clients here. */
#include "server/reply.h"

enum MHD_Result home_send(struct request *request);
