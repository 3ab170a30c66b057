// SPDX-License-Identifier: Apache-2.0
/* PEP 691 project pages and project lists, and nginx's autoindex_format json. A member of another
 * type than expected counts as absent, because a listing with one strange row is still useful.
 * base/json.h bounds depth and size before. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"
#include "index/listing_private.h"

DEFINE_CLEANUP(struct json, json_free)

/* A string member in valid UTF-8, or NULL. */
static const char *text_member(const struct json *object, const char *name)
{
    const char *text = json_string(json_member(object, name));

    return text && utf8_is_valid(text, strlen(text)) ? text : NULL;
}

static void read_digests(const struct json *hashes, struct digests *to)
{
    const struct json *hash = json_is_object(hashes) ? json_first(hashes) : NULL;

    for (; hash; hash = json_next(hash)) {
        const char *name = json_name(hash);
        const char *hex = json_string(hash);
        enum digest_algorithm algorithm;

        if (name && hex && digest_find(name, strlen(name), &algorithm))
            (void)digests_add(to, algorithm, hex);
    }
}

/* Three spellings: PEP 714, PEP 658, and an early error of PyPI. */
static void read_metadata(const struct json *file, struct link *link)
{
    static const char *const names[] = {"core-metadata", "dist-info-metadata",
                                        "data-dist-info-metadata"};
    const struct json *value = NULL;

    for (size_t i = 0; i < sizeof(names) / sizeof(*names) && !value; i++)
        value = json_member(file, names[i]);
    link->has_metadata = json_is_true(value) || json_is_object(value);
    read_digests(value, &link->metadata);
}

static void read_yanked(const struct json *file, struct link *link)
{
    const char *reason = text_member(file, "yanked");

    link->yanked = json_is_true(json_member(file, "yanked")) || (reason && *reason);
    link->yanked_reason = reason;
}

/* A file without a URL cannot be fetched. */
static int read_file(struct listing_builder *b, const struct json *file)
{
    struct link link = {
        .href = text_member(file, "url"),
        .requires_python = text_member(file, "requires-python"),
        .upload_time = text_member(file, "upload-time"),
        .size = json_integer(json_member(file, "size")),
        .about_size = -1,
        .modified = DATE_UNKNOWN,
        .is_delisted = json_is_true(json_member(file, "_delisted")),
    };

    if (!link.href) {
        b->listing->skipped++;
        return 0;
    }
    read_digests(json_member(file, "hashes"), &link.digests);
    read_metadata(file, &link);
    read_yanked(file, &link);
    return builder_add_link(b, &link);
}

/* The members of PEP 691, 700 and 792 that we use. */
static int read_project_page(struct listing_builder *b, const struct json *page)
{
    const struct json *status = json_member(page, "project-status");
    const struct json *file = json_first(json_member(page, "files"));
    int64_t serial = json_integer(json_member(json_member(page, "meta"), "_last-serial"));
    int r = builder_set_status(b, text_member(status, "status"));

    if (serial > 0)
        b->listing->last_serial = serial;
    if (r == 0)
        r = builder_set_status_reason(b, text_member(status, "reason"));
    for (; r == 0 && file; file = json_next(file)) {
        r = builder_count_link(b);
        if (r == 0)
            r = read_file(b, file);
    }
    return r;
}

/* Only names; everything else is on the projects' pages. */
static int read_project_list(struct listing_builder *b, const struct json *page)
{
    const struct json *project = json_first(json_member(page, "projects"));
    int r = 0;

    for (; r == 0 && project; project = json_next(project)) {
        const char *name = text_member(project, "name");

        r = builder_count_link(b);
        if (r == 0 && name)
            r = builder_add_project(b, name);
    }
    return r;
}

/* Encodes a name as a relative reference, so that nothing in it acts as part of a URL. */
static void encode_name(struct buf *to, const char *name)
{
    for (; *name; name++) {
        unsigned char c = (unsigned char)*name;
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                     memchr("-._~", c, 4);

        if (plain)
            buf_putc(to, *name);
        else
            buf_printf(to, "%%%02X", c);
    }
}

/* nginx gives names, not links; the link is the name relative to the page. */
static int read_directory_entry(struct listing_builder *b, const struct json *entry)
{
    struct link link = {.size = json_integer(json_member(entry, "size")), .about_size = -1};
    const char *name = text_member(entry, "name");
    const char *type = text_member(entry, "type");
    const char *mtime = text_member(entry, "mtime");
    auto_buf struct buf href;

    buf_init(&href, LISTING_MAX_TAG);
    if (!name || !type) {
        b->listing->skipped++;
        return 0;
    }
    link.modified = mtime ? date_find(mtime, strlen(mtime), &link.modified_utc) : DATE_UNKNOWN;
    encode_name(&href, name);
    if (strcmp(type, "directory") == 0)
        buf_putc(&href, '/');
    if (href.error)
        return href.error;
    link.href = href.data;
    return builder_add_link(b, &link);
}

static int read_directory(struct listing_builder *b, const struct json *page)
{
    int r = 0;

    for (const struct json *e = json_first(page); r == 0 && e; e = json_next(e)) {
        r = builder_count_link(b);
        if (r == 0)
            r = read_directory_entry(b, e);
    }
    return r;
}

static bool is_directory_listing(const struct json *page)
{
    const struct json *first = json_first(page);

    return json_is_array(page) &&
           (!first || (json_string(json_member(first, "name")) && json_member(first, "type")));
}

/* The form is recognised by its members, not by a version number. */
int listing_read_json(struct listing_builder *b, const char *page, size_t len)
{
    AUTO(json_free) struct json *document = NULL;
    int r = json_parse(page, len, &document);

    if (r < 0)
        return r;
    if (json_is_array(json_member(document, "files"))) {
        b->listing->is_simple = true;
        return read_project_page(b, document);
    }
    if (json_is_array(json_member(document, "projects"))) {
        b->listing->is_simple = true;
        return read_project_list(b, document);
    }
    if (!is_directory_listing(document))
        return ERROR_BAD_LISTING;
    return read_directory(b, document);
}
