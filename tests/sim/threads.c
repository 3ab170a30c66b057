// SPDX-License-Identifier: Apache-2.0
/*
 * threads [--seed N] [--seconds S | --seeds COUNT] [--trace]
 *
 * The progress, its waitlist and the claims of a partial, by every order of threads that dice can
 * find: the flight publishes, readers read and wait, lanes claim. Threads are coroutines here,
 * which change wherever the code under test takes or leaves a lock, or looks into a set of extents;
 * one seed is one order. Its calls are diverted to this file by macros (see meson.build). Checked:
 *
 *  - a set that threads share is touched only under its lock;
 *  - nobody reads what was not published, nor ends a whole file before it was verified;
 *  - each suspend has one resume, under the lock; nobody waits on when all is over;
 *  - no byte is claimed twice.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "base/clock.h"
#include "base/lane.h"
#include "engine/files/progress.h"
#include "engine/files/saved.h"

enum {
    READERS = 4,
    LANES = 2,
    THREADS = 1 + READERS + LANES, /* the flight is thread 0 */
    PARTS = 8,
    PART = 100000, /* bytes; the last one is held back */
    SIZE = PARTS * PART,
    STACK = 64 << 10,
    SWITCHES_MOST = 20000,
    LOCKS = 4,
};

enum state { READY, SUSPENDED, LOCKED_OUT, OVER };

struct thread {
    ucontext_t context;
    char stack[STACK];
    enum state state;
    pthread_mutex_t *wanted;
    /* a reader: */
    struct waiter waiter;
    int64_t from, at, to;
    bool whole, suspended;
};

struct lock {
    pthread_mutex_t *mutex;
    int owner; /* -1: none */
};

static struct thread threads[THREADS];
static ucontext_t scheduler;
static int current;
static struct lock locks[LOCKS];
static uint64_t dice;
static char fault[200];
static bool tracing;
static unsigned switches;

static struct progress *progress;
static struct partial *partial;
static bool published[PARTS], verified, closed;
static unsigned claimed[PARTS];

