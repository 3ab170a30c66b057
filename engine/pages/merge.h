// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Listings of an origin's mirrors -> one project's files. The rules:
 *
 *   - a file is its path; the page is the union of what mirrors list
 *   - one path for each name: the one in the channel's own folder wins
 *   - what one mirror does not say is filled in from the next
 *   - all files of a release show a digest, or none does
 *   - a file that no mirror lists any more stays while it is held (engine/pages/delisted.h)
 *
 * Pure; compute lane.
 */
#include <string.h>

#include "base/clock.h"
#include "engine/mirrors/origins.h"
#include "index/listing.h"
#include "index/page.h"

enum { MERGE_SOURCES = 16 };

/* A row: what a mirror's page said of a file (cache/catalogue.h). */
struct merge_claim {
    const char *path, *mirror, *channel;
    const char *digests, *metadata; /* or NULL */
    int64_t said_s;
    bool is_withdrawn;
};

/* A row to write. `file` is its place in merge.files; `channel` is the page's. */
struct merge_news {
    size_t file;
    const char *mirror, *digests, *metadata;
    int64_t said_s;
    bool is_withdrawn;
};

/* What was read out of a wheel. digests NULL: nothing can be read out of it. */
struct merge_made {
    const char *path, *digests, *requires_python;
};

/* A held file of this project. `listed`: what a listing of this channel said, or NULL; it lives
 * as long as the merge. With it the file stays on the page when no mirror lists it. */
struct merge_held {
    const char *path;
    const struct listed_file *listed; /* or NULL */
    const char *upload_time_source;   /* where its time is from, or NULL */
    bool is_delisted;                 /* no mirror listed it when its page was built last */
};

/* What is known of a file beside its listing (cache/catalogue.h). */
struct merge_first_seen {
    const char *path;
    int64_t first_s, asked_s, modified_s, size;
};

struct merge_input {
    const struct origin *origin;
    const char *channel;     /* or NULL */
    const char *project;     /* normalised */
    const char *href_prefix; /* "../../../files/pytorch/" */
    struct {
        const struct listing *listing;
        unsigned mirror;
        int64_t said_s;       /* when the mirror last said so */
    } sources[MERGE_SOURCES]; /* in the origin's order */
    unsigned source_count;
    const struct merge_claim *remembered; /* by path */
    size_t remembered_count;
    int64_t now_s; /* real time: no date of a listing is believed to be later */
    const struct merge_made *made;
    size_t made_count;
    bool only_held;      /* files that are not held are left out */
    bool makes_metadata; /* metadata is promised for wheels that no mirror has metadata of */
    const struct merge_held *held;
    size_t held_count;
    bool is_heard;    /* every mirror has answered */
    const char *name; /* only files of this name; NULL: all files of the project */
    const struct merge_first_seen *first_seen; /* by path */
    size_t first_seen_count;
};

enum date_source { DATE_INDEX, DATE_LISTING, DATE_LAST_MODIFIED, DATE_FIRST_SEEN };
enum { DATE_SOURCES = DATE_FIRST_SEEN + 1 };

struct merge_file {
    char *path, *href;
    const struct listed_file *listed; /* what the first source says; lives as long as its listing */
    size_t said;                      /* for merge_claims.c: where its list of claims begins */
    /* the digests that are believed (engine/claims/claims.h), or NULL */
    const char *digests;
    bool is_disputed; /* claims contradict each other, so no digest is believed */
    /* which mirrors contradict each other, for people; NULL: none do */
    const char *dispute;
    bool learns, learns_metadata; /* other digests are believed than before; */
    bool corrects;                /* ... and some were believed before */
    bool shows_digest;            /* every file of its release has one */
    unsigned mirrors;             /* which mirrors list it */
    const char *requires_python, *upload_time;
    int64_t row_from_s, row_to_s; /* the date in its listing lies between these; or DATE_UNKNOWN */
    char made_time[CLOCK_TEXT];   /* where no index gives an upload_time, by dates.c; */
    enum date_source date_source; /* what made_time is made of */
    int64_t first_s;              /* when it was listed first */
    bool has_first_seen;          /* the catalogue has first_s */
    bool lacks_date, is_askable;  /* its mirrors can be asked for a date or a size */
    int64_t size, about_size;
    bool has_metadata;
    const char *said_metadata; /* its believed digests, or NULL */
    const char *made_metadata; /* the digests of metadata made here */
    bool yanked;               /* some mirror says so: one is enough */
    const char *yanked_reason;
    size_t held;  /* 1 and more: its place in merge_input.held */
    bool is_kept; /* no listing has it: it stays because it is held */
    /* every mirror has answered and none lists it, or only a parent wheelyard does that says so
     * of itself */
    bool is_delisted;
    char *hidden;            /* why a policy hides it from the page; or NULL. Set after the merge */
    const char *kept_source; /* the upload_time_source of a file that is kept */
};

struct merge {
    struct merge_file *files; /* in the order of the listings; after `count` those left out */
    size_t count, all_count;
    unsigned mirrors; /* which mirrors list any file of it */
    /* path of a wheel whose metadata must be read out of a mirror's copy; or NULL */
    const char *bare;
    unsigned bare_mirrors;
    size_t foreign;               /* files of other projects on this project's pages */
    unsigned dates[DATE_SOURCES]; /* how many files have their date from each source */
    const char *project_status, *project_status_reason;
    /* the highest serial of the listings, because all of their files are here; or 0 */
    int64_t last_serial;
    const char *mirror_names[MERGE_SOURCES]; /* the origin's, which outlives the merge */
    struct merge_news *news;
    size_t news_count;
    char **texts; /* texts that other members point to */
    size_t text_count;
};

/* Whether two texts are equal; NULL equals NULL alone. */
static inline bool merge_is_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* ERROR_NO_MEMORY. On failure *ret is untouched. */
int merge_project(const struct merge_input *input, struct merge *ret);
void merge_release(struct merge *merge);
/* A file as a page shows it. It borrows from `merge`. */
void merge_file_view(const struct merge *merge, const struct merge_file *file,
                     struct page_file *ret);
/* The files that a page shows, at most merge->count; returns how many. */
size_t merge_files(const struct merge *merge, struct page_file *ret_files);
/* Those that it hides, in the same way. */
size_t merge_hidden_files(const struct merge *merge, struct page_hidden *ret_hidden);
/* Writes the page; errors are the buffer's. */
void merge_write(const struct merge *merge, const char *project, enum page_format format,
                 struct buf *to);
