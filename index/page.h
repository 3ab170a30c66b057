// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Writes pages for clients: project pages, project lists and flat pages, as PEP 503 HTML or PEP 691
 * JSON (with PEP 592, 629, 658/714, 700, 792 where known). The order of the input is kept. hrefs
 * are written as given, so they must be percent-encoded. Equal input gives equal bytes. Pure; any
 * thread.
 *
 * JSON: `size` on every file or on none, else `_size` or `_size-about`. api-version 1.1 (1.4 with a
 * project status) only with all sizes, else 1.0. No nulls; `hashes` always, `{}` when unknown.
 * `core-metadata` only, never `dist-info-metadata`. `upload-time` on every file or on none, and
 * `_upload-time-source` when we derived it. `versions` in PEP 440 order, each once.
 *
 * What a policy hides is named beside the files: JSON `_hidden`, a list of `filename` and `reason`;
 * HTML a comment for each. No such member and no comment where nothing is hidden.
 *
 * HTML: repository-version 1.0 (1.4 with a project status). `data-core-metadata` and
 * `data-dist-info-metadata` with the same value, never "false". `data-size` and `data-upload-time`,
 * which uv reads, each on every file or on none. No <base>, no navigation. The only fragment is the
 * first digest (`#sha256=` when there is one; JSON has all of them).
 *
 * Both end in a newline. Invalid UTF-8 becomes U+FFFD.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum page_format { PAGE_HTML, PAGE_JSON };
enum { PAGE_FORMATS = 2, PAGE_MAX_BYTES = 64 << 20 };

struct page_file {
    const char *name;               /* file name */
    const char *href;               /* relative or absolute, percent-encoded, no fragment */
    const char *version;            /* normalised, or NULL */
    const char *digests;            /* as index/digests.h has them, or NULL */
    const char *requires_python;    /* or NULL */
    const char *metadata_digests;   /* or NULL: `true` when has_metadata */
    const char *upload_time;        /* or NULL: then no file shows one */
    const char *upload_time_source; /* how we derived it; NULL: the index gave it */
    const char *yanked_reason;      /* or NULL */
    int64_t size;                   /* or -1 */
    int64_t about_size;             /* or -1; for people, when there is no size */
    bool yanked;
    bool has_metadata;
    bool is_delisted; /* no mirror lists it any more: JSON `_delisted`, HTML data-delisted */
    unsigned mirrors; /* the mirrors that list it: bit i is mirror_names[i] */
    const char *const *mirror_names; /* written as `_mirrors` in JSON; NULL: not written */
};

/* A file that the page must not list, and why. */
struct page_hidden {
    const char *name, *reason;
};

struct page_content {
    const char *project; /* normalised */
    const struct page_file *files;
    size_t file_count;
    const struct page_hidden *hidden;
    size_t hidden_count;
    const char *project_status; /* or NULL */
    const char *project_status_reason;
};

/* An error is in the buffer: to->error. */
void page_write_project(const struct page_content *content, enum page_format format,
                        struct buf *to);
/* A flat page with files of many projects, for --find-links and uv's format = "flat"; HTML only. */
void page_write_flat(const char *title, const struct page_file *files, size_t count,
                     const struct page_hidden *hidden, size_t hidden_count, struct buf *to);
void page_write_list(const char *const *projects, size_t count, enum page_format format,
                     struct buf *to);

/* Escapes & < > " ' for element text and attribute values. */
void page_escape(struct buf *to, const char *text);
