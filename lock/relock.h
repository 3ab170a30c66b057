// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Other addresses in the text of a lock: all of them, or none. Every other byte stays as it is:
 * hashes, order, comments, line ends, a mark of byte order.
 *
 *     r = relock(lock, text, len, &map, &new_text, &report);
 *     if (report.wrong_count) ... each relock_wrong of report.wrong says why; new_text is the old
 *     relock_report_release(&report);
 *
 * `lock` is what lock_read made of the same text. Pure; any thread.
 */
#include "lock/lock.h"

/* What an address becomes. 0: appended to `to`, perhaps the same. RELOCK_NOT (> 0): there is none,
 * and *ret_why, a static half sentence, says why. ERROR_NO_MEMORY. */
enum { RELOCK_NOT = 1 };
struct relock_map {
    int (*address)(void *context, const struct lock_address *address, struct buf *to,
                   const char **ret_why);
    void *context;
};

struct relock_wrong {
    const struct lock_address *address;
    const char *why;
};

struct relock_report {
    size_t changed; /* addresses that are others now */
    struct relock_wrong *wrong;
    size_t wrong_count;
};

/* ERROR_NO_MEMORY, or the buffer's error. With anything wrong `to` gets the old text. */
int relock(const struct lock *lock, const char *text, size_t len, const struct relock_map *map,
           struct buf *to, struct relock_report *ret_report);
void relock_report_release(struct relock_report *report);
