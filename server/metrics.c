// SPDX-License-Identifier: Apache-2.0
/*
 * One table (`figures`) says which number of /-/status becomes which metric, so both show the same.
 * The rest are families with labels: of routes, mirrors, lanes, kinds of memory and of problems.
 *
 * A counter is a family without the suffix and a sample with `_total` in OpenMetrics. In the older
 * format both carry the suffix. `family` writes the first, `sample_name` the second.
 */
#include "server/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "server/status.h"

enum { METRICS_MAX_BYTES = 1 << 20 };

enum kind { GAUGE, COUNTER, HISTOGRAM, SUMMARY };

struct exposition {
    enum metrics_format format;
    struct buf *to;
};

/* ------------------------------------------------------------------ text */

static const char *kind_name(enum kind kind)
{
    switch (kind) {
    case GAUGE:
        return "gauge";
    case COUNTER:
        return "counter";
    case HISTOGRAM:
        return "histogram";
    case SUMMARY:
        return "summary";
    }
    return "unknown";
}

static void family(struct exposition *x, enum kind kind, const char *name, const char *help)
{
    const char *suffix = kind == COUNTER && x->format == METRICS_TEXT ? "_total" : "";
    buf_printf(x->to, "# HELP wheelyard_%s%s %s\n# TYPE wheelyard_%s%s %s\n", name, suffix, help,
               name, suffix, kind_name(kind));
}

/* Escapes as both formats ask for. Names of origins and mirrors have no such bytes today. */
static void write_value(struct buf *to, const char *text)
{
    for (; *text; text++)
        if (*text == '\n')
            buf_puts(to, "\\n");
        else if (*text == '"' || *text == '\\')
            buf_printf(to, "\\%c", *text);
        else
            buf_putc(to, *text);
}

struct label {
    const char *name, *value; /* name NULL: no further label */
};

/* A sample's name and labels, up to the space before its value. */
static void sample(struct exposition *x, const char *name, const char *suffix,
                   const struct label *labels)
{
    buf_printf(x->to, "wheelyard_%s%s", name, suffix);
    for (const struct label *l = labels; l && l->name; l++) {
        buf_printf(x->to, "%s%s=\"", l == labels ? "{" : ",", l->name);
        write_value(x->to, l->value);
        buf_putc(x->to, '"');
    }
    buf_puts(x->to, labels && labels->name ? "} " : " ");
}

#define LABELS(...) ((const struct label[]){__VA_ARGS__, {NULL, NULL}})

static void put(struct exposition *x, const char *name, const char *suffix,
                const struct label *labels, uint64_t value)
{
    sample(x, name, suffix, labels);
    buf_printf(x->to, "%" PRIu64 "\n", value);
}

static void put_seconds(struct exposition *x, const char *name, const char *suffix,
                        const struct label *labels, uint64_t ms)
{
    sample(x, name, suffix, labels);
    buf_printf(x->to, "%" PRIu64 ".%03" PRIu64 "\n", ms / 1000, ms % 1000);
}

/* ------------------------------------------------------------------ figures of the status */

