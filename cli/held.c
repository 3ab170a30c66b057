// SPDX-License-Identifier: Apache-2.0
#include "cli/held.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static const char *name_of(const struct json *row)
{
    return json_text(row, "name");
}

static int by_name(const void *a, const void *b)
{
    return strcmp(name_of(*(const struct json *const *)a), name_of(*(const struct json *const *)b));
}

static int name_to_row(const void *name, const void *row)
{
    return strcmp(name, name_of(*(const struct json *const *)row));
}

int held_ask(struct control_client *client, struct held *ret)
{
    *ret = (struct held){.reply = NULL};
    int r = control_client_ask(client, (const char *const[]){"cache", "ls", NULL}, &ret->reply);
    if (r)
        return r;
    const struct json *blobs = json_member(ret->reply, "blobs");
    size_t count = 0;
    for (const struct json *b = json_first(blobs); b; b = json_next(b))
        count++;
    ret->rows = calloc(count + 1, sizeof(*ret->rows));
    if (!ret->rows)
        return ERROR_NO_MEMORY;
    for (const struct json *b = json_first(blobs); b; b = json_next(b))
        if (json_is_true(json_member(b, "complete")))
            ret->rows[ret->count++] = b;
    qsort(ret->rows, ret->count, sizeof(*ret->rows), by_name);
    return 0;
}

const struct json *held_find(const struct held *held, const char *name)
{
    if (!held->count)
        return NULL;
    const struct json **row =
        bsearch(name, held->rows, held->count, sizeof(*held->rows), name_to_row);
    return row ? *row : NULL;
}

void held_release(struct held *held)
{
    free(held->rows);
    json_free(held->reply);
}
