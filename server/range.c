// SPDX-License-Identifier: Apache-2.0
#include "server/range.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

/* A number saturates, because a client may ask for more bytes than 63 bits can count. */
static bool range_number(const char **p, int64_t *ret)
{
    const char *s = *p;
    int64_t n = 0;
    while (isdigit((unsigned char)*s)) {
        int digit = *s++ - '0';
        n = n > (INT64_MAX - digit) / 10 ? INT64_MAX : n * 10 + digit;
    }
    if (s == *p)
        return false;
    *p = s;
    *ret = n;
    return true;
}

/* A malformed Range is ignored, as RFC 9110 14.2 asks; only a range after the end is refused. */
struct range range_parse(const char *header)
{
    const struct range none = {.kind = RANGE_NONE};
    struct range range = none;
    if (!header || strncasecmp(header, "bytes=", strlen("bytes=")) != 0)
        return none;
    const char *p = header + strlen("bytes=");
    p += strspn(p, " \t");
    bool has_first = range_number(&p, &range.first);
    if (*p++ != '-')
        return none;
    bool has_last = range_number(&p, &range.last);
    if (p[strspn(p, " \t")])
        return none;
    if (has_first && has_last)
        range.kind = range.first <= range.last ? RANGE_BOUNDED : RANGE_NONE;
    else if (has_first)
        range.kind = RANGE_OPEN;
    else if (has_last)
        range.kind = RANGE_SUFFIX;
    return range;
}

/* A suffix longer than the file means the whole file (RFC 9110 14.1.2). */
int range_resolve(struct range range, int64_t size, int64_t *ret_from, int64_t *ret_to)
{
    int64_t from = range.first;
    int64_t to = size;
    if (range.kind == RANGE_SUFFIX) {
        if (range.last == 0)
            return RANGE_UNSATISFIABLE;
        from = range.last < size ? size - range.last : 0;
    } else if (range.kind == RANGE_BOUNDED && range.last < size) {
        to = range.last + 1;
    }
    if (from >= size)
        return RANGE_UNSATISFIABLE;
    *ret_from = from;
    *ret_to = to;
    return 0;
}
