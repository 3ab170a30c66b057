// SPDX-License-Identifier: Apache-2.0
/*
 * A built page, and how it is built.
 *
 *     build_start --> recall (catalogue lane) --> merge, write, pack (compute lane) --> done
 *                       | memory is short: waits for its claim, and then begins again
 *
 * A build belongs to one thread at a time and is handed on with its job, so it needs no lock.
 * `recall` reads what the catalogue knows of the project's files. Without memory a build still
 * comes back: its page is a refusal.
 *
 * A page never changes once it is built, but for the server's attachments. It is counted by
 * reference: the page entry has one, each reply has one. A page that the entry has left and replies
 * still hold is an orphan. Orphans beyond a bound are marked as unwanted, the oldest first, and
 * replies end.
 */
#include "engine/pages/built.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/gzip.h"
#include "base/log.h"
#include "base/str.h"
#include "base/vec.h"
#include "base/zstandard.h"
#include "engine/loop/options.h"
#include "engine/mirrors/generations.h"
#include "engine/mirrors/origins.h"
#include "engine/pages/dates.h"
#include "engine/pages/delisted.h"
#include "engine/pages/page.h"
#include "engine/pages/page_entry.h"
#include "engine/pages/page_policy.h"

enum { CODED_LEAST_BYTES = 512, MIRROR_NAMES_BYTES = 256, BUILD_TIMES = 3 };

enum { BUILT_DETAIL = 1024 };

struct built_page {
    struct page page;
    _Atomic int refs;
    _Atomic bool is_unwanted;
    bool is_orphan; /* under the orphans' lock, as is the list */
    struct built_page *prev, *next;
    struct pages *pages;
    char detail[BUILT_DETAIL];
    char mirrors[MIRROR_NAMES_BYTES];
};

/* -------------------------------------------------------------------- pages */

/* One reference, which is the caller's. */
static struct built_page *page_new(struct pages *pages)
{
    struct built_page *b = calloc(1, sizeof(*b));
    if (!b)
        return NULL;
    b->refs = 1;
    b->pages = pages;
    b->page.detail = b->detail;
    b->page.mirrors = b->mirrors;
    return b;
}

/* A refusal is a page without a body: replies treat both alike. */
struct page *built_refusal(struct pages *pages, enum outcome outcome, const char *detail)
{
    struct built_page *b = page_new(pages);
    if (!b)
        return NULL;
    b->page.outcome = outcome;
    str_copy(b->detail, sizeof(b->detail), detail);
    return &b->page;
}

/* Counts are atomic: any thread takes and gives references. */
struct page *built_ref(struct page *page)
{
    container_of(page, struct built_page, page)->refs++;
    return page;
}

/* The last reference is gone, so the page leaves the list of orphans. */
static void leave_orphans(struct built_page *b)
{
    struct pages *p = b->pages;
    if (!p) /* pages_free has run */
        return;
    pthread_mutex_lock(&p->orphan_lock);
    if (b->is_orphan) {
        DL_DELETE(p->orphans, b);
        p->orphan_bytes -= built_bytes(&b->page);
    }
    pthread_mutex_unlock(&p->orphan_lock);
}

/* `refs > 1` means that replies still hold the page. They may give it back at once, so the list
 * is changed under its lock. */
void built_leave(struct page *page)
{
    struct built_page *b = page ? container_of(page, struct built_page, page) : NULL;
    struct pages *p = b ? b->pages : NULL;
    if (!b)
        return;
    pthread_mutex_lock(&p->orphan_lock);
    if (b->refs > 1 && !b->is_orphan) {
        b->is_orphan = true;
        DL_APPEND(p->orphans, b);
        p->orphan_bytes += built_bytes(page);
    }
    pthread_mutex_unlock(&p->orphan_lock);
    page_unref(page);
}

