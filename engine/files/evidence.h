// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What the bytes of kept files tell about themselves (index/archive.h), where no page names a
 * digest. A check in the background compares each such wheel with its own RECORD. It reads one blob
 * at a time, with the lowest priority, at half a core.
 *
 *     commit  -->  EVIDENCE_STRUCTURE  --confirmed-->  EVIDENCE_RECORD | EVIDENCE_SILENT
 *                                      --refuted-->    quarantine, and EVIDENCE_DAMAGED | _DISPUTED
 *
 * A blob that an older version of wheelyard kept is EVIDENCE_UNKNOWN, and is checked like that:
 * what is no archive goes to quarantine. A refuted digest is remembered, for the day when the same
 * bytes come again. Damaged bytes are refused then (evidence_refuses). Bytes that only contradict
 * their RECORD are what was published, and stay. The table belongs to the flight thread, and is
 * written through to the catalogue.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"

struct buf;
struct files;
struct entry;
struct evidences;
struct inventory_row;

enum evidence { /* numbers of the catalogue: their meaning never changes */
                EVIDENCE_UNKNOWN = 0,
                EVIDENCE_NONE = 1,      /* this kind of file tells nothing about itself */
                EVIDENCE_STRUCTURE = 2, /* its structure is sound; RECORD was not compared yet */
                EVIDENCE_SILENT = 3,    /* its structure is sound, and RECORD cannot tell more */
                EVIDENCE_RECORD = 4,    /* every member agrees with RECORD */
                EVIDENCE_DISPUTED =
                    5, /* its structure is sound, but every copy that came contradicts RECORD */
                EVIDENCE_DAMAGED = 6, /* not whole, whatever its end says */
};

int evidence_new(struct files *files, struct evidences **ret);
/* Waits for the current check, which ends early when the engine is stopping. */
void evidence_stop(struct evidences *evidences); /* NULL is legal, as below */
void evidence_free(struct evidences *evidences);
/* At start, before the threads, after the files are loaded. */
int evidence_load(struct files *files);

/* ---- flight thread */
/* Of an entry that is held: "authority", "record", "structure", "none"; "" when it was not checked
 * yet. *ret_why, when ret_why is not NULL: what else is known, or "". */
const char *evidence_level(struct files *files, const struct entry *entry, const char **ret_why);
/* Bytes with a sound structure are being kept, or bytes of a kind that is not judged. Earlier
 * knowledge of them stays. */
void evidence_kept(struct files *files, const char *sha256, enum evidence evidence);
/* Whether bytes of that digest were found damaged before, and why. */
bool evidence_refuses(const struct files *files, const char *sha256, const char **ret_why);
/* The blob is gone. What is known of it is forgotten, unless it was refuted. */
void evidence_forget(struct files *files, const char *sha256);
/* A blob is held that may have to be checked. */
void evidence_changed(struct files *files);
void evidence_tick(struct files *files, int64_t now_ms);
void evidence_write_status(struct files *files, struct buf *to);
