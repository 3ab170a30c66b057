// SPDX-License-Identifier: Apache-2.0
/*
 * One project's files out of the listings of its mirrors (the rules are in merge.h).
 *
 *     take_source for each mirror, in the configured order      who lists which path
 *     take_held                                                 files that no mirror lists any more
 *     settle_digests                                            which digests are believed
 *     fill_in_made                                              what was read out of the wheels
 *     level_digests, dates_fill                                 what depends on all files together
 *
 * The first mirror that says something of a file wins; later ones fill the gaps. Hash tables index
 * merge.files by position, because the array moves when it grows. Pure: the result borrows texts
 * from the listings and rows, which must live as long.
 */
#include "engine/pages/merge.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "base/url.h"
#include "base/vec.h"
#include "engine/mirrors/origins.h"
#include "engine/pages/dates.h"
#include "engine/pages/merge_claims.h"

/* Finds a position in merge.files by path, name or release, or in the input's rows by path. */
struct by_key {
    const char *key;
    size_t index;
    bool flag;
    UT_hash_handle hh;
};

struct building {
    const struct merge_input *input;
    struct merge *merge;
    struct saying saying;
    struct by_key *paths, *names, *releases, *remembered, *made;
};

static void free_keys(struct by_key **table)
{
    struct by_key *k, *next;
    HASH_ITER(hh, *table, k, next)
    {
        HASH_DEL(*table, k);
        free(k);
    }
}

/* NULL when the table is empty or does not have it. */
static struct by_key *find_key(struct by_key *table, const char *key)
{
    struct by_key *k;
    HASH_FIND_STR(table, key, k);
    return k;
}

/* The key is borrowed: it lives as long as the merge. */
static struct by_key *add_key(struct by_key **table, const char *key, size_t index)
{
    struct by_key *k = calloc(1, sizeof(*k));
    if (!k)
        return NULL;
    k->key = key;
    k->index = index;
    HASH_ADD_KEYPTR(hh, *table, k->key, strlen(k->key), k);
    return k;
}

/* The folder of the channel, at the start of the path. */
static bool is_in_channel(const struct merge_input *in, const char *path)
{
    size_t len = in->channel ? strlen(in->channel) : 0;
    return len && strncmp(path, in->channel, len) == 0 && path[len] == '/';
}

/* Pointers into merge.files are void after this: callers keep positions. */
static int make_room(struct merge *m)
{
    struct merge_file *files = vec_grow(m->files, m->count, sizeof(*files));
    if (!files)
        return ERROR_NO_MEMORY;
    m->files = files;
    return 0;
}

/* Encoded by segment: `+` must become `%2B`. */
static char *href_of(const struct merge_input *in, const char *path)
{
    auto_buf struct buf href;
    buf_init(&href, 16384);
    buf_puts(&href, in->href_prefix);
    url_encode_path(&href, path);
    return buf_take(&href, NULL);
}

/* Adds a path that no mirror has listed so far. Where its name stands under another path
 * already, the path in the channel's own folder wins. Takes over the path, also on failure. */
static int add_file(struct building *b, char *path, const struct listed_file *l)
{
    struct merge *m = b->merge;
    /* one name may stand under several paths, but only one of them is listed */
    struct by_key *name = find_key(b->names, l->name);
    if (name &&
        (is_in_channel(b->input, m->files[name->index].path) || !is_in_channel(b->input, path))) {
        free(path);
        return 0;
    }
    int r = name ? 0 : make_room(m);
    if (r) {
        free(path);
        return r;
    }
    struct merge_file *f = &m->files[name ? name->index : m->count];
    if (name) {
        struct by_key *old = find_key(b->paths, f->path);
        HASH_DEL(b->paths, old);
        free(old);
        free(f->path);
        free(f->href);
    }
    *f = (struct merge_file){.path = path,
                             .href = href_of(b->input, path),
                             .listed = l,
                             .size = -1,
                             .about_size = -1,
                             .row_from_s = DATE_UNKNOWN,
                             .row_to_s = DATE_UNKNOWN};
    size_t index = (size_t)(f - m->files);
    if (!name) {
        m->count++;
        if (!add_key(&b->names, l->name, index))
            return ERROR_NO_MEMORY;
    }
    return f->href && add_key(&b->paths, path, index) ? 0 : ERROR_NO_MEMORY;
}

