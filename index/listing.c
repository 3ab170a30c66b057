// SPDX-License-Identifier: Apache-2.0
/*
 * A builder collects links from one of the two readers (HTML, JSON). It resolves each href, takes
 * the name from it, and keeps files and projects with strings of their own. Memory is counted while
 * the listing grows and must stay below the estimate that the caller reserved. The first error of
 * the builder ends the reading; a link that is not a file of ours is no error.
 */
#include "index/listing.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/str.h"
#include "base/url.h"
#include "base/utf8.h"
#include "index/listing_private.h"

DEFINE_CLEANUP(struct listing, listing_free)

/* What a file takes in addition to its text: the struct, and malloc's overhead for each string. */
enum { LINK_BYTES = sizeof(struct listed_file) + 11 * 24, LISTING_LEAST_BYTES = 4096 };

static void file_release(struct listed_file *f)
{
    free(f->url);
    free(f->name);
    free(f->project);
    free(f->version);
    free(f->digests);
    free(f->requires_python);
    free(f->yanked_reason);
    free(f->metadata_digests);
    free(f->upload_time);
    free(f->path);
    free(f->place);
}

void listing_free(struct listing *listing)
{
    if (!listing)
        return;
    for (size_t i = 0; i < listing->file_count; i++)
        file_release(&listing->files[i]);
    for (size_t i = 0; i < listing->project_count; i++)
        free(listing->projects[i]);
    free(listing->files);
    free(listing->projects);
    free(listing->project_status);
    free(listing->project_status_reason);
    free(listing->elsewhere_hosts);
    free(listing);
}

/* In place, so that the order of the page stays. */
void listing_drop_unsettled(struct listing *listing)
{
    size_t kept = 0;

    for (size_t i = 0; i < listing->file_count; i++) {
        if (listing->files[i].path)
            listing->files[kept++] = listing->files[i];
        else
            file_release(&listing->files[i]);
    }
    listing->file_count = kept;
}

void link_set_metadata(struct link *link, const char *text)
{
    link->has_metadata = strcmp(text, "false") != 0;
    digests_add_text(&link->metadata, text, '&');
}

/* Adds the digests among `k=v&k=v`, which may be percent-encoded as a whole. */
static void add_fragment(struct digests *to, const char *fragment)
{
    auto_buf struct buf b;

    buf_init(&b, URL_MAX_BYTES);
    if (url_decode(fragment, strlen(fragment), &b) == 0)
        digests_add_text(to, b.data, '&');
}

/* Copies an optional string; an empty one counts as absent. */
static int copy_text(const char *text, char **ret)
{
    char *copy;

    if (!text || !*text)
        return 0;
    copy = strdup(text);
    if (!copy)
        return ERROR_NO_MEMORY;
    *ret = copy;
    return 0;
}

static int copy_digests(const struct digests *digests, char **ret)
{
    char text[DIGESTS_TEXT];

    digests_write(digests, text);
    return copy_text(text, ret);
}

/* Values that the page lacks stay NULL or -1. */
static int copy_attributes(const struct link *link, struct listed_file *f)
{
    char time[DATE_TEXT];
    int r = copy_text(link->requires_python, &f->requires_python);

    f->size = link->size;
    f->about_size = link->about_size;
    f->modified = link->modified;
    f->modified_utc = link->modified_utc;
    f->is_delisted = link->is_delisted;
    f->yanked = link->yanked;
    f->has_metadata = link->has_metadata;
    if (r == 0 && link->yanked)
        r = copy_text(link->yanked_reason, &f->yanked_reason);
    if (r == 0 && link->has_metadata)
        r = copy_digests(&link->metadata, &f->metadata_digests);
    if (r == 0 && link->upload_time && date_upload_time(link->upload_time, time))
        r = copy_text(time, &f->upload_time);
    return r;
}

/* The decoded last segment of the path; empty for a directory. */
static int name_from_url(const char *url, struct buf *ret_name)
{
    const char *end = url + strcspn(url, "?#");
    const char *slash = memrchr(url, '/', (size_t)(end - url));
    int r = url_decode(slash + 1, (size_t)(end - slash - 1), ret_name);

    if (r == 0 && (strchr(ret_name->data, '/') || !utf8_is_valid(ret_name->data, ret_name->len)))
        r = ERROR_BAD_REQUEST;
    return r;
}

/* Whether the link looks like a file that should be listed. */
static bool looks_like_file(const char *href)
{
    return strstr(href, ".whl") || strstr(href, ".tar.gz") || strstr(href, ".zip");
}

/* By doubling; the memory bound is checked by take_room. */
static int grow(void **array, size_t count, size_t *room, size_t element)
{
    size_t more = *room ? *room * 2 : 64;
    void *larger;

    if (count < *room)
        return 0;
    larger = reallocarray(*array, more, element);
    if (!larger)
        return ERROR_NO_MEMORY;
    *array = larger;
    *room = more;
    return 0;
}

