// SPDX-License-Identifier: Apache-2.0
#include "engine/files/reading.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "engine/files/file.h"
#include "engine/files/files_state.h"
#include "engine/files/passthrough.h"
#include "engine/loop/options.h"
#include "engine/mirrors/generations.h"

/*
 * A handle lives from files_open to file_close, on the thread of its connection. What it reads
 * from:
 *
 *     a blob           complete; mapped, or read by preadv2
 *     a progress       being fetched; reads the partial, and waits at the first missing byte
 *     a passthrough    opened when the progress ends without room
 *     a text           METADATA in memory
 *
 * A progress may end while the client reads (PROGRESS_ASK_AGAIN): reopen looks the file up again
 * and moves the handle to where it is now. A read that would wait for the disk goes to the reader
 * lane (a cold read), and the client is suspended meanwhile. That job holds a reference, so the
 * handle outlives its connection when it must.
 */

enum { COLD_BYTES = 64 << 10 };

/* A block that was not in memory, read by the reader lane. */
enum cold_state { COLD_NONE, COLD_READING, COLD_READY };
struct cold {
    struct job job;
    struct waitlist list;
    _Atomic int state;
    int fd;
    int64_t offset;
    size_t len;
    int error;
    char *data; /* COLD_BYTES */
};

struct file {
    _Atomic int refs; /* one for the client, and one for a cold read */
    struct files *files;
    struct file_facts facts;
    char etag[96], detail[FILE_DETAIL], mirrors[256];
    char *path, *via;
    struct blob *blob;
    struct progress *progress;
    struct passthrough *passthrough;
    struct document *text; /* the whole file, in memory */
    uint64_t reader;       /* its number in the flight; 0 none */
    int64_t from, to;
    bool whole;
    struct cold cold;
};

/* Any thread: a cold read may hold the last reference. */
static void file_unref(struct file *f)
{
    if (--f->refs > 0)
        return;
    blob_unref(f->blob);
    progress_unref(f->progress);
    document_unref(f->text);
    waitlist_release(&f->cold.list);
    free(f->cold.data);
    free(f->path);
    free(f->via);
    free(f);
}

/* Everything that replies need is copied, so that a handle stays valid whatever becomes of the
 * table. */
int reading_new(struct files *files, const struct file_facts *facts, struct blob *blob,
                struct progress *progress, const char *mirrors, const struct file_query *query,
                struct file **ret)
{
    struct file *f = calloc(1, sizeof(*f));
    if (!f) {
        blob_unref(blob);
        return ERROR_NO_MEMORY;
    }
    f->refs = 1;
    f->files = files;
    f->facts = *facts;
    str_copy(f->etag, sizeof(f->etag), facts->etag ? facts->etag : "");
    str_copy(f->detail, sizeof(f->detail), facts->detail ? facts->detail : "");
    str_copy(f->mirrors, sizeof(f->mirrors), mirrors ? mirrors : "");
    f->facts.etag = f->etag;
    f->facts.detail = f->detail;
    f->blob = blob;
    f->progress = progress ? progress_ref(progress) : NULL;
    f->path = strdup(query->path);
    f->via = str_dup(query->via);
    waitlist_init(&f->cold.list);
    if (!f->path) {
        file_unref(f);
        return ERROR_NO_MEMORY;
    }
    *ret = f;
    return 0;
}

/* METADATA is made in memory, and served like any other file. */
int reading_new_text(struct files *files, const struct file_facts *facts, struct document *text,
                     const char *mirrors, const struct file_query *query, struct file **ret)
{
    int r = reading_new(files, facts, NULL, NULL, mirrors, query, ret);
    if (r)
        document_unref(text);
    else
        (*ret)->text = text;
    return r;
}

const struct file_facts *file_facts(const struct file *f)
{
    return &f->facts;
}

/* Of a download the list may still grow; of a blob it is what was stored with it. */
void file_mirrors(struct file *f, char *ret, size_t size)
{
    if (f->progress)
        mirrors_names(f->progress->origin, f->progress->senders, ret, size);
    else
        str_copy(ret, size, f->mirrors);
}

