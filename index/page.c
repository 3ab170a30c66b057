// SPDX-License-Identifier: Apache-2.0
/*
 * Straight writers into one buffer, in two groups: html_* and json_*. What the formats allow only
 * for all files or none (sizes, upload times) is decided by one pass over the files first. No clock
 * and no order of a hash table enters, so the ETag of an unchanged page stays the same.
 */
#include "index/page.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/str.h"
#include "base/utf8.h"
#include "index/digests.h"
#include "index/version.h"

/* What the page can say because every file has it. */
struct summary {
    bool all_sizes;
    bool all_upload_times;
};

/* One pass decides for the whole page. */
static struct summary summarize(const struct page_content *content)
{
    struct summary s = {.all_sizes = true, .all_upload_times = true};

    for (size_t i = 0; i < content->file_count; i++) {
        s.all_sizes = s.all_sizes && content->files[i].size >= 0;
        s.all_upload_times = s.all_upload_times && content->files[i].upload_time;
    }
    return s;
}

static void escape_character(struct buf *to, const char *s, size_t len)
{
    switch (*s) {
    case '&':
        buf_puts(to, "&amp;");
        break;
    case '<':
        buf_puts(to, "&lt;");
        break;
    case '>':
        buf_puts(to, "&gt;");
        break;
    case '"':
        buf_puts(to, "&quot;");
        break;
    case '\'':
        buf_puts(to, "&#39;");
        break;
    case '\t':
    case '\n':
    case '\r':
        buf_printf(to, "&#%d;", *s);
        break;
    default:
        buf_add(to, s, len);
    }
}

static bool is_forbidden(char c)
{
    return (unsigned char)c < ' ' && c != '\t' && c != '\n' && c != '\r';
}

/* The number of bytes that need no escape; for most texts all of them. */
static size_t plain_length(const char *s)
{
    size_t n = 0;

    while ((unsigned char)s[n] >= ' ' && (unsigned char)s[n] < 0x80 && s[n] != '&' && s[n] != '<' &&
           s[n] != '>' && s[n] != '"' && s[n] != '\'')
        n++;
    return n;
}

/* Runs of plain bytes are copied at once. */
void page_escape(struct buf *to, const char *text)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < len;) {
        size_t run = plain_length(text + i);
        buf_add(to, text + i, run);
        i += run;
        if (i == len)
            return;
        size_t n = utf8_length(text + i, len - i);

        if (n == 0 || is_forbidden(text[i]))
            buf_puts(to, "\xEF\xBF\xBD");
        else
            escape_character(to, text + i, n);
        i += n ? n : 1;
    }
}

static void html_attribute(struct buf *to, const char *name, const char *value)
{
    buf_printf(to, " %s=\"", name);
    page_escape(to, value);
    buf_putc(to, '"');
}

/* One digest only: the attribute has room for no more. */
static void html_metadata(struct buf *to, const struct page_file *f)
{
    char value[DIGESTS_TEXT] = "true";

    if (f->metadata_digests)
        str_copy(value, strcspn(f->metadata_digests, " ") + 1, f->metadata_digests);
    /* pip 22.3 to 23.1 know only the older name. */
    html_attribute(to, "data-dist-info-metadata", value);
    html_attribute(to, "data-core-metadata", value);
}

/* The order of attributes is fixed, because the bytes decide about the ETag. */
static void html_file(struct buf *to, const struct page_file *f, const struct summary *s)
{
    buf_puts(to, "    <a href=\"");
    page_escape(to, f->href);
    if (f->digests) {
        buf_putc(to, '#');
        buf_add(to, f->digests, strcspn(f->digests, " "));
    }
    buf_putc(to, '"');
    if (f->requires_python)
        html_attribute(to, "data-requires-python", f->requires_python);
    if (f->has_metadata)
        html_metadata(to, f);
    if (f->yanked)
        html_attribute(to, "data-yanked", f->yanked_reason ? f->yanked_reason : "");
    if (s->all_sizes)
        buf_printf(to, " data-size=\"%" PRId64 "\"", f->size);
    if (s->all_upload_times)
        html_attribute(to, "data-upload-time", f->upload_time);
    if (f->is_delisted)
        html_attribute(to, "data-delisted", "true");
    buf_putc(to, '>');
    page_escape(to, f->name);
    buf_puts(to, "</a><br>\n");
}

static void html_meta(struct buf *to, const char *name, const char *content)
{
    buf_puts(to, "    <meta");
    html_attribute(to, "name", name);
    html_attribute(to, "content", content);
    buf_puts(to, ">\n");
}

static void html_begin(struct buf *to, const char *version)
{
    buf_puts(to, "<!DOCTYPE html>\n<html>\n  <head>\n    <meta charset=\"utf-8\">\n");
    html_meta(to, "pypi:repository-version", version);
}