/* The bytes are read without the lock first: usually there are few. */
void built_judge_orphans(struct pages *pages, size_t most)
{
    struct built_page *b;
    if (pages->orphan_bytes <= most)
        return;
    pthread_mutex_lock(&pages->orphan_lock);
    size_t bytes = pages->orphan_bytes;
    for (b = pages->orphans; b && bytes > most; b = b->next) {
        b->is_unwanted = true;
        bytes -= built_bytes(&b->page);
    }
    pthread_mutex_unlock(&pages->orphan_lock);
}

/* Any thread; replies look at it now and then. */
bool page_is_unwanted(const struct page *page)
{
    return container_of(page, const struct built_page, page)->is_unwanted;
}

void page_unref(struct page *page)
{
    struct built_page *b = page ? container_of(page, struct built_page, page) : NULL;
    if (!b || --b->refs > 0)
        return;
    leave_orphans(b);
    for (int f = 0; f < PAGE_FORMATS; f++)
        for (int c = 0; c < PAGE_CODINGS; c++) {
            struct page_body *body = &page->body[f][c];
            void *attachment = atomic_load(&body->attachment);
            if (attachment && b->pages->free_attachment)
                b->pages->free_attachment(attachment);
            free((void *)(uintptr_t)body->data);
        }
    free(page->facts);
    free(b);
}

size_t built_bytes(const struct page *page)
{
    size_t bytes = sizeof(struct built_page) + (page->facts ? page->facts->bytes : 0);
    for (int f = 0; f < PAGE_FORMATS; f++)
        for (int c = 0; c < PAGE_CODINGS; c++)
            bytes += page->body[f][c].len;
    return bytes;
}

/* Strong ETags are digests, so equal ETags are equal bytes. One form is enough: the codings are
 * made of it. */
bool built_is_same(const struct page *a, const struct page *b)
{
    if (a->outcome != b->outcome || strcmp(a->detail, b->detail) != 0 ||
        strcmp(a->mirrors, b->mirrors) != 0 || a->incomplete != b->incomplete ||
        a->max_age_s != b->max_age_s || a->last_serial != b->last_serial)
        return false;
    if (!page_policy_is_same(a->facts, b->facts))
        return false;
    for (int f = 0; f < PAGE_FORMATS; f++)
        if (strcmp(a->body[f][0].etag, b->body[f][0].etag) != 0)
            return false;
    return true;
}

/* The ETag is half of the SHA-256 in hex: long enough that equal ETags mean equal bytes. */
static int set_body(struct page_body *body, struct buf *bytes)
{
    char hex[SHA256_HEX];
    int r = bytes->error ? bytes->error : sha256_of(bytes->data, bytes->len, hex);
    if (r)
        return r;
    (void)snprintf(body->etag, sizeof(body->etag), "\"%.32s\"", hex);
    body->data = buf_take(bytes, &body->len);
    return body->data ? 0 : ERROR_NO_MEMORY;
}

/* Small pages are sent as they are: coding them would save less than its headers cost. */
static int set_forms(struct page *page, enum page_format format, struct buf *bytes)
{
    auto_buf struct buf gzip, zstd;
    buf_init(&gzip, PAGE_MAX_BYTES);
    buf_init(&zstd, PAGE_MAX_BYTES);
    bool coded = bytes->len >= CODED_LEAST_BYTES && !bytes->error;
    int r = coded ? gzip_compress(bytes->data, bytes->len, &gzip) : 0;
    if (r == 0 && coded)
        r = zstandard_compress(bytes->data, bytes->len, &zstd);
    if (r == 0)
        r = set_body(&page->body[format][PAGE_IDENTITY], bytes);
    if (r == 0 && coded)
        r = set_body(&page->body[format][PAGE_GZIP], &gzip);
    if (r == 0 && coded)
        r = set_body(&page->body[format][PAGE_ZSTD], &zstd);
    return r;
}

/* ------------------------------------------------------- release of a build */

