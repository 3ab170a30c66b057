// SPDX-License-Identifier: Apache-2.0
/* Mirrors' connections, shared among the flights as engine/files/sharing.c does. */
#include <stdlib.h>

#include "tests/sim/world.h"

static bool somebody_waits(const struct world *w)
{
    for (int f = 0; f < w->files; f++)
        for (unsigned s = 0; s < FLIGHT_SLOTS && w->blob[f].flight; s++)
            if (w->blob[f].ask[s].waiting)
                return true;
    return false;
}

static bool is_candidate(const struct world *w, const struct ask *ask, const struct transfer *t)
{
    return t->used && t->need != BUDGET_FREE && !(ask->excluded & (1u << t->mirror)) &&
           t->mirror < w->mirrors;
}

/* What has had its turn gives its connection: one at a time. */
static void make_way(struct world *w, int file, unsigned slot)
{
    const struct ask *ask = &w->blob[file].ask[slot];
    bool held[TRANSFERS] = {false};
    for (struct transfer *best;;) {
        best = NULL;
        for (int i = 0; i < w->transfers; i++) {
            struct transfer *t = &w->transfer[i];
            if (!is_candidate(w, ask, t))
                continue;
            if (t->stopped)
                return;
            if (!held[i] && precedence_gives_way(&t->turn, &ask->turn, world_now_ms(w)) &&
                (!best || precedence_yields_before(&t->turn, &best->turn)))
                best = t;
        }
        if (!best)
            return;
        struct blob *b = &w->blob[best->file];
        held[best - w->transfer] = true;
        if (!b->flight || b->downloads != best->flight || !flight_on_yield(b->flight, best->number))
            continue;
        TRACE(w, "file %d transfer %llu yields", best->file, (unsigned long long)best->number);
        owner_drain(w, best->file);
        return;
    }
}

static void choose_mirror(struct world *w, int file, unsigned slot, bool may)
{
    struct blob *b = &w->blob[file];
    size_t mirrors[MIRRORS];
    unsigned choice = 0;
    for (unsigned i = 0; i < w->mirrors; i++)
        mirrors[i] = i;
    struct ask *ask = &b->ask[slot];
    int r = may ? budget_pick(w->budget, mirrors, w->mirrors, ask->excluded,
                              ask->turn.brief ? BUDGET_BRIEF : BUDGET_BULK, ask->turn.rank,
                              world_now_ms(w), &choice)
                : BUDGET_BUSY;
    ask->waiting = r == BUDGET_BUSY;
    TRACE(w, "file %d slot %u asks without %x: %s %u", file, slot, ask->excluded,
          r == BUDGET_BUSY ? "busy"
          : r              ? "none"
                           : "mirror",
          choice);
    if (r == 0)
        owner_check_turn(w, file, slot, choice);
    if (r == 0 && ask->turn.brief)
        w->mirror[choice].served_brief_ms = world_now_ms(w);
    if (r != BUDGET_BUSY)
        flight_on_mirror(b->flight, slot, r ? FLIGHT_NO_MIRROR : choice, 0, "");
}

static void retry_soon(struct world *w, int64_t after_us)
{
    if (w->turns_due)
        return;
    w->turns_due = true;
    (void)world_post(w, EVENT_TURNS, after_us);
}

void owner_brief_came(struct world *w)
{
    if (somebody_waits(w))
        retry_soon(w, 1);
}

void owner_ask(struct world *w, int file, const struct flight_command *c)
{
    struct blob *b = &w->blob[file];
    if (c->slot >= FLIGHT_SLOTS || b->parked)
        world_fault(w, "file %d: an ask of slot %u%s", file, c->slot, b->parked ? ", parked" : "");
    struct ask *ask = &b->ask[c->slot];
    w->asks++;
    int64_t since_ms = ask->waiting ? ask->turn.since_ms : world_now_ms(w);
    bool queue = somebody_waits(w);
    *ask = (struct ask){true, {c->rank, c->brief, false, since_ms, false}, c->excluded};
    if (!queue && world_chance(w, 80))
        choose_mirror(w, file, c->slot, true);
    if (ask->waiting)
        retry_soon(w, queue ? 1 : (int64_t)world_random(w, 50000));
}

struct asking {
    int file;
    unsigned slot;
    struct precedence turn;
};

static int by_turn(const void *a, const void *b)
{
    return precedence_compare(&((const struct asking *)a)->turn, &((const struct asking *)b)->turn);
}

static bool is_waiting(const struct world *w, const struct asking *a)
{
    const struct ask *ask = &w->blob[a->file].ask[a->slot];
    return w->blob[a->file].flight && ask->waiting && precedence_compare(&ask->turn, &a->turn) == 0;
}

static int64_t turn_ms(const struct world *w, unsigned mirror)
{
    size_t count = 0;
    int64_t since_ms = world_now_ms(w);
    for (int f = 0; f < w->files; f++)
        for (unsigned s = 0; s < FLIGHT_SLOTS && w->blob[f].flight; s++) {
            const struct ask *ask = &w->blob[f].ask[s];
            if (!ask->waiting || !ask->turn.brief || (ask->excluded & (1u << mirror)))
                continue;
            count++;
            since_ms = ask->turn.since_ms < since_ms ? ask->turn.since_ms : since_ms;
        }
    return precedence_brief_ms(w->connections, count, world_now_ms(w) - since_ms);
}

static void end_turns(struct world *w)
{
    for (int i = 0; i < w->transfers; i++) {
        struct transfer *t = &w->transfer[i];
        if (!t->used || t->need != BUDGET_BRIEF)
            continue;
        int64_t held_ms = world_now_ms(w) - t->started_ms;
        t->turn.had_turn = held_ms < PRECEDENCE_BRIEF_MS &&
                           precedence_is_large(t->sent, t->end - t->at) &&
                           held_ms >= turn_ms(w, t->mirror);
        if (held_ms < PRECEDENCE_BRIEF_MS)
            continue;
        budget_lengthen(w->budget, t->mirror);
        t->need = BUDGET_BULK;
        t->turn.brief = false;
    }
}

void owner_retry_asks(struct world *w)
{
    struct asking list[FILES * FLIGHT_SLOTS];
    size_t count = 0;
    bool waits = false;
    end_turns(w);
    for (int f = 0; f < w->files; f++)
        for (unsigned s = 0; s < FLIGHT_SLOTS && w->blob[f].flight; s++)
            if (w->blob[f].ask[s].waiting)
                list[count++] = (struct asking){f, s, w->blob[f].ask[s].turn};
    qsort(list, count, sizeof(list[0]), by_turn);
    /* Who has come since, and what a transfer has left that was stopped here, belong to the next
     * round: those that were asked before may be first. */
    uint64_t asks = w->asks, freed = w->freed;
    for (size_t i = 0; i < count && w->asks == asks && w->freed == freed && !w->fault[0]; i++) {
        if (!is_waiting(w, &list[i]))
            continue;
        bool ahead = list[i].turn.rank == FLIGHT_RANK_AHEAD;
        choose_mirror(w, list[i].file, list[i].slot, !waits || !ahead);
        owner_drain(w, list[i].file);
        waits |= is_waiting(w, &list[i]);
    }
    if (w->asks != asks || w->freed != freed)
        retry_soon(w, 1);
    for (size_t i = 0; i < count && !w->fault[0]; i++)
        if (is_waiting(w, &list[i]))
            make_way(w, list[i].file, list[i].slot);
}
