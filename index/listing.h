// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A listing is the content of one page of one mirror: the files that it links to, or the projects
 * that it names. It reads HTML (flat pages, PEP 503 project pages, directory listings; by libxml2's
 * push parser) and PEP 691 JSON, whatever the Content-Type says. The bytes are untrusted.
 *
 * Rules. A file's name is the last path segment of the *href*, percent-decoded, never the anchor
 * text. hrefs are resolved against the page's URL or its first <base href>. Links whose name is
 * neither a wheel's nor an sdist's are skipped silently. Digests are in the form of
 * index/digests.h.
 *
 * Bounds: LISTING_MAX_BYTES of page, 64 KiB in one tag, 300,000 links (anchors of any kind), and
 * the square of the number of attributes. Beyond them: ERROR_TOO_BIG, after at most a second or two
 * of work. Memory: listing_need, which the number of links decides; a long base is not repeated for
 * each link. NUL bytes and invalid UTF-8 cost at most the links that contain them.
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
    char *version;         /* normalised; NULL when the name has none */
    char *digests;         /* or NULL */
    char *requires_python; /* decoded (">=3.9"), or NULL */
    bool yanked;
    char *yanked_reason; /* verbatim; NULL when there is none */
    bool has_metadata;   /* PEP 658 / 714: core-metadata, else dist-info-metadata, is not "false" */
    char *metadata_digests; /* NULL where not given */
    int64_t size;           /* bytes, exact (JSON `size`, data-size); -1 when not given */
    int64_t about_size;     /* as rounded in a directory listing, for display; or -1 */
    char *upload_time;      /* in PEP 700's form (see date_upload_time); or NULL */
    int64_t modified;  /* the date in a directory listing's row: see date_find; or DATE_UNKNOWN */
    bool modified_utc; /* false: local time in an unknown zone */
    /* The file's path in its origin, and where it is asked for. engine/mirrors/links.h fills them
     * in; listing_parse leaves NULL. */
    char *path, *place;
    bool is_delisted; /* a wheelyard says that no mirror lists it any more (JSON `_delisted`, HTML
                         data-delisted) */
};

struct listing {
    struct listed_file *files; /* in page order, duplicates kept */
    size_t file_count;
    char **projects; /* names of a project list: hrefs that end in a slash (or in /index.html) and
                        lead one level down, or JSON `projects`; as written, in page order, if they
                        are valid names */
    size_t project_count;
    char *project_status;        /* PEP 792 status, or NULL */
    char *project_status_reason; /* or NULL */
    int64_t last_serial; /* PyPI's serial, from JSON (`_last-serial`) or a comment (<!--SERIAL
                            n-->); 0 when not given */
    size_t bytes;        /* memory that it takes, approximately, with paths */
    size_t skipped; /* file-like links that could not be read, and unclosed comments, scripts or
                       tags at the page's end, which may have swallowed links */
    bool is_cut; /* it ends inside a comment, script or tag, or before </body> or </html>: the rest
                    was lost */
    /* filled in with the files' paths: */
    size_t counted, elsewhere; /* links that lead to the origin's files, and links that do not */
    char *elsewhere_hosts;     /* where the latter lead: "https://h/", ... quoted; or NULL */
    bool has_places;           /* of any file */
    bool
        is_simple; /* it says so: JSON with `files`/`projects`, or a pypi:repository-version meta */
};

void listing_global_init(void); /* once, before threads */

/* `url` is the page's address after redirects (ERROR_BAD_REQUEST unless http(s)). ERROR_BAD_LISTING
 * when the bytes are neither HTML nor JSON of a known form (e.g. an S3 error document).
 * ERROR_TOO_BIG beyond a bound, ERROR_NO_MEMORY. A page without links is a listing without files;
 * the caller judges what that means. */
int listing_parse(const char *page, size_t len, const char *url, struct listing **ret);
void listing_free(struct listing *listing);
/* An upper bound of the memory that listing_parse takes, in bytes, with the listing and the paths
 * of its files but without the page itself. One pass over the page. */
size_t listing_need(const char *page, size_t len, const char *url);
/* Removes files that got no path. */
void listing_drop_unsettled(struct listing *listing);

/* Whether the bytes are S3's `AccessDenied` error document, which means "no such project" on the
 * official site. */
bool listing_is_s3_denial(const char *page, size_t len);
