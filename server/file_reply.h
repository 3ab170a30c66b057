// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Replies with files: the whole or a range, from memory where the engine has a complete blob there,
 * else block by block as the bytes arrive. What has begun and cannot be finished is cut, never
 * ended.
 */
#include "server/reply.h"

/* Suspends the connection where the file's facts are not known yet; to be called again when
 * resumed. */
enum MHD_Result file_reply_send(struct request *request);