static void html_title(struct buf *to, const char *before, const char *project)
{
    buf_printf(to, "    <title>%s", before);
    page_escape(to, project);
    buf_printf(to, "</title>\n  </head>\n  <body>\n    <h1>%s", before);
    page_escape(to, project);
    buf_puts(to, "</h1>\n");
}

static void html_end(struct buf *to)
{
    buf_puts(to, "  </body>\n</html>\n");
}

/* Two dashes would end the comment. */
static void html_comment(struct buf *to, const char *text)
{
    size_t from = to->len;
    page_escape(to, text);
    for (size_t i = from + 1; i < to->len; i++)
        if (to->data[i] == '-' && to->data[i - 1] == '-')
            to->data[i] = '_';
}

static void html_hidden(struct buf *to, const struct page_hidden *hidden, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buf_puts(to, "    <!-- hidden by policy: ");
        html_comment(to, hidden[i].name);
        buf_puts(to, ": ");
        html_comment(to, hidden[i].reason);
        buf_puts(to, " -->\n");
    }
}

/* pip's --find-links and uv read only href and fragment. */
void page_write_flat(const char *title, const struct page_file *files, size_t count,
                     const struct page_hidden *hidden, size_t hidden_count, struct buf *to)
{
    const struct page_content all = {.files = files, .file_count = count};
    struct summary s = summarize(&all);

    html_begin(to, "1.0");
    html_title(to, "Links for ", title);
    for (size_t i = 0; i < count; i++)
        html_file(to, &files[i], &s);
    html_hidden(to, hidden, hidden_count);
    html_end(to);
}

static void html_project(const struct page_content *c, struct buf *to)
{
    struct summary s = summarize(c);

    /* Version 1.4 introduced the project status; nothing else here needs more than 1.0. */
    html_begin(to, c->project_status ? "1.4" : "1.0");
    if (c->project_status)
        html_meta(to, "pypi:project-status", c->project_status);
    if (c->project_status && c->project_status_reason)
        html_meta(to, "pypi:project-status-reason", c->project_status_reason);
    html_title(to, "Links for ", c->project);
    for (size_t i = 0; i < c->file_count; i++)
        html_file(to, &c->files[i], &s);
    html_hidden(to, c->hidden, c->hidden_count);
    html_end(to);
}

/* "name":{"sha256":"...","sha512":"..."}, or {} without a digest */
static void json_digests(struct buf *to, const char *name, const char *digests)
{
    json_write_name(to, name);
    buf_putc(to, '{');
    for (const char *at = digests; at && *at;) {
        size_t name_length = strcspn(at, "=");
        size_t length = strcspn(at, " ");

        json_write_comma(to);
        buf_putc(to, '"');
        buf_add(to, at, name_length);
        buf_puts(to, "\":\"");
        buf_add(to, at + name_length + 1, length - name_length - 1);
        buf_putc(to, '"');
        at += length + (at[length] == ' ');
    }
    buf_putc(to, '}');
}

static void json_yanked(struct buf *to, const char *reason)
{
    /* An empty reason would read as "not yanked". */
    if (reason && *reason) {
        json_write_member(to, "yanked", reason);
    } else {
        json_write_boolean(to, "yanked", true);
    }
}

/* A private key, for `wheelyard wheels` and for people. */
static void json_mirrors(struct buf *to, const struct page_file *f)
{
    json_write_name(to, "_mirrors");
    buf_putc(to, '[');
    for (unsigned i = 0, left = f->mirrors; left; i++, left >>= 1) {
        if (!(left & 1))
            continue;
        json_write_comma(to);
        json_write_string(to, f->mirror_names[i]);
    }
    buf_putc(to, ']');
}

/* When other files lack a size, the known ones are for people only. */
static void json_size(struct buf *to, const struct page_file *f, bool all_sizes)
{
    if (f->size < 0 && f->about_size <= 0)
        return;
    json_write_integer(to,
                       all_sizes      ? "size"
                       : f->size >= 0 ? "_size"
                                      : "_size-about",
                       f->size >= 0 ? f->size : f->about_size);
}

