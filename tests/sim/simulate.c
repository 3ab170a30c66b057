// SPDX-License-Identifier: Apache-2.0
/*
 * simulate [--seed N] [--seconds S | --seeds COUNT] [--trace]
 *
 * Runs schedules from seed N upwards, for S seconds or so many. A broken promise prints its seed
 * and the command that repeats it, and exits 1. --trace runs the one schedule and tells what
 * happens.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "tests/sim/world.h"

enum { COUNTS = 1 << 20 };

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

struct options {
    uint64_t seed, seeds; /* seeds: 0: as many as there is time for */
    int64_t seconds;
    bool trace;
};

static int run(struct world *w, const struct options *o, const char *name)
{
    static uint32_t counts[COUNTS];
    int64_t end = clock_monotonic_ms() + 1000 * o->seconds;
    clock_t begun = clock();
    uint64_t seed = o->seed, steps = 0, schedules = 0, first = seed;
    do {
        if (!world_run(w, seed, o->trace)) {
            printf("seed %" PRIu64 ": %s\nreplay: %s --seed %" PRIu64 " --trace\n", seed, w->fault,
                   name, seed);
            return 1;
        }
        counts[schedules++ % COUNTS] = (uint32_t)w->steps;
        steps += w->steps;
        seed++;
    } while (!o->trace && (o->seeds ? schedules < o->seeds : clock_monotonic_ms() < end));
    uint64_t used_ms = (uint64_t)(clock() - begun) * 1000 / CLOCKS_PER_SEC;
    size_t count = schedules < COUNTS ? (size_t)schedules : COUNTS;
    qsort(counts, count, sizeof(counts[0]), compare);
    printf("seeds %" PRIu64 " to %" PRIu64 ": %" PRIu64 " schedules, %" PRIu64 " events, %" PRIu64
           " events per second of processor, median %u events per schedule\n",
           first, seed - 1, schedules, steps, steps * 1000 / (used_ms + 1), counts[count / 2]);
    return 0;
}

int main(int argc, char **argv)
{
    struct options o = {.seed = 1, .seconds = 5};
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (!strcmp(argv[i], "--trace")) {
            o.trace = true;
        } else if (!strcmp(argv[i], "--seed") && more) {
            o.seed = strtoull(argv[++i], NULL, 10);
        } else if (!strcmp(argv[i], "--seeds") && more) {
            o.seeds = strtoull(argv[++i], NULL, 10);
        } else if (!strcmp(argv[i], "--seconds") && more) {
            o.seconds = strtoll(argv[++i], NULL, 10);
        } else {
            (void)fprintf(stderr, "usage: %s [--seed N] [--seconds S | --seeds COUNT] [--trace]\n",
                          argv[0]);
            return 2;
        }
    }
    static struct world world;
    return run(&world, &o, argv[0]);
}