/* Digests may stand in an attribute and in the fragment; both count. */
static int fill_file(const struct link *link, char *url, const char *name, struct listed_file *f)
{
    char *fragment = strchr(url, '#');
    struct digests digests = link->digests;
    int r = copy_text(name, &f->name);

    if (fragment) {
        *fragment = '\0';
        add_fragment(&digests, fragment + 1);
    }
    if (r == 0)
        r = copy_text(url, &f->url);
    if (r == 0)
        r = copy_digests(&digests, &f->digests);
    return r == 0 ? copy_attributes(link, f) : r;
}

static size_t text_bytes(const char *text)
{
    return text ? strlen(text) + 24 : 0;
}

/* The URL counts twice, because a path is made from it later. */
static size_t file_bytes(const struct listed_file *f)
{
    return sizeof(*f) + 2 * text_bytes(f->url) + text_bytes(f->name) + text_bytes(f->project) +
           text_bytes(f->version) + text_bytes(f->digests) + text_bytes(f->requires_python) +
           text_bytes(f->yanked_reason) + text_bytes(f->metadata_digests) +
           text_bytes(f->upload_time);
}

static int take_room(struct listing_builder *b, size_t bytes)
{
    b->listing->bytes += bytes;
    return b->listing->bytes > b->room ? ERROR_TOO_BIG : 0;
}

/* The parsed name's strings move into the file. */
static int add_file(struct listing_builder *b, const struct link *link, char *url, const char *name)
{
    struct listing *l = b->listing;
    struct listed_file f = {.size = -1, .about_size = -1, .modified = DATE_UNKNOWN};
    struct file_name parsed = {.kind = FILE_OTHER};
    int r = file_name_parse(name, &parsed);

    if (r < 0 || parsed.kind == FILE_OTHER)
        return r;
    f.kind = parsed.kind;
    f.project = parsed.project;
    f.version = parsed.version;
    r = fill_file(link, url, name, &f);
    if (r == 0)
        r = take_room(b, file_bytes(&f));
    if (r == 0)
        r = grow((void **)&l->files, l->file_count, &b->file_room, sizeof(*l->files));
    if (r < 0) {
        file_release(&f);
        return r;
    }
    l->files[l->file_count++] = f;
    return 0;
}

/* A name that is not a project's is navigation. */
int builder_add_project(struct listing_builder *b, const char *name)
{
    struct listing *l = b->listing;
    char normal[NAME_MAX_BYTES + 1];
    char *copy;
    int r;

    if (name_normalize(name, normal) < 0)
        return 0;
    r = take_room(b, sizeof(*l->projects) + text_bytes(name));
    if (r == 0)
        r = grow((void **)&l->projects, l->project_count, &b->project_room, sizeof(*l->projects));
    if (r < 0)
        return r;
    copy = strdup(name);
    if (!copy)
        return ERROR_NO_MEMORY;
    l->projects[l->project_count++] = copy;
    return 0;
}

/* A directory one level below the page is a project; all other directories are navigation. */
static int add_directory(struct listing_builder *b, const char *url)
{
    size_t above = strlen(b->directory);
    auto_buf struct buf name;
    const char *segment;
    size_t len;

    buf_init(&name, URL_MAX_BYTES);
    if (!str_starts(url, b->directory))
        return 0;
    segment = url + above;
    len = strcspn(segment, "/?#");
    if (len == 0 || strcmp(segment + len, "/") != 0)
        return 0;
    return url_decode(segment, len, &name) < 0 ? 0 : builder_add_project(b, name.data);
}

/* For static stores without directory indexes: "demo/index.html" stands for "demo/". */
static void cut_index(char *url, struct buf *name)
{
    if (strcmp(name->data, "index.html") != 0 && strcmp(name->data, "index.htm") != 0)
        return;
    char *end = url + strcspn(url, "?#");
    char *slash = memrchr(url, '/', (size_t)(end - url));
    slash[1] = '\0';
    buf_clear(name);
}

int builder_count_link(struct listing_builder *b)
{
    return ++b->links > LISTING_MAX_LINKS ? ERROR_TOO_BIG : 0;
}

/* A link that cannot be resolved counts as skipped only if it looks like a file. */
int builder_add_link(struct listing_builder *b, const struct link *link)
{
    auto_free char *url = NULL;
    auto_buf struct buf name;
    int r;

    buf_init(&name, URL_MAX_BYTES);
    r = url_resolve(b->base, link->href, &url);
    if (r == 0)
        r = name_from_url(url, &name);
    if (r == ERROR_BAD_REQUEST && looks_like_file(link->href))
        b->listing->skipped++;
    if (r < 0)
        return r == ERROR_NO_MEMORY ? r : 0;
    cut_index(url, &name);
    return name.len ? add_file(b, link, url, name.data) : add_directory(b, url);
}

