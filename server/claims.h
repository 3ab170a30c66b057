// SPDX-License-Identifier: Apache-2.0
#pragma once
/* GET /-/claims/{origin}/{path}: what mirrors claim of that file's digest
 * (engine/files/claim_answer.h).
 */
#include "server/reply.h"

/* May suspend the request; call it again when it is resumed. */
enum MHD_Result claims_send(struct request *request);