/* --------------------------------------------------------- reader numbers */

/* News of a reader, on its way to the flight thread. */
struct reader_job {
    struct job job;
    struct files *files;
    struct progress *progress;
    uint64_t reader;
    enum file_use use;
    int64_t from, to;
    bool left;
};

/* The progress may belong to a download that is over; then nothing happens. */
static void reader_run(struct job *job)
{
    struct reader_job *r = container_of(job, struct reader_job, job);
    if (r->left)
        downloads_reader_left(r->progress, r->reader);
    else
        downloads_reader(r->progress, r->reader, r->use, r->from, r->to);
    progress_unref(r->progress);
    free(r);
}

/* The flight thread learns of readers by a job; it never touches a handle. */
static int post_reader(struct file *f, enum file_use use, bool left)
{
    struct reader_job *r = calloc(1, sizeof(*r));
    if (!r)
        return ERROR_NO_MEMORY;
    *r = (struct reader_job){.job.run = reader_run,
                             .files = f->files,
                             .progress = progress_ref(f->progress),
                             .reader = f->reader,
                             .use = use,
                             .from = f->from,
                             .to = f->to,
                             .left = left};
    loop_post(f->files->s, &r->job);
    return 0;
}

/* The transfer begins where this client's reading stands. Bytes before it, when they are in the
 * partial, are only hashed. */
static int open_passthrough(struct file *f, int64_t from)
{
    struct partial *partial = f->progress->partial;
    struct passthrough_options options = {.origin = f->progress->origin,
                                          .path = f->path,
                                          .via = f->via,
                                          .claims = f->progress->claims,
                                          .claims_version = f->progress->claims_version,
                                          .size = f->facts.size,
                                          .from = from,
                                          .to = f->to,
                                          .prefix = f->progress->prefix >= from ? partial : NULL,
                                          .blamed = f->progress->blamed,
                                          .whole = f->whole};
    return passthrough_open(f->files, &options, &f->passthrough);
}

/* A blob needs no registration. A progress is told which bytes are wanted, so that they are fetched
 * first. */
int file_select(struct file *f, int64_t from, int64_t to, enum file_use use)
{
    f->from = from;
    f->to = to;
    f->whole = use == FILE_USE_WHOLE;
    if (!f->progress)
        return 0;
    if (f->progress->state == PROGRESS_CLOSED && f->progress->wants_passthrough)
        return open_passthrough(f, from);
    f->reader = ++f->files->last_reader;
    int r = post_reader(f, use, false);
    if (r)
        f->reader = 0;
    return r;
}

/* Only what is in memory is mapped for a reply: a page fault would stop the worker for all its
 * clients. */
const void *file_mapping(struct file *f)
{
    int64_t to = f->to < 0 ? f->facts.size : f->to;
    if (f->text)
        return f->text->data;
    return f->blob && blob_is_resident(f->blob, f->from, to) ? f->blob->map : NULL;
}

bool file_is_short(const struct file *f)
{
    return f->blob && blob_is_short(f->blob, f->facts.size);
}

/* A reader that has left may let its download park. */
void file_close(struct file *f)
{
    if (!f)
        return;
    if (f->reader)
        (void)post_reader(f, FILE_USE_HEAD, true);
    passthrough_close(f->passthrough);
    file_unref(f);
}

/* ------------------------------------------------------------- cold reads */

/* On the reader lane. A foreign file that changed meanwhile is an error: its bytes may be mixed. */
static void cold_run(struct job *job)
{
    struct cold *c = container_of(job, struct cold, job);
    struct file *f = container_of(c, struct file, cold);
    ssize_t n = pread(c->fd, c->data, c->len, (off_t)c->offset);
    bool changed = f->blob && blob_has_changed(f->blob);
    pthread_mutex_lock(&c->list.lock);
    c->error = n > 0 && !changed ? 0 : ERROR_IO;
    c->len = n > 0 ? (size_t)n : 0;
    c->state = COLD_READY;
    pthread_mutex_unlock(&c->list.lock);
    waitlist_wake(&c->list, 0, INT64_MAX);
    file_unref(f);
}