/* The part of an absolute URL before its last path segment. */
static char *directory_of(const char *url)
{
    size_t path_end = strcspn(url, "?#");
    const char *slash = memrchr(url, '/', path_end);

    return strndup(url, slash ? (size_t)(slash + 1 - url) : path_end);
}

/* Hrefs and the level of projects both follow the base. */
int builder_set_base(struct listing_builder *b, const char *href)
{
    auto_free char *base = NULL;
    char *directory;
    int r = url_resolve(b->base, href, &base);

    if (r < 0)
        return r == ERROR_NO_MEMORY ? r : 0;
    directory = directory_of(base);
    if (!directory)
        return ERROR_NO_MEMORY;
    free(b->base);
    free(b->directory);
    b->base = base;
    b->directory = directory;
    base = NULL;
    return 0;
}

static int replace_text(const char *text, char **field)
{
    char *copy = NULL;
    int r = copy_text(text, &copy);

    if (r < 0)
        return r;
    free(*field);
    *field = copy;
    return 0;
}

int builder_set_status(struct listing_builder *b, const char *status)
{
    return replace_text(status, &b->listing->project_status);
}

int builder_set_status_reason(struct listing_builder *b, const char *reason)
{
    return replace_text(reason, &b->listing->project_status_reason);
}

/* Skips a byte order mark and white space. */
static const char *skip_blank(const char *page, const char *end)
{
    if (end - page >= 3 && memcmp(page, "\xEF\xBB\xBF", 3) == 0)
        page += 3;
    while (page < end && memchr(" \t\r\n\f", *page, 5))
        page++;
    return page;
}

static bool is_json(const char *page, const char *end)
{
    return page < end && (*page == '{' || *page == '[');
}

/* An upper bound of the number of links: objects in JSON, <a> in HTML. */
static size_t count_links(const char *page, const char *end)
{
    bool json = is_json(page, end);
    size_t count = 0;

    while (page < end && (page = memchr(page, json ? '{' : '<', (size_t)(end - page)))) {
        page++;
        count += json || (page < end && (*page == 'a' || *page == 'A'));
    }
    return count < LISTING_MAX_LINKS ? count : LISTING_MAX_LINKS;
}

/* Each link has its own text and a path made from it, and the page's address may precede both. */
static size_t room_of(const char *page, const char *end, const char *url)
{
    return LISTING_LEAST_BYTES + 2 * (size_t)(end - page) +
           count_links(page, end) * (LINK_BYTES + 2 * strlen(url));
}

size_t listing_need(const char *page, size_t len, const char *url)
{
    const char *end = page + len;

    page = skip_blank(page, end);
    return room_of(page, end, url) +
           (is_json(page, end) ? json_need(page, (size_t)(end - page)) : 0);
}

/* The bytes decide between JSON and HTML, since servers label both wrongly. */
int listing_parse(const char *page, size_t len, const char *url, struct listing **ret)
{
    AUTO(listing_free) struct listing *l = NULL;
    struct listing_builder b = {0};
    const char *end = page + len;
    int r;

    if (len > LISTING_MAX_BYTES)
        return ERROR_TOO_BIG;
    l = calloc(1, sizeof(*l));
    b.listing = l;
    if (!l)
        return ERROR_NO_MEMORY;
    r = url_resolve(url, "", &b.base);
    if (r < 0)
        return r;
    r = builder_set_base(&b, "");
    page = skip_blank(page, end);
    b.room = room_of(page, end, url);
    l->bytes = sizeof(*l);
    if (r == 0 && is_json(page, end))
        r = listing_read_json(&b, page, (size_t)(end - page));
    else if (r == 0)
        r = listing_read_html(&b, page, (size_t)(end - page));
    free(b.base);
    free(b.directory);
    if (r < 0)
        return r;
    *ret = l;
    l = NULL;
    return 0;
}

/* The document is small; only its start is searched. */
bool listing_is_s3_denial(const char *page, size_t len)
{
    static const char code[] = "<Code>AccessDenied</Code>";
    const char *end = page + (len < 4096 ? len : 4096);
    const char *p = skip_blank(page, end);

    if (end - p >= 5 && memcmp(p, "<?xml", 5) == 0) {
        p = memchr(p, '>', (size_t)(end - p));
        if (!p)
            return false;
        p = skip_blank(p + 1, end);
    }
    return end - p >= 6 && memcmp(p, "<Error", 6) == 0 &&
           memmem(p, (size_t)(end - p), code, strlen(code));
}
