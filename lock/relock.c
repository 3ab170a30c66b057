// SPDX-License-Identifier: Apache-2.0
#include "lock/relock.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/url.h"

static const char escaped[] = "it is written with escapes or over several lines";
static const char unsafe[] = "what it would become cannot stand there";

/* An address that is put between quotes, or on a line of its own, must not end either. */
static bool is_safe(const struct buf *address)
{
    for (size_t i = 0; i < address->len; i++) {
        unsigned char c = (unsigned char)address->data[i];

        if (c <= ' ' || c == 0x7f || strchr("\"'\\<>`", c))
            return false;
    }
    return address->len > 0;
}

static int map_one(const struct relock_map *map, const struct lock_address *address, struct buf *to,
                   const char **ret_why)
{
    *ret_why = NULL;
    int r = map->address(map->context, address, to, ret_why);
    if (r)
        return r;
    if (to->error)
        return to->error;
    bool is_same = to->len == address->len && !memcmp(to->data, address->text, to->len);
    if (!is_same)
        *ret_why = !address->is_plain ? escaped : is_safe(to) ? NULL : unsafe;
    return *ret_why ? RELOCK_NOT : 0;
}

static int walk(const struct lock *lock, const char *text, size_t len, const struct relock_map *map,
                struct buf *to, struct relock_report *report)
{
    auto_buf struct buf one;
    size_t done = 0;

    buf_init(&one, URL_MAX_BYTES);
    for (size_t i = 0; i < lock->address_count; i++) {
        const struct lock_address *address = &lock->addresses[i];
        const char *why = NULL;

        buf_clear(&one);
        int r = map_one(map, address, &one, &why);
        if (r == RELOCK_NOT) {
            report->wrong[report->wrong_count++] = (struct relock_wrong){address, why};
            continue;
        }
        if (r)
            return r;
        if (!address->is_plain || (one.len == address->len && !strcmp(one.data, address->text)))
            continue;
        buf_add(to, text + done, address->offset - done);
        buf_add(to, one.data, one.len);
        done = address->offset + address->len;
        report->changed++;
    }
    buf_add(to, text + done, len - done);
    return to->error;
}

int relock(const struct lock *lock, const char *text, size_t len, const struct relock_map *map,
           struct buf *to, struct relock_report *ret_report)
{
    struct relock_report report = {.wrong = calloc(lock->address_count + 1, sizeof(*report.wrong))};

    if (!report.wrong)
        return ERROR_NO_MEMORY;
    buf_clear(to);
    int r = walk(lock, text, len, map, to, &report);
    if (!r && report.wrong_count) {
        report.changed = 0;
        buf_clear(to);
        buf_add(to, text, len);
        r = to->error;
    }
    if (r) {
        free(report.wrong);
        return r;
    }
    *ret_report = report;
    return 0;
}

void relock_report_release(struct relock_report *report)
{
    free(report->wrong);
    *report = (struct relock_report){0};
}