/* The block may be for another offset; read_cold looks at that. */
static bool is_cold_ready(void *arg)
{
    return ((struct cold *)arg)->state == COLD_READY;
}

/* > 0: bytes of the block that was read. 0: suspended. */
static int64_t read_cold(struct file *f, int fd, int64_t offset, void *data, size_t size,
                         struct waiter *waiter)
{
    struct cold *c = &f->cold;
    if (!c->data && !(c->data = malloc(COLD_BYTES)))
        return ERROR_NO_MEMORY;
    if (c->state != COLD_READING && (c->state == COLD_NONE || c->offset != offset)) {
        c->state = COLD_READING;
        c->job.run = cold_run;
        c->fd = fd;
        c->offset = offset;
        c->len = size < COLD_BYTES ? size : COLD_BYTES;
        f->refs++;
        lane_post(f->files->s->reader, &c->job);
    }
    waiter->want = 0;
    if (waitlist_join(&c->list, waiter, is_cold_ready, c) == WAIT_SUSPENDED)
        return 0;
    c->state = COLD_NONE;
    if (c->offset != offset) /* it was read for another offset */
        return read_cold(f, fd, offset, data, size, waiter);
    if (c->error)
        return c->error;
    size_t n = c->len < size ? c->len : size;
    memcpy(data, c->data, n);
    return (int64_t)n;
}

/* Reads without waiting for the disk. What is not in memory becomes a cold read. */
static int64_t read_now(struct file *f, int fd, int64_t offset, void *data, int64_t size,
                        struct waiter *waiter)
{
    if (f->cold.state == COLD_READY || f->cold.state == COLD_READING)
        return read_cold(f, fd, offset, data, (size_t)size, waiter);
    struct iovec iov = {data, (size_t)size};
    ssize_t n = preadv2(fd, &iov, 1, (off_t)offset, RWF_NOWAIT);
    bool cannot_tell = n < 0 && (errno == EOPNOTSUPP || errno == EINVAL);
    /* the file may be on the far side of a network */
    if (cannot_tell && f->blob && f->blob->is_foreign)
        return read_cold(f, fd, offset, data, (size_t)size, waiter);
    if (cannot_tell)
        /* tmpfs and others that have no such flag: they are in memory */
        n = pread(fd, data, (size_t)size, (off_t)offset);
    /* a writer marks a file before it writes, so bytes of an unmarked file are the old ones */
    if (n > 0)
        return f->blob && blob_has_changed(f->blob) ? ERROR_IO : n;
    if (n < 0 && errno == EAGAIN)
        return read_cold(f, fd, offset, data, (size_t)size, waiter);
    return ERROR_IO;
}

/* --------------------------------------------------------------- progress */

/* What a waiting reader's test needs. */
struct position {
    struct progress *progress;
    int64_t offset;
    bool whole;
};

/* The size is final once the limit is gone. */
static bool is_at_end(const struct progress *b, int64_t offset)
{
    return b->limit == INT64_MAX && offset >= b->size;
}

/* The test of a waiting reader: true when a read would not wait any more. */
static bool has_bytes(void *arg)
{
    struct position *p = arg;
    struct progress *b = p->progress;
    if (b->state == PROGRESS_CLOSED || b->state == PROGRESS_ASK_AGAIN || is_at_end(b, p->offset))
        return true;
    /* The caller holds the list's lock, so the set of extents may be read. */
    if (p->whole && b->limit <= p->offset)
        return false;
    return extents_end(&b->present, p->offset) > p->offset;
}

