// SPDX-License-Identifier: Apache-2.0
/*
 * The index of files that the daemon holds, by origin and project, and what builds do with it.
 *
 *     entry gets a blob: delisted_hold -> held --a row says which channel lists it--> channels
 *     a build shows the file, no listing has it: is_kept -> delisted since
 *     a listing has it again: delisted_s = 0
 *     entry loses its blob: delisted_drop -> its pages go
 *
 * A held file may be listed in several channels. Its channels follow the rows of the catalogue
 * ("listed rows"): a build compares what it shows with the row (settle_file) and writes what is
 * new. Flight thread, but for functions that take a build on a lane; these touch the build alone.
 */
#include "engine/pages/delisted.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/files/files.h"
#include "engine/loop/key.h"
#include "engine/mirrors/origins.h"
#include "engine/pages/pages.h"
#include "engine/pages/pages_state.h"

enum { FILES_MOST = 4000 /* held files that one page looks at */, STATUS_MOST = 256 };

/* A channel's listing has, or had, the file. */
struct held_channel {
    struct held_channel *next;
    int64_t delisted_s; /* 0: it lists the file still */
    char channel[];
};

struct held {
    const struct entry *entry;
    struct held_channel *channels;
    bool is_kept; /* a page shows it although no listing has it */
    struct held *next;
};

struct held_project {
    char *key; /* origin NUL project NUL */
    struct held *first;
    size_t count;
    uint64_t version;
    UT_hash_handle hh;
};

struct delisted {
    struct held_project *projects;
    uint64_t version;        /* grows with all that a page can show */
    uint64_t changed;        /* grows with what the status says */
    uint64_t status_changed; /* the value of `changed` that `status` was written for */
    struct buf status;
};

/* A held file in a build. `listed` is what a listing would say of it; it points into the other
 * members. */
struct delisted_file {
    char *path;
    struct file_name name;
    struct listed_file listed;
    /* "": no claim agrees with the bytes that are held */
    char digests[sizeof("sha256=") + SHA256_HEX];
    /* from the file's listed row in this channel: */
    bool is_seen;
    char *requires_python, *upload_time, *upload_time_source, *yanked_reason;
    char first[CLOCK_TEXT]; /* when it was listed first, for files without a time */
    int64_t first_s, delisted_s;
    /* the row to write: */
    bool is_new;
    struct catalogue_listed row; /* points into the build's merge */
};

/* ------------------------------------------------------ index of held files */

int delisted_new(struct delisted **ret)
{
    struct delisted *d = calloc(1, sizeof(*d));
    if (!d)
        return ERROR_NO_MEMORY;
    buf_init(&d->status, 1 << 20);
    d->version = d->changed = 1;
    *ret = d;
    return 0;
}

static void held_free(struct held *h)
{
    for (struct held_channel *s = h->channels, *next; s; s = next) {
        next = s->next;
        free(s);
    }
    free(h);
}

void delisted_free(struct delisted *d)
{
    struct held_project *p, *next;
    if (!d)
        return;
    HASH_ITER(hh, d->projects, p, next)
    {
        HASH_DEL(d->projects, p);
        while (p->first) {
            struct held *h = p->first;
            p->first = h->next;
            held_free(h);
        }
        free(p->key);
        free(p);
    }
    buf_release(&d->status);
    free(d);
}

/* NULL also when the key is too long: such a name has no page. */
static struct held_project *find_project(const struct delisted *d, const char *origin,
                                         const char *project)
{
    char key[KEY_MAX_BYTES];
    struct held_project *p = NULL;
    size_t len = key_make(key, origin, project);
    if (len)
        HASH_FIND(hh, d->projects, key, len, p);
    return p;
}

/* Projects stay in the table when their last file goes: their version must not start anew. */
static struct held_project *add_project(struct delisted *d, const char *origin, const char *project)
{
    size_t len;
    struct held_project *p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    p->key = key_new(origin, project, &len);
    if (!p->key) {
        free(p);
        return NULL;
    }
    HASH_ADD_KEYPTR(hh, d->projects, p->key, len, p);
    return p;
}

