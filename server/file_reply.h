// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Replies with files, whole or a range. A complete blob in memory is sent from its mapping; all
 * else goes out block by block as bytes arrive. A body that cannot be finished is cut; it never
 * ends cleanly. */
#include "server/reply.h"

/* Suspends the connection while the file's size and ETag are unknown; MHD calls it again after the
 * resume. */
enum MHD_Result file_reply_send(struct request *request);