/* One number: a member of an object of the status ("": of the status itself). */
static const struct {
    const char *object, *member;
    enum kind kind;
    const char *name, *help;
} figures[] = {
    {"cache", "bytes", GAUGE, "cache_bytes", "Bytes that the cache takes of the disk."},
    {"cache", "max_bytes", GAUGE, "cache_max_bytes", "The limit max_size."},
    {"cache", "free_bytes", GAUGE, "cache_free_bytes", "Bytes that are free on its disk."},
    {"cache", "blobs", GAUGE, "cache_blobs", "Complete files that are kept, equal ones once."},
    {"cache", "idle_s", GAUGE, "cache_idle_seconds",
     "Time since the last use of the file that would be evicted first."},
    {"in_all", "hits", COUNTER, "file_hits", "Requests for files that were held, over restarts."},
    {"in_all", "misses", COUNTER, "file_misses",
     "Requests for files that were not held, over restarts."},
    {"in_all", "hit_bytes", COUNTER, "file_hit_bytes",
     "Bytes sent of files that were held, over restarts."},
    {"in_all", "sent_bytes", COUNTER, "file_sent_bytes", "Bytes sent of files, over restarts."},
    {"in_all", "fetched_bytes", COUNTER, "fetched_bytes",
     "Bytes received from all mirrors, over restarts."},
    {"in_all", "evictions", COUNTER, "evictions", "Files evicted for want of room, over restarts."},
    {"in_all", "evicted_bytes", COUNTER, "evicted_bytes", "Bytes of evicted files, over restarts."},
    {"in_all", "evicted_idle_s", COUNTER, "evicted_idle_seconds",
     "Time since the last use of evicted files, summed, over restarts."},
    {"in_all", "refetches", COUNTER, "refetches",
     "Files fetched again soon after their eviction, over restarts."},
    {"in_all", "refetched_bytes", COUNTER, "refetched_bytes",
     "Bytes of files fetched again soon after their eviction, over restarts."},
    {"in_all", "digest_failures", COUNTER, "digest_failures",
     "Files from mirrors with another digest than claimed, over restarts."},
    {"in_all", "unsound_files", COUNTER, "unsound_files",
     "Files from mirrors that were no sound archive, over restarts."},
    {"in_all", "evidence_failures", COUNTER, "evidence_failures",
     "Kept files that their own RECORD or the disk contradicts, over restarts."},
    {"", "uptime_s", GAUGE, "uptime_seconds", "Time since the start."},
};

/* json_integer gives -1 for what is not known: then there is no sample. */
static void write_figures(struct exposition *x, const struct json *status)
{
    const struct json *saved = json_member(status, "saved");
    for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
        const struct json *from = !*figures[i].object ? status
                                  : strcmp(figures[i].object, "in_all") == 0
                                      ? json_member(saved, "in_all")
                                      : json_member(status, figures[i].object);
        int64_t value = json_integer(json_member(from, figures[i].member));
        if (!json_member(from, figures[i].member) || value < 0)
            continue;
        family(x, figures[i].kind, figures[i].name, figures[i].help);
        put(x, figures[i].name, figures[i].kind == COUNTER ? "_total" : "", NULL, (uint64_t)value);
    }
}

/* ------------------------------------------------------------------ families with labels */

static const struct {
    const char *member;
    enum kind kind;
    const char *name, *help;
} mirror_figures[] = {
    {"bytes", COUNTER, "mirror_received_bytes", "Bytes of bodies received."},
    {"failures", COUNTER, "mirror_failures", "Requests that failed by the mirror's fault."},
    {"rate_bytes_s", GAUGE, "mirror_rate_bytes_per_second",
     "Measured rate of large files; 0 when none was measured."},
};

static uint64_t number_of(const struct json *object, const char *member)
{
    int64_t value = json_integer(json_member(object, member));
    return value < 0 ? 0 : (uint64_t)value;
}

#define MIRROR_LABELS(mirror)                                                                      \
    LABELS({"origin", json_text(mirror, "origin")}, {"mirror", json_text(mirror, "name")})

/* A mirror is up when it is asked as usual: neither backing off nor out. */
static bool is_up(const struct json *mirror)
{
    const char *state = json_text(mirror, "state");
    return strcmp(state, "ok") == 0 || strcmp(state, "slow") == 0;
}

