// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Ownership by attribute. A constructor builds into a guarded local and publishes it on its last
 * line. Every early return then frees what was built so far.
 *
 *     auto_free char *name = strdup(s);
 *     if (!name)
 *         return ERROR_NO_MEMORY;
 *     ...
 *     *ret_name = name;
 *     name = NULL;
 *
 * DEFINE_CLEANUP(struct buf, buf_free) next to a destructor defines buf_freep, for use as
 * `AUTO(buf_free) struct buf *b`. Destructors accept NULL.
 */
#include <stdlib.h>
#include <unistd.h>

#define AUTO(function) __attribute__((cleanup(function##p)))

/* NOLINTBEGIN(bugprone-macro-parentheses): `type` is a type */
#define DEFINE_CLEANUP(type, function)                                                             \
    static inline void function##p(type **p)                                                       \
    {                                                                                              \
        if (*p)                                                                                    \
            function(*p);                                                                          \
    }
/* NOLINTEND(bugprone-macro-parentheses) */

static inline void cleanup_free(void *p)
{
    free(*(void **)p);
}

static inline void cleanup_close(const int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}

#define auto_free __attribute__((cleanup(cleanup_free)))
#define auto_close __attribute__((cleanup(cleanup_close)))
