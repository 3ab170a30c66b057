// SPDX-License-Identifier: Apache-2.0
/*
 * The ceiling of memory. What counts is what the process has for itself alone, as the kernel says
 * it: files that are mapped belong to the page cache. Beyond half of max_memory pages and listings
 * go; beyond five eighths pages that are not in memory are refused, until there is room. What is
 * being parsed and built by then has the rest.
 */
#include "engine/memory.h"

#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "engine/slot.h"

enum { TRIM_MS = 1000, EIGHTHS = 8, SHRINKS_AT = 4, REFUSES_AT = 5 };

int64_t memory_used(void)
{
    char text[128];
    long long size, resident, shared;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        (void)close(fd);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    if (sscanf(text, "%lld %lld %lld", &size, &resident, &shared) != 3)
        return 0;
    return (int64_t)(resident - shared) * sysconf(_SC_PAGESIZE);
}

void memory_tick(struct engine *e, int64_t now_ms)
{
    int64_t eighth = e->options.max_memory / EIGHTHS, used = memory_used();
    e->memory_used = used;
    if (used > REFUSES_AT * eighth && !e->is_short)
        log_warning("memory is short used=%" PRId64 " max_memory=%" PRId64, used,
                    e->options.max_memory);
    e->is_short = used > (e->is_short ? SHRINKS_AT : REFUSES_AT) * eighth;
    if (used <= SHRINKS_AT * eighth || now_ms - e->trimmed_ms < TRIM_MS)
        return;
    pages_evict(e, e->pages->bytes / 2);
    sources_shrink(e);
    (void)malloc_trim(0);
    e->trimmed_ms = now_ms;
}