/* Few files of a project are held, so a list is enough. */
static struct held *find_held(const struct held_project *p, const char *path)
{
    for (struct held *h = p ? p->first : NULL; h; h = h->next)
        if (strcmp(h->entry->path, path) == 0)
            return h;
    return NULL;
}

/* Whether a page can list the file. *ret has its project; file_name_release it. */
static bool parse(const char *path, struct file_name *ret)
{
    *ret = (struct file_name){0};
    if (file_name_parse(str_last_segment(path), ret))
        return false;
    return ret->kind != FILE_OTHER && ret->project;
}

/* In any channel: the status shows files and not channels. */
static bool is_delisted(const struct held *h)
{
    for (const struct held_channel *s = h->channels; s; s = s->next)
        if (s->delisted_s)
            return true;
    return false;
}

/* Without memory the file is missing from the index: then its page forgets it when mirrors do. */
static void add_held(struct delisted *d, const struct entry *entry, const char *project)
{
    struct held_project *p = find_project(d, entry->origin->name, project);
    struct held *h = calloc(1, sizeof(*h));
    if (h && !p)
        p = add_project(d, entry->origin->name, project);
    if (!h || !p) {
        free(h);
        return;
    }
    h->entry = entry;
    h->next = p->first;
    p->first = h;
    p->count++;
}

/* Also looks for rows of an earlier time, when the file was held before. */
void delisted_hold(struct pages *pages, const struct entry *entry)
{
    struct file_name name;
    if (parse(entry->path, &name))
        add_held(pages->delisted, entry, name.project);
    file_name_release(&name);
    delisted_look(pages, entry->origin, entry->path); /* a row of an earlier time counts again */
}

/* Every page of the project is out of date now. */
static void changed(struct delisted *d, struct held_project *p)
{
    p->version = ++d->version;
    d->changed++;
}

/* A page that shows the file for its bytes alone must go at once: its link would lead nowhere. */
void delisted_drop(struct pages *pages, const struct entry *entry)
{
    struct file_name name;
    struct held_project *p = parse(entry->path, &name)
                                 ? find_project(pages->delisted, entry->origin->name, name.project)
                                 : NULL;
    for (struct held **at = p ? &p->first : NULL; at && *at; at = &(*at)->next) {
        struct held *h = *at;
        if (h->entry != entry)
            continue;
        *at = h->next;
        p->count--;
        /* a page may show it for its bytes alone */
        if (h->is_kept || is_delisted(h)) {
            log_info("delisted and gone path=%s/%s", entry->origin->name, entry->path);
            changed(pages->delisted, p);
            pages_forget(pages, entry->origin->name, name.project);
        }
        held_free(h);
        break;
    }
    file_name_release(&name);
}

/* Versions grow over all projects, so a project that is made anew never repeats one. */
uint64_t delisted_version(const struct pages *pages, const struct origin *origin,
                          const char *project)
{
    if (!project)
        return pages->delisted->version;
    const struct held_project *p = find_project(pages->delisted, origin->name, project);
    return p ? p->version : 0;
}

static struct held_channel *find_channel(const struct held *h, const char *channel)
{
    for (struct held_channel *s = h->channels; s; s = s->next)
        if (strcmp(s->channel, channel) == 0)
            return s;
    return NULL;
}

/* Without memory the channel is missing, and the next build adds it. */
static void set_channel(struct delisted *d, struct held *h, const char *channel, int64_t delisted_s)
{
    struct held_channel *s = find_channel(h, channel);
    if (!s) {
        s = calloc(1, sizeof(*s) + strlen(channel) + 1);
        if (!s)
            return;
        memcpy(s->channel, channel, strlen(channel) + 1);
        s->next = h->channels;
        h->channels = s;
    }
    if (s->delisted_s != delisted_s)
        d->changed++;
    s->delisted_s = delisted_s;
}