static void write_mirrors(struct exposition *x, const struct json *status)
{
    const struct json *first = json_first(json_member(status, "mirrors"));
    for (size_t i = 0; i < sizeof(mirror_figures) / sizeof(mirror_figures[0]); i++) {
        bool counts = mirror_figures[i].kind == COUNTER;
        family(x, mirror_figures[i].kind, mirror_figures[i].name, mirror_figures[i].help);
        for (const struct json *m = first; m; m = json_next(m))
            put(x, mirror_figures[i].name, counts ? "_total" : "", MIRROR_LABELS(m),
                number_of(m, mirror_figures[i].member));
    }
    family(x, GAUGE, "mirror_up", "1 while the mirror is asked as usual.");
    for (const struct json *m = first; m; m = json_next(m))
        put(x, "mirror_up", "", MIRROR_LABELS(m), is_up(m));
    family(x, SUMMARY, "mirror_latency_seconds", "Time until a mirror's headers came.");
    for (const struct json *m = first; m; m = json_next(m)) {
        put(x, "mirror_latency_seconds", "_count", MIRROR_LABELS(m), number_of(m, "answers"));
        put_seconds(x, "mirror_latency_seconds", "_sum", MIRROR_LABELS(m),
                    number_of(m, "answer_ms"));
    }
}

/* One gauge with a label for each of these members. */
static void write_members(struct exposition *x, const char *name, const char *help,
                          const char *label, const struct json *object, const char *const *members)
{
    family(x, GAUGE, name, help);
    for (; *members; members++)
        put(x, name, "", LABELS({label, *members}), number_of(object, *members));
}

/* Every kind has a word of ours. Several problems of one kind are one sample. */
static void write_problems(struct exposition *x, const struct json *status)
{
    const struct json *first = json_first(json_member(status, "problems"));
    family(x, GAUGE, "problems", "Problems that /-/status shows.");
    for (const struct json *p = first; p; p = json_next(p)) {
        const char *kind = json_text(p, "kind");
        uint64_t count = 0;
        bool is_first = true;
        for (const struct json *q = first; q; q = json_next(q)) {
            bool same = strcmp(json_text(q, "kind"), kind) == 0;
            is_first &= !same || count > 0 || q == p;
            count += same;
        }
        if (is_first)
            put(x, "problems", "", LABELS({"kind", kind}), count);
    }
}

static uint64_t length(const struct json *array)
{
    uint64_t count = 0;
    for (const struct json *element = json_first(array); element; element = json_next(element))
        count++;
    return count;
}

static uint64_t readers(const struct json *flights)
{
    uint64_t count = 0;
    for (const struct json *f = json_first(flights); f; f = json_next(f))
        count += number_of(f, "readers");
    return count;
}

static void write_engine(struct exposition *x, const struct json *status)
{
    static const char *const lanes[] = {"read", "write", "clean", "compute", "catalogue", NULL};
    static const char *const memory[] = {"pages", "refusals", "unread", "listings", "used", NULL};
    const struct json *flights = json_member(status, "flights");
    const struct json *requests = json_member(status, "requests");
    family(x, GAUGE, "downloads", "Files that are being fetched.");
    put(x, "downloads", "", NULL, length(flights));
    family(x, GAUGE, "download_readers", "Clients that read files which are being fetched.");
    put(x, "download_readers", "", NULL, readers(flights));
    family(x, GAUGE, "requests_active", "Requests that have begun and not ended.");
    put(x, "requests_active", "", NULL, number_of(requests, "active"));
    family(x, GAUGE, "waiters", "Requests that wait for a page or for bytes.");
    put(x, "waiters", "", NULL, number_of(requests, "waiting"));
    write_members(x, "lane_jobs", "Jobs that wait or run, by lane.", "lane",
                  json_member(status, "lanes"), lanes);
    write_members(x, "memory_bytes", "Memory by kind; used: of the whole process.", "kind",
                  json_member(status, "memory"), memory);
    family(x, GAUGE, "memory_max_bytes", "The limit max_memory.");
    put(x, "memory_max_bytes", "", NULL, number_of(json_member(status, "memory"), "max"));
    family(x, GAUGE, "build_info", "Always 1; the version is the label.");
    put(x, "build_info", "", LABELS({"version", json_text(status, "version")}), 1);
}

/* ------------------------------------------------------------------ requests */

