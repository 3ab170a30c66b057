// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/lane.h"

enum { LINE_MAX_BYTES = 8192, QUEUE_MAX = 8192 };

struct line {
    struct job job;
    size_t len;
    char text[];
};

static _Atomic int level_most = LOG_LEVEL_INFO;
static _Atomic(struct lane *) writer;
static _Atomic unsigned long dropped;

static void line_write(const char *text, size_t len)
{
    while (len) {
        ssize_t n = write(STDERR_FILENO, text, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* nobody reads our log: there is nowhere to say so */
        text += n;
        len -= (size_t)n;
    }
}

static void line_run(struct job *job)
{
    struct line *line = container_of(job, struct line, job);
    unsigned long lost = atomic_exchange(&dropped, 0);
    if (lost) {
        char text[64];
        int n = snprintf(text, sizeof(text), "log queue full, %lu lines dropped\n", lost);
        line_write(text, (size_t)n);
    }
    line_write(line->text, line->len);
    free(line);
}

int log_start(void)
{
    struct lane *lane;
    int r = lane_new("log", 1, &lane);
    if (r == 0)
        atomic_store(&writer, lane);
    return r;
}

void log_stop(void)
{
    /* The lane is stopped, not freed: a thread that still holds the pointer writes for itself. */
    struct lane *lane = atomic_load(&writer);
    if (lane)
        lane_stop(lane);
}

void log_set_level(enum log_level most)
{
    atomic_store(&level_most, (int)most);
}

/* Whatever a client or a mirror sent must not forge a second line. */
static void line_sanitize(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            text[i] = '?';
}

void log_line(enum log_level level, const char *format, ...)
{
    if ((int)level > atomic_load_explicit(&level_most, memory_order_relaxed))
        return;
    struct lane *lane = atomic_load(&writer);
    if (lane && lane_depth(lane) >= QUEUE_MAX) {
        atomic_fetch_add(&dropped, 1);
        return;
    }
    char text[LINE_MAX_BYTES];
    int prefix = getenv("JOURNAL_STREAM") ? snprintf(text, sizeof(text), "<%d>", (int)level) : 0;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text + prefix, sizeof(text) - (size_t)prefix - 1, format, args);
    va_end(args);
    if (n < 0)
        return;
    size_t len = strlen(text);
    line_sanitize(text, len);
    text[len++] = '\n';

    struct line *line = lane ? malloc(sizeof(*line) + len) : NULL;
    if (!line) {
        line_write(text, len);
        return;
    }
    *line = (struct line){.job.run = line_run, .len = len};
    memcpy(line->text, text, len);
    lane_post(lane, &line->job);
}
