// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Progress on a terminal: a bar for the whole, and a line for each file that is under way. The lines
 * are drawn over themselves.
 *
 *     struct bar bar = {.out = stdout};
 *     bar_draw(&bar, &whole, running, count);      as often as the caller likes
 *     bar_print(&bar, "torch-...whl: not found");  a line that stays, above the bar
 *     bar_clear(&bar);                             the bar is taken away
 *
 * Lines are cut to the terminal's width, because a line that wraps could not be drawn over. Names
 * are cleaned for the terminal. Main thread of a command, or under a lock.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct bar {
    FILE *out;
    size_t lines; /* drawn, and the cursor is below them */
    /* of the speed: where the bar began to count, and when */
    int64_t first_bytes, first_ms;
};

struct bar_whole {
    size_t done, files;
    int64_t done_bytes, bytes; /* of the files whose size is known */
    int64_t now_ms;            /* monotonic */
};

struct bar_file {
    const char *name;
    int64_t present, size; /* size -1: unknown */
};

void bar_draw(struct bar *bar, const struct bar_whole *whole, const struct bar_file *running,
              size_t count);
void bar_print(struct bar *bar, const char *line);
void bar_clear(struct bar *bar);

/* "40 s", "3 min", "2 h 5 min": the time that so many bytes take. Into ret (BAR_TIME). Pure. */
enum { BAR_TIME = 32 };
void bar_time(int64_t seconds, char ret[BAR_TIME]);