/* One mirror's "yanked" is enough, because the others may not know it yet. */
static int fill_in(struct building *b, struct merge_file *f, const struct listed_file *l,
                   unsigned mirror)
{
    if (!f->requires_python)
        f->requires_python = l->requires_python;
    if (!f->upload_time)
        f->upload_time = l->upload_time;
    if (f->size < 0)
        f->size = l->size;
    if (f->about_size < 0)
        f->about_size = l->about_size;
    if (l->yanked && !f->yanked) {
        f->yanked = true;
        f->yanked_reason = l->yanked_reason;
    }
    f->has_metadata |= l->has_metadata;
    return saying_note(&b->saying, f, mirror, l);
}

/* A clock in an unknown zone: the moment lies between the easternmost zone and the westernmost.
 * The first mirror with a date counts, in the configured order. */
static void note_date(struct merge_file *f, const struct listed_file *l,
                      const struct mirror *mirror)
{
    if (l->modified == DATE_UNKNOWN || f->row_to_s != DATE_UNKNOWN)
        return;
    bool known = l->modified_utc || mirror->utc_offset_s != MIRROR_NO_ZONE;
    int64_t at_s = l->modified - (known && !l->modified_utc ? mirror->utc_offset_s : 0);
    f->row_from_s = known ? at_s : at_s - 14 * 3600;
    f->row_to_s = known ? at_s : at_s + 12 * 3600;
}

/* A parent wheelyard may list a file only because it holds it; that counts as delisted until
 * another mirror lists the file. */
static int take_link(struct building *b, const struct listed_file *l, unsigned mirror)
{
    char *path = strdup(l->path);
    int r = path ? 0 : ERROR_NO_MEMORY;
    if (r)
        return r;
    struct by_key *known = find_key(b->paths, path);
    if (known) {
        free(path);
    } else {
        const char *key = path;
        r = add_file(b, path, l);
        if (r)
            return r;
        struct by_key *name = find_key(b->names, l->name);
        known = name ? find_key(b->paths, b->merge->files[name->index].path) : NULL;
        if (!known || b->merge->files[known->index].path != key)
            return 0; /* the name is listed under a better path */
    }
    const struct mirror *m = &b->input->origin->mirrors[mirror];
    struct merge_file *f = &b->merge->files[known->index];
    /* one mirror that lists it on its own account is enough to lift the mark */
    f->is_delisted = (!f->mirrors || f->is_delisted) && m->parent && l->is_delisted;
    f->mirrors |= 1u << mirror;
    note_date(f, l, m);
    return fill_in(b, f, l, mirror);
}

/* Whether a file is of the project that its page is of. The name of an old sdist is ambiguous:
 * it must only begin like the project. */
static bool is_of_project(const struct listed_file *l, const char *project)
{
    const char *name = l->name;
    if (strcmp(l->project, project) == 0)
        return true;
    if (l->kind != FILE_SDIST)
        return false;
    for (; *project; project++, name++) {
        /* runs of separators count as one dash, as in normalised names */
        bool separates = *name == '-' || *name == '_' || *name == '.';
        if (*project != (separates ? '-' : tolower((unsigned char)*name)))
            return false;
        while (separates && strchr("-_.", name[1]) && name[1])
            name++;
    }
    return *name == '-';
}

/* Files of other projects on a project's page are left out and counted: they may be an attack. */
static int take_source(struct building *b, const struct listing *listing, unsigned mirror)
{
    bool flat = b->input->origin->mirrors[mirror].layout != LAYOUT_SIMPLE;
    struct merge *m = b->merge;
    if (!flat) /* a simple mirror's page makes a project, even without files */
        m->mirrors |= 1u << mirror;
    if (listing->last_serial > m->last_serial)
        m->last_serial = listing->last_serial;
    if (listing->project_status && !m->project_status) {
        m->project_status = listing->project_status;
        m->project_status_reason = listing->project_status_reason;
    }
    for (size_t i = 0; i < listing->file_count; i++) {
        const struct listed_file *l = &listing->files[i];
        bool own =
            flat ? strcmp(l->project, b->input->project) == 0 : is_of_project(l, b->input->project);
        m->foreign += !own && !flat;
        if (!own || (b->input->name && strcmp(l->name, b->input->name) != 0))
            continue;
        m->mirrors |= 1u << mirror;
        int r = take_link(b, l, mirror);
        if (r)
            return r;
    }
    return 0;
}

/* A project that is quarantined (PEP 792) must not be offered at all. Its held files must not be
 * offered either. */
static bool is_withdrawn(const struct merge *m)
{
    return m->project_status && strcmp(m->project_status, "quarantined") == 0;
}