/* A row tells of a held file. What a newer build has set stays. */
void delisted_note(struct pages *pages, const char *origin, const char *project, const char *path,
                   const char *channel, int64_t delisted_s)
{
    struct held_project *p = find_project(pages->delisted, origin, project);
    struct held *h = find_held(p, path);
    if (!h || find_channel(h, channel)) /* a page that was built in the meantime knows better */
        return;
    set_channel(pages->delisted, h, channel, delisted_s);
    changed(pages->delisted, p);
    pages_outdate(pages, origin, project);
}

static int on_listed(void *context, const struct catalogue_listed *s)
{
    delisted_note(context, s->origin, s->project, s->path, s->channel, s->delisted_s);
    return 0;
}

int delisted_load(struct pages *pages)
{
    struct file_name name;
    for (const struct entry *entry = files_first(pages->files); entry; entry = entry->hh.next) {
        if (entry->sha256[0] && parse(entry->path, &name))
            add_held(pages->delisted, entry, name.project);
        else if (!entry->sha256[0])
            continue;
        file_name_release(&name);
    }
    return catalogue_each_listed(pages->s->catalogue, NULL, NULL, on_listed, pages);
}

/* -------------------------------------------------------------- listed rows */

/* In each channel whose page may list the path. */
void delisted_look(struct pages *pages, const struct origin *origin, const char *path)
{
    struct file_name name;
    char *channels[PAGE_CHANNELS];
    size_t count = 0;
    if (parse(path, &name))
        count = pages_channels(pages, origin, path, name.project, channels);
    for (size_t i = 0; i < count; i++) {
        listed_row_look(pages, origin, channels[i], path, name.project);
        free(channels[i]);
    }
    file_name_release(&name);
}

/* ------------------------------------------------------------------- builds */

/* In an index of another origin's channel the build has that channel's name also. */
static const char *channel_of(const struct build *b)
{
    return b->channel && origin_has_channel(b->origin, b->channel) ? b->channel : "";
}

/* A digest is copied only if it is claimed: what the daemon merely holds vouches for nothing. */
static bool copy_held(const struct held *h, struct delisted_file *f)
{
    f->path = strdup(h->entry->path);
    if (!f->path || !parse(f->path, &f->name))
        return false;
    f->listed = (struct listed_file){.name = (char *)(uintptr_t)str_last_segment(f->path),
                                     .kind = f->name.kind,
                                     .project = f->name.project,
                                     .version = f->name.version,
                                     .size = h->entry->size,
                                     .about_size = -1,
                                     .modified = DATE_UNKNOWN};
    if (h->entry->authoritative)
        (void)snprintf(f->digests, sizeof(f->digests), "sha256=%s", h->entry->sha256);
    return true;
}

/* Copies what the build needs: the index may change while the build runs on its lanes. */
void delisted_begin(struct build *b)
{
    const struct held_project *p =
        b->project ? find_project(b->pages->delisted, b->origin->name, b->project) : NULL;
    if (!p || !p->count)
        return;
    size_t most = p->count < FILES_MOST ? p->count : FILES_MOST;
    b->held = calloc(most, sizeof(*b->held));
    for (const struct held *h = b->held ? p->first : NULL; h && b->held_count < most; h = h->next)
        if (!copy_held(h, &b->held[b->held_count++]))
            b->held_count--;
}

/* A file counts for a list of projects only where its channel has listed it. */
static bool lists(const struct held_project *p, const char *channel)
{
    for (const struct held *h = p->first; h; h = h->next)
        if (find_channel(h, channel))
            return true;
    return false;
}

