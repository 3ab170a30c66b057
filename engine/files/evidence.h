// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What the bytes of kept files say of themselves (index/archive.h), for those of which no authority
 * names a digest; and the check in the background that compares a wheel with its own RECORD, one
 * blob at a time, with the lowest priority and at half a core.
 *
 *     commit  -->  EVIDENCE_STRUCTURE  --checked-->  EVIDENCE_RECORD | EVIDENCE_SILENT
 *                                      --refuted-->  quarantine, and EVIDENCE_DAMAGED or _DISPUTED
 *
 * A blob that another version of wheelyard kept is EVIDENCE_UNKNOWN, and is checked likewise: what
 * is no archive goes to quarantine. What was refuted is remembered by its digest, for when the same
 * bytes come again: damaged ones are refused (evidence_refuses), those that only contradict their
 * RECORD are what was published, and stay. In memory with the flight thread, written through to the
 * catalogue.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"

struct buf;
struct engine;
struct entry;
struct evidences;
struct inventory_row;

enum evidence { /* numbers of the catalogue: never another meaning */
                EVIDENCE_UNKNOWN = 0,
                EVIDENCE_NONE = 1,      /* a kind of file that says nothing of itself */
                EVIDENCE_STRUCTURE = 2, /* whole by its structure; RECORD was not compared yet */
                EVIDENCE_SILENT = 3,    /* the same, and RECORD cannot tell more */
                EVIDENCE_RECORD = 4,    /* every member is as RECORD says */
                EVIDENCE_DISPUTED =
                    5, /* whole, but RECORD says otherwise, of every copy that came */
                EVIDENCE_DAMAGED = 6, /* not whole, whatever its end says */
};

int evidence_new(struct engine *engine, struct evidences **ret);
/* Waits for the check at hand, which ends early once the engine is stopping. */
void evidence_stop(struct evidences *evidences); /* NULL is legal, as below */
void evidence_free(struct evidences *evidences);
/* At start, before threads, when the files are loaded. */
int evidence_load(struct engine *engine);

/* ---- flight thread */
/* Of an entry that is held: "authority", "record", "structure", "none"; "" where it was not looked
 * at yet. why, when not NULL: what is known besides, or "". */
const char *evidence_level(struct engine *engine, const struct entry *entry, const char **ret_why);
/* Bytes were found whole by their structure and are being kept, or are of a kind that is not
 * judged; what is known of them already stays. */
void evidence_kept(struct engine *engine, const char *sha256, enum evidence evidence);
/* Whether bytes of that digest were found damaged before; why. */
bool evidence_refuses(const struct engine *engine, const char *sha256, const char **ret_why);
/* The blob is gone, and what is known of it with it, but for what was refuted. */
void evidence_forget(struct engine *engine, const char *sha256);
/* Something is held that may have to be checked. */
void evidence_changed(struct engine *engine);
void evidence_tick(struct engine *engine, int64_t now_ms);
void evidence_write_status(struct engine *engine, struct buf *to);
