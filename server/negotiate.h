// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What a client can read, from its Accept, ?format=, Accept-Encoding, and what it holds already,
 * from its If-None-Match and If-Range. Header values may be NULL: not sent. Pure; any thread.
 */
#include <stdbool.h>

#include "engine/engine.h"

enum page_type {
    PAGE_TYPE_JSON,    /* application/vnd.pypi.simple.v1+json */
    PAGE_TYPE_HTML_V1, /* application/vnd.pypi.simple.v1+html */
    PAGE_TYPE_HTML,    /* text/html */
};
enum { PAGE_TYPES = 3 };

/* The exact text of Content-Type; uv compares it byte by byte. */
const char *negotiate_content_type(enum page_type type);

/*
 * The type of a page. `format` outranks Accept; it is one type by its name, no list or wildcard,
 * and what is none of ours is NEGOTIATE_NOTHING whatever Accept says. Among equal q a named type
 * outranks a wildcard and JSON the other named types; a wildcard alone gets HTML, which old clients
 * and browsers read. NEGOTIATE_NOTHING: only types were named that we do not have (406).
 */
enum { NEGOTIATE_NOTHING = 1 };
int negotiate_page(const char *accept, const char *format, enum page_type *ret);

/*
 * How an error is told: installers that accept anything, say nothing, or name a JSON type show the
 * detail of application/problem+json; HTML and plain text are for clients that name them before any
 * JSON.
 */
enum problem_type { PROBLEM_JSON, PROBLEM_HTML, PROBLEM_TEXT };
enum problem_type negotiate_problem(const char *accept);

/* Among equal q zstd goes before gzip: smaller, and quicker to unpack; but only who names it gets
 * it: `*` is older than zstd is common. */
enum page_coding negotiate_coding(const char *accept_encoding);
/* For Content-Encoding; NULL: none. */
const char *negotiate_coding_name(enum page_coding coding);

/* Whether If-None-Match names this (strong, quoted) entity tag, by weak comparison, or is `*`. */
bool negotiate_none_match(const char *if_none_match, const char *etag);
/* Whether If-Range lets a range of what has this entity tag go out: absent, or strongly equal. A
 * date never does: we send no Last-Modified that it could repeat. */
bool negotiate_if_range(const char *if_range, const char *etag);
