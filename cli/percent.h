// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * How far a command is, in one line that overwrites itself: " 34 % of 120 MB". Only where the
 * standard error is a terminal. Main thread of a command.
 *
 *     struct percent percent;
 *     percent_begin(&percent);
 *     percent_show(&percent, done, total) ...         bytes; drawn five times a second at most
 *     percent_end(&percent);                          the line is taken away
 */
#include <stdbool.h>
#include <stdint.h>

struct percent {
    bool is_terminal;
    int64_t shown_ms;
};

void percent_begin(struct percent *percent);
void percent_show(struct percent *percent, int64_t done, int64_t total);
void percent_end(struct percent *percent);
