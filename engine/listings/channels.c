// SPDX-License-Identifier: Apache-2.0
#include "engine/listings/channels.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/near.h"
#include "base/str.h"
#include "engine/listings/listings_state.h"
#include "engine/listings/sources.h"
#include "engine/loop/catalogue_post.h"
#include "engine/loop/options.h"
#include "engine/mirrors/generations.h"
#include "engine/mirrors/origins.h"

enum {
    CHANNELS_MOST = 2048,    /* clients may ask for any name that a pattern allows */
    MISSING_MS = 600 * 1000, /* how long a 404 of all mirrors stands */
    UNKNOWN_MS = 10 * 1000,  /* how soon a channel is probed again after mirrors have failed */
    PATIENCE_MS = 3000,      /* how long a request waits for a probe */
    GIVE_UP_MS = 30 * 1000,
    NAMES_BYTES = 500,     /* of the sentence that lists channels */
    WRITTEN_S = 24 * 3600, /* the date in the catalogue may be so old before it is written anew */
};

/*
 * UNKNOWN --channels_look--> probing --a mirror lists something--> THERE, for good
 *                               +-----all say 404-----------> MISSING, for MISSING_MS
 *                               +-----mirrors fail----------> UNKNOWN, for UNKNOWN_MS
 *
 * The table and its channels are guarded by the lock of the waitlist. Any thread may add a name and
 * post a probe; the flight thread runs the probe and ends it. `id` ties a waiter to its channel: a
 * name may be dropped and added again while it waits.
 */
struct channel {
    char *key;                /* origin and name; all members are under the lock */
    char *origin_name, *name; /* the texts of the key */
    enum channel_state state;
    int64_t listed_s, written_s; /* 0: never */
    int64_t named_s;             /* by a root page; 0: never */
    int64_t asked_s, until_ms;
    int64_t id;      /* a waiter's `want` */
    bool probing;    /* `origin` and `began_ms` are valid while it is set */
    bool has_asked;  /* the mirrors were asked in this probe */
    bool is_overdue; /* no request waits for this probe any more */
    int64_t began_ms;
    const struct origin *origin;
    UT_hash_handle hh;
};

struct channels {
    struct waitlist waiters;
    struct channel *table;
    int64_t last_id;
};

/* -------------------------------------------------------------------- table */

static struct channel *find(struct channels *all, const char *origin, const char *name)
{
    char key[512];
    struct channel *c = NULL;
    int len = snprintf(key, sizeof(key), "%s %s", origin, name);
    if (len > 0 && (size_t)len < sizeof(key))
        HASH_FIND(hh, all->table, key, (size_t)len, c);
    return c;
}

static void drop(struct channels *all, struct channel *c)
{
    HASH_DEL(all->table, c);
    free(c->key);
    free(c->origin_name);
    free(c->name);
    free(c);
}

/* Makes room: of the names that no mirror has, the one that was asked for longest ago goes. */
static bool make_room(struct channels *all)
{
    struct channel *oldest = NULL;
    if (HASH_COUNT(all->table) < CHANNELS_MOST)
        return true;
    for (struct channel *c = all->table; c; c = c->hh.next)
        if (c->state != CHANNEL_THERE && !c->probing && (!oldest || c->until_ms < oldest->until_ms))
            oldest = c;
    if (oldest)
        drop(all, oldest);
    return oldest != NULL;
}

/* Under the lock, but at start, when there is no other thread. */
static struct channel *add(struct channels *all, const char *origin, const char *name)
{
    struct channel *c = make_room(all) ? calloc(1, sizeof(*c)) : NULL;
    if (!c)
        return NULL;
    c->key = str_printf("%s %s", origin, name);
    c->origin_name = str_dup(origin);
    c->name = str_dup(name);
    c->id = ++all->last_id;
    if (!c->key || !c->origin_name || !c->name) {
        free(c->key);
        free(c->origin_name);
        free(c->name);
        free(c);
        return NULL;
    }
    HASH_ADD_KEYPTR(hh, all->table, c->key, strlen(c->key), c);
    return c;
}

/* A stored channel exists: a mirror has listed something in it once. */
static int on_row(void *context, const char *origin, const char *name, int64_t listed_s)
{
    struct channel *c = add(context, origin, name);
    if (!c)
        return ERROR_NO_MEMORY;
    c->state = CHANNEL_THERE;
    c->listed_s = c->written_s = listed_s;
    return 0;
}