/* After all sources: a listed path or name wins over a held file. */
static int take_held(struct building *b)
{
    const struct merge_input *in = b->input;
    for (size_t i = 0; i < in->held_count; i++) {
        const struct merge_held *h = &in->held[i];
        struct by_key *known = find_key(b->paths, h->path);
        if (known)
            b->merge->files[known->index].held = i + 1;
        if (known || !h->listed || is_withdrawn(b->merge) || find_key(b->names, h->listed->name))
            continue;
        char *path = strdup(h->path);
        int r = path ? add_file(b, path, h->listed) : ERROR_NO_MEMORY;
        if (r)
            return r;
        struct merge_file *f = &b->merge->files[b->merge->count - 1];
        f->held = i + 1;
        f->is_kept = true;
        f->is_delisted = h->is_delisted || in->is_heard;
        f->kept_source = h->upload_time_source;
        r = fill_in(b, f, h->listed, SAYING_NO_MIRROR);
        if (r)
            return r;
    }
    return 0;
}

/* For saying_settle, which knows rows but not this table. */
static long first_row(void *context, const char *path)
{
    const struct building *b = context;
    const struct by_key *k = find_key(b->remembered, path);
    return k ? (long)k->index : -1;
}

/* Chooses the digests that are believed, from what mirrors say now and what they said before.
 * The rows come sorted by path, so only the first row of each path enters the table. */
static int settle_digests(struct building *b)
{
    const struct merge_input *in = b->input;
    for (size_t i = 0; i < in->remembered_count; i++) {
        const char *path = in->remembered[i].path;
        if (i && strcmp(path, in->remembered[i - 1].path) == 0)
            continue;
        if (!add_key(&b->remembered, path, i))
            return ERROR_NO_MEMORY;
    }
    return saying_settle(&b->saying, first_row, b);
}

/* Fills in what was read out of the wheels, where no mirror says it. Metadata is promised where
 * it can be made. Its digest is the believed one if there is one, because ours is compared with
 * that. */
static int fill_in_made(struct building *b)
{
    const struct merge_input *in = b->input;
    for (size_t i = 0; i < in->made_count; i++)
        if (!add_key(&b->made, in->made[i].path, i))
            return ERROR_NO_MEMORY;
    for (size_t i = 0; i < b->merge->count; i++) {
        struct merge_file *f = &b->merge->files[i];
        struct by_key *k = find_key(b->made, f->path);
        const struct merge_made *made = k ? &in->made[k->index] : NULL;
        if (made && made->digests && !f->requires_python)
            f->requires_python = made->requires_python;
        /* a wheel that was tried and cannot be read is not promised again */
        bool can = made ? made->digests != NULL : in->makes_metadata || f->is_kept;
        if (f->has_metadata || f->listed->kind != FILE_WHEEL)
            continue;
        if (!made && !f->is_kept && !b->merge->bare) {
            b->merge->bare = f->path;
            b->merge->bare_mirrors = f->mirrors;
        }
        if (!can)
            continue;
        f->has_metadata = true;
        f->made_metadata = f->said_metadata;
        if (!f->made_metadata && made)
            f->made_metadata = made->digests;
    }
    return 0;
}

/* Puts files that are not held behind those that are; the others' news follow them. */
static int leave_out_missing(struct building *b)
{
    struct merge *m = b->merge;
    struct merge_file *files = calloc(m->count + 1, sizeof(*files));
    auto_free size_t *moved = calloc(m->count + 1, sizeof(*moved));
    size_t held = 0, last = m->count;
    if (!files || !moved) {
        free(files);
        return ERROR_NO_MEMORY;
    }
    for (size_t i = 0; i < m->count; i++) {
        moved[i] = m->files[i].held ? held++ : --last;
        files[moved[i]] = m->files[i];
    }
    for (size_t i = 0; i < m->news_count; i++)
        m->news[i].file = moved[m->news[i].file];
    free(m->files);
    m->files = files;
    m->all_count = m->count;
    m->count = held;
    return 0;
}

/* Files without a version are one release together. */
static const char *release_of(const struct merge_file *f)
{
    return f->listed->version ? f->listed->version : "";
}

