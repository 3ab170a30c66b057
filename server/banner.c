// SPDX-License-Identifier: Apache-2.0
/*
 * The life of the probe thread:
 *
 * - banner_probe starts it after the HTTP workers;
 * - it asks the engine for a page, as a worker would, and blocks on a condition variable while the
 * engine waits for mirrors;
 * - the engine's thread resumes the waiter, and the probe asks again;
 * - it ends after two pages at most, or when engine_stop resumes every waiter;
 * - banner_free joins it.
 *
 * Nobody else reads its state, so it needs no lock except the one of its wait.
 */
#include "server/banner.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/lane.h"
#include "config/setup.h"

enum { TEXT_MAX_BYTES = 16 << 10 };

void banner_addresses(const char *const *addresses, FILE *to)
{
    for (; *addresses; addresses++)
        (void)fprintf(to, "listening on http://%s\n", *addresses);
    (void)fflush(to);
}

/* The same lines as `wheelyard setup` prints, for copying. */
void banner_clients(const char *address, const struct origins *origins, FILE *to)
{
    auto_buf struct buf base;
    auto_buf struct buf lines;
    buf_init(&base, TEXT_MAX_BYTES);
    buf_init(&lines, TEXT_MAX_BYTES);
    setup_base(&base, address);
    setup_write(&lines, base.data, setup_example_index(origins));
    (void)fprintf(to, "\n%s\n", lines.data);
    (void)fflush(to);
}

/* ------------------------------------------------------------------ probe */

/* A waiter (engine/loop/wait.h) of a plain thread: it blocks where an HTTP worker would suspend its
 * connection. */
struct pause {
    struct waiter waiter;
    pthread_mutex_t lock;
    pthread_cond_t change;
    bool suspended;
};

/* The probe: what it asks, and its thread. */
struct banner {
    struct engine *engine;
    const char *index;
    FILE *to;
    struct pause pause;
    pthread_t thread;
};

/* Called by the engine under the list's lock; `lock` is a leaf below it. */
static void pause_set(struct waiter *waiter, bool suspended)
{
    struct pause *pause = container_of(waiter, struct pause, waiter);
    pthread_mutex_lock(&pause->lock);
    pause->suspended = suspended;
    pthread_cond_signal(&pause->change);
    pthread_mutex_unlock(&pause->lock);
}

static void pause_suspend(struct waiter *waiter)
{
    pause_set(waiter, true);
}

static void pause_resume(struct waiter *waiter)
{
    pause_set(waiter, false);
}

static const struct waiter_class pause_class = {.suspend = pause_suspend, .resume = pause_resume};

static void pause_wait(struct pause *pause)
{
    pthread_mutex_lock(&pause->lock);
    while (pause->suspended)
        pthread_cond_wait(&pause->change, &pause->lock);
    pthread_mutex_unlock(&pause->lock);
}

/* Whether no mirror answered for this page. A stopping engine gives an error, which says nothing
 * about mirrors, so that counts as an answer. */
static bool probe_fails(struct banner *banner, const char *index, const char *project)
{
    struct page_query query = {.index = index, .project = project};
    enum page_state state;
    struct page *page;
    bool waited = false;
    int r;
    while ((r = engine_page(banner->engine, &query, &banner->pause.waiter, waited, &page,
                            &state)) == ENGINE_WAIT) {
        waited = true;
        pause_wait(&banner->pause);
    }
    if (r)
        return false;
    bool fails = page->outcome == OUTCOME_UNAVAILABLE || page->outcome == OUTCOME_BROKEN ||
                 page->outcome == OUTCOME_SILENT;
    page_unref(page);
    return fails;
}

/* PyPI is asked only when the channel's page failed: one answer is enough to stay silent. */
static void *banner_main(void *arg)
{
    struct banner *banner = arg;
    if (!probe_fails(banner, banner->index, *banner->index ? "torch" : "requests") ||
        (*banner->index && !probe_fails(banner, "", "pip")))
        return NULL;
    (void)fputs("None of the mirrors answers from here; /-/status says why. "
                "To see wheelyard at work without them: make demo\n",
                banner->to);
    (void)fflush(banner->to);
    return NULL;
}

int banner_probe(struct engine *engine, const struct origins *origins, FILE *to,
                 struct banner **ret)
{
    struct banner *banner = calloc(1, sizeof(*banner));
    if (!banner)
        return ERROR_NO_MEMORY;
    banner->engine = engine;
    banner->index = setup_example_index(origins);
    banner->to = to;
    banner->pause.waiter.class = &pause_class;
    pthread_mutex_init(&banner->pause.lock, NULL);
    pthread_cond_init(&banner->pause.change, NULL);
    int r = pthread_create(&banner->thread, NULL, banner_main, banner);
    if (r) {
        free(banner);
        return error_from_errno(r);
    }
    *ret = banner;
    return 0;
}

/* The engine has stopped, so the thread's wait has ended. */
void banner_free(struct banner *banner)
{
    if (!banner)
        return;
    (void)pthread_join(banner->thread, NULL);
    pthread_cond_destroy(&banner->pause.change);
    pthread_mutex_destroy(&banner->pause.lock);
    free(banner);
}