int channels_new(struct services *s, struct channels **ret)
{
    struct channels *all = calloc(1, sizeof(*all));
    if (!all)
        return ERROR_NO_MEMORY;
    waitlist_init(&all->waiters);
    (void)catalogue_each_channel(s->catalogue, on_row, all);
    *ret = all;
    return 0;
}

void channels_free(struct channels *all)
{
    struct channel *c, *next;
    if (!all)
        return;
    HASH_ITER(hh, all->table, c, next)
    {
        drop(all, c);
    }
    waitlist_release(&all->waiters);
    free(all);
}

/* ---------------------------------------------------------------- catalogue */

static int put_channel(struct catalogue *catalogue, const struct row *row)
{
    return catalogue_put_channel(catalogue, row->text[1], row->text[0], row->number[0]);
}

static void keep(struct listings *listings, const struct channel *c)
{
    catalogue_post(listings->s, put_channel, "channel",
                   &(struct row){.text = {c->name, c->origin_name}, .number = {c->listed_s}});
}

/* Writes the date at most once a day: each page would be a write otherwise. */
void channels_listed(struct listings *listings, const struct origin *origin, const char *channel)
{
    struct channels *all = listings->channels;
    int64_t id = 0;
    pthread_mutex_lock(&all->waiters.lock);
    struct channel *c = find(all, origin->name, channel);
    if (!c)
        c = add(all, origin->name, channel);
    if (c) {
        id = c->state == CHANNEL_THERE ? 0 : c->id;
        c->state = CHANNEL_THERE;
        c->listed_s = clock_real_s();
        if (c->listed_s - c->written_s >= WRITTEN_S) {
            c->written_s = c->listed_s;
            keep(listings, c);
        }
    }
    pthread_mutex_unlock(&all->waiters.lock);
    if (id)
        waitlist_wake(&all->waiters, id, id + 1);
}

/* A name on a root page is no proof, so the state stays as it is. */
void channels_named(struct listings *listings, const struct origin *origin, const char *channel)
{
    struct channels *all = listings->channels;
    pthread_mutex_lock(&all->waiters.lock);
    struct channel *c = find(all, origin->name, channel);
    if (!c)
        c = add(all, origin->name, channel);
    if (c)
        c->named_s = clock_real_s();
    pthread_mutex_unlock(&all->waiters.lock);
}

/* ------------------------------------------------------------------- probes */

/* A project that the origin owns by name; NULL: it owns only by patterns. */
static const char *owned_name(const struct origin *origin)
{
    for (char **name = origin->owns; *name; name++)
        if (!strchr(*name, '*'))
            return *name;
    return NULL;
}

/* The pages that tell whether a channel exists: the project list, and on a simple mirror, which
 * need not have one, the page of a project. */
static unsigned sources_of(struct listings *listings, const struct channel *c, unsigned mirror,
                           struct source *ret[2])
{
    const char *project = owned_name(c->origin);
    unsigned count = 0;
    ret[count++] = sources_get(listings, c->origin, mirror, c->name, NULL);
    if (project && c->origin->mirrors[mirror].layout == LAYOUT_SIMPLE)
        ret[count++] = sources_get(listings, c->origin, mirror, c->name, project);
    return count;
}

struct tally {
    unsigned pending, failed;
    bool is_listed;
};

/* Counts what the probe's pages have said so far. */
static struct tally tally_sources(struct listings *listings, const struct channel *c)
{
    struct tally t = {0};
    for (unsigned m = 0; m < c->origin->mirror_count; m++) {
        struct source *sources[2];
        unsigned count = sources_of(listings, c, m, sources);
        for (unsigned i = 0; i < count; i++) {
            struct source_view v = {.state = SOURCE_IDLE};
            if (sources[i])
                source_view(sources[i], &v);
            t.is_listed |= v.status == 200 && v.listing;
            t.pending += v.state != SOURCE_IDLE;
            t.failed += v.state == SOURCE_IDLE && (v.status != 404 || v.error);
        }
    }
    return t;
}

/* Posts a probe. Under the lock. The probe has ended. Its answer stands for life_ms. */
static void settle(struct channel *c, enum channel_state state, int64_t life_ms)
{
    c->state = state;
    c->probing = c->has_asked = c->is_overdue = false;
    c->origin = NULL;
    c->asked_s = clock_real_s();
    c->until_ms = clock_monotonic_ms() + life_ms;
}