static uint64_t draw(uint64_t below)
{
    uint64_t z = (dice += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % below;
}

static void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void tell(const char *format, ...)
{
    if (!tracing)
        return;
    va_list args;
    va_start(args, format);
    printf("thread %d: ", current);
    vprintf(format, args);
    putchar('\n');
    va_end(args);
}

static void change_thread(void)
{
    (void)swapcontext(&threads[current].context, &scheduler);
}

static void fail(const char *what)
{
    if (!fault[0])
        (void)snprintf(fault, sizeof(fault), "thread %d: %s", current, what);
    tell("FAULT %s", what);
    threads[current].state = OVER; /* what follows tells nothing */
    change_thread();
}

/* ------------------------------------------------- what the code under test calls */

int model_lock(pthread_mutex_t *mutex);
int model_unlock(pthread_mutex_t *mutex);
int model_extents_add(struct extents *set, int64_t from, int64_t to);
int64_t model_extents_end(const struct extents *set, int64_t at);
bool model_extents_missing(const struct extents *set, int64_t from, int64_t to, struct extent *ret);
void model_lane_post(struct lane *lane, struct job *job);
void model_saved_release(struct saved *saved);

static struct lock *lock_of(pthread_mutex_t *mutex)
{
    for (int i = 0; i < LOCKS; i++) {
        if (!locks[i].mutex)
            locks[i] = (struct lock){mutex, -1};
        if (locks[i].mutex == mutex)
            return &locks[i];
    }
    abort();
}

int model_lock(pthread_mutex_t *mutex)
{
    change_thread();
    struct lock *l = lock_of(mutex);
    if (l->owner == current)
        fail("a lock is taken twice");
    while (l->owner >= 0) {
        threads[current].state = LOCKED_OUT;
        threads[current].wanted = mutex;
        change_thread();
    }
    l->owner = current;
    return 0;
}

int model_unlock(pthread_mutex_t *mutex)
{
    struct lock *l = lock_of(mutex);
    if (l->owner != current)
        fail("a lock is given back that is not held");
    l->owner = -1;
    for (int i = 0; i < THREADS; i++)
        if (threads[i].state == LOCKED_OUT && threads[i].wanted == mutex)
            threads[i].state = READY;
    change_thread();
    return 0;
}

static void touch(const struct extents *set)
{
    bool is_claimed = set == &partial->claimed;
    pthread_mutex_t *mutex = is_claimed ? &partial->lock : &progress->waiters.lock;
    if (lock_of(mutex)->owner != current)
        fail("a set is touched without its lock");
    change_thread();
}

int model_extents_add(struct extents *set, int64_t from, int64_t to)
{
    touch(set);
    return extents_add(set, from, to);
}

int64_t model_extents_end(const struct extents *set, int64_t at)
{
    touch(set);
    return extents_end(set, at);
}

bool model_extents_missing(const struct extents *set, int64_t from, int64_t to, struct extent *ret)
{
    touch(set);
    return extents_missing(set, from, to, ret);
}

void model_lane_post(struct lane *lane, struct job *job)
{
    (void)lane;
    job->run(job);
}

void model_saved_release(struct saved *saved)
{
    (void)saved;
}

/* ------------------------------------------------------------------ readers */

static void on_suspend(struct waiter *waiter)
{
    struct thread *t = container_of(waiter, struct thread, waiter);
    if (lock_of(&progress->waiters.lock)->owner != current)
        fail("suspended without the lock");
    if (closed)
        fail("suspended after the end");
    tell("waits at %" PRId64, t->at);
    t->suspended = true;
    change_thread();
}

static void on_resume(struct waiter *waiter)
{
    struct thread *t = container_of(waiter, struct thread, waiter);
    if (lock_of(&progress->waiters.lock)->owner != current)
        fail("resumed without the lock");
    if (!t->suspended)
        fail("resumed, and was not suspended");
    tell("wakes thread %d", (int)(t - threads));
    t->suspended = false;
    if (t->state == SUSPENDED)
        t->state = READY;
    memset(waiter, 0xa5, sizeof(*waiter)); /* it may be freed */
}

static const struct waiter_class waiter_class = {.suspend = on_suspend, .resume = on_resume};

/* As engine/files/reading.c has it. */
static bool has_bytes(void *arg)
{
    const struct thread *t = arg;
    return progress->state == PROGRESS_CLOSED ||
           (t->whole && progress->limit == INT64_MAX && t->at >= progress->size) ||
           (extents_end(&progress->present, t->at) > t->at &&
            (!t->whole || t->at < progress->limit));
}

static void take(struct thread *t, int64_t count)
{
    tell("reads %" PRId64 " at %" PRId64, count, t->at);
    for (int64_t at = t->at; at < t->at + count; at++) {
        if (!published[at / PART])
            fail("reads what was not published");
        at = (at / PART + 1) * PART - 1;
    }
    t->at += count;
}

static void read_all(void)
{
    struct thread *t = &threads[current];
    while (t->at < t->to) {
        bool is_over = progress->state == PROGRESS_CLOSED;
        int64_t there = progress_available(progress, t->at, t->whole);
        if (there > t->to - t->at)
            there = t->to - t->at;
        if (there > 0) {
            take(t, there);
            continue;
        }
        if (is_over)
            return;
        t->waiter.class = &waiter_class;
        t->waiter.want = t->at;
        if (waitlist_join(&progress->waiters, &t->waiter, has_bytes, t) == WAIT_SUSPENDED)
            while (t->suspended) {
                t->state = SUSPENDED;
                change_thread();
            }
    }
    if (t->whole && !verified)
        fail("a whole file ends before it was verified");
}

/* ------------------------------------------------------------------ the others */

/* All that can run have run: a thread that waits now has nothing to read. */
static void settle(void)
{
    for (int i = 1; i < THREADS; i++)
        if (threads[i].state == READY || threads[i].state == LOCKED_OUT) {
            change_thread();
            i = 0;
        }
    for (int i = 1; i <= READERS; i++)
        if (threads[i].state == SUSPENDED && has_bytes(&threads[i]))
            fail("there are bytes, and somebody waits");
}

static void fly(void)
{
    int order[PARTS];
    bool wrong = draw(4) == 0;
    for (int i = 0; i < PARTS; i++)
        order[i] = i;
    for (int i = PARTS - 1; i > 0; i--) {
        int other = draw(2) ? i : (int)draw((uint64_t)i + 1), kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
    progress_know(progress, SIZE);
    for (int i = 0; i < PARTS; i++) {
        published[order[i]] = true;
        progress_publish(progress, (int64_t)order[i] * PART, (int64_t)(order[i] + 1) * PART);
        int64_t end = 0;
        while (end < PARTS - 1 && published[end])
            end++;
        progress_release(progress, end * PART, SIZE);
        if (draw(20) == 0)
            (void)waitlist_sweep(&progress->waiters);
        if (draw(4) == 0)
            settle();
    }
    verified = !wrong;
    if (!wrong)
        progress_release(progress, INT64_MAX, SIZE);
    settle();
    progress_close(progress, PROGRESS_CLOSED, OUTCOME_OK, "");
    closed = true;
}

static void claim(void)
{
    struct extent run;
    for (int64_t at = 0; partial_claim(partial, at, SIZE, &run); at = run.to)
        for (int64_t i = run.from / PART; i * PART < run.to; i++)
            if (claimed[i]++)
                fail("claimed twice");
}

static void claim_part(void)
{
    struct extent run;
    for (int i = 0; i < 4; i++) {
        int64_t at = (int64_t)draw(PARTS) * PART;
        if (partial_claim(partial, at, at + PART, &run) && claimed[run.from / PART]++)
            fail("claimed twice");
    }
    claim();
}

static void run_thread(void)
{
    if (current == 0)
        fly();
    else if (current <= READERS)
        read_all();
    else
        claim_part();
    threads[current].state = OVER;
    change_thread();
}

/* ------------------------------------------------------------------ schedules */

static void prepare(void)
{
    memset(published, 0, sizeof(published));
    memset(claimed, 0, sizeof(claimed));
    memset(locks, 0, sizeof(locks));
    verified = closed = false;
    fault[0] = '\0';
    switches = 0;
    if (progress_new(NULL, &progress) || partial_new(-1, NULL, NULL, NULL, &partial))
        abort();
    for (int i = 0; i < THREADS; i++) {
        struct thread *t = &threads[i];
        t->state = READY;
        t->suspended = false;
        t->whole = draw(2);
        t->at = t->from = draw(2) ? 0 : (int64_t)draw(SIZE);
        t->to = t->whole ? SIZE : t->from + 1 + (int64_t)draw((uint64_t)(SIZE - t->from));
        (void)getcontext(&t->context);
        t->context.uc_stack = (stack_t){.ss_sp = t->stack, .ss_size = STACK};
        makecontext(&t->context, run_thread, 0);
    }
}

/* -1: none can run. */
static int choose_thread(void)
{
    int ready[THREADS], count = 0;
    for (int i = 0; i < THREADS; i++)
        if (threads[i].state == READY)
            ready[count++] = i;
    return count ? ready[draw((uint64_t)count)] : -1;
}

static bool run_schedule(uint64_t seed)
{
    dice = seed;
    prepare();
    while (!fault[0] && (current = choose_thread()) >= 0) {
        (void)swapcontext(&scheduler, &threads[current].context);
        if (++switches > SWITCHES_MOST && !fault[0])
            (void)snprintf(fault, sizeof(fault), "the schedule does not end");
    }
    for (int i = 0; i < THREADS && !fault[0]; i++)
        if (threads[i].state != OVER)
            (void)snprintf(fault, sizeof(fault), "thread %d waits for ever", i);
    if (fault[0])
        return false; /* what is left is in disorder */
    progress_unref(progress);
    partial_unref(partial);
    return true;
}

static int run(uint64_t seed, uint64_t seeds, int64_t seconds, const char *name)
{
    int64_t end = clock_monotonic_ms() + 1000 * seconds;
    uint64_t first = seed, all = 0;
    do {
        if (!run_schedule(seed)) {
            printf("seed %" PRIu64 ": %s\nreplay: %s --seed %" PRIu64 " --trace\n", seed, fault,
                   name, seed);
            return 1;
        }
        all += switches;
        seed++;
    } while (!tracing && (seeds ? seed - first < seeds : clock_monotonic_ms() < end));
    printf("seeds %" PRIu64 " to %" PRIu64 ": %" PRIu64 " changes of thread\n", first, seed - 1,
           all);
    return 0;
}

int main(int argc, char **argv)
{
    uint64_t seed = 1, seeds = 0;
    int64_t seconds = 2;
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (!strcmp(argv[i], "--trace")) {
            tracing = true;
        } else if (!strcmp(argv[i], "--seed") && more) {
            seed = strtoull(argv[++i], NULL, 10);
        } else if (!strcmp(argv[i], "--seeds") && more) {
            seeds = strtoull(argv[++i], NULL, 10);
        } else if (!strcmp(argv[i], "--seconds") && more) {
            seconds = strtoll(argv[++i], NULL, 10);
        } else {
            (void)fprintf(stderr, "usage: %s [--seed N] [--seconds S | --seeds COUNT] [--trace]\n",
                          argv[0]);
            return 2;
        }
    }
    return run(seed, seeds, seconds, argv[0]);
}