/* Frees whatever the build has got so far, at any stage. */
void build_free(struct build *b)
{
    if (!b)
        return;
    memory_give(b->pages->s, &b->claim);
    for (unsigned i = 0; i < b->count; i++)
        listing_ref_put(b->listings[i]);
    for (size_t i = 0; i < b->known_count; i++)
        free(b->known[i]);
    for (size_t i = 0; i < b->remembered_count; i++) {
        /* one allocation with the other texts of the row */
        free((void *)(uintptr_t)b->remembered[i].path);
    }
    for (size_t i = 0; i < b->name_count; i++)
        free(b->names[i]);
    for (size_t i = 0; i < b->part_count; i++)
        build_free(b->parts[i]);
    free(b->remembered);
    for (size_t i = 0; i < b->made_count; i++) {
        free((void *)(uintptr_t)b->made[i].path);
        free((void *)(uintptr_t)b->made[i].digests);
        free((void *)(uintptr_t)b->made[i].requires_python);
    }
    free(b->made);
    dates_release(b);
    free(b->known);
    free(b->names);
    free(b->parts);
    merge_release(&b->merge);
    delisted_release(b);
    page_unref(b->page);
    free(b->index);
    free(b->channel);
    free(b->project);
    free(b);
}

/* Links are relative, so a page works behind any proxy: "../" for every segment between it and
 * the root. An official page links to the public site. */
static void href_prefix(const struct build *b, struct buf *to)
{
    unsigned depth = b->kind == BUILD_FLAT ? 1 : 2;
    if (b->official) {
        buf_puts(to, b->origin->canonical ? b->origin->canonical : "");
        return;
    }
    depth += b->up;
    while (depth--)
        buf_puts(to, "../");
    buf_printf(to, "files/%s/", b->origin->name);
}

/* Hands the build's own texts to the merge, which borrows them. So the build outlives its merge. */
static int merge_listings(struct build *b, const struct buf *prefix)
{
    auto_free struct merge_held *held = delisted_input(b);
    if (!held)
        return ERROR_NO_MEMORY;
    struct merge_input input = {.origin = b->origin,
                                .channel = b->channel,
                                .project = b->project,
                                .href_prefix = prefix->data,
                                .source_count = b->count,
                                .remembered = b->remembered,
                                .remembered_count = b->remembered_count,
                                .now_s = clock_real_s(),
                                .made = b->made,
                                .made_count = b->made_count,
                                .makes_metadata = b->makes_metadata,
                                .only_held = b->only_held,
                                .held = held,
                                .held_count = b->held_count,
                                .is_heard = b->is_heard,
                                .first_seen = b->first_seen,
                                .first_seen_count = b->first_seen_count};
    for (unsigned i = 0; i < b->count; i++) {
        /* borrowed: the build keeps its reference as long as the merge lives */
        input.sources[i].listing = b->listings[i]->listing;
        input.sources[i].mirror = b->mirrors[i];
        input.sources[i].said_s = b->said_s[i];
    }
    int r = merge_project(&input, &b->merge);
    return r ? r : page_policy_hide(b);
}

/* Also chooses which files mirrors may be asked about: the merge knows what is missing. */
static int write_project(struct build *b, struct page *page)
{
    auto_buf struct buf prefix;
    buf_init(&prefix, 4096);
    href_prefix(b, &prefix);
    int r = prefix.error ? prefix.error : merge_listings(b, &prefix);
    b->askable = calloc(ASKABLE_MOST, sizeof(const struct merge_file *));
    if (r == 0 && b->askable)
        b->askable_count = dates_choose(&b->merge, ASKABLE_MOST, b->askable, &b->is_askable_worth);
    for (int f = 0; r == 0 && f < PAGE_FORMATS; f++) {
        auto_buf struct buf bytes;
        buf_init(&bytes, PAGE_MAX_BYTES);
        merge_write(&b->merge, b->project, (enum page_format)f, &bytes);
        r = set_forms(page, (enum page_format)f, &bytes);
    }
    return r ? r : page_policy_note(b, page);
}