/* Looks at one probe: 0 while it goes on, else the id of the waiters to wake. */
static int64_t check(struct listings *listings, struct channel *c, int64_t now_ms)
{
    struct tally t = tally_sources(listings, c);
    /* a channel that is listed anywhere exists, whatever other mirrors say */
    bool too_long = now_ms - c->began_ms >= GIVE_UP_MS;
    if (t.is_listed) {
        settle(c, CHANNEL_THERE, 0);
        c->listed_s = c->written_s = c->asked_s;
        keep(listings, c);
    } else if (t.pending && !too_long) {
        if (c->is_overdue || now_ms - c->began_ms < PATIENCE_MS)
            return 0;
        c->is_overdue = true;
    } else {
        bool fails = t.failed || t.pending;
        settle(c, fails ? CHANNEL_UNKNOWN : CHANNEL_MISSING, fails ? UNKNOWN_MS : MISSING_MS);
    }
    return c->id;
}

/* Waiters are woken after the lock is released: it is the waitlist's own lock. */
static void check_all(struct listings *listings, int64_t now_ms)
{
    struct channels *all = listings->channels;
    int64_t woken[64];
    unsigned count = 0;
    pthread_mutex_lock(&all->waiters.lock);
    for (struct channel *c = all->table; c && count < 64; c = c->hh.next)
        if (c->probing && c->has_asked && (woken[count] = check(listings, c, now_ms)))
            count++;
    pthread_mutex_unlock(&all->waiters.lock);
    while (count--)
        waitlist_wake(&all->waiters, woken[count], woken[count] + 1);
}

void channels_check(struct listings *listings)
{
    check_all(listings, clock_monotonic_ms());
}

/* Also resumes requests whose client has left. */
void channels_tick(struct listings *listings, int64_t now_ms)
{
    check_all(listings, now_ms);
    (void)waitlist_sweep(&listings->channels->waiters);
}

struct probe {
    struct job job;
    struct listings *listings;
    const struct origin *origin;
    char *name;
};

/* has_asked comes after the mirrors were asked: a probe without any fetch would look like a 404
 * of all. */
static void probe_run(struct job *job)
{
    struct probe *p = container_of(job, struct probe, job);
    struct listings *listings = p->listings;
    struct channels *all = listings->channels;
    struct channel c = {.origin = p->origin, .name = p->name};
    bool alone = mirrors_is_backing_off(listings->s->mirrors, p->origin);
    for (unsigned m = 0; !listings->s->stopping && m < p->origin->mirror_count; m++) {
        struct source *sources[2];
        unsigned count = sources_of(listings, &c, m, sources);
        for (unsigned i = 0; i < count; i++)
            if (sources[i])
                (void)source_want(sources[i], false, alone, NULL);
    }
    pthread_mutex_lock(&all->waiters.lock);
    struct channel *asked = find(all, p->origin->name, p->name);
    if (asked && asked->probing)
        asked->has_asked = true;
    pthread_mutex_unlock(&all->waiters.lock);
    channels_check(listings);
    free(p->name);
    free(p);
}

/* Posts the job that asks the mirrors. Under the lock. */
static void begin(struct listings *listings, struct channel *c, const struct origin *origin)
{
    struct probe *p = calloc(1, sizeof(*p));
    char *name = str_dup(c->name);
    if (!p || !name) {
        free(p);
        free(name);
        return;
    }
    c->probing = true;
    c->is_overdue = false;
    c->origin = origin;
    c->began_ms = clock_monotonic_ms();
    *p = (struct probe){{probe_run, NULL}, listings, origin, name};
    loop_post(listings->s, &p->job);
}

/* ----------------------------------------------------------------- requests */

struct awaited {
    struct channels *all;
    const char *origin, *name;
};

/* Under the lock of the waitlist, as waitlist_join promises. */
static bool is_answered(void *arg)
{
    const struct awaited *a = arg;
    const struct channel *c = find(a->all, a->origin, a->name);
    return !c || !c->probing || c->is_overdue || c->state == CHANNEL_THERE;
}

/* A request that finds a probe overdue goes on as if the channel existed. */
int channels_look(struct listings *listings, const struct origin *origin, const char *channel,
                  struct waiter *waiter, enum channel_state *ret)
{
    struct channels *all = listings->channels;
    struct awaited a = {all, origin->name, channel};
    *ret = CHANNEL_UNKNOWN;
    if (listings->s->options.offline) /* there is nobody to ask */
        return 0;
    pthread_mutex_lock(&all->waiters.lock);
    struct channel *c = find(all, origin->name, channel);
    /* what is there stays so; missing and unknown channels are probed again after a while */
    bool known = c && (c->state == CHANNEL_THERE || clock_monotonic_ms() < c->until_ms);
    if (!c && !listings->s->stopping)
        c = add(all, origin->name, channel);
    if (c && !known && !c->probing && !listings->s->stopping)
        begin(listings, c, origin);
    if (c)
        *ret = c->state;
    bool waits = c && !known && c->probing && !c->is_overdue;
    int64_t id = c ? c->id : 0;
    pthread_mutex_unlock(&all->waiters.lock);
    if (!waits)
        return 0;
    waiter->want = id;
    if (waitlist_join(&all->waiters, waiter, is_answered, &a) == WAIT_SUSPENDED)
        return ENGINE_WAIT;
    return channels_look(listings, origin, channel, waiter, ret);
}

