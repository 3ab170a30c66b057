// SPDX-License-Identifier: Apache-2.0
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

/* A wait of a plain thread. */
struct pause {
    struct waiter waiter;
    pthread_mutex_t lock;
    pthread_cond_t change;
    bool suspended;
};

struct announce {
    struct engine *engine;
    const char *index;
    FILE *to;
    struct pause pause;
    pthread_t thread;
};

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

/* Whether no mirror answered for the page; a stopping engine says nothing about mirrors. */
static bool probe_fails(struct announce *announce, const char *index, const char *project)
{
    struct page_query query = {.index = index, .project = project};
    enum page_state state;
    struct page *page;
    bool waited = false;
    int r;
    while ((r = engine_page(announce->engine, &query, &announce->pause.waiter, waited, &page,
                            &state)) == ENGINE_WAIT) {
        waited = true;
        pause_wait(&announce->pause);
    }
    if (r)
        return false;
    bool fails = page->outcome == OUTCOME_UNAVAILABLE || page->outcome == OUTCOME_BROKEN ||
                 page->outcome == OUTCOME_SILENT;
    page_unref(page);
    return fails;
}

static void *banner_main(void *arg)
{
    struct announce *announce = arg;
    if (!probe_fails(announce, announce->index, *announce->index ? "torch" : "requests") ||
        (*announce->index && !probe_fails(announce, "", "pip")))
        return NULL;
    (void)fputs("None of the mirrors answers from here; /-/status says why. "
                "To see wheelyard at work without them: make demo\n",
                announce->to);
    (void)fflush(announce->to);
    return NULL;
}

int banner_probe(struct engine *engine, const struct origins *origins, FILE *to,
                 struct announce **ret)
{
    struct announce *announce = calloc(1, sizeof(*announce));
    if (!announce)
        return ERROR_NO_MEMORY;
    announce->engine = engine;
    announce->index = setup_example_index(origins);
    announce->to = to;
    announce->pause.waiter.class = &pause_class;
    pthread_mutex_init(&announce->pause.lock, NULL);
    pthread_cond_init(&announce->pause.change, NULL);
    int r = pthread_create(&announce->thread, NULL, banner_main, announce);
    if (r) {
        free(announce);
        return error_from_errno(r);
    }
    *ret = announce;
    return 0;
}

void banner_free(struct announce *announce)
{
    if (!announce)
        return;
    (void)pthread_join(announce->thread, NULL);
    pthread_cond_destroy(&announce->pause.change);
    pthread_mutex_destroy(&announce->pause.lock);
    free(announce);
}
