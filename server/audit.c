// SPDX-License-Identifier: Apache-2.0
/*
 * The life of a line: audit_note copies what the request knows (a worker) -> line_run asks the
 * engine for digest and trust, and writes (the audit lane). The file belongs to the lane: a change
 * of its name is a job also, so it keeps its place among the lines.
 */
#include "server/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/lane.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/files/inventory.h"

static const char problem_kind[] = "audit-log";

enum { LINE_MAX_BYTES = 64 << 10, AUDIT_MODE = 0640 };

struct audit {
    struct engine *engine;
    struct lane *lane;
    _Atomic int64_t waiting, lost;
    _Atomic bool is_on;
    /* the lane's: */
    char *path; /* or NULL */
    int fd;     /* -1: not open */
    bool has_failed;
};

/* One line, or one change of the file. */
struct entry_job {
    struct job job;
    struct audit *audit;
    char *path;          /* of the log, for a change */
    char *text;          /* the line up to the digest */
    char *origin, *file; /* NULL: no file of ours */
    /* what the reply's ETag says, for bytes that are on their way into the cache; or "" */
    char sha256[SHA256_HEX];
    bool is_agreed; /* mirrors agree on it */
};

static void entry_free(struct entry_job *l)
{
    free(l->path);
    free(l->text);
    free(l->origin);
    free(l->file);
    free(l);
}

/* -------------------------------------------------------------------- lane */

static void say_failed(struct audit *a, const char *what)
{
    if (a->has_failed)
        return;
    auto_free char *why = str_printf("the audit log cannot be %s: %s", what, strerror(errno));
    log_error("audit log cannot be %s file=%s: %s", what, a->path, strerror(errno));
    engine_note_problem(a->engine, problem_kind, a->path, why ? why : what);
    a->has_failed = true;
}

static void say_well(struct audit *a)
{
    if (a->has_failed)
        engine_note_problem(a->engine, problem_kind, a->path, NULL);
    a->has_failed = false;
}

/* A new file is readable by the group that its folder or its owner gives it, whatever the umask. */
static bool open_log(struct audit *a)
{
    static const int flags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY;
    if (a->fd < 0)
        a->fd = open(a->path, flags);
    if (a->fd < 0 && errno == ENOENT) {
        a->fd = open(a->path, flags | O_CREAT | O_EXCL, AUDIT_MODE);
        if (a->fd >= 0)
            (void)fchmod(a->fd, AUDIT_MODE);
    }
    if (a->fd < 0)
        say_failed(a, "opened");
    return a->fd >= 0;
}

static void close_log(struct audit *a)
{
    if (a->fd >= 0)
        (void)close(a->fd);
    a->fd = -1;
}

/* A line is one write, so lines of two daemons do not mix. */
static void write_line(struct audit *a, const struct buf *line)
{
    if (line->error || !open_log(a)) {
        a->lost++;
        return;
    }
    ssize_t n = write(a->fd, line->data, line->len);
    if (n != (ssize_t)line->len) {
        say_failed(a, "written");
        a->lost++;
        close_log(a);
        return;
    }
    say_well(a);
}

static void line_run(struct job *job)
{
    struct entry_job *l = container_of(job, struct entry_job, job);
    struct audit *a = l->audit;
    struct file_standing standing = {.level = ""};
    auto_buf struct buf line;
    int64_t lost = atomic_exchange(&a->lost, 0);
    buf_init(&line, LINE_MAX_BYTES);
    buf_puts(&line, l->text);
    if (l->file)
        engine_standing(a->engine, l->origin, l->file, &standing);
    if (!standing.sha256[0] && l->sha256[0]) {
        memcpy(standing.sha256, l->sha256, sizeof(standing.sha256));
        standing.level = l->is_agreed ? "authority" : "";
    }
    if (standing.sha256[0]) {
        json_write_name(&line, "digest");
        buf_printf(&line, "\"sha256:%s\"", standing.sha256);
        json_write_member(&line, "trust", *standing.level ? standing.level : "none");
    }
    if (lost)
        json_write_integer(&line, "lost", lost);
    buf_puts(&line, "}\n");
    if (a->path)
        write_line(a, &line);
    if (a->has_failed)
        a->lost += lost;
    a->waiting--;
    entry_free(l);
}