/* All files of a release show a digest, or none does: clients refuse a mixture. */
static int level_digests(struct building *b)
{
    struct merge *m = b->merge;
    for (size_t i = 0; i < m->count; i++) {
        struct by_key *k = find_key(b->releases, release_of(&m->files[i]));
        if (!k && !(k = add_key(&b->releases, release_of(&m->files[i]), i)))
            return ERROR_NO_MEMORY;
        /* first pass: which releases lack a digest; second pass: what each file shows */
        k->flag |= !m->files[i].digests;
    }
    for (size_t i = 0; i < m->count; i++)
        m->files[i].shows_digest = !find_key(b->releases, release_of(&m->files[i]))->flag;
    return 0;
}

/* The tables go before the result is published; it does not need them. */
int merge_project(const struct merge_input *input, struct merge *ret)
{
    struct merge merge = {0};
    struct building b = {.input = input, .merge = &merge};
    int r = 0;
    saying_begin(&b.saying, input, &merge);
    for (unsigned i = 0; r == 0 && i < input->source_count; i++)
        r = take_source(&b, input->sources[i].listing, input->sources[i].mirror);
    if (r == 0)
        r = take_held(&b);
    if (r == 0)
        r = settle_digests(&b);
    if (r == 0)
        r = fill_in_made(&b);
    if (r == 0 && input->only_held)
        r = leave_out_missing(&b);
    if (r == 0)
        r = level_digests(&b);
    if (r == 0)
        dates_fill(input, &merge);
    free_keys(&b.paths);
    free_keys(&b.names);
    free_keys(&b.releases);
    free_keys(&b.remembered);
    free_keys(&b.made);
    saying_release(&b.saying);
    if (r) {
        merge_release(&merge);
        return r;
    }
    for (size_t i = 0; i < MERGE_SOURCES && i < input->origin->mirror_count; i++)
        merge.mirror_names[i] = input->origin->mirrors[i].name;
    *ret = merge;
    return 0;
}

/* Leaves an empty merge, which may be released again. */
void merge_release(struct merge *m)
{
    for (size_t i = 0; i < m->count || i < m->all_count; i++) {
        free(m->files[i].path);
        free(m->files[i].href);
        free(m->files[i].hidden);
    }
    for (size_t i = 0; i < m->text_count; i++)
        free(m->texts[i]);
    free(m->texts);
    free(m->news);
    free(m->files);
    *m = (struct merge){0};
}

/* A file's own upload time comes first, then the one that was made up for it. */
void merge_file_view(const struct merge *m, const struct merge_file *f, struct page_file *ret)
{
    *ret = (struct page_file){
        .name = f->listed->name,
        .href = f->href,
        .version = f->listed->version,
        .digests = f->shows_digest ? f->digests : NULL,
        .requires_python = f->requires_python,
        .metadata_digests = f->made_metadata ? f->made_metadata : f->said_metadata,
        .upload_time = f->upload_time ? f->upload_time : f->made_time,
        .upload_time_source =
            f->is_kept && f->upload_time ? f->kept_source : dates_source(f->date_source),
        .yanked_reason = f->yanked_reason,
        .size = f->size,
        .about_size = f->about_size,
        .yanked = f->yanked,
        .has_metadata = f->has_metadata,
        .is_delisted = f->is_delisted,
        .mirrors = f->mirrors,
        .mirror_names = m->mirror_names};
}

size_t merge_files(const struct merge *m, struct page_file *ret)
{
    size_t count = 0;
    for (size_t i = 0; i < m->count; i++)
        if (!m->files[i].hidden)
            merge_file_view(m, &m->files[i], &ret[count++]);
    return count;
}

size_t merge_hidden_files(const struct merge *m, struct page_hidden *ret)
{
    size_t count = 0;
    for (size_t i = 0; i < m->count; i++)
        if (m->files[i].hidden)
            ret[count++] = (struct page_hidden){m->files[i].listed->name, m->files[i].hidden};
    return count;
}

/* The files of the page borrow from the merge, so they are freed here. */
void merge_write(const struct merge *m, const char *project, enum page_format format,
                 struct buf *to)
{
    auto_free struct page_file *files = calloc(m->count + 1, sizeof(*files));
    auto_free struct page_hidden *hidden = calloc(m->count + 1, sizeof(*hidden));
    if (!files || !hidden) {
        to->error = ERROR_NO_MEMORY;
        return;
    }
    size_t count = merge_files(m, files);
    struct page_content content = {.project = project,
                                   .files = files,
                                   .file_count = count,
                                   .hidden = hidden,
                                   .hidden_count = merge_hidden_files(m, hidden),
                                   .project_status = m->project_status,
                                   .project_status_reason = m->project_status_reason};
    page_write_project(&content, format, to);
}
