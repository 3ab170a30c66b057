// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A listing is what one page of one mirror says: the files it links to, or the projects it names.
 * Reads HTML (flat pages, PEP 503 project pages, directory listings; by libxml2's push parser) and
 * PEP 691 JSON, whatever the Content-Type says, from bytes that nobody vouches for.
 *
 * Rules: the file's name is the last path segment of the *href*, percent-decoded, never the anchor
 * text; hrefs are resolved against the page's URL or its first <base href>; links that are neither
 * wheel nor sdist by name are skipped without a word; digests are in the form of index/digests.h.
 *
 * Bounds: LISTING_MAX_BYTES of page, 64 KiB in one tag, 300,000 links (anchors of any kind),
 * attributes by their square; beyond: ERROR_TOO_BIG, after a second or two of work at most. Memory:
 * listing_need, which the page's links decide; a base of many bytes is not repeated for each of
 * them. NUL bytes and invalid UTF-8 cost at most the links they stand in.
 *
 *     struct listing *l;
 *     r = listing_parse(page, len, url, &l);      // compute lane: megabytes take tens of ms
 *     for (i < l->file_count) ... l->files[i] ...
 *     listing_free(l);
 *
 * Pure; any thread (xmlInitParser must have run once: listing_global_init).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/date.h"
#include "index/name.h"

enum { LISTING_MAX_BYTES = 64 << 20, LISTING_MAX_LINKS = 300000, LISTING_MAX_TAG = 64 << 10 };

struct listed_file {
    char *url;  /* absolute, without fragment, escapes as written (`%2B` and `+` are kept apart) */
    char *name; /* file name, decoded */
    enum file_kind kind;   /* never FILE_OTHER */
    char *project;         /* normalised, from the name */
    char *version;         /* normalised; NULL where the name has none */
    char *digests;         /* or NULL */
    char *requires_python; /* decoded (">=3.9"), or NULL */
    bool yanked;
    char *yanked_reason; /* NULL where there is none; verbatim */
    bool has_metadata;   /* PEP 658 / 714: core-metadata, else dist-info-metadata, is not "false" */
    char *metadata_digests; /* NULL where not given */
    int64_t size;           /* bytes, exact (JSON `size`, data-size); -1 where not given */
    int64_t about_size;     /* as the row of a directory listing rounds it, to be shown; or -1 */
    char *upload_time;      /* in PEP 700's form (see date_upload_time); or NULL */
    int64_t modified;  /* the date in the row of a directory listing: see date_find; DATE_UNKNOWN */
    bool modified_utc; /* else by the server's clock on the wall, wherever that hangs */
    /* Which file of an origin that is, and where it is asked for: engine/mirrors/links.h fills them
     * in; NULL from listing_parse. */
    char *path, *place;
    bool is_delisted; /* a wheelyard says that nobody lists it any more (JSON `_delisted`,
                         HTML data-delisted) */
};

struct listing {
    struct listed_file *files; /* in page order, duplicates kept */
    size_t file_count;
    char **projects; /* names of a project list: hrefs that end in a slash (or in /index.html) and
                        go one level down,
                        or JSON `projects`; as written, in page order, if they are names at all */
    size_t project_count;
    char *project_status;        /* PEP 792 status, or NULL */
    char *project_status_reason; /* or NULL */
    int64_t last_serial; /* of PyPI, as JSON (`_last-serial`) or a comment (<!--SERIAL n-->) has it;
                            0 where not given */
    size_t bytes;        /* of memory: about as many as it takes, with paths */
    size_t skipped;      /* file-like links that could not be read, and what a page left unclosed: a
                            comment, script or tag at its end may have swallowed links */
    bool is_cut; /* ends inside of a comment, script or tag, or before the </body> or </html> of
                    what it opened: the rest was lost on the way */
    /* filled in with the files' paths: */
    size_t counted, elsewhere; /* links that count to the origin's files, and such as do not */
    char *elsewhere_hosts;     /* where those lead: "https://h/", ... quoted; or NULL */
    bool has_places;           /* of any file */
    bool is_simple; /* says so itself: JSON with `files`/`projects`, or a pypi:repository-version
                       meta */
};

void listing_global_init(void); /* once, before threads */

/* `url` is the page's address after redirects (ERROR_BAD_REQUEST when it is not http(s)).
 * ERROR_BAD_LISTING when the bytes are neither HTML nor JSON of a known shape (e.g. an S3 error
 * document), ERROR_TOO_BIG past a bound, ERROR_NO_MEMORY. A page without links is a listing without
 * files: what that means is the caller's judgement. */
int listing_parse(const char *page, size_t len, const char *url, struct listing **ret);
void listing_free(struct listing *listing);
/* How many bytes of memory listing_parse takes at most, with the listing and the paths of its
 * files, and without the page itself. A pass over the page. */
size_t listing_need(const char *page, size_t len, const char *url);
/* Files that were given no path go. */
void listing_drop_unsettled(struct listing *listing);

/* Whether the bytes are S3's `AccessDenied` error document: "no such project" of the official site.
 */
bool listing_is_s3_denial(const char *page, size_t len);
