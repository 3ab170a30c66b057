// SPDX-License-Identifier: Apache-2.0
/*
 * simulate [--seed N] [--seconds S] [--trace]
 *
 * Runs schedules from seed N upwards for S seconds. A broken promise prints its seed and the
 * command that repeats it, and exits 1. --trace runs the one schedule and tells what happens.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/sim/world.h"

enum { COUNTS = 1 << 20 };

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static int run(struct world *w, uint64_t seed, int64_t seconds, bool trace, const char *name)
{
    static uint32_t counts[COUNTS];
    int64_t begun = clock_monotonic_ms(), end = begun + 1000 * seconds, now = begun;
    uint64_t steps = 0, schedules = 0, first = seed;
    do {
        if (!world_run(w, seed, trace)) {
            printf("seed %" PRIu64 ": %s\nreplay: %s --seed %" PRIu64 " --trace\n", seed, w->fault,
                   name, seed);
            return 1;
        }
        counts[schedules++ % COUNTS] = (uint32_t)w->steps;
        steps += w->steps;
        seed++;
        now = clock_monotonic_ms();
    } while (!trace && now < end);
    size_t count = schedules < COUNTS ? (size_t)schedules : COUNTS;
    qsort(counts, count, sizeof(counts[0]), compare);
    printf("seeds %" PRIu64 " to %" PRIu64 ": %" PRIu64 " schedules, %" PRIu64 " events, %" PRIu64
           " events/s, median %u events per schedule\n",
           first, seed - 1, schedules, steps, steps * 1000 / (uint64_t)(now - begun + 1),
           counts[count / 2]);
    return 0;
}

int main(int argc, char **argv)
{
    uint64_t seed = 1;
    int64_t seconds = 5;
    bool trace = false;
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (!strcmp(argv[i], "--trace")) {
            trace = true;
        } else if (!strcmp(argv[i], "--seed") && more) {
            seed = strtoull(argv[++i], NULL, 10);
        } else if (!strcmp(argv[i], "--seconds") && more) {
            seconds = strtoll(argv[++i], NULL, 10);
        } else {
            (void)fprintf(stderr, "usage: %s [--seed N] [--seconds S] [--trace]\n", argv[0]);
            return 2;
        }
    }
    static struct world world;
    return run(&world, seed, seconds, trace, argv[0]);
}
