// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Writing a row to the catalogue while nobody waits for it. A row that is lost, because memory is
 * short or the disk is full, is found out again: only such rows are written this way.
 *
 *     enum { NAME, ORIGIN };
 *     static int put(struct catalogue *catalogue, const struct row *row) ...   catalogue lane
 *     catalogue_post(services, put, "channel", &(struct row){.text = {name, origin}, .number = {now_s}});
 */
#include "engine/loop/services.h"

enum { ROW_TEXTS = 8, ROW_NUMBERS = 3 };

struct row {
    const char *text[ROW_TEXTS]; /* any may be NULL; the first one names the row in the log */
    int64_t number[ROW_NUMBERS];
    const void *body; /* or NULL */
    size_t body_len;
};

/* Copies the row, and has `write` called with the copy on the catalogue lane. An error that it
 * returns is logged as "cannot store <what> <first text>". Any thread; never blocks. */
void catalogue_post(struct services *services,
                    int (*write)(struct catalogue *catalogue, const struct row *row),
                    const char *what, const struct row *row);
