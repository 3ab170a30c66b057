// SPDX-License-Identifier: Apache-2.0
/* Mirrors and the transfers from them: what libcurl and the network would do, and how they fail. */
#include <string.h>

#include "base/error.h"
#include "tests/sim/world.h"

enum { CHUNK = 256 << 10, PORTAL_BYTES = 2000 };

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---------------------------------------------------------------- making */

static void spoil_copy(struct world *w, struct copy *c, int64_t size)
{
    switch (world_random(w, 8)) {
    case 0:
        *c = (struct copy){.spoilt = -1, .told = -1};
        break;
    case 1: /* another file under the same name */
        c->version = 2 + (int)world_random(w, 2);
        c->size = c->told = size + (int64_t)world_random(w, 3) * 1000;
        c->validator = c->validator ? 100 + c->version : 0;
        break;
    case 2: /* a truncated copy that thinks it is whole */
        c->size = c->told = (int64_t)world_random(w, (uint64_t)size + 1);
        break;
    case 3: /* a proxy that ends bodies early */
        c->size = (int64_t)world_random(w, (uint64_t)size + 1);
        break;
    case 4:
        c->told = -1;
        break;
    case 5:
        c->validator = 0;
        break;
    default:
        if (size > 0)
            c->spoilt = (int64_t)world_random(w, (uint64_t)size);
    }
}

static void make_copies(struct world *w, unsigned index)
{
    struct server *m = &w->mirror[index];
    for (int f = 0; f < w->files; f++) {
        int64_t size = w->size[f];
        struct copy *c = &m->copy[f];
        *c = (struct copy){RIGHT, size, -1, size, world_chance(w, 60) ? 1 : 10 + (int)index};
        if (world_chance(w, 8))
            c->validator = 0;
        if (world_chance(w, 15) && !(m->honest && !w->has_digest[f] && !w->has_size[f]))
            c->told = -1; /* chunked */
        if (!m->honest && world_chance(w, 50))
            spoil_copy(w, c, size);
    }
}

void mirror_make(struct world *w, unsigned index)
{
    struct server *m = &w->mirror[index];
    *m = (struct server){.honest = world_chance(w, 50)};
    m->refuses_head = world_chance(w, 15);
    m->ignores_ranges = world_chance(w, 15);
    m->unframed = !m->honest && world_chance(w, 15);
    if (world_chance(w, 15)) /* of a range it sends no more at once */
        m->piece = (m->honest ? 64 << 10 : 1) + (int64_t)world_random(w, 2 << 20);
    make_copies(w, index);
    mirror_change(w, index);
}

/* Trouble comes and goes; the copies of an honest mirror stay. */
void mirror_change(struct world *w, unsigned index)
{
    struct server *m = &w->mirror[index];
    m->down = world_chance(w, 20);
    m->trouble = world_chance(w, 40) ? 0 : (unsigned)world_random(w, 90);
    m->latency_ms = 1 + (unsigned)world_random(w, 200);
    m->rate = world_chance(w, 10) ? 30 : 100 + (unsigned)world_random(w, 20000);
    if (world_chance(w, 3))
        m->rate = 1;
    if (!m->honest && world_chance(w, 30))
        make_copies(w, index);
}

/* In the quiet end honest mirrors work; the others lie on, trickle or are down. */
void mirror_calm(struct world *w, unsigned index)
{
    struct server *m = &w->mirror[index];
    m->rate = 2000 + (unsigned)world_random(w, 20000);
    if (m->honest) {
        m->down = false;
        m->trouble = 0;
    } else if (world_chance(w, 50)) {
        m->down = true;
    } else if (w->all_good && world_chance(w, 20)) {
        m->rate = 1; /* it trickles: the others are to be asked */
        m->trouble = 0;
    }
}

/* ------------------------------------------------------------- transfers */

struct transfer *transfer_find(struct world *w, int file, uint64_t flight, uint64_t number)
{
    for (int i = 0; i < w->transfers; i++) {
        struct transfer *t = &w->transfer[i];
        if (t->used && t->file == file && t->flight == flight && t->number == number)
            return t;
    }
    return NULL;
}

static void post_step(struct world *w, struct transfer *t, int64_t after_us)
{
    struct event *e = world_post(w, EVENT_TRANSFER, after_us);
    e->index = (int)(t - w->transfer);
    e->serial = t->serial;
}