/* A project whose last file is held keeps its place on the list. */
void delisted_add_names(struct build *b, const struct origin *origin)
{
    const char *channel = origin->channels[0] ? channel_of(b) : "";
    const struct delisted *d = b->pages->delisted;
    char **known =
        realloc(b->known, (b->known_count + HASH_COUNT(d->projects) + 1) * sizeof(*known));
    if (!known)
        return;
    b->known = known;
    for (const struct held_project *p = d->projects; p; p = p->hh.next) {
        const char *project = p->key + strlen(p->key) + 1;
        if (strcmp(p->key, origin->name) != 0 || !lists(p, channel) ||
            !(origin->owns_listed || origin_owns_rest(origin) ||
              origin_owns(origin, b->channel, project)))
            continue;
        b->known[b->known_count] = strdup(project);
        b->known_count += b->known[b->known_count] != NULL;
    }
}

static int by_path(const void *a, const void *b)
{
    const struct delisted_file *x = a, *y = b;
    return strcmp(x->path, y->path);
}

/* The row of this channel only: another channel's listing may say something else. */
static int recall_row(void *context, const struct catalogue_listed *row)
{
    struct build *b = context;
    auto_free char *path = strdup(row->path);
    const struct delisted_file wanted = {.path = path};
    struct delisted_file *f =
        path ? bsearch(&wanted, b->held, b->held_count, sizeof(*b->held), by_path) : NULL;
    if (!f || f->is_seen || strcmp(row->channel, channel_of(b)) != 0)
        return 0;
    f->is_seen = true;
    f->requires_python = str_dup(row->requires_python);
    f->upload_time = str_dup(row->upload_time);
    f->upload_time_source = str_dup(row->upload_time_source);
    f->yanked_reason = str_dup(row->yanked_reason);
    f->first_s = row->first_s;
    f->delisted_s = row->delisted_s;
    clock_rfc3339(row->first_s, f->first);
    f->listed.requires_python = f->requires_python;
    f->listed.upload_time = f->upload_time ? f->upload_time : f->first;
    f->listed.yanked = row->yanked;
    f->listed.yanked_reason = f->yanked_reason;
    return 0;
}

/* Sorted, because each row of the project is looked up. */
void delisted_recall(struct build *b)
{
    if (!b->held_count)
        return;
    qsort(b->held, b->held_count, sizeof(*b->held), by_path);
    /* sorted: from here on the files keep their places, so pointers into them hold */
    for (size_t i = 0; i < b->held_count; i++)
        if (b->held[i].digests[0])
            b->held[i].listed.digests = b->held[i].digests;
    (void)catalogue_each_listed(b->pages->s->catalogue, b->origin->name, b->project, recall_row, b);
}

/* A file without a listed row in this channel is passed on without `listed`: it may only be
 * marked as held when a listing has it. */
struct merge_held *delisted_input(const struct build *b)
{
    struct merge_held *held = calloc(b->held_count + 1, sizeof(*held));
    for (size_t i = 0; held && i < b->held_count; i++) {
        const struct delisted_file *f = &b->held[i];
        held[i] = (struct merge_held){.path = f->path,
                                      .listed = f->is_seen ? &f->listed : NULL,
                                      .upload_time_source =
                                          f->upload_time ? f->upload_time_source : "first-seen",
                                      .is_delisted = f->delisted_s != 0};
    }
    return held;
}

/* Whether a listing that has the file says something else than its row. */
static bool says_more(const struct delisted_file *f, const struct catalogue_listed *row)
{
    return !f->is_seen || f->delisted_s || row->yanked != f->listed.yanked ||
           !merge_is_text(row->requires_python, f->requires_python) ||
           !merge_is_text(row->upload_time, f->upload_time) ||
           !merge_is_text(row->upload_time_source, f->upload_time_source) ||
           !merge_is_text(row->yanked_reason, f->yanked_reason);
}

/* The row that the catalogue should have. A file that a page merely keeps has its old times. */
static bool settle_file(struct build *b, const struct merge_file *m, struct delisted_file *f)
{
    int64_t now_s = clock_real_s();
    f->row = (struct catalogue_listed){.origin = b->origin->name,
                                       .project = b->project,
                                       .path = f->path,
                                       .channel = channel_of(b),
                                       .first_s = now_s};
    listed_row_fill(&b->merge, m, &f->row);
    if (m->is_kept) {
        f->row.upload_time = f->upload_time;
        f->row.upload_time_source = f->upload_time_source;
        f->row.delisted_s = f->delisted_s ? f->delisted_s : now_s;
        f->is_new = m->is_delisted && !f->delisted_s;
    } else {
        f->is_new = says_more(f, &f->row);
    }
    return f->is_new;
}

