// SPDX-License-Identifier: Apache-2.0
/* The waitlist: alone, then with threads; each suspend has exactly one resume. Run under TSan too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <semaphore.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "engine/loop/wait.h"

enum { THREADS = 4, STEPS = 2000 };

struct client {
    struct waiter waiter; /* first: the class casts */
    sem_t resumed;
    atomic_int suspends, resumes;
    bool has_left;
};

static void on_suspend(struct waiter *w)
{
    ((struct client *)w)->suspends++;
}

static void on_resume(struct waiter *w)
{
    struct client *c = (struct client *)w;
    c->resumes++;
    sem_post(&c->resumed);
}

static bool on_is_gone(struct waiter *w)
{
    return ((struct client *)w)->has_left;
}

static const struct waiter_class class = {on_suspend, on_resume, on_is_gone};

static void client_init(struct client *c, int64_t want)
{
    *c = (struct client){.waiter = {.class = &class, .want = want}};
    sem_init(&c->resumed, 0, 0);
}

static bool no(void *arg)
{
    (void)arg;
    return false;
}

static bool yes(void *arg)
{
    (void)arg;
    return true;
}

static void wakes_whom_it_concerns(void **state)
{
    (void)state;
    struct waitlist list;
    struct client c[3];
    waitlist_init(&list);
    for (int i = 0; i < 3; i++) {
        client_init(&c[i], 10 * i);
        assert_int_equal(waitlist_join(&list, &c[i].waiter, no, NULL), WAIT_SUSPENDED);
    }
    waitlist_wake(&list, 0, 0);
    waitlist_wake(&list, 10, 20); /* half open: not the one at 20 */
    assert_int_equal(c[0].resumes, 0);
    assert_int_equal(c[1].resumes, 1);
    assert_int_equal(c[2].resumes, 0);
    waitlist_wake(&list, 0, INT64_MAX);
    waitlist_wake(&list, 0, INT64_MAX); /* nobody twice */
    for (int i = 0; i < 3; i++)
        assert_int_equal(c[i].resumes, 1);
    assert_int_equal(waitlist_join(&list, &c[0].waiter, yes, NULL), WAIT_READY);
    assert_int_equal(c[0].suspends, 1);
    waitlist_release(&list);
}

static void sweeps_those_who_left(void **state)
{
    (void)state;
    struct waitlist list;
    struct client c[2];
    waitlist_init(&list);
    for (int i = 0; i < 2; i++) {
        client_init(&c[i], 0);
        assert_int_equal(waitlist_join(&list, &c[i].waiter, no, NULL), WAIT_SUSPENDED);
    }
    c[0].has_left = true;
    assert_int_equal(waitlist_sweep(&list), 1);
    assert_true(c[0].waiter.gone);
    assert_int_equal(c[0].resumes, 1);
    assert_int_equal(c[1].resumes, 0);
    waitlist_close(&list);
    assert_false(c[1].waiter.gone);
    assert_int_equal(c[1].resumes, 1);
    assert_int_equal(waitlist_join(&list, &c[1].waiter, no, NULL), WAIT_READY);
    waitlist_release(&list);
}

/* A counter that one thread drives and the others follow, each step waited for. */
struct race {
    struct waitlist list;
    atomic_int progress;
};

struct follower {
    struct race *race;
    struct client client;
    int want;
};

static bool has_come(void *arg)
{
    const struct follower *f = arg;
    return f->race->progress >= f->want;
}

static void *follow(void *arg)
{
    struct follower *f = arg;
    for (f->want = 1; f->want <= STEPS; f->want++) {
        f->client.waiter.want = f->want;
        if (waitlist_join(&f->race->list, &f->client.waiter, has_come, f) == WAIT_SUSPENDED)
            sem_wait(&f->client.resumed);
    }
    return NULL;
}

static void loses_no_wake_up(void **state)
{
    (void)state;
    static struct race race;
    static struct follower follower[THREADS];
    pthread_t thread[THREADS];
    waitlist_init(&race.list);
    for (int i = 0; i < THREADS; i++) {
        follower[i].race = &race;
        client_init(&follower[i].client, 0);
        assert_int_equal(pthread_create(&thread[i], NULL, follow, &follower[i]), 0);
    }
    for (int n = 1; n <= STEPS; n++) {
        race.progress = n;
        waitlist_wake(&race.list, n, n + 1);
        (void)waitlist_sweep(&race.list);
    }
    for (int i = 0; i < THREADS; i++) /* a lost wake-up would hang here */
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(follower[i].client.suspends, follower[i].client.resumes);
    waitlist_close(&race.list);
    waitlist_release(&race.list);
}

