// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Reads the header section of a final response into a struct fetch_head and checks its framing:
 * Content-Length, Content-Range, codings. Runs on the transfer thread, inside curl's header
 * callback for the empty line. */
#include <curl/curl.h>

#include "base/buf.h"
#include "upstream/fetcher.h"

struct head_reply {
    struct fetch_head head; /* the caller sets final_url */
    int64_t expected_bytes; /* of the body, or -1: not announced */
    struct buf via;         /* head.via points into it */
    const char *complaint;  /* what is wrong, with ERROR_UPSTREAM_BROKEN */
};

struct head_question {
    bool head;
    bool is_page;     /* a part of a page is useless */
    int64_t from, to; /* as in struct fetch_request */
};

void head_init(struct head_reply *reply);
void head_release(struct head_reply *reply);

/* 0 or ERROR_UPSTREAM_BROKEN (see complaint). Strings live as long as the callback. */
int head_read(CURL *easy, const struct head_question *question, struct head_reply *reply);

/* One header of the final response or NULL. */
const char *head_value(CURL *easy, const char *name);
