// SPDX-License-Identifier: Apache-2.0
#pragma once
/* A parsed version, for version.c and specifier.c only. It points into the text that was parsed. */
#include <stdbool.h>
#include <stddef.h>

/* Decimal digits without leading zeros, of any length; empty means zero. */
struct number {
    const char *digits;
    size_t len;
};

/* `pre` is 'a', 'b' or 'r' (rc), or 0 for none. */
struct version {
    struct number epoch;
    const char *release;
    size_t release_len;
    char pre;
    struct number pre_number;
    bool has_post;
    struct number post;
    bool has_dev;
    struct number dev;
    const char *local; /* NULL: none */
    size_t local_len;
};

bool version_parse(const char *text, struct version *ret);
int version_order(const struct version *a, const struct version *b);
/* Whether the epoch and the release of `v`, padded with zeros, begin with the first `segments` of
 * `prefix`. */
bool version_has_prefix(const struct version *v, const struct version *prefix, size_t segments);
/* The number of segments of the release. */
size_t version_segments(const struct version *v);
/* Whether epoch, release and pre-release are the same. */
bool version_is_same_release(const struct version *a, const struct version *b);
