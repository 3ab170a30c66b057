// SPDX-License-Identifier: Apache-2.0
/* The daemon dies, or is asked to stop, and starts again: only disks, catalogue and mirrors stay.
 */
#include <string.h>

#include "tests/sim/world.h"

/* The lanes do what they have, then the process ends. */
static void stop_downloads(struct world *w)
{
    w->restarting = true;
    for (int f = 0; f < w->files; f++) {
        struct blob *b = &w->blob[f];
        if (!b->flight || b->committing) /* a commit is waited for, or is cut */
            continue;
        int64_t bytes = extents_total(&b->reported);
        /* After a cut they may be of one mirror alone, which was not proven right. */
        bool worth = b->disk.map && bytes > 0 && !b->cut_since_known && !b->verified;
        flight_on_stop(b->flight);
        owner_drain(w, f);
        if (b->flight)
            world_fault(w, "file %d: stopped, but no end", f);
        if (worth && !b->left.id)
            world_fault(w, "file %d: stopped, and %lld bytes thrown away", f, (long long)bytes);
        disk_finish_sync(w, &b->left);
    }
    w->restarting = false;
}

static void forget_flight(struct world *w, int file)
{
    struct blob *b = &w->blob[file];
    readers_dismiss(w, file, "crash");
    if (b->flight && b->committing && world_chance(w, 50)) {
        b->kept = true; /* it had got as far as the rename */
        disk_release(&b->disk);
    } else if (b->flight) {
        disk_leave(w, file);
    }
    flight_free(b->flight);
    b->flight = NULL;
    b->committing = false;
    b->verified &= b->kept;
    claims_compare_kept(w, file);
    if (!b->kept)
        owner_forget_partial(b);
}

static void restart(struct world *w)
{
    for (int i = 0; i < w->transfers; i++)
        w->transfer[i].used = false;
    w->ends = 0;
    world_forget_work(w);
    budget_free(w->budget);
    w->budget = NULL;
    memset(w->lies, 0, sizeof(w->lies));
    w->connections = 1 + (unsigned)world_random(w, 4);
    if (budget_new(w->mirrors, w->connections, w->random, &w->budget))
        world_fault(w, "budget_new failed");
    for (unsigned m = 0; m < w->mirrors; m++)
        if (world_chance(w, 30)) /* it took a while */
            mirror_change(w, m);
}

void crash(struct world *w, enum crash kind)
{
    static const char *const names[] = {"KILLED", "POWER CUT", "RESTARTED"};
    TRACE(w, "---- %s", names[kind]);
    w->restarts++;
    if (kind == CRASH_RESTART)
        stop_downloads(w);
    for (int f = 0; f < w->files; f++) {
        forget_flight(w, f);
        w->blob[f].left.syncing = w->blob[f].left.is_copied = false;
    }
    if (kind == CRASH_POWER) {
        w->boot++;
        for (int f = 0; f < w->files; f++)
            disk_cut_power(w, &w->blob[f].left);
    }
    restart(w);
}