/* Takes what is present at the offset, or suspends the client until something is. */
static int64_t read_progress(struct file *f, int64_t offset, void *data, int64_t size,
                             struct waiter *waiter)
{
    struct progress *b = f->progress;
    for (;;) {
        struct position position = {b, offset, f->whole};
        bool closed = b->state == PROGRESS_CLOSED;
        if (closed && !b->wants_passthrough) /* the present bytes may be the wrong ones */
            return ERROR_UPSTREAM_BROKEN;
        int64_t there = progress_available(b, offset, f->whole);
        struct partial *partial = b->partial;
        if (there > 0 && partial)
            return read_now(f, partial->fd, offset, data, there < size ? there : size, waiter);
        if (is_at_end(b, offset))
            return FILE_END;
        if (closed)
            return ERROR_UPSTREAM_BROKEN;
        /* a moment ago: the next read finds the file elsewhere */
        if (b->state == PROGRESS_ASK_AGAIN)
            return file_read(f, offset, data, (size_t)size, waiter);
        if (waiter->gone)
            return ERROR_STOPPING;
        waiter->want = offset;
        if (waitlist_join(&b->waiters, waiter, has_bytes, &position) == WAIT_SUSPENDED)
            return 0;
    }
}

/* ------------------------------------------------------------- first byte */

/* Of a file that is held back to its last byte, waiting is worth it: then it is right, or refused.
 */
static bool is_short_whole(const struct progress *b, bool whole)
{
    return whole && b->size >= 0 && b->size <= FLIGHT_HOLD_BACK;
}

/* The test of a client that waits with its status line. */
static bool can_begin(void *arg)
{
    const struct position *p = arg;
    const struct progress *b = p->progress;
    if (b->state == PROGRESS_CLOSED || b->state == PROGRESS_ASK_AGAIN)
        return true;
    return is_short_whole(b, p->whole) ? b->limit == INT64_MAX : has_bytes(arg);
}

static bool can_begin_now(struct progress *b, struct position *position)
{
    pthread_mutex_lock(&b->waiters.lock);
    bool can = can_begin(position);
    pthread_mutex_unlock(&b->waiters.lock);
    return can;
}

enum outcome reading_say_late(struct progress *b, char *ret_detail, size_t size)
{
    char names[256];
    pthread_mutex_lock(&b->waiters.lock);
    mirrors_names(b->origin, b->silent, names, sizeof(names));
    const char *and = b->detail[0] ? "; " : "";
    if (names[0])
        (void)snprintf(ret_detail, size, "%s: no byte in %d s%s%s", names,
                       FILE_STATUS_LINE_MS / 1000, and, b->detail);
    else
        (void)snprintf(ret_detail, size, "no connection to a mirror is free%s%s", and, b->detail);
    pthread_mutex_unlock(&b->waiters.lock);
    return names[0] ? OUTCOME_SILENT : OUTCOME_UNAVAILABLE;
}

/* The set of extents changes under this lock. */
static bool has_first_byte(struct progress *b, int64_t offset)
{
    pthread_mutex_lock(&b->waiters.lock);
    bool has = extents_end(&b->present, offset) > offset;
    pthread_mutex_unlock(&b->waiters.lock);
    return has;
}

/* A failure before the first byte is an outcome: the client gets a status line that says why. */
static int begin_passthrough(struct file *f, struct waiter *waiter)
{
    int r = passthrough_begin(f->passthrough, waiter, f->detail, sizeof(f->detail));
    if (r < 0)
        f->facts.outcome = r == ERROR_TIMEOUT ? OUTCOME_SILENT : OUTCOME_BROKEN;
    return r < 0 ? 0 : r;
}

/* Nothing comes. METADATA can then be made of its wheel. */
static int begin_in_vain(struct file *f, enum outcome outcome)
{
    struct file_query query = {.origin = f->progress->origin->name, .path = f->path};
    f->facts.outcome = outcome;
    return f->files->s->events->file_missed(f->files->s, &query, &f->facts) ? FILE_CHANGED : 0;
}

