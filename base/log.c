// SPDX-License-Identifier: Apache-2.0
/*
 * The life of a line: a caller formats it on its stack, cleans it, and appends it to one text under
 * a lock. The lock is held for no longer than a copy. The log thread takes the whole text and
 * writes it at once. It gathers lines for GATHER_MS first, because a write and a wake-up for each
 * line would cost more than the answer to a small request.
 *
 * The life of the log: before log_start and after log_stop `runs` is false and callers write
 * directly. log_stop asks the thread to end; it writes everything first, then clears `runs` under
 * the lock. So no line is lost and none is written twice.
 */
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/lane.h"
#include "base/terminal.h"

enum { LINE_MAX_BYTES = 8192, QUEUE_MAX_LINES = 8192, QUEUE_MAX_BYTES = 8 << 20 };
/* A burst's buffer above KEEP_BYTES goes back to the allocator. */
enum { GATHER_MS = 10, KEEP_BYTES = 64 << 10 };
/* More different repeated lines than REPEATS end the oldest one early. */
enum { REPEATS = 64, REPEAT_MAX_BYTES = 512, REPEAT_MS = 60 * 1000 };

static _Atomic int level_most = LOG_LEVEL_INFO;

static struct {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct buf text; /* lines queued, in order */
    unsigned lines;
    unsigned long dropped; /* lines dropped since the text was last taken, all of them newer */
    bool runs;             /* the log thread takes what is queued */
    bool is_urgent;        /* the thread must not gather */
    bool is_stopping;
    struct lane *lane; /* only for log_start and log_stop */
    struct job job;
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER};

static void repeats_end(int64_t before_ms);

static pthread_once_t prefix_once = PTHREAD_ONCE_INIT;
static bool has_prefix;

/* The journal reads the level from this prefix; a terminal should not show it. */
static void prefix_find(void)
{
    has_prefix = getenv("JOURNAL_STREAM");
}

/* A short write continues; any error drops the rest. */
static void text_write(const char *text, size_t len)
{
    while (len) {
        ssize_t n = write(STDERR_FILENO, text, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* nobody reads the log, and there is no other place to say so */
        text += n;
        len -= (size_t)n;
    }
}

/* The level in the form of sd-daemon(3). */
static size_t prefix_put(enum log_level level, char *text, size_t size)
{
    (void)pthread_once(&prefix_once, prefix_find);
    return has_prefix ? (size_t)snprintf(text, size, "<%d>", (int)level) : 0;
}

/* Written directly by the log thread: the queue is what was full. */
static void dropped_write(unsigned long dropped)
{
    char text[80];
    size_t len = prefix_put(LOG_LEVEL_WARNING, text, sizeof(text));
    int n =
        snprintf(text + len, sizeof(text) - len, "log queue full, %lu lines dropped\n", dropped);
    text_write(text, len + (size_t)n);
}

/* ------------------------------------------------------------------ log thread */

/* Waits for more lines, unless a line is urgent or the log is ending. */
static void queue_gather(void)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += GATHER_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    while (!queue.is_urgent && !queue.is_stopping)
        if (pthread_cond_clockwait(&queue.work, &queue.lock, CLOCK_MONOTONIC, &until))
            return;
}

/* Waits for lines and takes all of them by a swap of buffers. False: the log ends and none is left.
 */
static bool queue_take(struct buf *batch, unsigned long *ret_dropped)
{
    pthread_mutex_lock(&queue.lock);
    while (!queue.lines && !queue.dropped && !queue.is_stopping)
        pthread_cond_wait(&queue.work, &queue.lock);
    queue_gather();
    struct buf taken = queue.text;
    queue.text = *batch;
    *batch = taken;
    *ret_dropped = queue.dropped;
    queue.lines = 0;
    queue.dropped = 0;
    queue.is_urgent = false;
    bool found = batch->len || *ret_dropped;
    if (!found)
        queue.runs = false; /* everything is written; callers write for themselves now */
    pthread_mutex_unlock(&queue.lock);
    return found;
}

/* One job for the whole life of the log; it ends when queue_take finds nothing left. */
static void writer_run(struct job *job)
{
    (void)job;
    struct buf batch;
    unsigned long dropped;
    buf_init(&batch, QUEUE_MAX_BYTES);
    while (queue_take(&batch, &dropped)) {
        text_write(batch.data, batch.len);
        if (dropped)
            dropped_write(dropped);
        if (batch.cap > KEEP_BYTES)
            buf_release(&batch);
        buf_clear(&batch);
    }
    buf_release(&batch);
}

/* `runs` is set before the job is posted, so that no line overtakes another. */
int log_start(void)
{
    int r = lane_new("log", 1, &queue.lane);
    if (r)
        return r;
    pthread_mutex_lock(&queue.lock);
    buf_init(&queue.text, QUEUE_MAX_BYTES);
    queue.is_stopping = false;
    queue.runs = true;
    queue.job.run = writer_run;
    pthread_mutex_unlock(&queue.lock);
    lane_post(queue.lane, &queue.job);
    return 0;
}