/* ------------------------------------------------------------ project lists */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int add_name(struct build *b, const char *name)
{
    char **list = vec_grow(b->names, b->name_count, sizeof(*list));
    if (!list)
        return ERROR_NO_MEMORY;
    b->names = list;
    b->names[b->name_count] = strdup(name);
    return b->names[b->name_count] ? (b->name_count++, 0) : ERROR_NO_MEMORY;
}

/* A mirror may list names that its origin does not own in this index. */
static int add_owned(struct build *b, const char *text)
{
    char name[NAME_MAX_BYTES + 1];
    const struct origin *origin = b->origin;
    /* then the origin is alone in its index, or the list decides */
    bool owns_all = origin->owns_listed || origin_owns_rest(origin);
    if (!text || name_normalize(text, name) ||
        (!owns_all && !origin_owns(origin, b->channel, name)))
        return 0;
    return b->name_count < BUILD_NAMES_MOST ? add_name(b, name) : ERROR_TOO_BIG;
}

/* In the order of the mirror; collect_names sorts. */
static int add_projects(struct build *b, const struct listing *l)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < l->project_count; i++)
        r = add_owned(b, l->projects[i]);
    return r;
}

/* Files of one project usually stand together, so the last name saves most look-ups. */
static int add_files(struct build *b, const struct listing *l)
{
    const char *last = "";
    for (size_t i = 0; i < l->file_count; i++) {
        const struct listed_file *file = &l->files[i];
        if (!file->project || strcmp(file->project, last) == 0)
            continue;
        last = file->project;
        int r = add_owned(b, last);
        if (r)
            return r;
    }
    return 0;
}

/* A simple mirror's list names projects. On a flat mirror the names come from files; its folders
 * are no projects. */
static int add_listing(struct build *b, const struct listing *l, unsigned mirror)
{
    bool is_list = b->origin->mirrors[mirror].layout == LAYOUT_SIMPLE;
    return is_list ? add_projects(b, l) : add_files(b, l);
}

/* The list is sorted, so equal names stand together. */
static void drop_doubles(struct build *b)
{
    size_t kept = 0;
    for (size_t i = 0; i < b->name_count; i++) {
        if (kept && strcmp(b->names[i], b->names[kept - 1]) == 0)
            free(b->names[i]);
        else
            b->names[kept++] = b->names[i];
    }
    b->name_count = kept;
}

static int collect_names(struct build *b)
{
    int r = 0;
    for (unsigned i = 0; r == 0 && i < b->count; i++)
        r = add_listing(b, b->listings[i]->listing, b->mirrors[i]);
    for (size_t i = 0; r == 0 && i < b->known_count; i++)
        r = add_name(b, b->known[i]);
    if (b->name_count)
        qsort(b->names, b->name_count, sizeof(b->names[0]), by_name);
    drop_doubles(b);
    return r;
}

/* The names stay in the build also: project lists take them. */
static int write_list(struct build *b, struct page *page)
{
    int r = collect_names(b);
    for (int f = 0; r == 0 && f < PAGE_FORMATS; f++) {
        auto_buf struct buf bytes;
        buf_init(&bytes, PAGE_MAX_BYTES);
        page_write_list((const char *const *)b->names, b->name_count, (enum page_format)f, &bytes);
        r = set_forms(page, (enum page_format)f, &bytes);
    }
    return r;
}

/* --------------------------------------------------------------- flat pages */

