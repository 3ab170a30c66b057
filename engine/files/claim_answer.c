// SPDX-License-Identifier: Apache-2.0
#include "engine/files/claim_answer.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"
#include "base/str.h"
#include "engine/claims/claim_set.h"
#include "engine/files/files_state.h"
#include "engine/files/inventory.h"
#include "engine/loop/options.h"
#include "engine/mirrors/generations.h"
#include "engine/mirrors/origins.h"

/*
 * An answer lives: new, with two references, the client's and the job's -> look_run on the
 * catalogue lane wakes the client -> free. A client that leaves early gives its own reference back.
 */
struct claim_answer {
    struct job job;
    _Atomic int refs;
    struct files *files;
    const struct origin *origin;
    char *path;
    struct waitlist waiters;
    sem_t done;
    _Atomic bool is_there;
    struct claim_set *set; /* or NULL: out of memory */
};

/* The job may still run: the last of the two references frees. */
void claim_answer_free(struct claim_answer *a)
{
    if (!a || --a->refs > 0)
        return;
    claim_set_unref(a->set);
    waitlist_release(&a->waiters);
    sem_destroy(&a->done);
    free(a->path);
    free(a);
}

/* On the catalogue lane. */
static void look_run(struct job *job)
{
    struct claim_answer *a = container_of(job, struct claim_answer, job);
    a->set = claim_set_load(a->files->s->catalogue, a->origin, a->path);
    pthread_mutex_lock(&a->waiters.lock);
    a->is_there = true;
    pthread_mutex_unlock(&a->waiters.lock);
    waitlist_wake(&a->waiters, 0, INT64_MAX);
    sem_post(&a->done);
    claim_answer_free(a);
}

/* The origin is looked up here, on the caller's thread; the rows are read on the catalogue lane. */
int claim_answer_new(struct files *files, const char *origin, const char *path,
                     struct claim_answer **ret)
{
    const struct origin *found = origins_find(mirrors_origins(files->s->mirrors), origin);
    struct claim_answer *a = found ? calloc(1, sizeof(*a)) : NULL;
    if (!found)
        return ENGINE_ABSENT;
    if (!a || !(a->path = strdup(path))) {
        free(a);
        return ERROR_NO_MEMORY;
    }
    a->job.run = look_run;
    a->refs = 2;
    a->files = files;
    a->origin = found;
    waitlist_init(&a->waiters);
    sem_init(&a->done, 0, 0);
    *ret = a;
    lane_post(files->s->catalogue_lane, &a->job);
    return 0;
}

static bool is_there(void *arg)
{
    return ((struct claim_answer *)arg)->is_there;
}

/* The answer wakes the waiter once; after that nothing is left to wait for. */
int claim_answer_wait(struct claim_answer *a, struct waiter *waiter)
{
    waiter->want = 0;
    return waitlist_join(&a->waiters, waiter, is_there, a) == WAIT_SUSPENDED ? ENGINE_WAIT : 0;
}

void claim_answer_block(struct claim_answer *a)
{
    while (!a->is_there)
        (void)sem_wait(&a->done);
}

void claim_answer_write(const struct claim_answer *a, struct buf *to)
{
    claim_set_write(a->set, to);
}

/* ------------------------------------------------------------------- JSON */

static void write_flag(struct buf *to, const char *name, bool value)
{
    json_write_name(to, name);
    buf_puts(to, value ? "true" : "false");
}

/* Whether this claim has two values, or another one that is current or counts has another value by
 * the same algorithm. */
static bool is_in_conflict(const struct claim_set *set, size_t which, int64_t now_s)
{
    const struct claim *claim = &set->list[which];
    for (size_t i = 0; i < set->count; i++) {
        bool speaks = (set->choice.counting & (1u << i)) || claim_is_current(&set->list[i], now_s);
        if (i == which ? digests_are_ambiguous(claim->digests)
                       : speaks && claims_contradict(claim->digests, set->list[i].digests))
            return true;
    }
    return false;
}

/* One value of one claim. "conflict" marks it when another one that is heard contradicts it. */
static void write_value(const struct claim_set *set, size_t which, enum digest_algorithm algorithm,
                        const char *hex, struct buf *to)
{
    const struct claim *claim = &set->list[which];
    char when[CLOCK_TEXT];
    int64_t now_s = clock_real_s();
    json_write_comma(to);
    buf_putc(to, '{');
    json_write_member(to, "mirror", claim->mirror ? claim->mirror : "");
    json_write_member(to, "algorithm", digest_name(algorithm));
    json_write_member(to, "value", hex);
    if (claim->said_s > 0) {
        clock_rfc3339(claim->said_s, when);
        json_write_member(to, "said", when);
    }
    json_write_member(to, "state", claim_is_current(claim, now_s) ? "current" : "remembered");
    write_flag(to, "site", claim->is_site);
    write_flag(to, "counts", set->choice.counting & (1u << which));
    write_flag(to, "conflict", is_in_conflict(set, which, now_s));
    buf_putc(to, '}');
}

static void write_claim(const struct claim_set *set, size_t which, struct buf *to)
{
    struct digests named = {.count = 0};
    digests_add_text(&named, set->list[which].digests ? set->list[which].digests : "", ' ');
    for (size_t i = 0; i < named.count; i++)
        write_value(set, which, named.list[i].algorithm, named.list[i].hex, to);
}

/* "believed" is left out while nothing is believed. */
void claim_set_write(const struct claim_set *set, struct buf *to)
{
    static const char *const ranks[] = {[CLAIM_NONE] = "none",
                                        [CLAIM_REMEMBERED] = "remembered",
                                        [CLAIM_MIRRORS] = "mirrors",
                                        [CLAIM_SITE] = "site"};
    if (set && set->choice.agreed)
        json_write_member(to, "believed", set->choice.agreed);
    json_write_member(to, "rank", ranks[set ? set->choice.rank : CLAIM_NONE]);
    write_flag(to, "disputed", set && set->choice.is_disputed);
    json_write_name(to, "claims");
    buf_putc(to, '[');
    for (size_t i = 0; set && i < set->count; i++)
        write_claim(set, i, to);
    buf_putc(to, ']');
}