/* Repetitions are ended first, because they are lines too. */
void log_stop(void)
{
    repeats_end(INT64_MAX);
    if (!queue.lane)
        return;
    pthread_mutex_lock(&queue.lock);
    queue.is_stopping = true;
    pthread_cond_signal(&queue.work);
    pthread_mutex_unlock(&queue.lock);
    lane_free(queue.lane);
    queue.lane = NULL;
    buf_release(&queue.text);
}

/* ------------------------------------------------------------------ callers */

void log_set_level(enum log_level most)
{
    atomic_store(&level_most, (int)most);
}

/* Text of a client or a mirror must not forge a second line. */
static void line_sanitize(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20)
            text[i] = '?';
    terminal_clean(text, len);
}

/* The first line wakes the log thread. It then gathers, unless this line is urgent. */
static void queue_add(enum log_level level, const char *text, size_t len)
{
    bool is_full = queue.lines >= QUEUE_MAX_LINES;
    bool hurries = level <= LOG_LEVEL_WARNING || queue.lines >= QUEUE_MAX_LINES / 2;
    bool wakes = !queue.lines || (hurries && !queue.is_urgent);

    if (!is_full)
        buf_add(&queue.text, text, len);
    if (is_full || queue.text.error)
        queue.dropped++;
    else
        queue.lines++;
    queue.text.error = 0; /* no room for this line; the next one may be shorter */
    queue.is_urgent |= hurries;
    if (wakes)
        pthread_cond_signal(&queue.work);
}

static bool is_wanted(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&level_most, memory_order_relaxed);
}

__attribute__((format(printf, 2, 0))) static void line_write(enum log_level level,
                                                             const char *format, va_list args)
{
    char text[LINE_MAX_BYTES];
    size_t len = prefix_put(level, text, sizeof(text));
    size_t room = sizeof(text) - len - 1; /* the last byte is for the line feed */
    int n = vsnprintf(text + len, room, format, args);
    if (n < 0)
        return;
    len += (size_t)n < room ? (size_t)n : room - 1;
    line_sanitize(text, len);
    text[len++] = '\n';

    pthread_mutex_lock(&queue.lock);
    bool queued = queue.runs;
    if (queued)
        queue_add(level, text, len);
    pthread_mutex_unlock(&queue.lock);
    if (!queued)
        text_write(text, len);
}

void log_line(enum log_level level, const char *format, ...)
{
    va_list args;
    if (!is_wanted(level))
        return;
    va_start(args, format);
    line_write(level, format, args);
    va_end(args);
}

/* ------------------------------------------------------------------ repetitions */

/* A line that was written, and how often it came since. */
struct repeat {
    char text[REPEAT_MAX_BYTES]; /* "": this place is free */
    enum log_level level;
    unsigned count;
    int64_t since_ms;
};

static pthread_mutex_t repeat_lock = PTHREAD_MUTEX_INITIALIZER;
static struct repeat repeats[REPEATS];

/* Called with repeat_lock held; log_line takes another lock, never this one. */
static void repeat_end(struct repeat *r)
{
    if (r->text[0] && r->count)
        log_line(r->level, "%s (repeated %u times)", r->text, r->count);
    r->text[0] = '\0';
    r->count = 0;
}

/* The place for this line: its own, a free one, or that of the oldest line, which then ends. */
static struct repeat *repeat_find(const char *text)
{
    struct repeat *oldest = &repeats[0];
    for (struct repeat *r = repeats; r < repeats + REPEATS; r++) {
        if (strcmp(r->text, text) == 0)
            return r;
        if (!r->text[0] || (oldest->text[0] && r->since_ms < oldest->since_ms))
            oldest = r;
    }
    repeat_end(oldest);
    return oldest;
}

/* True: the caller must write the line. False: it was counted. */
static bool repeat_take(enum log_level level, const char *text)
{
    pthread_mutex_lock(&repeat_lock);
    struct repeat *r = repeat_find(text);
    bool is_first = !r->text[0];
    if (is_first) {
        memcpy(r->text, text, strlen(text) + 1);
        r->level = level;
        r->since_ms = clock_monotonic_ms();
    } else {
        r->count++;
    }
    pthread_mutex_unlock(&repeat_lock);
    return is_first;
}

/* Ends the lines that began before `before_ms`. */
static void repeats_end(int64_t before_ms)
{
    pthread_mutex_lock(&repeat_lock);
    for (struct repeat *r = repeats; r < repeats + REPEATS; r++)
        if (r->text[0] && r->since_ms <= before_ms)
            repeat_end(r);
    pthread_mutex_unlock(&repeat_lock);
}

void log_settle(void)
{
    repeats_end(clock_monotonic_ms() - REPEAT_MS);
}

/* A very long line is not worth the memory of a repetition. */
void log_repeated(enum log_level level, const char *format, ...)
{
    char text[LINE_MAX_BYTES];
    va_list args;
    if (!is_wanted(level))
        return;
    va_start(args, format);
    int n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (n <= 0)
        return;
    if (n >= REPEAT_MAX_BYTES || repeat_take(level, text))
        log_line(level, "%s", text);
}
