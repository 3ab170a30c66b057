// SPDX-License-Identifier: Apache-2.0
/*
 * Both readings are sorted by path and then walked side by side, so a page of 100,000 rows takes
 * milliseconds. The rows themselves are not copied.
 */
#include "index/changes.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "index/listing.h"

typedef const struct listed_file *row;

/* By path; equal paths in page order. */
static int by_path(const void *a, const void *b)
{
    row x = *(const row *)a, y = *(const row *)b;
    int order = strcmp(x->path, y->path);
    return order ? order : (x > y) - (x < y);
}

/* Rows without a path are no files of the origin. */
static row *sorted(const struct listing *l, size_t *ret_count)
{
    row *rows = calloc(l->file_count + 1, sizeof(*rows));
    size_t count = 0;
    for (size_t i = 0; rows && i < l->file_count; i++)
        if (l->files[i].path)
            rows[count++] = &l->files[i];
    if (count)
        qsort(rows, count, sizeof(*rows), by_path);
    *ret_count = count;
    return rows;
}

static bool is_other_number(int64_t before, int64_t after)
{
    return before >= 0 && after >= 0 && before != after;
}

/* A date with and one without a zone cannot be compared. */
static bool is_other(row before, row after)
{
    bool dated = before->modified != DATE_UNKNOWN && after->modified != DATE_UNKNOWN &&
                 before->modified_utc == after->modified_utc;
    return is_other_number(before->size, after->size) ||
           is_other_number(before->about_size, after->about_size) ||
           (dated && before->modified != after->modified) ||
           (before->upload_time && after->upload_time &&
            strcmp(before->upload_time, after->upload_time) != 0);
}

/* A merge of two sorted lists. */
int changes_find(const struct listing *before, const struct listing *after, struct changes *ret)
{
    size_t old_count, new_count, at = 0;
    auto_free row *old = sorted(before, &old_count);
    auto_free row *now = sorted(after, &new_count);
    *ret = (struct changes){calloc(new_count + 1, sizeof(*ret->paths)), 0};
    if (!old || !now || !ret->paths) {
        changes_release(ret);
        return ERROR_NO_MEMORY;
    }
    for (size_t i = 0; i < new_count; i++) {
        if (i && strcmp(now[i - 1]->path, now[i]->path) == 0)
            continue;
        while (at < old_count && strcmp(old[at]->path, now[i]->path) < 0)
            at++;
        if (at < old_count && strcmp(old[at]->path, now[i]->path) == 0 && is_other(old[at], now[i]))
            ret->paths[ret->count++] = now[i]->path;
    }
    return 0;
}

void changes_release(struct changes *c)
{
    free(c->paths);
    *c = (struct changes){NULL, 0};
}
