// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * URLs as mirrors and clients write them: RFC 3986 for splitting, resolving and percent-coding,
 * http and https only. Pure; any thread.
 *
 * Two spellings of one path have the same *decoded* form, which keys, the catalogue and the disk
 * use: percent-escapes undone, `+` kept as `+` (never a space). Only url_encode_path goes back. It
 * always writes `%2B` for `+`, because S3 takes a raw `+` for a space.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum { URL_MAX_BYTES = 8192 };

struct url {
    char *scheme;   /* "http" or "https", lower case */
    char *host;     /* lower case, without brackets */
    int port;       /* 80 or 443 by default */
    char *path;     /* begins with '/', escapes as written, dot segments removed */
    char *query;    /* without '?', or NULL */
    char *fragment; /* without '#', or NULL; still percent-encoded */
};

/* ERROR_BAD_REQUEST for anything but an absolute http(s) URL within URL_MAX_BYTES; user:password
 * parts are accepted and dropped; control characters and spaces are refused. */
int url_parse(const char *text, struct url *ret_url);
void url_release(struct url *url);

/* Whether `host` is this machine by a loopback name: "localhost", 127.0.0.0/8, ::1. */
bool url_is_loopback(const char *host);

/* Resolves `reference` against the absolute URL `base` (RFC 3986 5.2) and trims white space as HTML
 * does. *ret_text has no user:password part, a lower-case host, no default port, and keeps the
 * fragment. ERROR_BAD_REQUEST when the result is not http(s): mailto:, javascript:, ... */
int url_resolve(const char *base, const char *reference, char **ret_text);

/* Undoes percent-escapes. ERROR_BAD_REQUEST on a bad escape, an escaped NUL, or a control byte in
 * the result. */
int url_decode(const char *text, size_t len, struct buf *ret);

/* Appends `path` with every byte but unreserved characters and "/!$'()*,:;=@" as %XX in upper case.
 */
void url_encode_path(struct buf *to, const char *path);

/* The path below a prefix, in the form of a key. When `text` (an absolute URL; query and fragment
 * are ignored) lies below the URL prefix `prefix` (which ends in '/'), gives the decoded rest. The
 * scheme is not compared; host and port are (default ports are equal across schemes); the path is
 * compared decoded. URL_ELSEWHERE when it lies elsewhere. ERROR_BAD_REQUEST when the rest is not a
 * key (see url_key_is_valid). */
enum { URL_ELSEWHERE = 1 };
int url_below(const char *prefix, const char *text, char **ret_path);

/* The same for one prefix and many URLs, each parsed once. `path` is the URL's decoded path; the
 * rest points into it. */
struct url_prefix {
    struct url url;
    char *path; /* decoded */
    size_t len; /* of path */
};
int url_prefix_init(const char *text, struct url_prefix *ret);
void url_prefix_release(struct url_prefix *prefix);
int url_prefix_rest(const struct url_prefix *prefix, const struct url *url, const char *path,
                    const char **ret_rest);

/* A key: not empty, valid UTF-8, at most 1,024 bytes, no control byte, no backslash, no empty, "."
 * or ".." segment, no leading or trailing slash. */
bool url_key_is_valid(const char *path);