/* Optional members only when they are known; a null would break older clients. */
static void json_file(struct buf *to, const struct page_file *f, const struct summary *s)
{
    json_write_comma(to);
    buf_putc(to, '{');
    json_write_member(to, "filename", f->name);
    json_write_member(to, "url", f->href);
    json_digests(to, "hashes", f->digests);
    if (f->requires_python)
        json_write_member(to, "requires-python", f->requires_python);
    if (f->has_metadata && f->metadata_digests) {
        json_digests(to, "core-metadata", f->metadata_digests);
    } else if (f->has_metadata) {
        json_write_boolean(to, "core-metadata", true);
    }
    if (f->yanked)
        json_yanked(to, f->yanked_reason);
    json_size(to, f, s->all_sizes);
    if (s->all_upload_times)
        json_write_member(to, "upload-time", f->upload_time);
    if (s->all_upload_times && f->upload_time_source)
        json_write_member(to, "_upload-time-source", f->upload_time_source);
    if (f->mirror_names)
        json_mirrors(to, f);
    if (f->is_delisted) {
        json_write_boolean(to, "_delisted", true);
    }
    buf_putc(to, '}');
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Spelling decides among equal versions, so that the order is total. */
static int compare_versions(const void *a, const void *b)
{
    const char *x = *(const char *const *)a;
    const char *y = *(const char *const *)b;
    int c = version_compare(x, y);

    return c ? c : strcmp(x, y);
}

/* Collects the files' versions, each once, in ascending order. */
static size_t collect_versions(const struct page_content *c, const char **versions)
{
    size_t all = 0;
    size_t kept = 0;

    for (size_t i = 0; i < c->file_count; i++)
        if (c->files[i].version)
            versions[all++] = c->files[i].version;
    qsort(versions, all, sizeof(*versions), compare_texts);
    for (size_t i = 0; i < all; i++)
        if (kept == 0 || strcmp(versions[kept - 1], versions[i]) != 0)
            versions[kept++] = versions[i];
    qsort(versions, kept, sizeof(*versions), compare_versions);
    return kept;
}

/* PEP 700 wants every version of the page, each once. */
static void json_versions(const struct page_content *c, struct buf *to)
{
    auto_free const char **versions = calloc(c->file_count + 1, sizeof(*versions));
    size_t count;

    if (!versions) {
        to->error = ERROR_NO_MEMORY;
        return;
    }
    count = collect_versions(c, versions);
    json_write_name(to, "versions");
    buf_putc(to, '[');
    for (size_t i = 0; i < count; i++) {
        json_write_comma(to);
        json_write_string(to, versions[i]);
    }
    buf_putc(to, ']');
}

static void json_begin(struct buf *to, const char *version)
{
    buf_putc(to, '{');
    json_write_name(to, "meta");
    buf_putc(to, '{');
    json_write_member(to, "api-version", version);
    buf_putc(to, '}');
}

static void json_status(const struct page_content *c, struct buf *to)
{
    json_write_name(to, "project-status");
    buf_putc(to, '{');
    json_write_member(to, "status", c->project_status);
    if (c->project_status_reason)
        json_write_member(to, "reason", c->project_status_reason);
    buf_putc(to, '}');
}

/* A private key, for `wheelyard explain` and for people. */
static void json_hidden(const struct page_content *c, struct buf *to)
{
    json_write_name(to, "_hidden");
    buf_putc(to, '[');
    for (size_t i = 0; i < c->hidden_count; i++) {
        json_write_comma(to);
        buf_putc(to, '{');
        json_write_member(to, "filename", c->hidden[i].name);
        json_write_member(to, "reason", c->hidden[i].reason);
        buf_putc(to, '}');
    }
    buf_putc(to, ']');
}

/* 1.1 promises sizes, so a page without all of them is 1.0. */
static void json_project(const struct page_content *c, struct buf *to)
{
    struct summary s = summarize(c);

    json_begin(to, !s.all_sizes ? "1.0" : c->project_status ? "1.4" : "1.1");
    json_write_member(to, "name", c->project);
    if (c->project_status)
        json_status(c, to);
    json_versions(c, to);
    json_write_name(to, "files");
    buf_putc(to, '[');
    for (size_t i = 0; i < c->file_count; i++)
        json_file(to, &c->files[i], &s);
    buf_putc(to, ']');
    if (c->hidden_count)
        json_hidden(c, to);
    buf_puts(to, "}\n");
}

void page_write_project(const struct page_content *content, enum page_format format, struct buf *to)
{
    switch (format) {
    case PAGE_HTML:
        html_project(content, to);
        return;
    case PAGE_JSON:
        json_project(content, to);
        return;
    }
}

static void html_list(const char *const *projects, size_t count, struct buf *to)
{
    html_begin(to, "1.0");
    html_title(to, "Simple index", "");
    for (size_t i = 0; i < count; i++) {
        buf_puts(to, "    <a href=\"");
        page_escape(to, projects[i]);
        buf_puts(to, "/\">");
        page_escape(to, projects[i]);
        buf_puts(to, "</a><br>\n");
    }
    html_end(to);
}

static void json_list(const char *const *projects, size_t count, struct buf *to)
{
    json_begin(to, "1.0");
    json_write_name(to, "projects");
    buf_putc(to, '[');
    for (size_t i = 0; i < count; i++) {
        json_write_comma(to);
        buf_putc(to, '{');
        json_write_member(to, "name", projects[i]);
        buf_putc(to, '}');
    }
    buf_puts(to, "]}\n");
}

void page_write_list(const char *const *projects, size_t count, enum page_format format,
                     struct buf *to)
{
    switch (format) {
    case PAGE_HTML:
        html_list(projects, count, to);
        return;
    case PAGE_JSON:
        json_list(projects, count, to);
        return;
    }
}
