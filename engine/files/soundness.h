// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Whether the bytes of a file are what its name says, judged by the bytes alone (index/archive.h).
 * It is asked where no page claims a digest: before the last bytes are released, and before the
 * file is kept.
 *
 *     r = soundness_of(&source, path, &s);              any thread that may wait for the disk
 *     soundness_ask(files, partial, ..., done, owner)  the same on the compute lane: flight thread
 *
 * `<wheel>.metadata` must be METADATA of that project. Files of other kinds cannot vouch for
 * themselves and count as sound; listings never name them.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/files/evidence.h"
#include "index/archive.h"

struct files;
struct partial;

struct soundness {
    bool sound;
    bool other_version;          /* a problem to report; the client judges it */
    enum evidence evidence;      /* what is known of the bytes, when they are sound */
    char why[ARCHIVE_WHY_BYTES]; /* what came instead, when they are not; the end of a sentence */
};

/* 0, `read`'s error, or ERROR_NO_MEMORY. path: its last segment counts. */
int soundness_of(const struct archive_source *source, const char *path, struct soundness *ret);
/* Of a document at `<wheel>.metadata`: 0 or ERROR_NO_MEMORY. */
int soundness_of_metadata(const char *text, size_t len, const char *path, struct soundness *ret);

/* Judges a partial, whose bytes [0, size) stay as they are; NULL: there is none. `done` is called
 * once, on the flight thread, after this returns. Damage that was found in the same bytes before
 * counts also. ERROR_NO_MEMORY: `done` is never called. Flight thread. */
int soundness_ask(struct files *files, struct partial *partial, int64_t size, const char *path,
                  const char *sha256,
                  void (*done)(void *owner, int error, const struct soundness *soundness),
                  void *owner);