void channels_stop(struct listings *listings)
{
    waitlist_close(&listings->channels->waiters);
}

/* ------------------------------------------------------------------ answers */

static int by_name(const void *a, const void *b)
{
    const struct channel *x = *(struct channel *const *)a, *y = *(struct channel *const *)b;
    int order = strcmp(x->origin_name, y->origin_name);
    return order ? order : strcmp(x->name, y->name);
}

/* The channels of configured origins that a mirror has listed or names, sorted; free() the list.
 * Under the lock. */
static struct channel **sorted(struct listings *listings, size_t *ret_count)
{
    struct channels *all = listings->channels;
    struct channel **list = calloc(HASH_COUNT(all->table) + 1, sizeof(struct channel *));
    size_t count = 0;
    for (struct channel *c = list ? all->table : NULL; c; c = c->hh.next) {
        const struct origin *origin =
            origins_find(mirrors_origins(listings->s->mirrors), c->origin_name);
        bool is_there = c->state == CHANNEL_THERE || (c->named_s && c->state != CHANNEL_MISSING);
        if (is_there && origin && origin_has_channel(origin, c->name))
            list[count++] = c;
    }
    if (list)
        qsort(list, count, sizeof(struct channel *), by_name);
    *ret_count = count;
    return list;
}

/* Before any channel is known, the patterns are all that can be said. */
static void say_patterns(const struct origins *origins, struct near *near, struct buf *to)
{
    for (size_t i = 0; i < origins->count; i++)
        for (char **channel = origins->list[i].channels; *channel; channel++) {
            buf_printf(to, ", %s", *channel);
            if (!strchr(*channel, '*'))
                near_offer(near, *channel);
        }
}

/* The list of names stops at NAMES_BYTES, because it stands in an error message. */
void channels_say(struct listings *listings, const char *typed, struct buf *to)
{
    const struct origins *origins = mirrors_origins(listings->s->mirrors);
    struct channels *all = listings->channels;
    struct near near = {.typed = typed};
    auto_buf struct buf names;
    size_t count = 0;
    buf_init(&names, 64 << 10);
    for (size_t i = 0; i < origins->index_count; i++) {
        buf_printf(&names, ", %s", origins->indexes[i].name);
        near_offer(&near, origins->indexes[i].name);
    }
    pthread_mutex_lock(&all->waiters.lock);
    auto_free struct channel **list = sorted(listings, &count);
    for (size_t i = 0; i < count; i++) {
        near_offer(&near, list[i]->name);
        if (names.len < NAMES_BYTES)
            buf_printf(&names, ", %s", list[i]->name);
        else if (i + 1 == count)
            buf_puts(&names, " and more, all at /-/indexes");
    }
    if (!count)
        say_patterns(origins, &near, &names);
    if (near.best)
        buf_printf(to, "; did you mean %s?", near.best);
    buf_printf(to, "%s there are simple%s", near.best ? "" : ";", names.data ? names.data : "");
    pthread_mutex_unlock(&all->waiters.lock);
}

static void write_date(struct buf *to, const char *name, int64_t when_s)
{
    char text[CLOCK_TEXT];
    if (when_s <= 0)
        return;
    clock_rfc3339(when_s, text);
    json_write_member(to, name, text);
}

/* "listed" and "named" are dates; a channel has at least one. */
void channels_write(struct listings *listings, struct buf *to)
{
    struct channels *all = listings->channels;
    size_t count = 0;
    pthread_mutex_lock(&all->waiters.lock);
    auto_free struct channel **list = sorted(listings, &count);
    for (size_t i = 0; i < count; i++) {
        json_write_comma(to);
        buf_putc(to, '{');
        json_write_member(to, "name", list[i]->name);
        json_write_member(to, "origin", list[i]->origin_name);
        write_date(to, "listed", list[i]->listed_s);
        write_date(to, "named", list[i]->named_s);
        buf_putc(to, '}');
    }
    pthread_mutex_unlock(&all->waiters.lock);
}
