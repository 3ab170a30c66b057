// SPDX-License-Identifier: Apache-2.0
/*
 * The directory thread: one for all folders, of low priority.
 *
 *     asleep --kicked, or a walk is due--> attend to each folder: one thing at a time
 *        ^                                   walk | check one file | hash one step | tell the news
 *        +--nothing left to do---------------+
 *
 * It walks before it reads, and reads before it hashes. Hashing takes half a core at most: after
 * each step the thread rests as long as the step took. News wait up to TELL_MS for files that are
 * still being read, so that pages change once. The thread starts with the first folder, and
 * folders_stop ends it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "base/thread.h"
#include "engine/folders/directory_state.h"

enum {
    NICE = 5,
    SCAN_SHARE = 20,  /* the thread rests so many times as long as a walk took */
    TELL_MS = 1000,   /* how long news wait for files that are being read */
    CLOSE_MS = 10000, /* how often unused files are closed */
    IDLE_MS = 60000,
};

/* -------------------------------------------------------------------- walks */

/* Other files are not even looked at. */
static bool wants(void *context, const char *name)
{
    (void)context;
    return str_ends(name, ".whl") || str_ends(name, ".tar.gz") || str_ends(name, ".zip");
}

static void seen(void *context, const char *path, const struct folder_file *file)
{
    record_seen(context, path, file);
}

static void trouble(void *context, const char *path, const char *what)
{
    record_trouble(context, path, what);
}

static const struct folder_visitor visitor = {wants, seen, trouble};

/* Without memory the row stays: it is dropped when the folder is read the next time. */
static void add_gone(struct directory *d, const char *path)
{
    char **list = realloc(d->gone, (d->gone_count + 1) * sizeof(*list));
    if (list)
        d->gone = list;
    char *copy = list ? strdup(path) : NULL;
    if (copy)
        d->gone[d->gone_count++] = copy;
}

/* Drops the rows of files that went while the daemon did not run. */
static void forget_known(struct directory *d)
{
    for (const struct known_file *k = d->known; k; k = k->hh.next)
        if (!directory_find(d, k->path))
            add_gone(d, k->path);
    directory_free_known(d);
    if (d->gone_count)
        directory_keep(d);
}

/* Rows go only when the walk has found some file: else the folder may not be mounted. */
static void drop_unseen(struct directory *d)
{
    struct record *r, *next;
    HASH_ITER(hh, d->table, r, next)
    {
        if (r->round == d->round)
            continue;
        if (d->found_any && r->is_kept)
            add_gone(d, r->path);
        record_drop(d, r);
    }
}

/* A failure wakes requests for the first reading also: they are told why. */
static void set_failure(struct directory *d, const char *failure)
{
    bool same = strcmp(d->failure, failure) == 0;
    pthread_mutex_lock(&d->files.lock);
    str_copy(d->failure, sizeof(d->failure), failure);
    pthread_mutex_unlock(&d->files.lock);
    if (same)
        return;
    if (failure[0]) {
        log_repeated(LOG_LEVEL_WARNING, "folder origin=%s problem=\"%s\"", d->origin, failure);
        directory_tell(d, NULL, failure);
    }
    d->is_dirty = true; /* the listing is told again when the folder is back */
    directory_wake_first(d);
}

/* Plans the next walk: later where a walk takes long, sooner when a file is about to settle. */
static void plan_look(struct directory *d)
{
    int64_t now_ms = clock_monotonic_ms();
    /* at most a twentieth of the time goes into walks */
    int64_t wait_ms = (now_ms - d->now_ms) * SCAN_SHARE;
    if (wait_ms < DIRECTORY_SCAN_MS)
        wait_ms = DIRECTORY_SCAN_MS;
    if (wait_ms > DIRECTORY_SCAN_MOST_MS)
        wait_ms = DIRECTORY_SCAN_MOST_MS;
    d->scan_ms = now_ms + wait_ms;
    for (const struct record *r = d->settling; r; r = r->next)
        if (r->seen_ms + DIRECTORY_SETTLE_MS < d->scan_ms)
            d->scan_ms = r->seen_ms + DIRECTORY_SETTLE_MS;
}

/* One walk over the folder. An error leaves all records as they were. */
static void look(struct directory *d)
{
    char failure[sizeof(d->failure)] = "";
    const char *why = "";
    d->now_ms = clock_monotonic_ms();
    d->round++;
    d->found_any = false;
    d->asked = false;
    int r = folder_walk(d->root, &visitor, d, &why);
    if (r)
        (void)snprintf(failure, sizeof(failure), "%.300s: %s", d->root,
                       r == FOLDER_MISSING  ? why
                       : r == ERROR_TOO_BIG ? "too many files"
                                            : error_text(r));
    else
        drop_unseen(d);
    /* An empty folder may be one that something is to be mounted on: its files may come back. */
    if (r == 0 && d->is_read && d->found_any && d->known)
        forget_known(d);
    set_failure(d, failure);
    plan_look(d);
}

