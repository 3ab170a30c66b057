// SPDX-License-Identifier: Apache-2.0
/* What the model says of each transfer that is asked for, and of flights after each step. */
#include "tests/sim/world.h"

enum {
    WASTE_EACH = 3 << 20, /* bytes that may come in vain per transfer */
    SYNC_MS = 2000,
    OVERTAKEN_MS = 1,
    STARVED_MS = 3000,
};

/* ------------------------------------------------------------------ what is asked */

/* A byte instead of HEAD is no company. */
static bool is_company(const struct world *w, int file, const struct transfer *t)
{
    return t->used && t->file == file && t->flight == w->blob[file].downloads && !t->stopped &&
           !t->over && !t->head && t->to != 1;
}

static bool is_bringing(const struct blob *b, const struct transfer *t, int64_t at)
{
    struct extent run;
    bool is_short =
        t->to >= 0 && t->to - t->from <= 16 << 20 && !t->limit && !b->ignored_range[t->mirror];
    return is_short && t->from <= at && at < t->to &&
           extents_missing(&b->reported, t->from, at + 1, &run) && run.from <= at;
}

/* Whether it is asked because another one was silent for a second, or slow for three (of the
 * flight's clock, which ticks four times in one). */
static bool is_hedge(struct world *w, int file, const struct flight_command *c)
{
    const struct blob *b = &w->blob[file];
    unsigned silent = 0, slow = 0;
    for (int i = 0; i < w->transfers; i++) {
        const struct transfer *t = &w->transfer[i];
        if (!is_company(w, file, t))
            continue;
        /* The clock ticks rarely in the quiet end: what began just now looks old. */
        int64_t age_ms = w->calm ? INT64_MAX : world_now_ms(w) - t->started_ms;
        bool same = t->from == c->from || (is_bringing(b, t, c->from) && age_ms >= 750);
        silent += !t->answered && same;
        slow +=
            t->answered && t->mirror != c->mirror && is_bringing(b, t, c->from) && age_ms >= 2500;
    }
    if (silent + slow > 1 && !c->head && c->to != 1)
        world_fault(w, "file %d: [%lld, %lld) is asked a third time", file, (long long)c->from,
                    (long long)c->to);
    return silent + slow;
}

/* Never more transfers of a mirror than the flight was allowed, and no run twice at once. */
static void check_company(struct world *w, int file, const struct flight_command *c)
{
    const struct blob *b = &w->blob[file];
    bool hedge = is_hedge(w, file, c);
    unsigned count = 0;
    for (int i = 0; i < w->transfers; i++) {
        const struct transfer *t = &w->transfer[i];
        if (!is_company(w, file, t))
            continue;
        count += t->mirror == c->mirror;
        if (!hedge && !c->head && is_bringing(b, t, c->from))
            world_fault(w, "file %d: [%lld, %lld) is asked, which transfer %llu brings", file,
                        (long long)c->from, (long long)c->to, (unsigned long long)t->number);
    }
    if (count >= b->connections && !c->head && c->to != 1)
        world_fault(w, "file %d: %u transfers of mirror %u already", file, count, c->mirror);
}

/* Nothing that is there, but of mirrors that know no ranges. */
static void check_present(struct world *w, int file, const struct flight_command *c)
{
    struct blob *b = &w->blob[file];
    bool any = false;
    for (unsigned m = 0; m < w->mirrors; m++)
        any |= b->ignored_range[m];
    int64_t to = c->to >= 0 ? c->to : b->size >= 0 ? b->size : INT64_MAX;
    bool full = any && c->from == 0 && c->to < 0;
    b->fulls += full;
    bool instead_of_head = c->to == 1 && !b->known;
    for (size_t i = 0; i < b->reported.count && !full && !c->head && !instead_of_head; i++)
        if (b->reported.list[i].from < to && b->reported.list[i].to > c->from)
            world_fault(w, "file %d: [%lld, %lld) is asked, of which [%lld, %lld) is there", file,
                        (long long)c->from, (long long)c->to, (long long)b->reported.list[i].from,
                        (long long)b->reported.list[i].to);
}

void owner_check_start(struct world *w, int file, const struct flight_command *c)
{
    check_company(w, file, c);
    check_present(w, file, c);
}

/* -------------------------------------------------- the choice of mirrors */

static bool is_before(const struct precedence *a, const struct precedence *b)
{
    if (a->brief != b->brief)
        return a->brief;
    if (a->rank != b->rank && !a->brief)
        return a->rank < b->rank;
    return a->since_ms < b->since_ms;
}

