// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Shared by listing.c and its two readers: a reader finds links, and the builder makes files of
 * them. An error of the builder ends the reading. A link that is not a file of ours is no error. */
#include "index/digests.h"
#include "index/listing.h"

/* A link as the page writes it. Strings are borrowed; NULL when the page says nothing. */
struct link {
    const char *href; /* entities decoded, escapes as written */
    const char *requires_python;
    const char *yanked_reason;
    const char *upload_time;
    struct digests digests, metadata;
    int64_t size; /* or -1 */
    int64_t about_size;
    int64_t modified; /* or DATE_UNKNOWN */
    bool modified_utc;
    bool yanked;
    bool has_metadata;
    bool is_delisted;
};

struct listing_builder {
    struct listing *listing;
    char *base;      /* hrefs are resolved against it */
    char *directory; /* base up to its last slash: projects are one level below */
    size_t file_room;
    size_t project_room;
    size_t links; /* seen so far */
    size_t room;  /* the memory that the listing may take */
};

/* Call it before each link of any kind: it bounds the work. ERROR_TOO_BIG. */
int builder_count_link(struct listing_builder *b);
int builder_add_link(struct listing_builder *b, const struct link *link);
int builder_add_project(struct listing_builder *b, const char *name);
/* The page's <base href>; one that can't be resolved is ignored. */
int builder_set_base(struct listing_builder *b, const char *href);
int builder_set_status(struct listing_builder *b, const char *status);
int builder_set_status_reason(struct listing_builder *b, const char *reason);

/* "true", "", "sha256=<hex>" or "false", as an attribute; fills the two fields of the link. */
void link_set_metadata(struct link *link, const char *text);

/* Each gets the whole page; ERROR_BAD_LISTING when it is of another kind. */
int listing_read_html(struct listing_builder *b, const char *page, size_t len);
int listing_read_json(struct listing_builder *b, const char *page, size_t len);
