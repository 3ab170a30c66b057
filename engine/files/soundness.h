// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Whether the bytes of a file are what its name says, by themselves (index/archive.h): asked where
 * nobody claims a digest, before the last of them are let go and before they are kept.
 *
 *     r = soundness_of(&source, path, &s);              any thread that may wait for the disk
 *     soundness_ask(engine, partial, ..., done, owner)  the same on the compute lane: flight thread
 *
 * `<wheel>.metadata` must be METADATA of that project. Files of other kinds say nothing of
 * themselves and are sound; a listing never names them.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/files/evidence.h"
#include "index/archive.h"

struct engine;
struct partial;

struct soundness {
    bool sound;
    bool other_version;          /* for the client to judge, and to be told as a problem */
    enum evidence evidence;      /* what the bytes are known to be, when sound */
    char why[ARCHIVE_WHY_BYTES]; /* what came instead, when not; a sentence's end */
};

/* 0, `read`'s error or ERROR_NO_MEMORY. path: its last segment counts. */
int soundness_of(const struct archive_source *source, const char *path, struct soundness *ret);
/* Of a document at `<wheel>.metadata`: 0 or ERROR_NO_MEMORY. */
int soundness_of_metadata(const char *text, size_t len, const char *path, struct soundness *ret);

/* What is in a partial, whose bytes [0, size) stay as they are; NULL: there is none. Ends in one
 * call of `done` on the flight thread, not before this returns. Damage that was found in the same
 * bytes before counts as well. ERROR_NO_MEMORY: it does not follow. Flight thread. */
int soundness_ask(struct engine *engine, struct partial *partial, int64_t size, const char *path,
                  const char *sha256,
                  void (*done)(void *owner, int error, const struct soundness *soundness),
                  void *owner);