/* Merges each project as for a page of its own, and writes all files into one HTML page. */
static int write_flat(struct build *b, struct page *page)
{
    auto_buf struct buf bytes;
    size_t count = 0;
    int r = 0;
    buf_init(&bytes, PAGE_MAX_BYTES);
    for (size_t i = 0; r == 0 && i < b->part_count; i++) {
        struct build *part = b->parts[i];
        auto_buf struct buf prefix;
        buf_init(&prefix, 4096);
        part->kind = BUILD_FLAT; /* its links are relative to that page */
        href_prefix(part, &prefix);
        r = prefix.error ? prefix.error : merge_listings(part, &prefix);
        count += part->merge.count;
    }
    auto_free struct page_file *files = calloc(count + 1, sizeof(*files));
    auto_free struct page_hidden *hidden = calloc(count + 1, sizeof(*hidden));
    size_t hidden_count = 0;
    if (!files || !hidden)
        return ERROR_NO_MEMORY;
    if (r)
        return r;
    count = 0;
    for (size_t i = 0; i < b->part_count; i++) {
        count += merge_files(&b->parts[i]->merge, files + count);
        hidden_count += merge_hidden_files(&b->parts[i]->merge, hidden + hidden_count);
        page_policy_join(b, b->parts[i]);
    }
    /* one HTML page: tools that want a flat page read no other form */
    page_write_flat(b->index, files, count, hidden, hidden_count, &bytes);
    r = set_forms(page, PAGE_HTML, &bytes);
    return r ? r : page_policy_note(b, page);
}

/* --------------------------------------------------------------------- jobs */

/* The last job: on the flight thread. */
static void back_run(struct job *job)
{
    struct build *b = container_of(job, struct build, job);
    b->done(b);
}

/* The lists of names have no page to write: their owner takes the names. */
static int write_page(struct build *b, struct page *page)
{
    switch (b->kind) {
    case BUILD_PROJECT:
        return write_project(b, page);
    case BUILD_LIST:
        return write_list(b, page);
    case BUILD_NAMES:
        return collect_names(b);
    case BUILD_FLAT:
        return write_flat(b, page);
    }
    return 0;
}

