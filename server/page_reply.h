// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Replies with pages. A fresh page goes out as one prebuilt response per format and coding that all
 * connections share (it hangs on the page as its attachment); what differs from request to request
 * (a page that was waited for, a stale one) gets a response of its own around the same bytes.
 */
#include "server/reply.h"

/* Suspends the connection where the page is not there yet; to be called again when resumed. */
enum MHD_Result page_reply_send(struct request *request);

/* For engine_on_page_free. */
void page_reply_free_attachment(void *attachment);
