// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What a client can read (Accept, ?format=, Accept-Encoding) and what it holds already
 * (If-None-Match, If-Range). A header value is NULL when the client did not send it. Pure; any
 * thread. */
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

/* Chooses the type of a page. `format` outranks Accept; it names one type, without list or
 * wildcard. Among equal q, a named type outranks a wildcard, and JSON outranks other named types. A
 * wildcard alone gets HTML, which old clients and browsers read. NEGOTIATE_NOTHING: the client
 * names only types that we do not have (406). */
enum { NEGOTIATE_NOTHING = 1 };
int negotiate_page(const char *accept, const char *format, enum page_type *ret);

/* The form of an error. Installers that accept anything, say nothing or name a JSON type show the
 * detail of application/problem+json. Clients that name HTML or plain text before any JSON get
 * that. */
enum problem_type { PROBLEM_JSON, PROBLEM_HTML, PROBLEM_TEXT };
enum problem_type negotiate_problem(const char *accept);

/* Among equal q zstd comes before gzip: it is smaller and faster to unpack. Only a client that
 * names zstd gets it, because clients sent `*` long before zstd existed. */
enum page_coding negotiate_coding(const char *accept_encoding);
/* For Content-Encoding; NULL: none. */
const char *negotiate_coding_name(enum page_coding coding);

/* Whether If-None-Match names this (strong, quoted) entity tag, by weak comparison, or is `*`. */
bool negotiate_none_match(const char *if_none_match, const char *etag);
/* Whether If-Range lets a range of what has this entity tag go out: absent, or strongly equal. A
 * date never does: we send no Last-Modified that it could repeat. */
bool negotiate_if_range(const char *if_range, const char *etag);