/* A file that was held when the build began may be gone when it ends. Then the page must not be
 * shown. */
bool delisted_is_over(const struct build *b)
{
    const struct held_project *p =
        b->held_count ? find_project(b->pages->delisted, b->origin->name, b->project) : NULL;
    bool over = false;
    for (size_t i = 0; p && !over && i < b->merge.count; i++)
        over = b->merge.files[i].is_kept && !find_held(p, b->merge.files[i].path);
    for (size_t i = 0; !over && i < b->part_count; i++)
        over = delisted_is_over(b->parts[i]);
    return over;
}

/* Compares the merge with the rows, on the thread that owns the index. */
bool delisted_settle(struct build *b)
{
    struct delisted *d = b->pages->delisted;
    struct held_project *p = b->held_count ? find_project(d, b->origin->name, b->project) : NULL;
    bool news = false;
    for (size_t i = 0; p && i < b->merge.count; i++) {
        const struct merge_file *m = &b->merge.files[i];
        struct delisted_file *f = m->held ? &b->held[m->held - 1] : NULL;
        /* the file may have gone from the index meanwhile; the row is still true */
        bool is_news = f && settle_file(b, m, f);
        struct held *h = is_news || m->is_kept ? find_held(p, m->path) : NULL;
        if (h)
            h->is_kept |= m->is_kept;
        if (!is_news)
            continue;
        news = true;
        if (h)
            set_channel(d, h, channel_of(b), f->row.delisted_s);
        if (m->is_kept || f->delisted_s)
            log_info("%s path=%s/%s channel=%s", m->is_kept ? "delisted" : "listed again",
                     b->origin->name, f->path, channel_of(b));
    }
    return news;
}

void delisted_store(struct build *b)
{
    for (size_t i = 0; i < b->held_count; i++)
        if (b->held[i].is_new)
            (void)catalogue_put_listed(b->pages->s->catalogue, &b->held[i].row);
}

void delisted_release(struct build *b)
{
    for (size_t i = 0; i < b->held_count; i++) {
        struct delisted_file *f = &b->held[i];
        file_name_release(&f->name);
        free(f->path);
        free(f->requires_python);
        free(f->upload_time);
        free(f->upload_time_source);
        free(f->yanked_reason);
    }
    free(b->held);
}

/* ------------------------------------------------------------------- status */

static void write_held(const struct held *h, struct buf *to)
{
    char since[CLOCK_TEXT];
    int64_t since_s = INT64_MAX;
    for (const struct held_channel *s = h->channels; s; s = s->next)
        if (s->delisted_s && s->delisted_s < since_s)
            since_s = s->delisted_s;
    clock_rfc3339(since_s, since);
    json_write_comma(to);
    buf_putc(to, '{');
    json_write_member(to, "origin", h->entry->origin->name);
    json_write_member(to, "path", h->entry->path);
    json_write_member(to, "since", since);
    buf_putc(to, '}');
}

/* Written anew only after a change: the status is taken four times a second. */
void delisted_write_status(struct pages *pages, struct buf *to)
{
    struct delisted *d = pages->delisted;
    if (d->status_changed != d->changed) {
        size_t count = 0;
        d->status_changed = d->changed;
        buf_clear(&d->status);
        buf_putc(&d->status, '[');
        for (const struct held_project *p = d->projects; p; p = p->hh.next)
            for (const struct held *h = p->first; h && count < STATUS_MOST; h = h->next)
                if (is_delisted(h) && ++count)
                    write_held(h, &d->status);
        buf_putc(&d->status, ']');
    }
    json_write_name(to, "delisted");
    buf_add(to, d->status.data, d->status.len);
}
