// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Replies with pages. All connections share one prebuilt response of a fresh page for each format
 * and coding; it hangs on the page as its attachment. A page that a request waited for, or a stale
 * one, has other headers. It gets a response of its own over the same bytes. */
#include "server/reply.h"

/* Suspends the connection while the page is not there; MHD calls it again after the resume. */
enum MHD_Result page_reply_send(struct request *request);

/* For engine_on_page_free. */
void page_reply_free_attachment(void *attachment);