/* Nothing was sent yet, so a change of the file is no error here: the client asks again. */
static int begin_progress(struct file *f, struct waiter *waiter)
{
    struct progress *b = f->progress;
    struct position position = {b, f->from, f->whole};
    if (!can_begin_now(b, &position)) {
        bool late = waiter_is_late(waiter);
        if (late && has_first_byte(b, f->from))
            return 0;
        if (late)
            return begin_in_vain(f, reading_say_late(b, f->detail, sizeof(f->detail)));
        waiter->want = f->from;
        if (waitlist_join(&b->waiters, waiter, can_begin, &position) == WAIT_SUSPENDED)
            return ENGINE_WAIT;
    }
    if (b->state == PROGRESS_ASK_AGAIN)
        return FILE_CHANGED;
    if (b->state != PROGRESS_CLOSED)
        return 0;
    if (b->wants_passthrough) {
        int r = open_passthrough(f, f->from);
        return r ? r : begin_passthrough(f, waiter);
    }
    if (!files_has_progress(f->files, f->path, b))
        return FILE_CHANGED; /* cut, or tried again meanwhile; no byte was sent */
    str_copy(f->detail, sizeof(f->detail), b->detail);
    return begin_in_vain(f, b->outcome);
}

int file_begin(struct file *f, struct waiter *waiter)
{
    if (f->passthrough)
        return begin_passthrough(f, waiter);
    return f->progress && !f->blob && !f->text ? begin_progress(f, waiter) : 0;
}

/* ------------------------------------------------------------ moved files */

/* The download ended, so the file is elsewhere now. 0: done. ENGINE_WAIT: suspended. < 0: it is not
 * the same file any more. */
static int reopen(struct file *f, struct waiter *waiter)
{
    struct file_query query = {.origin = f->progress->origin->name,
                               .path = f->path,
                               .use = f->whole ? FILE_USE_WHOLE : FILE_USE_RANGE,
                               .via = f->via,
                               .is_inner = true};
    struct file *again;
    int r = f->files->s->events->file_open(f->files->s, &query, waiter, &again);
    if (r)
        return r;
    const struct file_facts *facts = &again->facts;
    if (facts->outcome != OUTCOME_OK || facts->size != f->facts.size ||
        strcmp(facts->etag, f->etag) != 0) {
        file_close(again);
        return ERROR_UPSTREAM_BROKEN;
    }
    struct progress *old = f->progress;
    f->progress = again->progress;
    f->blob = again->blob;
    f->text = again->text;
    again->progress = old;
    again->blob = NULL;
    again->text = NULL;
    file_close(again);
    f->reader = 0;
    return file_select(f, f->from, f->to, query.use);
}

/* One of the four sources; see the top. */
static int64_t read_from(struct file *f, int64_t offset, void *data, int64_t size,
                         struct waiter *waiter)
{
    if (f->passthrough)
        return passthrough_read(f->passthrough, offset, data, (size_t)size, waiter);
    if (f->text) {
        memcpy(data, f->text->data + offset, (size_t)size);
        return size;
    }
    if (f->blob)
        return read_now(f, f->blob->fd, offset, data, size, waiter);
    return f->progress ? read_progress(f, offset, data, size, waiter) : ERROR_IO;
}

/* Notes that the client reads, because a download whose readers have stopped may lose its
 * connections to others. */
int64_t file_read(struct file *f, int64_t offset, void *data, size_t size, struct waiter *waiter)
{
    int64_t most = (int64_t)size;
    if (f->to >= 0 && most > f->to - offset)
        most = f->to - offset;
    if (most <= 0)
        return FILE_END;
    if (f->progress)
        f->progress->read_ms = clock_monotonic_ms();
    while (f->progress && f->progress->state == PROGRESS_ASK_AGAIN) {
        if (waiter->gone)
            return ERROR_STOPPING;
        int r = reopen(f, waiter);
        if (r)
            return r == ENGINE_WAIT ? 0 : r;
    }
    int64_t n = read_from(f, offset, data, most, waiter);
    if (n != ERROR_UPSTREAM_BROKEN || !f->progress || !f->progress->wants_passthrough ||
        f->passthrough)
        return n;
    /* The disk is full. The client has read what is present; the rest is passed through. */
    n = open_passthrough(f, offset);
    return n ? n : passthrough_read(f->passthrough, offset, data, (size_t)most, waiter);
}
