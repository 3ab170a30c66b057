// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What mirrors say of single files when their listings do not: Last-Modified and Content-Length, by
 * HEAD, stored in the catalogue (first-seen rows). An inquiry asks about some files of one page:
 *
 *     heads_ask(listings, ...) --> a few requests at a time --> done(owner)
 *
 * Limits: a mirror gets four requests at a time, and its first one alone. It gets 600 in ten
 * minutes; an inquiry that goes on where another of its page has ended may use half of these. A
 * mirror is not asked while it is backing off, for a day after it refused HEAD, and for a minute
 * after it failed. HEAD says nothing about its health as a source of files. An inquiry ends when
 * all files are asked about, or after twenty seconds. Flight thread.
 */
#include "engine/listings/listings.h"
#include "engine/mirrors/origins.h"

struct heads;
struct inquiry;

struct heads_file {
    const char *path;
    unsigned mirrors; /* the mirrors that list it: bit i is the origin's i-th */
};

int heads_new(struct heads **ret);
void heads_free(struct heads *heads);

/* Starts an inquiry; copies the files. `more`: an earlier one of the page is continued. NULL: no
 * mirror can be asked, and `done` does not follow. `done` never comes before this returns.
 * `any`: a date or a size was learnt. */
struct inquiry *heads_ask(struct listings *listings, const struct origin *origin,
                          const char *project, const struct heads_file *files, size_t count,
                          bool more, void (*done)(void *owner, bool any), void *owner);
/* Whether it is worth waiting: the last answer is less than half a listing_timeout ago. */
bool heads_are_coming(const struct inquiry *inquiry, int64_t now_ms);
/* Lets all inquiries go on, and ends those that are done. */
void heads_tick(struct listings *listings);
