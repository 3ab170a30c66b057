// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Range (RFC 9110 14): single byte ranges. Anything else, also several ranges, is RANGE_NONE,
 * because the whole file is a legal answer to it. Parsing and fitting to a size are two steps: the
 * engine must know the kind of read before the size is known. Pure; any thread. */
#include <stdint.h>

enum range_kind {
    RANGE_NONE,
    RANGE_BOUNDED, /* first-last */
    RANGE_OPEN,    /* first- */
    RANGE_SUFFIX,  /* the last `last` bytes */
};

struct range {
    enum range_kind kind;
    int64_t first;
    int64_t last; /* inclusive; saturates at INT64_MAX */
};

/* `header` may be NULL. */
struct range range_parse(const char *header);

/* The bytes [from, to) of a file of `size` bytes. RANGE_UNSATISFIABLE: 416. Not for RANGE_NONE. */
enum { RANGE_UNSATISFIABLE = 1 };
int range_resolve(struct range range, int64_t size, int64_t *ret_from, int64_t *ret_to);
