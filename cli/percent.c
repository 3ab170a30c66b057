// SPDX-License-Identifier: Apache-2.0
#include "cli/percent.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

enum { TICK_MS = 200 };

void percent_begin(struct percent *p)
{
    *p = (struct percent){.is_terminal = isatty(STDERR_FILENO) == 1};
}

void percent_show(struct percent *p, int64_t done, int64_t total)
{
    int64_t now_ms = clock_monotonic_ms();
    if (!p->is_terminal || now_ms - p->shown_ms < TICK_MS)
        return;
    p->shown_ms = now_ms;
    (void)fprintf(stderr, "\r%3d %% of %" PRId64 " MB ",
                  total > 0 ? (int)((double)done * 100 / (double)total) : 100, total / 1000000);
}

void percent_end(struct percent *p)
{
    if (p->is_terminal)
        (void)fputs("\r\033[K", stderr);
}