/* Adds those mirrors' names of an origin that the text does not have yet, comma-separated. */
static void add_mirrors(const struct origin *origin, unsigned set, char *to, size_t size)
{
    char names[MIRROR_NAMES_BYTES], *rest = NULL;
    mirrors_names(origin, set, names, sizeof(names));
    for (char *name = strtok_r(names, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
        size_t len = strlen(to), more = strlen(name);
        bool there = false;
        for (const char *at = to; !there && *at; at += strcspn(at, ",") + (strchr(at, ',') != NULL))
            there = strcspn(at, ",") == more && strncmp(at, name, more) == 0;
        if (!there && len + more + 2 <= size)
            (void)snprintf(to + len, size - len, "%s%s", len ? "," : "", name);
    }
}

/* Writes which mirrors list the files on the page. A flat page has files of several origins. */
static void name_mirrors(const struct build *b, char *to, size_t size)
{
    if (b->origin)
        add_mirrors(b->origin, b->merge.mirrors, to, size);
    for (size_t i = 0; i < b->part_count; i++)
        add_mirrors(b->parts[i]->origin, b->parts[i]->merge.mirrors, to, size);
}

/* The second job: on the compute lane. `stopping` and memory are looked at before the work,
 * because a build may have waited for long. */
static void build_run(struct job *job)
{
    struct build *b = container_of(job, struct build, job);
    struct built_page *built = page_new(b->pages);
    if (built) {
        int r = b->pages->s->stopping ? ERROR_STOPPING
                : b->has_no_memory    ? ERROR_NO_MEMORY
                                      : write_page(b, &built->page);
        for (unsigned i = 0; !b->project && i < b->count; i++)
            b->merge.mirrors |= 1u << b->mirrors[i];
        name_mirrors(b, built->mirrors, sizeof(built->mirrors));
        built->page.incomplete = b->incomplete;
        built->page.max_age_s = b->max_age_s;
        built->page.last_serial = b->merge.last_serial;
        if (r) {
            built->page.outcome = OUTCOME_UNAVAILABLE;
            str_copy(built->detail, sizeof(built->detail), error_text(r));
        } else if (b->project && !b->merge.count && !b->merge.mirrors) {
            built->page.outcome = OUTCOME_NO_PROJECT;
            str_copy(built->detail, sizeof(built->detail), b->missing_detail);
        }
        b->page = &built->page;
    }
    job->run = back_run;
    loop_post(b->pages->s, job);
}

/* Copies a text to the end of the last one and moves *at past it. NULL stays NULL. */
static const char *put_text(char **at, const char *text)
{
    const char *copy = text ? *at : NULL;
    if (text)
        *at = stpcpy(*at, text) + 1;
    return copy;
}

static size_t text_size(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

/* The texts of a row share one allocation that begins at `path`; build_free frees that. */
static int on_claim(void *context, const struct catalogue_claim *c)
{
    struct build *b = context;
    /* at 0, 1, 3, 7 the list is full: twice the room */
    struct merge_claim *list = vec_grow(b->remembered, b->remembered_count, sizeof(*list));
    if (!list)
        return ERROR_NO_MEMORY;
    b->remembered = list;
    struct merge_claim *to = &b->remembered[b->remembered_count];
    /* NOLINTNEXTLINE(clang-analyzer-optin.portability.UnixAPI): there is a path */
    char *at = malloc(text_size(c->path) + text_size(c->mirror) + text_size(c->channel) +
                      text_size(c->digests) + text_size(c->metadata));
    if (!at)
        return ERROR_NO_MEMORY;
    to->path = put_text(&at, c->path);
    to->mirror = put_text(&at, c->mirror);
    to->channel = put_text(&at, c->channel);
    to->digests = put_text(&at, c->digests);
    to->metadata = put_text(&at, c->metadata);
    to->said_s = c->said_s;
    to->is_withdrawn = c->is_withdrawn;
    b->remembered_count++;
    return 0;
}

/* A row without a digest says that the wheel cannot be read: no metadata is promised then. */
static int on_made(void *context, const struct catalogue_metadata *m)
{
    struct build *b = context;
    struct merge_made *list = vec_grow(b->made, b->made_count, sizeof(*list));
    if (!list)
        return ERROR_NO_MEMORY;
    b->made = list;
    struct merge_made *to = &b->made[b->made_count];
    *to =
        (struct merge_made){str_dup(m->path), m->sha256 ? str_printf("sha256=%s", m->sha256) : NULL,
                            str_dup(m->requires_python)};
    if (!to->path)
        return ERROR_NO_MEMORY;
    b->made_count++;
    return 0;
}

/* A failed read leaves rows out: the page is built without them. */
static void recall(struct build *b)
{
    if (!b->project || b->origin->directory) /* a path in a folder may be another file tomorrow */
        return;
    (void)catalogue_each_claim(b->pages->s->catalogue, b->origin->name, b->project, on_claim, b);
    (void)catalogue_each_metadata(b->pages->s->catalogue, b->origin->name, b->project, on_made, b);
    delisted_recall(b);
    dates_recall(b);
}

/* An estimate of what a build takes: what is merged, the rows of the catalogue, and the page in
 * its forms. Each is about as large as the listings themselves. */
static size_t bytes_needed(const struct build *b)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < b->count; i++)
        bytes += BUILD_TIMES * b->listings[i]->listing->bytes;
    for (size_t i = 0; i < b->part_count; i++)
        bytes += bytes_needed(b->parts[i]);
    return bytes;
}

/* The first job: on the catalogue lane. It waits here for memory, before it has taken any. */
static void recall_run(struct job *job)
{
    struct build *b = container_of(job, struct build, job);
    int got =
        memory_take(b->pages->s, &b->claim, bytes_needed(b), b->pages->s->catalogue_lane, job);
    if (got == MEMORY_WAITS)
        return;
    b->has_no_memory = got == MEMORY_REFUSED;
    if (b->has_no_memory) {
        build_run(job);
        return;
    }
    recall(b);
    for (size_t i = 0; i < b->part_count; i++)
        recall(b->parts[i]);
    job->run = build_run;
    lane_post(b->pages->s->compute, job);
}

void build_start(struct build *b)
{
    b->job.run = recall_run;
    lane_post(b->pages->s->catalogue_lane, &b->job);
}
