// SPDX-License-Identifier: Apache-2.0
/* The clock, the dice, and the schedule: what happens when. */
#include "tests/sim/world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    BUSY_US = 30 * 1000000,
    QUIET_US = 900 * 1000000, /* for what was begun to end, patient readers included */
    TICK_US = 250000,
    WELL_MS = 60000,
    IDLE_MS = 200000, /* for an unread file to be completed at most; ticks are rare by then */
    STEPS_MOST = 400000,
};
static const int64_t FORGET_US = 3 * 3600ll * 1000000;

/* splitmix64 */
uint64_t world_random(struct world *w, uint64_t below)
{
    uint64_t z = (w->random += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % below;
}

bool world_chance(struct world *w, unsigned percent)
{
    return world_random(w, 100) < percent;
}

int64_t world_now_ms(const struct world *w)
{
    return w->now_us / 1000;
}

void world_fault(struct world *w, const char *format, ...)
{
    if (w->fault[0])
        return; /* what follows a broken promise tells nothing */
    va_list args;
    va_start(args, format);
    (void)vsnprintf(w->fault, sizeof(w->fault), format, args);
    va_end(args);
    TRACE(w, "FAULT %s", w->fault);
}

void world_trace(struct world *w, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("%12.6f ", (double)w->now_us / 1e6);
    vprintf(format, args);
    putchar('\n');
    va_end(args);
}

/* ---------------------------------------------------------------- events */

static bool is_before(const struct event *a, const struct event *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void swap_events(struct event *a, struct event *b)
{
    struct event e = *a;
    *a = *b;
    *b = e;
}

/* The caller fills in the rest of the event: neither time nor order change by it. */
struct event *world_post(struct world *w, enum event_type type, int64_t after_us)
{
    if (w->events == EVENTS) {
        world_fault(w, "too many events");
        w->events--;
    }
    size_t i = w->events++;
    w->heap[i] = (struct event){.at_us = w->now_us + after_us, .order = ++w->order, .type = type};
    for (; i && is_before(&w->heap[i], &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap_events(&w->heap[i], &w->heap[(i - 1) / 2]);
    return &w->heap[i];
}

static bool next_event(struct world *w, struct event *ret)
{
    if (!w->events)
        return false;
    *ret = w->heap[0];
    w->heap[0] = w->heap[--w->events];
    for (size_t i = 0, child; (child = 2 * i + 1) < w->events; i = child) {
        if (child + 1 < w->events && is_before(&w->heap[child + 1], &w->heap[child]))
            child++;
        if (!is_before(&w->heap[child], &w->heap[i]))
            break;
        swap_events(&w->heap[i], &w->heap[child]);
    }
    return true;
}

static bool is_work(enum event_type type)
{
    return type != EVENT_ARRIVE && type != EVENT_DIGEST && type != EVENT_CORRECT &&
           type != EVENT_PORTAL && type != EVENT_MIRROR && type != EVENT_TICK &&
           type != EVENT_STOP && type != EVENT_CRASH;
}

void world_forget_work(struct world *w)
{
    size_t count = w->events;
    w->events = 0;
    w->turns_due = false;
    for (size_t i = 0; i < count; i++) {
        struct event e = w->heap[i];
        if (is_work(e.type))
            continue;
        size_t at = w->events++;
        w->heap[at] = e;
        for (; at && is_before(&w->heap[at], &w->heap[(at - 1) / 2]); at = (at - 1) / 2)
            swap_events(&w->heap[at], &w->heap[(at - 1) / 2]);
    }
}

/* -------------------------------------------------------------- schedule */

static int64_t draw_size(struct world *w)
{
    static const int64_t edges[] = {0, 1, 2, 65535, 65536, 65537, 1 << 20};
    if (world_chance(w, 25))
        return edges[world_random(w, sizeof(edges) / sizeof(edges[0]))];
    if (world_chance(w, 50))
        return (int64_t)world_random(w, 2 << 20);
    return (int64_t)world_random(w, world_chance(w, 85) ? 24 << 20 : 120 << 20);
}

static void prepare_portal(struct world *w)
{
    if (portal_new(&w->portal))
        world_fault(w, "portal_new failed");
    if (!world_chance(w, 15))
        return;
    int64_t at = (int64_t)world_random(w, BUSY_US / 2);
    struct event *e = world_post(w, EVENT_PORTAL, at);
    e->index = world_chance(w, 50) ? 100 : 1 + (int)world_random(w, 100);
    e->number = world_random(w, PORTAL_KINDS);
    world_post(w, EVENT_PORTAL, at + (int64_t)world_random(w, BUSY_US / 2))->index = 0;
}

static void prepare(struct world *w)
{
    w->mirrors = 1 + (unsigned)world_random(w, MIRRORS);
    w->files = 1 + (int)world_random(w, FILES);
    w->disk_trouble = world_chance(w, 70) ? 0 : (unsigned)world_random(w, 100);
    for (int f = 0; f < w->files; f++) {
        w->size[f] = draw_size(w);
        w->has_digest[f] = world_chance(w, 65);
        w->has_size[f] = world_chance(w, 40);
        w->blob[f].row_size = w->has_size[f] ? w->size[f] : -1;
        w->name[f][0] = (char)('0' + f);
    }
    for (unsigned m = 0; m < w->mirrors; m++) {
        mirror_make(w, m);
        w->hopeful |= w->mirror[m].honest;
        world_post(w, EVENT_MIRROR, (int64_t)world_random(w, 20000000))->index = (int)m;
    }
    claims_prepare(w);
    prepare_portal(w);
    unsigned readers = 1 + (unsigned)world_random(w, 30);
    for (unsigned i = 0; i < readers; i++) {
        int64_t at = world_chance(w, 30) ? 0 : (int64_t)world_random(w, BUSY_US);
        struct event *e = world_post(w, EVENT_ARRIVE, at);
        e->file = (int)world_random(w, (uint64_t)w->files);
        e->index = -1;
    }
    if (world_chance(w, 15))
        world_post(w, EVENT_STOP, (int64_t)world_random(w, BUSY_US));
    world_post(w, EVENT_TICK, TICK_US);
    w->has_boot_id = !world_chance(w, 10);
    w->tells_rates = world_chance(w, 50);
    w->crashes = world_chance(w, 50);
    for (unsigned i = w->crashes ? 1 + (unsigned)world_random(w, 5) : 0; i; i--)
        world_post(w, EVENT_CRASH, (int64_t)world_random(w, BUSY_US))->index =
            (int)world_random(w, CRASH_RESTART + 1);
    w->connections = 1 + (unsigned)world_random(w, 4);
    if (budget_new(w->mirrors, w->connections, w->random, &w->budget))
        world_fault(w, "budget_new failed");
    if (refusals_new(&w->refusals))
        world_fault(w, "refusals_new failed");
}

static void on_stop(struct world *w)
{
    w->stopping = true;
    for (int f = 0; f < w->files; f++) {
        if (!w->blob[f].flight)
            continue;
        flight_on_stop(w->blob[f].flight);
        owner_drain(w, f);
        if (w->blob[f].flight)
            world_fault(w, "file %d: stopped, but no end", f);
    }
}

static void tell_time(struct world *w)
{
    int64_t rates[FLIGHT_MIRRORS] = {0};
    for (unsigned m = 0; m < w->mirrors; m++)
        rates[m] = budget_rate(w->budget, m, world_now_ms(w));
    for (int f = 0; f < w->files; f++) {
        if (!w->blob[f].flight)
            continue;
        owner_allow(w, f);
        flight_on_tick(w->blob[f].flight, world_now_ms(w), w->tells_rates ? rates : NULL);
        owner_drain(w, f);
        owner_check_sync(w, f);
    }
}

static bool flies(const struct world *w)
{
    struct flight_view v = {.parked = true};
    for (int f = 0; f < w->files && v.parked; f++)
        if (w->blob[f].flight)
            flight_view(w->blob[f].flight, &v);
    return !v.parked;
}

static void on_tick(struct world *w)
{
    tell_time(w);
    owner_retry_asks(w);
    owner_check_turns(w);
    for (int f = 0; f < w->files; f++)
        readers_wake(w, f); /* those whose time to leave has come */
    bool idle = w->calm && !flies(w);
    for (int i = 0; i < w->readers && idle; i++)
        idle = !w->reader[i].used;
    world_post(w, EVENT_TICK, idle ? 60 * TICK_US : TICK_US);
}

static void on_arrive(struct world *w, const struct event *e)
{
    if (w->stopping || w->now_us > BUSY_US + QUIET_US / 2)
        return;
    if (e->index >= 0)
        readers_arrive_final(w, e->file, (unsigned)e->index);
    else
        readers_arrive(w, e->file);
}

static void dispatch(struct world *w, const struct event *e)
{
    switch (e->type) {
    case EVENT_ARRIVE:
        on_arrive(w, e);
        break;
    case EVENT_READER:
        if (w->reader[e->index].used && w->reader[e->index].id == e->serial)
            reader_step(w, &w->reader[e->index]);
        break;
    case EVENT_TRANSFER:
        if (w->transfer[e->index].used && w->transfer[e->index].serial == e->serial)
            transfer_step(w, &w->transfer[e->index]);
        break;
    case EVENT_WRITTEN:
        owner_on_written(w, e);
        break;
    case EVENT_HASHED:
        owner_on_hashed(w, e);
        break;
    case EVENT_JUDGED:
        judge_end(w, e);
        break;
    case EVENT_COMMITTED:
        owner_on_committed(w, e);
        break;
    case EVENT_TURNS:
        w->turns_due = false;
        owner_retry_asks(w);
        break;
    case EVENT_SYNC_COPY:
        disk_on_sync_copy(w, e);
        break;
    case EVENT_SYNC_END:
        disk_on_sync_end(w, e);
        break;
    case EVENT_CRASH:
        if (!w->stopping && !w->calm)
            crash(w, (enum crash)e->index);
        break;
    case EVENT_DIGEST:
        claims_read(w, e->file, (unsigned)e->index);
        break;
    case EVENT_CORRECT:
        claims_correct(w, e->file, (unsigned)e->index);
        break;
    case EVENT_MIRROR:
        if (w->calm)
            break;
        mirror_change(w, (unsigned)e->index);
        world_post(w, EVENT_MIRROR, (int64_t)world_random(w, 20000000))->index = e->index;
        break;
    case EVENT_PORTAL:
        w->portal_percent = w->calm ? 0 : (unsigned)e->index;
        w->portal_kind = (enum portal_kind)e->number;
        w->portal_host = e->index && world_chance(w, 10) ? "portal.example" : NULL;
        TRACE(w, "portal %s", w->portal_percent ? "comes" : "goes");
        break;
    case EVENT_TICK:
        on_tick(w);
        break;
    case EVENT_STOP:
        on_stop(w);
        break;
    }
}

static void run_until(struct world *w, int64_t until_us)
{
    struct event e;
    while (!w->fault[0] && w->events && w->heap[0].at_us <= until_us && next_event(w, &e)) {
        w->now_us = e.at_us;
        dispatch(w, &e);
        if (w->crash_now)
            crash(w, world_chance(w, 70) ? CRASH_POWER : CRASH_KILL);
        w->crash_now = false;
        for (int f = 0; f < w->files; f++)
            owner_check(w, f);
        if (++w->steps > STEPS_MOST)
            world_fault(w, "the schedule does not end");
    }
}

/* ------------------------------------------------------------- the end */

static void begin_calm(struct world *w)
{
    TRACE(w, "---- calm");
    w->calm = true;
    w->all_good = w->files == 1;
    for (int f = 0; f < w->files; f++) {
        w->page[f][SITE].version = w->has_digest[f] ? RIGHT : 0;
        w->page[f][SITE].size = w->size[f];
        claims_read_all(w, f);
        w->good[f] = w->hopeful && claims_allow_right(w, f);
        w->all_good &= w->good[f] && claims_any(w, f) && !w->blob[f].portal_seen;
        struct event *e = world_post(w, EVENT_ARRIVE, 1);
        e->file = f;
        e->index = 0;
        for (int i = 0; i < 3; i++) { /* and others, once all is well */
            e = world_post(w, EVENT_ARRIVE, 2 * WELL_MS * 1000ll + i);
            e->file = f;
            e->index = -1;
        }
    }
    for (unsigned m = 0; m < w->mirrors; m++)
        mirror_calm(w, m);
    w->well_ms = world_now_ms(w) + WELL_MS;
}

/* No reader waits any more, and each one with patience and an honest mirror was served. */
static void check_readers(struct world *w)
{
    for (int i = 0; i < w->readers; i++)
        if (w->reader[i].used && !w->reader[i].stepping && !w->reader[i].final)
            world_fault(w, "file %d: reader %" PRIu64 " waits for ever", w->reader[i].file,
                        w->reader[i].id);
    for (int f = 0; f < w->files && !w->stopping; f++)
        if (w->good[f] && !w->served[f])
            world_fault(w, "file %d: an honest mirror, and a patient reader was not served", f);
}

static void check_leaks(struct world *w)
{
    for (int f = 0; f < w->files; f++)
        if (w->blob[f].flight)
            world_fault(w, "file %d: the flight is there hours after the last reader", f);
    for (unsigned m = 0; m < w->mirrors; m++) {
        struct budget_view v;
        budget_view(w->budget, m, world_now_ms(w), &v);
        if (v.connections)
            world_fault(w, "mirror %u: %u connections leaked", m, v.connections);
    }
}

static void check_unread(struct world *w)
{
    for (int f = 0; f < w->files; f++)
        if (w->blob[f].flight && w->blob[f].idle_ms >= 0 &&
            world_now_ms(w) - w->blob[f].idle_ms > IDLE_MS)
            world_fault(w, "file %d: nobody reads, and the flight neither ended nor parked", f);
}

bool world_run(struct world *w, uint64_t seed, bool trace)
{
    memset(w, 0, sizeof(*w));
    w->random = seed;
    w->trace = trace;
    prepare(w);
    run_until(w, BUSY_US);
    begin_calm(w);
    run_until(w, BUSY_US + QUIET_US);
    if (!w->fault[0])
        check_readers(w);
    if (!w->fault[0])
        check_unread(w);
    run_until(w, BUSY_US + QUIET_US + FORGET_US);
    if (!w->fault[0])
        check_leaks(w);
    owner_release(w);
    return !w->fault[0];
}
