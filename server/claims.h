// SPDX-License-Identifier: Apache-2.0
#pragma once
/* GET /-/claims/{origin}/{path}: what mirrors claim of that file's digest
 * (engine/files/claim_answer.h).
 */
#include "server/reply.h"

/* May suspend the request; MHD then calls it again after the resume. */
enum MHD_Result claims_send(struct request *request);