static void reopen_run(struct job *job)
{
    struct entry_job *l = container_of(job, struct entry_job, job);
    struct audit *a = l->audit;
    close_log(a);
    say_well(a);
    free(a->path);
    a->path = l->path;
    l->path = NULL;
    if (a->path)
        (void)open_log(a);
    entry_free(l);
}

/* ------------------------------------------------------------------ callers */

void audit_reopen(struct audit *a, const char *path)
{
    struct entry_job *l = calloc(1, sizeof(*l));
    if (!l)
        return;
    l->audit = a;
    l->path = str_dup(path);
    l->job.run = reopen_run;
    a->is_on = l->path != NULL;
    lane_post(a->lane, &l->job);
}

int audit_new(struct engine *engine, const char *path, struct audit **ret)
{
    struct audit *a = calloc(1, sizeof(*a));
    if (!a)
        return ERROR_NO_MEMORY;
    a->engine = engine;
    a->fd = -1;
    int r = lane_new("audit", 1, &a->lane);
    if (r) {
        free(a);
        return r;
    }
    audit_reopen(a, path);
    *ret = a;
    return 0;
}

void audit_free(struct audit *a)
{
    if (!a)
        return;
    lane_free(a->lane);
    close_log(a);
    free(a->path);
    free(a);
}

static const char *decision_of(unsigned status)
{
    return status < MHD_HTTP_BAD_REQUEST  ? "allowed"
           : status == MHD_HTTP_FORBIDDEN ? "denied"
                                          : "failed";
}

/* What the request itself knows. */
static void write_request(struct buf *to, struct request *request, bool is_complete)
{
    char time[CLOCK_TEXT], client[REQUEST_CLIENT_SIZE];
    const struct file_facts *facts = request->file ? file_facts(request->file) : NULL;
    clock_rfc3339(clock_real_s(), time);
    request_client(request, client);
    buf_putc(to, '{');
    json_write_member(to, "time", time);
    json_write_member(to, "client", client);
    json_write_member(to, "method", request->method);
    if (request->route.origin && request->route.path) {
        auto_free char *what = str_printf("%s/%s", request->route.origin, request->route.path);
        json_write_member(to, "what", what);
    } else {
        json_write_member(to, "what", request->target);
    }
    json_write_integer(to, "status", request->status);
    json_write_integer(to, "bytes", request->bytes);
    json_write_boolean(to, "complete", is_complete);
    json_write_member(to, "decision", decision_of(request->status));
    if (request->status == MHD_HTTP_FORBIDDEN && facts)
        json_write_member(to, "rule", facts->detail);
}

/* "sha256-<hex>" with its quotes: the digest was known before the first byte went out. */
static void take_digest(struct entry_job *l, const struct file_facts *facts)
{
    static const char prefix[] = "\"sha256-";
    const char *hex =
        facts->etag && str_starts(facts->etag, prefix) ? facts->etag + strlen(prefix) : "";
    if (strlen(hex) != SHA256_HEX) /* a quote ends it */
        return;
    memcpy(l->sha256, hex, SHA256_HEX - 1);
    l->is_agreed = facts->immutable;
}

/* Answers with files, and whatever was denied. */
static bool is_of_interest(const struct request *request)
{
    return request->file || request->status == MHD_HTTP_FORBIDDEN;
}

void audit_note(struct audit *a, struct request *request, bool is_complete)
{
    if (!a || !a->is_on || !is_of_interest(request))
        return;
    struct entry_job *l = a->waiting < AUDIT_LINES_MOST ? calloc(1, sizeof(*l)) : NULL;
    struct buf text;
    buf_init(&text, LINE_MAX_BYTES / 2);
    write_request(&text, request, is_complete);
    if (!l || text.error) {
        buf_release(&text);
        free(l);
        a->lost++;
        return;
    }
    l->text = buf_take(&text, NULL);
    if (request->file) {
        l->origin = str_dup(request->route.origin);
        l->file = str_dup(request->route.path);
        take_digest(l, file_facts(request->file));
    }
    l->audit = a;
    l->job.run = line_run;
    a->waiting++;
    lane_post(a->lane, &l->job);
}
