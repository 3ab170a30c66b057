// SPDX-License-Identifier: Apache-2.0
/*
 * Upload times and sizes where no index gives them: which of several sources counts, which files
 * mirrors are asked about, and what /-/status shows of it.
 *
 *     index's own date > a listing's row > Last-Modified of a HEAD > when it was listed first
 *
 * The choice is pure and runs on the compute lane. Rows of the catalogue (`merge_first_seen`) say
 * when a file was listed first and what HEAD said of it. Reports for the status belong to the
 * flight thread.
 */
#include "engine/pages/dates.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/str.h"
#include "base/vec.h"
#include "engine/mirrors/origins.h"
#include "engine/pages/pages_state.h"
#include "index/version.h"

enum {
    FIRST_UPLOAD_S = 1041379200, /* 2003: no index of Python packages is older */
    ASK_AGAIN_S = 24 * 3600,     /* after an answer that said too little */
    REPORTS_MOST = 64,
};

const char *dates_source(enum date_source source)
{
    switch (source) {
    case DATE_INDEX:
        return NULL;
    case DATE_LISTING:
        return "listing";
    case DATE_LAST_MODIFIED:
        return "last-modified";
    case DATE_FIRST_SEEN:
        return "first-seen";
    }
    return NULL;
}

/* ------------------------------------------------------------------- choice */

static int by_path(const void *path, const void *first_seen)
{
    return strcmp(path, ((const struct merge_first_seen *)first_seen)->path);
}

/* Rows come sorted by path. */
static const struct merge_first_seen *first_seen_of(const struct merge_input *in, const char *path)
{
    if (!in->first_seen_count)
        return NULL;
    return bsearch(path, in->first_seen, in->first_seen_count, sizeof(*in->first_seen), by_path);
}

/* Believes a moment between `from_s` and `to_s` that was said at `said_s` of a file first listed
 * at `first_s`. The file was there at `first_s`, so it is no younger, unless somebody has
 * replaced it since. */
static int64_t believe(int64_t from_s, int64_t to_s, int64_t first_s, int64_t said_s)
{
    if (to_s < FIRST_UPLOAD_S || from_s > said_s)
        return DATE_UNKNOWN;
    int64_t latest_s = from_s > first_s ? said_s : first_s;
    return to_s < latest_s ? to_s : latest_s;
}

/* Written as text at once, since that is what a page needs. */
static void set_date(struct merge_file *f, int64_t when_s, enum date_source source)
{
    f->date_source = source;
    clock_rfc3339(when_s, f->made_time);
}

/* Simple mirrors say dates and sizes in their JSON: only flat ones are asked. */
static bool has_flat(const struct origin *origin, unsigned mirrors)
{
    for (unsigned m = 0; m < origin->mirror_count; m++)
        if (mirrors & (1u << m) && origin->mirrors[m].layout == LAYOUT_FLAT)
            return true;
    return false;
}

/* A row that is younger than the last HEAD shows that the file was replaced: then that HEAD says
 * nothing. */
static void fill_in(const struct merge_input *in, struct merge_file *f)
{
    const struct merge_first_seen *s = first_seen_of(in, f->path);
    /* the row is younger than the answer: the file has been replaced in between */
    bool changed = s && s->asked_s && f->row_from_s > s->asked_s && f->row_from_s <= in->now_s;
    int64_t asked_s = s && !changed ? s->asked_s : 0;
    f->has_first_seen = s != NULL;
    f->first_s = s ? s->first_s : in->now_s;
    if (f->size < 0 && s && !changed)
        f->size = s->size;
    int64_t row_s = believe(f->row_from_s, f->row_to_s, f->first_s, in->now_s);
    int64_t said_s =
        asked_s ? believe(s->modified_s, s->modified_s, f->first_s, asked_s) : DATE_UNKNOWN;
    if (f->upload_time)
        f->date_source = DATE_INDEX;
    else if (row_s != DATE_UNKNOWN)
        set_date(f, row_s, DATE_LISTING);
    else if (said_s != DATE_UNKNOWN)
        set_date(f, said_s, DATE_LAST_MODIFIED);
    else
        set_date(f, f->first_s, DATE_FIRST_SEEN);
    f->lacks_date = f->date_source == DATE_FIRST_SEEN;
    f->is_askable = (f->lacks_date || f->size < 0) && has_flat(in->origin, f->mirrors) &&
                    (!asked_s || in->now_s - asked_s >= ASK_AGAIN_S);
}

/* Also counts the sources, for the report. */
void dates_fill(const struct merge_input *in, struct merge *m)
{
    for (size_t i = 0; i < m->count; i++) {
        fill_in(in, &m->files[i]);
        m->dates[m->files[i].date_source]++;
    }
}

/* ------------------------------------------------------- files to ask about */

/* Clients want new versions, so these are asked about first. */
static int newest_first(const void *a, const void *b)
{
    const struct merge_file *x = *(const struct merge_file *const *)a;
    const struct merge_file *y = *(const struct merge_file *const *)b;
    int c = version_compare(y->listed->version ? y->listed->version : "",
                            x->listed->version ? x->listed->version : "");
    return c ? c : strcmp(x->path, y->path);
}

/* A page profits from sizes only when all of its files have one (api-version 1.1), and from each
 * date. */