/* A waiter that looks, at each call that it gets, whether somebody else could come in between. */
struct witness {
    struct client client; /* first: the class casts */
    struct waitlist list;
    int calls, unlocked;
};

static void look(struct witness *w)
{
    w->calls++;
    if (pthread_mutex_trylock(&w->list.lock) == 0) {
        w->unlocked++;
        pthread_mutex_unlock(&w->list.lock);
    }
}

static bool witness_ready(void *arg)
{
    look(arg);
    return false;
}

static void witness_suspend(struct waiter *waiter)
{
    look((struct witness *)waiter);
}

static void witness_resume(struct waiter *waiter)
{
    look((struct witness *)waiter);
}

static bool witness_is_gone(struct waiter *waiter)
{
    look((struct witness *)waiter);
    return true;
}

/* From the test to the link, and from being found to being resumed, the list belongs to one. */
static void nobody_comes_in_between(void **state)
{
    (void)state;
    static const struct waiter_class witnesses = {witness_suspend, witness_resume, witness_is_gone};
    struct witness w = {.client.waiter.class = &witnesses};
    waitlist_init(&w.list);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(waitlist_join(&w.list, &w.client.waiter, witness_ready, &w),
                         WAIT_SUSPENDED);
        if (i == 0)
            waitlist_wake(&w.list, 0, 1);
        else
            assert_int_equal(waitlist_sweep(&w.list), 1);
    }
    assert_int_equal(waitlist_join(&w.list, &w.client.waiter, witness_ready, &w), WAIT_SUSPENDED);
    waitlist_close(&w.list);
    assert_int_equal(w.calls, 10);
    assert_int_equal(w.unlocked, 0);
    waitlist_release(&w.list);
}

/* Threads that wait for what never comes, against close: all come back. */
static void *wait_until_closed(void *arg)
{
    struct follower *f = arg;
    while (waitlist_join(&f->race->list, &f->client.waiter, no, NULL) == WAIT_SUSPENDED)
        sem_wait(&f->client.resumed);
    return NULL;
}

static void closing_leaves_nobody(void **state)
{
    (void)state;
    static struct race race;
    static struct follower follower[THREADS];
    pthread_t thread[THREADS];
    waitlist_init(&race.list);
    for (int i = 0; i < THREADS; i++) {
        follower[i].race = &race;
        client_init(&follower[i].client, 0);
        assert_int_equal(pthread_create(&thread[i], NULL, wait_until_closed, &follower[i]), 0);
    }
    for (int n = 0; n < STEPS; n++)
        waitlist_wake(&race.list, 0, 1);
    waitlist_close(&race.list);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
        assert_int_equal(follower[i].client.suspends, follower[i].client.resumes);
    }
    waitlist_release(&race.list);
}

static void resumes_whose_time_is_over(void **state)
{
    (void)state;
    struct waitlist list;
    struct client c[3];
    int64_t now_ms = clock_monotonic_ms();
    waitlist_init(&list);
    for (int i = 0; i < 3; i++)
        client_init(&c[i], 10 * i);
    c[0].waiter.until_ms = now_ms - 1;
    c[1].waiter.until_ms = now_ms + 60000; /* and c[2] has no limit */
    for (int i = 0; i < 3; i++)
        assert_int_equal(waitlist_join(&list, &c[i].waiter, no, NULL), WAIT_SUSPENDED);
    waitlist_expire(&list, now_ms);
    waitlist_expire(&list, now_ms);
    assert_int_equal(c[0].resumes, 1);
    assert_int_equal(c[1].resumes + c[2].resumes, 0);
    assert_true(waiter_is_late(&c[0].waiter));
    assert_false(waiter_is_late(&c[1].waiter));
    assert_false(waiter_is_late(&c[2].waiter));
    waitlist_expire(&list, now_ms + 60000);
    assert_int_equal(c[1].resumes, 1);
    assert_int_equal(c[2].resumes, 0);
    waitlist_close(&list);
    waitlist_release(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wakes_whom_it_concerns), cmocka_unit_test(resumes_whose_time_is_over),
        cmocka_unit_test(sweeps_those_who_left),  cmocka_unit_test(loses_no_wake_up),
        cmocka_unit_test(closing_leaves_nobody),  cmocka_unit_test(nobody_comes_in_between),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
