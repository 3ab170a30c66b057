// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * PEP 658 by us: `<wheel>.metadata` where no mirror gives it, read out of the wheel (index/wheel.h)
 * by ranges through its flight, so that these bytes are never fetched again.
 *
 * metadata.c has the table of what was asked for, any thread; extract.c makes it, on the flight
 * thread, with the compute lane for the archive and the catalogue lane to keep it.
 *
 *     asked --catalogue--> LOOKING --made before--> MADE
 *                             | a mirror has it: ELSEWHERE (as any file; if in vain, LOOKING again)
 *                             +--> MAKING --> MADE | FAILED (for a while)
 *
 * What is made is only as good as the wheel's bytes: when these are refuted, or the mirrors have
 * another wheel by that name, metadata_forget takes it back. An authority that names the digest of
 * the metadata is believed, and what does not agree is not served.
 */
#include "engine/files/document.h"
#include "engine/files/entry.h"
#include "engine/files/file.h"
#include "engine/loop/loop.h"
#include "engine/loop/options.h"
#include "engine/mirrors/origins.h"

struct metadata;

int metadata_new(struct engine *engine, struct metadata **ret);
void metadata_free(struct metadata *metadata);

/* engine_file for `<wheel>.metadata`: what that returns, or METADATA_ELSEWHERE: it is to be asked
 * for as any other file. Any thread. */
enum { METADATA_ELSEWHERE = 101 };
int metadata_file(struct engine *engine, const struct file_query *query, struct waiter *waiter,
                  struct file **ret);
/* What came of that; true: ask metadata_file again, it is going to be made. Any thread. */
bool metadata_missed(struct engine *engine, const struct file_query *query,
                     const struct file_facts *facts);

/* ---- on the flight thread */
/* The wheel is not what it was. */
void metadata_forget(struct engine *engine, const char *origin, const char *path);
/* What mirrors have in its place is no wheel: nothing can be made of it, and pages promise nothing,
 * until they have something else there. */
void metadata_refuse(struct engine *engine, const char *origin, const char *path, const char *why);
/* A wheel is kept that nobody vouches for: what was refused before is out of date. */
void metadata_admit(struct engine *engine, const char *origin, const char *path);
/* What is believed of `<wheel>.metadata` is something else than before: see files_learn_claims. */
void metadata_learn_claims(struct engine *engine, const char *origin, const char *path,
                           const char *agreed);
/* Grows when a page might say something else because of what was made, or of
 * engine/listings/ranges.h. */
uint64_t metadata_version(const struct engine *engine);
void metadata_changed(struct engine *engine);
void metadata_tick(struct engine *engine, int64_t now_ms);
void metadata_stop(struct engine *engine);

/* ---- between metadata.c and extract.c, on the flight thread */
struct extract;
struct extract_result {
    enum outcome outcome; /* of the wheel, where it cannot be had */
    char detail[512];
    bool is_wrong;         /* the wheel itself is no good: no use in asking again */
    struct document *text; /* a reference, when it was made */
    char sha256[SHA256_HEX];
    char *requires_python, *etag, *mirrors; /* etag: ours, of the wheel; NULL where unknown */
    bool fits;                              /* name and version are those of the file name */
};
/* Begins; ends in one call of metadata_made, not before this returns. False: out of memory. */
bool extract_start(struct engine *engine, const struct origin *origin, const char *path,
                   uint64_t id);
/* Takes over what the result points to. */
void metadata_made(struct engine *engine, const struct origin *origin, const char *path,
                   uint64_t id, struct extract_result *result);
/* Remembers it in the catalogue; result NULL: forgets what was made of that wheel. */
void metadata_keep(struct engine *engine, const char *origin, const char *path,
                   const struct extract_result *result, const char *problem);
void extract_tick(struct engine *engine, int64_t now_ms);
void extract_stop(struct engine *engine);