size_t dates_choose(const struct merge *m, size_t most, const struct merge_file **ret,
                    bool *ret_worth)
{
    size_t count = 0;
    bool all_sizes = true, more_dates = false;
    const struct merge_file **list = calloc(m->count + 1, sizeof(const struct merge_file *));
    for (size_t i = 0; list && i < m->count; i++) {
        const struct merge_file *f = &m->files[i];
        all_sizes &= f->size >= 0 || f->is_askable;
        more_dates |= f->is_askable && f->lacks_date;
        if (f->is_askable)
            list[count++] = f;
    }
    if (count)
        qsort(list, count, sizeof(const struct merge_file *), newest_first);
    /* sizes of a part of the files would change nothing on the page */
    *ret_worth = more_dates || (all_sizes && count <= most);
    count = count < most ? count : most;
    for (size_t i = 0; i < count; i++)
        ret[i] = list[i];
    free(list);
    return count;
}

/* ---------------------------------------------------- rows of the catalogue */

static int on_first_seen(void *context, const struct catalogue_first_seen *s)
{
    struct build *b = context;
    /* at 0, 1, 3, 7 the list is full: twice the room */
    struct merge_first_seen *list = vec_grow(b->first_seen, b->first_seen_count, sizeof(*list));
    if (!list)
        return ERROR_NO_MEMORY;
    b->first_seen = list;
    struct merge_first_seen *to = &b->first_seen[b->first_seen_count];
    *to =
        (struct merge_first_seen){str_dup(s->path), s->first_s, s->asked_s, s->modified_s, s->size};
    if (!to->path)
        return ERROR_NO_MEMORY;
    b->first_seen_count++;
    return 0;
}

void dates_recall(struct build *b)
{
    (void)catalogue_each_first_seen(b->pages->s->catalogue, b->origin->name, b->project,
                                    on_first_seen, b);
}

/* Such a row is written once and never changed. */
bool dates_is_new(const struct merge_file *f)
{
    return f->date_source != DATE_INDEX && !f->has_first_seen;
}

void dates_store(struct build *b, const struct merge_file *f)
{
    const struct catalogue_first_seen s = {.origin = b->origin->name,
                                           .path = f->path,
                                           .project = b->project,
                                           .first_s = f->first_s,
                                           .modified_s = -1,
                                           .size = -1};
    (void)catalogue_put_first_seen(b->pages->s->catalogue, &s);
}

void dates_release(struct build *b)
{
    for (size_t i = 0; i < b->first_seen_count; i++)
        free((void *)(uintptr_t)b->first_seen[i].path);
    free(b->first_seen);
    free(b->askable);
}

/* ------------------------------------------------------------------- status */

struct report {
    char origin[64], index[128], project[NAME_MAX_BYTES + 1];
    unsigned counts[DATE_SOURCES];
};

struct dates {
    struct report reports[REPORTS_MOST]; /* the newest first */
    size_t count;
};

int dates_new(struct dates **ret)
{
    *ret = calloc(1, sizeof(**ret));
    return *ret ? 0 : ERROR_NO_MEMORY;
}

void dates_free(struct dates *dates)
{
    free(dates);
}

/* A page has one report: the last one. */
static void forget(struct dates *d, const char *index, const char *project)
{
    size_t kept = 0;
    for (size_t i = 0; i < d->count; i++)
        if (strcmp(d->reports[i].index, index) != 0 || strcmp(d->reports[i].project, project) != 0)
            d->reports[kept++] = d->reports[i];
    d->count = kept;
}

/* Pages without a date of ours have no report. */
void dates_note(struct pages *pages, const char *origin, const char *index, const char *project,
                const unsigned counts[DATE_SOURCES])
{
    struct dates *d = pages->dates;
    bool ours = false;
    for (int s = DATE_INDEX + 1; s < DATE_SOURCES; s++)
        ours |= counts[s] > 0;
    forget(d, index, project);
    if (!ours)
        return;
    if (d->count < REPORTS_MOST)
        d->count++;
    memmove(d->reports + 1, d->reports, (d->count - 1) * sizeof(d->reports[0]));
    struct report *r = &d->reports[0];
    str_copy(r->origin, sizeof(r->origin), origin);
    str_copy(r->index, sizeof(r->index), index);
    str_copy(r->project, sizeof(r->project), project);
    memcpy(r->counts, counts, sizeof(r->counts));
}

static void write_report(const struct report *r, struct buf *to)
{
    json_write_comma(to);
    buf_putc(to, '{');
    json_write_member(to, "origin", r->origin);
    json_write_member(to, "index", r->index);
    json_write_member(to, "project", r->project);
    json_write_name(to, "files");
    buf_putc(to, '{');
    for (int s = 0; s < DATE_SOURCES; s++) {
        const char *name = dates_source((enum date_source)s);
        json_write_name(to, name ? name : "index");
        buf_printf(to, "%u", r->counts[s]);
    }
    buf_puts(to, "}}");
}

void dates_write_status(const struct pages *pages, struct buf *to)
{
    json_write_name(to, "upload_times");
    buf_putc(to, '[');
    for (size_t i = 0; i < pages->dates->count; i++)
        write_report(&pages->dates->reports[i], to);
    buf_putc(to, ']');
}