static void draw_fate(struct world *w, struct transfer *t, const struct server *m)
{
    t->fate = FATE_GOOD;
    if (m->down)
        t->fate = FATE_REFUSED;
    else if (world_chance(w, m->trouble))
        t->fate = (enum fate)world_random(w, FATE_STALL + 1);
    t->fate_at = t->from;
    if (w->size[t->file] > t->from)
        t->fate_at += (int64_t)world_random(w, (uint64_t)(w->size[t->file] - t->from));
    if (world_chance(w, 20))
        t->fate_at = t->from;
}

void transfer_start(struct world *w, int file, const struct flight_command *c)
{
    int i = 0;
    while (i < TRANSFERS && w->transfer[i].used)
        i++;
    if (i == TRANSFERS) {
        world_fault(w, "more than %d transfers at once", TRANSFERS);
        return;
    }
    w->transfers = i < w->transfers ? w->transfers : i + 1;
    struct blob *b = &w->blob[file];
    struct transfer *t = &w->transfer[i];
    *t = (struct transfer){.used = true,
                           .file = file,
                           .slot = c->slot,
                           .mirror = c->mirror,
                           .number = c->transfer,
                           .flight = b->downloads,
                           .partial = b->partial,
                           .head = c->head,
                           .resume = c->resume,
                           .from = c->from,
                           .to = c->to,
                           .copy = w->mirror[c->mirror].copy[file],
                           .started_ms = world_now_ms(w),
                           .serial = ++w->last_serial};
    if (world_chance(w, w->portal_percent))
        t->copy = (struct copy){PORTAL, PORTAL_BYTES, -1, PORTAL_BYTES, 0};
    t->portal_kind = w->portal_kind;
    b->portal_seen |= t->copy.version == PORTAL && t->portal_kind != PORTAL_PLAIN;
    draw_fate(w, t, &w->mirror[c->mirror]);
    struct precedence *turn = &b->ask[c->slot].turn;
    t->turn = (struct precedence){turn->rank, turn->brief, false, world_now_ms(w), false};
    t->need = c->head ? BUDGET_FREE : turn->brief ? BUDGET_BRIEF : BUDGET_BULK;
    budget_begin(w->budget, c->mirror, t->need);
    b->transfers++;
    int64_t wait_us = (int64_t)w->mirror[c->mirror].latency_ms * 1000;
    post_step(w, t, t->fate == FATE_SILENT ? 5000000 + wait_us : wait_us);
}

static void close_transfer(struct world *w, struct transfer *t, int error, int status)
{
    t->over = true;
    t->error = error;
    t->status = status;
    transfer_settle(w, t);
}

void transfer_stop(struct world *w, int file, uint64_t number)
{
    struct transfer *t = transfer_find(w, file, w->blob[file].downloads, number);
    if (!t || t->over)
        return;
    t->stopped = true;
    t->serial = ++w->last_serial; /* its next step is void */
    close_transfer(w, t, ERROR_STOPPING, 0);
}

void transfer_limit(struct world *w, int file, uint64_t number, int64_t to)
{
    struct transfer *t = transfer_find(w, file, w->blob[file].downloads, number);
    TRACE(w, "file %d transfer %llu limited to %lld", file, (unsigned long long)number,
          (long long)to);
    if (t && !t->over)
        t->limit = to;
}

static void tell_budget(struct world *w, const struct transfer *t)
{
    if (t->stopped || t->refused)
        return; /* what does not suit a flight is no failure of the mirror */
    if (!t->error)
        budget_succeeded(w->budget, t->mirror, t->sent, world_now_ms(w) - t->started_ms,
                         world_now_ms(w));
    else if (t->error != ERROR_GONE)
        budget_failed(w->budget, t->mirror, error_text(t->error), -1, world_now_ms(w));
}

/* Whether bytes of it that others have brought are on their way to the disk. A partial has one
 * writer, and an end comes after all that the writer was given before. */
static bool is_behind(const struct world *w, const struct transfer *t)
{
    for (size_t i = 0; t->has_dropped && i < w->events; i++) {
        const struct event *e = &w->heap[i];
        if (e->type == EVENT_WRITTEN && e->file == t->file && e->flight == t->flight &&
            e->partial == t->partial && e->from < t->at && e->to > t->at - t->sent)
            return true;
    }
    return false;
}

void transfer_settle(struct world *w, struct transfer *t)
{
    if (!t->used || !t->over || t->writes)
        return;
    bool behind = is_behind(w, t);
    w->ends += behind - t->behind;
    t->behind = behind;
    if (behind)
        return;
    struct transfer end = *t;
    t->used = false;
    struct blob *b = &w->blob[end.file];
    budget_end(w->budget, end.mirror, end.need);
    w->freed++;
    tell_budget(w, &end);
    TRACE(w, "file %d transfer %llu mirror %u over: %s%s", end.file, (unsigned long long)end.number,
          end.mirror, error_text(end.error), end.stopped ? " (stopped)" : "");
    if (b->flight && b->downloads == end.flight && (!end.stopped || world_chance(w, 50))) {
        flight_on_ended(b->flight, end.number, end.error, end.status, error_text(end.error));
        owner_drain(w, end.file);
    }
}