static void write_table(struct exposition *x, const char *name, const char *help,
                        const uint64_t table[METER_ROUTES][METER_CACHES])
{
    family(x, COUNTER, name, help);
    for (enum meter_route r = METER_HOME; r < METER_ROUTES; r++)
        for (enum meter_cache c = METER_HIT; c < METER_CACHES; c++)
            if (table[r][c])
                put(x, name, "_total",
                    LABELS({"route", meter_route_name(r)}, {"cache", meter_cache_name(c)}),
                    table[r][c]);
}

static void write_row(struct exposition *x, const char *name, const char *help,
                      const uint64_t row[METER_ROUTES])
{
    family(x, COUNTER, name, help);
    for (enum meter_route r = METER_HOME; r < METER_ROUTES; r++)
        put(x, name, "_total", LABELS({"route", meter_route_name(r)}), row[r]);
}

/* The bounds are written as floats, as OpenMetrics asks for. */
static void write_histogram(struct exposition *x, const struct meter_sums *sums)
{
    static const char name[] = "first_byte_seconds";
    family(x, HISTOGRAM, name, "Time from the request line to the status line.");
    for (enum meter_route r = METER_HOME; r < METER_ROUTES; r++) {
        const char *route = meter_route_name(r);
        uint64_t count = 0;
        for (unsigned i = 0; i < METER_BUCKETS; i++) {
            char bound[16] = "+Inf";
            if (i < METER_BOUNDS)
                (void)snprintf(bound, sizeof(bound), meter_bound_ms[i] % 1000 ? "%.3g" : "%.1f",
                               meter_bound_ms[i] / 1000.0);
            count += sums->bucket[r][i];
            put(x, name, "_bucket", LABELS({"route", route}, {"le", bound}), count);
        }
        put(x, name, "_count", LABELS({"route", route}), count);
        put_seconds(x, name, "_sum", LABELS({"route", route}), sums->first_ms[r]);
    }
}

void metrics_write(enum metrics_format format, const struct json *status,
                   const struct meter_sums *sums, struct buf *to)
{
    struct exposition x = {format, to};
    write_table(&x, "requests", "Requests that have ended.", sums->requests);
    write_table(&x, "sent_bytes", "Bytes of bodies sent.", sums->bytes);
    write_row(&x, "requests_failed", "Requests that were answered with 5xx.", sums->failed);
    write_row(&x, "requests_cut", "Requests whose answer was not sent whole.", sums->cut);
    write_histogram(&x, sums);
    write_figures(&x, status);
    write_mirrors(&x, status);
    write_engine(&x, status);
    write_problems(&x, status);
    if (format == METRICS_OPEN)
        buf_puts(to, "# EOF\n");
}

/* Scrapers name what they read. curl and browsers get the newer format. */
enum metrics_format metrics_format_of(const char *accept)
{
    bool is_text = accept && strstr(accept, "text/plain") && !strstr(accept, "openmetrics-text");
    return is_text ? METRICS_TEXT : METRICS_OPEN;
}

enum MHD_Result metrics_send(struct request *request)
{
    static const char *const types[] = {
        [METRICS_OPEN] = "application/openmetrics-text; version=1.0.0; charset=utf-8",
        [METRICS_TEXT] = "text/plain; version=0.0.4; charset=utf-8"};
    enum metrics_format format = metrics_format_of(request->headers[HEADER_ACCEPT]);
    struct meter_sums sums;
    struct json *status = NULL;

    if (status_must_wait(request))
        return MHD_YES;
    auto_buf struct buf json, text;
    buf_init(&json, STATUS_MAX_BYTES);
    buf_init(&text, METRICS_MAX_BYTES);
    status_write(request->site, &json);
    int r = json.error ? json.error : json_parse(json.data, json.len, &status);
    if (r)
        return reply_problem(request, reply_status_of_error(r), error_text(r));
    meter_read(request->site->meter, &sums);
    metrics_write(format, status, &sums, &text);
    json_free(status);
    return reply_buffer(request, types[format], &text);
}
