// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What mirrors say of single files that their listings don't: Last-Modified and Content-Length, by
 * HEAD, kept in the catalogue (sightings). An inquiry asks about some files of one page:
 *
 *     heads_ask(e, ...) --> a few requests at a time --> done(owner)
 *
 * A mirror is asked four at a time, the first of all alone, and 600 times in ten minutes, of which
 * an inquiry that goes on where another one of its page ended leaves half to other pages; not when
 * it is backing off, for a day when it refuses HEAD, for a minute when it failed. What came of HEAD
 * says nothing of its health as a source of files. An inquiry ends when all are asked, or after
 * twenty seconds. Flight thread.
 */
#include "engine/loop/loop.h"
#include "engine/mirrors/origins.h"

struct heads;
struct inquiry;

struct heads_file {
    const char *path;
    unsigned mirrors; /* who has it: bit i is the origin's i-th */
};

int heads_new(struct heads **ret);
void heads_free(struct heads *heads);

/* Copies the files. `more`: it goes on. NULL: nobody is asked, and `done` does not follow; it never
 * comes before this returns. `any`: a date or a size has been learnt. */
struct inquiry *heads_ask(struct engine *engine, const struct origin *origin, const char *project,
                          const struct heads_file *files, size_t count, bool more,
                          void (*done)(struct engine *engine, void *owner, bool any), void *owner);
/* Whether it is worth while to wait: the last answer is less than half a listing_timeout ago. */
bool heads_are_coming(const struct inquiry *inquiry, int64_t now_ms);
void heads_tick(struct engine *engine);