void transfer_settle_all(struct world *w, int file)
{
    for (int i = 0; i < w->transfers && w->ends; i++)
        if (w->transfer[i].used && w->transfer[i].behind && w->transfer[i].file == file)
            transfer_settle(w, &w->transfer[i]);
}

/* What the mirror answers to a request that reached it. */
static struct flight_answer make_answer(struct world *w, struct transfer *t)
{
    const struct server *m = &w->mirror[t->mirror];
    const struct blob *b = &w->blob[t->file];
    const struct copy *c = &t->copy;
    bool ranged = !t->head && (t->from > 0 || t->to >= 0);
    struct flight_answer a = {.status = 200, .total = c->told, .is_framed = !m->unframed};
    a.ranges = !m->ignores_ranges;
    bool same = c->validator && c->validator == b->base_validator;
    a.same_validator = !b->has_base || same;
    a.has_strong = c->validator;
    if (m->unframed)
        a.total = -1;
    if (t->fate == FATE_STATUS)
        a.status = world_chance(w, 50) ? 503 : 500;
    else if (!c->version)
        a.status = 404;
    else if (t->head && m->refuses_head)
        a.status = 405;
    else if (ranged && !m->ignores_ranges && c->version != PORTAL &&
             !(t->resume && b->has_base && !same))
        a.status = t->from >= c->size ? 416 : 206;
    if (a.status == 416)
        a.total = c->size;
    if (a.status == 206) {
        a.from = t->from;
        a.is_framed = true;
        if (c->told < 0 && world_chance(w, 50))
            a.total = c->size; /* Content-Range says it all the same */
    }
    return a;
}

static int error_of_status(int status)
{
    return status == 404 ? ERROR_GONE : ERROR_UPSTREAM_STATUS;
}

/* An accepted body that was not held to the earlier validator becomes what later ones are held to.
 */
static void remember_answer(struct world *w, struct transfer *t, const struct flight_answer *a)
{
    struct blob *b = &w->blob[t->file];
    if (a->total >= 0 && b->told_size < 0)
        b->told_size = a->total;
    if (t->head || (b->has_base && a->same_validator))
        return;
    b->has_base = true;
    b->base_validator = t->copy.validator;
    b->base_mirror = t->mirror;
    disk_rebase(w, t->file);
}

/* A web page, by its label and its first bytes: the flight hears of a failure only. */
static void refuse_page(struct world *w, struct transfer *t)
{
    t->refused = true;
    if (!t->head)
        (void)judge_web_page(w, t->file);
    close_transfer(w, t, t->head ? ERROR_UPSTREAM_STATUS : ERROR_UPSTREAM_BROKEN,
                   t->head ? 405 : 200);
}

static void answer(struct world *w, struct transfer *t)
{
    struct blob *b = &w->blob[t->file];
    t->answered = true;
    if (t->copy.version == PORTAL && t->portal_kind == PORTAL_PLAIN && t->fate != FATE_STATUS) {
        refuse_page(w, t);
        return;
    }
    struct flight_answer a = make_answer(w, t);
    bool bad = a.status != 200 && a.status != 206;
    bool is_vague =
        !t->head && a.status == 206 && a.total < 0 && t->to < 0; /* its end would tell nothing */
    if ((a.status == 200 && (t->from > 0 || t->to >= 0)) || is_vague)
        b->ignored_range[t->mirror] = true;
    if (bad && a.status != 416 && world_chance(w, 50)) {
        close_transfer(w, t, error_of_status(a.status), a.status);
        return;
    }
    int r = flight_on_answer(b->flight, t->number, &a);
    TRACE(w, "file %d transfer %llu answers %d total %lld from %lld%s%s: %s", t->file,
          (unsigned long long)t->number, a.status, (long long)a.total, (long long)a.from,
          a.is_framed ? "" : " unframed", a.same_validator ? "" : " other validator",
          error_text(r));
    t->refused = r && (!bad || (a.status == 416 && t->from == 0 && t->to >= 0));
    if (r && !a.same_validator) /* it may be asked for all in one */
        b->ignored_range[t->mirror] = true;
    if (r == 0 && t->copy.version != PORTAL)
        judge_no_page(w);
    if (r == 0 && !t->stopped)
        remember_answer(w, t, &a);
    uint64_t serial = t->serial;
    owner_drain(w, t->file);
    if (b->flight)
        disk_begin_map(w, t->file);
    if (t->serial != serial || t->over)
        return; /* stopped by what it said */
    if (r || t->head || a.status == 416) {
        close_transfer(w, t, r, a.status);
        return;
    }
    t->begun = true;
    t->at = a.from;
    t->end = a.status == 206 && t->to >= 0 ? min64(t->to, t->copy.size) : t->copy.size;
    t->is_piece = a.status == 206 && w->mirror[t->mirror].piece &&
                  t->end - t->at > w->mirror[t->mirror].piece;
    if (t->is_piece)
        t->end = t->at + w->mirror[t->mirror].piece;
    t->is_part = a.status == 206;
    t->is_measured = t->is_part && a.total >= 0;
    if (a.status == 200 && t->to >= 0 && t->to < t->end && !w->mirror[t->mirror].ignores_ranges &&
        t->copy.version != PORTAL)
        t->end = t->copy.size;
    if (a.is_framed && a.status == 200 && t->copy.told >= 0)
        t->end = min64(t->end, t->copy.told);
    post_step(w, t, 0);
}