/* --------------------------------------------------------------------- news */

/* Whether it is time to tell the news. */
static bool is_time_to_tell(const struct directory *d)
{
    if (d->failure[0] || (!d->is_dirty && d->is_read))
        return false;
    if (!d->is_read && (!d->round || d->checking))
        return false;
    if (!d->checking && !d->unhashed)
        return true;
    return d->is_dirty && clock_monotonic_ms() - d->dirty_ms >= TELL_MS;
}

/* The rows are stored first, so a restart right after the news finds them. */
static void tell(struct directory *d)
{
    struct listing_ref *listing = directory_listing(d);
    if (!listing) {
        d->dirty_ms = clock_monotonic_ms(); /* no memory: again in a while */
        return;
    }
    directory_keep(d);
    directory_tell(d, listing, "");
    pthread_mutex_lock(&d->files.lock);
    bool first = !d->is_read;
    d->is_read = true;
    d->waited_ms = 0;
    pthread_mutex_unlock(&d->files.lock);
    if (first) {
        log_info("folder origin=%s read files=%u", d->origin, HASH_COUNT(d->table));
        directory_wake_first(d);
    }
    d->is_dirty = false;
}

/* --------------------------------------------------------------- the thread */

/* The CPU time of this thread. */
static int64_t cpu_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Does one thing. Returns how many ms there is nothing else to do. The order is walk, check,
 * hash: a new file is listed before an old one is hashed. */
static int64_t attend(struct directory *d)
{
    int64_t rest_ms = 0, before_ms = cpu_ms();
    if (!d->in_force || !d->has_known)
        return IDLE_MS;
    if (d->asked || clock_monotonic_ms() >= d->scan_ms)
        look(d);
    else if (d->failure[0])
        return d->scan_ms - clock_monotonic_ms();
    else if (d->checking)
        record_check(d, d->checking);
    else if (d->unhashed)
        record_hash_step(d);
    if (d->unhashed && !d->checking) /* half a core at most */
        rest_ms = cpu_ms() - before_ms;
    if (is_time_to_tell(d))
        tell(d);
    if (d->checking || d->unhashed)
        return rest_ms;
    rest_ms = d->scan_ms - clock_monotonic_ms();
    return rest_ms > 0 ? rest_ms : 0;
}

/* Sleeps until a kick, a stop, or the end of the time. */
static void rest(struct folders *all, int64_t ms)
{
    int64_t until_ms = clock_monotonic_ms() + ms;
    pthread_mutex_lock(&all->lock);
    while (!all->stopping && !all->kicked && thread_wait_until(&all->work, &all->lock, until_ms))
        ;
    all->kicked = false;
    pthread_mutex_unlock(&all->lock);
}

/* Runs here, because this thread may wait for the disk. */
static void close_idle(struct folders *all, int64_t *closed_ms)
{
    int64_t now_ms = clock_monotonic_ms();
    if (now_ms - *closed_ms < CLOSE_MS)
        return;
    *closed_ms = now_ms;
    for (struct directory *d = all->list; d; d = d->next) {
        pthread_mutex_lock(&d->files.lock);
        directory_close_idle(d, now_ms);
        pthread_mutex_unlock(&d->files.lock);
    }
}

static bool is_stopping(struct folders *all)
{
    pthread_mutex_lock(&all->lock);
    bool stopping = all->stopping;
    pthread_mutex_unlock(&all->lock);
    return stopping;
}

/* Each folder gets one thing done in turn, so a large one does not hold up the others. */
static void *watch(void *arg)
{
    struct folders *all = arg;
    int64_t closed_ms = clock_monotonic_ms();
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICE); /* applies to this thread alone */
    while (!is_stopping(all)) {
        int64_t wait_ms = IDLE_MS;
        for (struct directory *d = all->list; d; d = d->next) {
            int64_t ms = attend(d);
            wait_ms = ms < wait_ms ? ms : wait_ms;
        }
        close_idle(all, &closed_ms);
        if (wait_ms > 0)
            rest(all, wait_ms);
    }
    return NULL;
}

int folders_start_thread(struct folders *folders)
{
    if (folders->has_thread)
        return 0;
    int r = thread_start("directory", watch, folders, &folders->thread);
    folders->has_thread = r == 0;
    return r;
}

/* The thread looks at `stopping` between two steps. */
void folders_stop(struct folders *folders)
{
    if (!folders || !folders->has_thread)
        return;
    pthread_mutex_lock(&folders->lock);
    folders->stopping = true;
    pthread_cond_signal(&folders->work);
    pthread_mutex_unlock(&folders->lock);
    (void)pthread_join(folders->thread, NULL);
    folders->has_thread = false;
}
