// SPDX-License-Identifier: Apache-2.0
/*
 * The life of a count:
 *
 *     counters_add     any thread adds to `counted`
 *     counters_tick    once a minute, when some count has changed, a row for each goes to the catalogue
 *     counters_keep    the same at stop, before the catalogue lane ends
 *     counters_load    the next start takes the rows as `before`
 *
 * A row holds `before` and `counted` together, so a write that fails is made good by the next one.
 */
#include "engine/loop/counters.h"

#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "engine/loop/catalogue_post.h"
#include "engine/loop/services.h"

enum { KEEP_MS = 60 * 1000 };

/* The names are part of the catalogue, and of the JSON contract. */
static const char *const names[COUNTS] = {
    [COUNT_HITS] = "hits",
    [COUNT_MISSES] = "misses",
    [COUNT_HIT_BYTES] = "hit_bytes",
    [COUNT_SENT_BYTES] = "sent_bytes",
    [COUNT_FETCHED_BYTES] = "fetched_bytes",
    [COUNT_EVICTIONS] = "evictions",
    [COUNT_EVICTED_BYTES] = "evicted_bytes",
    [COUNT_EVICTED_IDLE_S] = "evicted_idle_s",
    [COUNT_REFETCHES] = "refetches",
    [COUNT_REFETCHED_BYTES] = "refetched_bytes",
    [COUNT_DIGEST_FAILURES] = "digest_failures",
    [COUNT_UNSOUND_FILES] = "unsound_files",
    [COUNT_EVIDENCE_FAILURES] = "evidence_failures",
};

/* The time of the first start is one more row. */
static const char since_name[] = "since_s";

static int64_t counted(struct counters *t, int i)
{
    return atomic_load_explicit(&t->counted[i], memory_order_relaxed);
}

/* Grows with every count, so it tells whether anything has changed. */
static int64_t sum(struct counters *t)
{
    int64_t all = 0;
    for (int i = 0; i < COUNTS; i++)
        all += counted(t, i);
    return all;
}

/* A name of a newer version is ignored; its row stays. */
static int on_row(void *context, const char *name, int64_t value)
{
    struct counters *t = context;
    if (strcmp(name, since_name) == 0)
        t->since_s = value;
    for (int i = 0; i < COUNTS; i++)
        if (strcmp(name, names[i]) == 0)
            t->before[i] = value;
    return 0;
}

int counters_load(struct services *s)
{
    int r = catalogue_each_counter(s->catalogue, on_row, &s->counters);
    if (r == 0 && !s->counters.since_s)
        s->counters.since_s = clock_real_s();
    return r;
}

/* On the catalogue lane. All rows, or none. */
static int put_rows(struct catalogue *catalogue, const struct row *row)
{
    int64_t values[COUNTS];
    memcpy(values, row->body, sizeof(values));
    int r = catalogue_begin(catalogue);
    if (r)
        return r;
    r = catalogue_put_counter(catalogue, since_name, row->number[0]);
    for (int i = 0; r == 0 && i < COUNTS; i++)
        r = catalogue_put_counter(catalogue, names[i], values[i]);
    if (r == 0)
        return catalogue_commit(catalogue);
    catalogue_rollback(catalogue);
    return r;
}

void counters_keep(struct services *s)
{
    int64_t values[COUNTS];
    for (int i = 0; i < COUNTS; i++)
        values[i] = s->counters.before[i] + counted(&s->counters, i);
    catalogue_post(s, put_rows, "counters",
                   &(struct row){.text = {"of the cache"},
                                 .number = {s->counters.since_s},
                                 .body = values,
                                 .body_len = sizeof(values)});
}

void counters_tick(struct services *s, int64_t now_ms)
{
    struct counters *t = &s->counters;
    int64_t now = sum(t);
    if (now_ms - t->kept_ms < KEEP_MS || now == t->kept_sum)
        return;
    t->kept_ms = now_ms;
    t->kept_sum = now;
    counters_keep(s);
}

/* Two objects with the same members: what this start has counted, and what all starts have. */
void counters_write(struct services *s, struct buf *to)
{
    char since[CLOCK_TEXT];
    clock_rfc3339(s->counters.since_s, since);
    json_write_name(to, "saved");
    buf_puts(to, "{\"since_start\":{");
    for (int i = 0; i < COUNTS; i++)
        json_write_integer(to, names[i], counted(&s->counters, i));
    buf_puts(to, "},\"in_all\":{");
    json_write_member(to, "since", since);
    for (int i = 0; i < COUNTS; i++)
        json_write_integer(to, names[i], s->counters.before[i] + counted(&s->counters, i));
    buf_puts(to, "}}");
}