/* Hands bytes to the disk, without those that are written already or on their way. */
static void write_bytes(struct world *w, struct transfer *t, int64_t from, int64_t to)
{
    struct blob *b = &w->blob[t->file];
    struct extent run;
    int64_t fresh = 0;
    while (extents_missing(&b->claimed, from, to, &run)) {
        if (extents_add(&b->claimed, run.from, run.to))
            return;
        fresh += run.to - run.from;
        struct event *e = world_post(w, EVENT_WRITTEN, 30 + (int64_t)world_random(w, 20000));
        e->file = t->file;
        e->index = (int)(t - w->transfer);
        e->from = run.from;
        e->to = run.to;
        e->copy = t->copy;
        e->number = t->number;
        e->flight = t->flight;
        e->partial = t->partial;
        t->writes++;
    }
    b->dropped += to - from - fresh;
    t->has_dropped |= fresh < to - from;
}

static void send(struct world *w, struct transfer *t)
{
    int64_t most = 1 + (int64_t)world_random(w, CHUNK);
    if (world_chance(w, 50))
        most = CHUNK;
    most = min64(most, (int64_t)w->mirror[t->mirror].rate * 500); /* at least twice a second */
    int64_t to = min64(t->at + most, t->end);
    bool fails = (t->fate == FATE_CUT || t->fate == FATE_STALL) && to > t->fate_at;
    if (fails)
        to = t->fate_at > t->at ? t->fate_at : t->at;
    int64_t from = t->at;
    t->at = to;
    t->sent += to - from;
    write_bytes(w, t, from, to);
    if (t->need == BUDGET_BRIEF)
        owner_brief_came(w);
    bool is_short = w->mirror[t->mirror].unframed ? false : t->copy.told > t->copy.size;
    if (fails && t->fate == FATE_STALL) {
        t->fate = FATE_SILENT;
        post_step(w, t, 5000000);
    } else if (fails) {
        bool unframed = w->mirror[t->mirror].unframed && !t->is_part; /* a 206 tells its end */
        close_transfer(w, t, unframed ? 0 : ERROR_UPSTREAM_BROKEN, 200);
    } else if (t->limit && t->at >= t->limit) { /* cut there by the owner */
        close_transfer(w, t, ERROR_STOPPING, 200);
    } else if (t->at >= t->end) {
        bool cut = is_short && !t->is_piece && (t->to < 0 || t->to > t->copy.size);
        if (t->is_measured && !cut && t->sent < 64 << 10) /* pieces so small are no help */
            w->blob[t->file].ignored_range[t->mirror] = true;
        close_transfer(w, t, cut ? ERROR_UPSTREAM_BROKEN : 0, 200);
    } else {
        post_step(w, t, (to - from) * 1000 / w->mirror[t->mirror].rate + 1);
    }
}

void transfer_step(struct world *w, struct transfer *t)
{
    struct blob *b = &w->blob[t->file];
    if (!b->flight || b->downloads != t->flight) { /* the flight ended and let it run out */
        close_transfer(w, t, 0, 0);
        return;
    }
    if (t->fate == FATE_SILENT)
        close_transfer(w, t, ERROR_TIMEOUT, 0);
    else if (!t->answered && t->fate == FATE_REFUSED)
        close_transfer(w, t, ERROR_UNREACHABLE, 0);
    else if (!t->answered)
        answer(w, t);
    else
        send(w, t);
}