/* No ask that could use this connection was to have it before, and still waits. */
void owner_check_turn(struct world *w, int file, unsigned slot, unsigned mirror)
{
    const struct precedence *mine = &w->blob[file].ask[slot].turn;
    for (int f = 0; f < w->files; f++)
        for (unsigned s = 0; s < FLIGHT_SLOTS && w->blob[f].flight; s++) {
            const struct ask *other = &w->blob[f].ask[s];
            bool fits = !(other->excluded & (1u << mirror)) && (other->turn.brief || !mine->brief);
            if (other->waiting && fits && (f != file || s != slot) &&
                world_now_ms(w) - other->turn.since_ms > OVERTAKEN_MS &&
                !budget_is_backing_off(w->budget, mirror, world_now_ms(w)) &&
                is_before(&other->turn, mine))
                world_fault(w, "file %d slot %u: overtaken by file %d slot %u at mirror %u", f, s,
                            file, slot, mirror);
        }
}

/* Bulk does not keep a mirror from what is brief: of the brief asks, one is served at least each
 * STARVED_MS. Each may have its turn of a second, so the last of many waits longer than the first. */
static void check_starving(struct world *w, int file, unsigned slot)
{
    const struct ask *ask = &w->blob[file].ask[slot];
    unsigned bulk[MIRRORS] = {0};
    if (!ask->waiting || !ask->turn.brief || w->calm)
        return;
    for (int i = 0; i < w->transfers; i++)
        if (w->transfer[i].used && w->transfer[i].need != BUDGET_FREE)
            bulk[w->transfer[i].mirror] += 1 + (w->transfer[i].turn.brief ? 1000 : 0);
    for (unsigned m = 0; m < w->mirrors; m++) {
        int64_t since_ms = ask->turn.since_ms > w->mirror[m].served_brief_ms
                               ? ask->turn.since_ms
                               : w->mirror[m].served_brief_ms;
        if (!(ask->excluded & (1u << m)) && world_now_ms(w) - since_ms >= STARVED_MS &&
            w->mirror[m].rate > 1 && w->connections > 1 && bulk[m] >= w->connections &&
            bulk[m] < 2 * w->connections && !budget_is_backing_off(w->budget, m, world_now_ms(w)))
            world_fault(w, "file %d slot %u: brief, and waits for bulk since %lld ms", file, slot,
                        (long long)(world_now_ms(w) - since_ms));
    }
}

void owner_check_turns(struct world *w)
{
    for (int f = 0; f < w->files; f++)
        for (unsigned s = 0; s < FLIGHT_SLOTS && w->blob[f].flight; s++)
            check_starving(w, f, s);
}

/* --------------------------------------------------------- after each step */

static int64_t below(const struct extents *set, int64_t size)
{
    int64_t total = 0;
    for (size_t i = 0; i < set->count && (size < 0 || set->list[i].from < size); i++)
        total += (size >= 0 && set->list[i].to > size ? size : set->list[i].to) - set->list[i].from;
    return total;
}

static bool is_busy(const struct world *w, int file)
{
    const struct blob *b = &w->blob[file];
    if (b->hashing || b->judging || b->committing)
        return true;
    for (unsigned s = 0; s < FLIGHT_SLOTS; s++)
        if (b->ask[s].waiting)
            return true;
    for (int i = 0; i < w->transfers; i++)
        if (w->transfer[i].used && w->transfer[i].file == file &&
            w->transfer[i].flight == b->downloads)
            return true;
    return false;
}

/* Two seconds, and a tick: what a power cut may take. */
void owner_check_sync(struct world *w, int file)
{
    const struct blob *b = &w->blob[file];
    struct flight_view v;
    if (!b->flight || b->syncing || b->unsynced_ms < 0)
        return;
    flight_view(b->flight, &v);
    if (v.size >= 0 && !v.verified && world_now_ms(w) - b->unsynced_ms >= SYNC_MS)
        world_fault(w, "file %d: bytes wait for the disk since %lld ms", file,
                    (long long)(world_now_ms(w) - b->unsynced_ms));
}

void owner_check(struct world *w, int file)
{
    struct blob *b = &w->blob[file];
    if (!b->flight || w->fault[0])
        return;
    struct flight_view v;
    flight_view(b->flight, &v);
    if (v.present != below(&b->reported, v.size))
        world_fault(w, "file %d: the flight counts %lld bytes, the disk has %lld", file,
                    (long long)v.present, (long long)below(&b->reported, v.size));
    bool waits = false;
    for (int i = 0; i < w->readers; i++) {
        const struct reader *r = &w->reader[i];
        waits |= r->used && r->file == file && !r->stepping;
    }
    if (waits && !b->verified && !is_busy(w, file))
        world_fault(w, "file %d: a reader waits and nothing is under way", file);
    if (b->size >= 0 && b->dropped > (int64_t)b->transfers * WASTE_EACH + b->fulls * b->size)
        world_fault(w, "file %d: %lld bytes came twice in %u transfers", file,
                    (long long)b->dropped, b->transfers);
    if (v.readers || v.parked || v.verified)
        b->idle_ms = -1;
    else if (b->idle_ms < 0)
        b->idle_ms = world_now_ms(w);
}
