// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Listings of an origin's mirrors -> one project's files, under the index rules: identity is the
 * path, the union of what mirrors list, one path per name (the channel's own folder wins), digests
 * for all files of a release or for none, what one mirror leaves out is filled from the next; what
 * none lists any more but we hold (engine/pages/delisted.h). Pure; compute lane.
 */
#include "base/clock.h"
#include "engine/mirrors/origins.h"
#include "index/listing.h"
#include "index/page.h"

enum { MERGE_SOURCES = 16 };

/* What a mirror's page said of a file, as it is remembered; see cache/catalogue.h. */
struct merge_claim {
    const char *path, *mirror, *channel;
    const char *digests, *metadata; /* or NULL */
    int64_t said_s;
    bool is_withdrawn;
};

/* What is to be remembered from now on of a file (its place in merge.files); `channel` is the
 * page's. */
struct merge_news {
    size_t file;
    const char *mirror, *digests, *metadata;
    int64_t said_s;
    bool is_withdrawn;
};

/* What was read out of a wheel; digests NULL: it cannot be. */
struct merge_made {
    const char *path, *digests, *requires_python;
};

/* A file that we hold, of this project. When a listing has had it in this channel (`listed`: what
 * that said, which lives as long as the merge) it stays on the page when no listing has it. */
struct merge_held {
    const char *path;
    const struct listed_file *listed; /* or NULL */
    const char *upload_time_source;   /* what its time was made of, or NULL */
    bool is_delisted;                 /* it was, the last time */
};

/* Of a listed file, what its listing does not say; see cache/catalogue.h. */
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
    int64_t now_s; /* since 1970: no date of a listing is believed to be later */
    const struct merge_made *made;
    size_t made_count;
    bool only_held;      /* what is not held is left out */
    bool makes_metadata; /* of every wheel that no mirror has metadata of */
    const struct merge_held *held;
    size_t held_count;
    bool is_heard;    /* of every mirror it is known what it lists */
    const char *name; /* nothing but files of this name; NULL: all of the project */
    const struct merge_first_seen *sightings; /* by path */
    size_t first_seen_count;
};

enum date_source { DATE_INDEX, DATE_LISTING, DATE_LAST_MODIFIED, DATE_FIRST_SEEN };
enum { DATE_SOURCES = DATE_FIRST_SEEN + 1 };

struct merge_file {
    char *path, *href;
    const struct listed_file *listed; /* the first source's; lives as long as its listing */
    size_t said;                      /* merge_claims.c: what sources say of it */
    const char *digests;          /* those that are believed (engine/claims/claims.h), or NULL */
    bool is_disputed;             /* that is why there are none */
    const char *dispute;          /* who contradicts whom, for people; NULL: nobody does */
    bool learns, learns_metadata; /* what is believed is not what was before; */
    bool corrects;                /* ... and of the file something was believed */
    bool shows_digest;            /* its whole release has one */
    unsigned mirrors;             /* who lists it */
    const char *requires_python, *upload_time;
    int64_t row_from_s, row_to_s; /* its listing's date: between these; or DATE_UNKNOWN */
    char made_time[CLOCK_TEXT];   /* where no index gives an upload_time: dates.c fills it in, */
    enum date_source date_source; /* from there */
    int64_t first_s;              /* when it was listed first */
    bool is_sighted;              /* that is remembered */
    bool lacks_date, is_askable;  /* its mirrors could be asked for a date or a size */
    int64_t size, about_size;
    bool has_metadata;
    const char *said_metadata; /* digests of it that are believed, or NULL */
    const char *made_metadata; /* of metadata that is ours */
    bool yanked;               /* one mirror's word is enough */
    const char *yanked_reason;
    size_t held;             /* 1 and more: which of merge_input.held it is */
    bool is_kept;            /* no listing has it: it is there because we hold it */
    bool is_delisted;        /* ... and all mirrors have had their say; or whoever lists it is a
                                wheelyard that says so of itself */
    const char *kept_source; /* upload_time_source of one that is kept */
};

struct merge {
    struct merge_file *files; /* as listed; behind `count` those that are left out */
    size_t count, all_count;
    unsigned mirrors; /* who lists anything */
    const char *bare; /* path of a wheel whose metadata must be made from a mirror's; or NULL */
    unsigned bare_mirrors;
    size_t foreign;               /* files of other projects, on this one's pages */
    unsigned dates[DATE_SOURCES]; /* how many of its files have their date from where */
    const char *project_status, *project_status_reason;
    int64_t last_serial; /* the highest that a listing has, for all of its files are here; or 0 */
    const char *mirror_names[MERGE_SOURCES]; /* of the origin, which outlives this */
    struct merge_news *news;
    size_t news_count;
    char **texts; /* that others point to */
    size_t text_count;
};

int merge_project(const struct merge_input *input, struct merge *ret);
void merge_release(struct merge *merge);
/* A file as a page shows it; it borrows from `merge`. */
void merge_file_view(const struct merge *merge, const struct merge_file *file,
                     struct page_file *ret);
/* All of them, merge->count. */
void merge_files(const struct merge *merge, struct page_file *ret_files);
/* Writes the page; errors are the buffer's. */
void merge_write(const struct merge *merge, const char *project, enum page_format format,
                 struct buf *to);
