// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * PEP 658 metadata made here: `<wheel>.metadata` where no mirror has it, read out of the wheel
 * (index/wheel.h) by ranges through its flight, so that these bytes are fetched only once.
 *
 * metadata.c has the table of what was asked for, any thread. extract.c makes the metadata on the
 * flight thread, with the compute lane for the archive and the catalogue lane to store it.
 *
 *     asked --catalogue--> LOOKING --made before--> MADE
 *                             | a mirror has it: ELSEWHERE (if in vain, LOOKING again)
 *                             +--> EXTRACTING --> MADE | FAILED (for a while)
 *
 * What is made is only as good as the wheel's bytes. When these are refuted, or mirrors have
 * another wheel of that name, metadata_forget takes it back. A digest that an authority claims for
 * the metadata is believed: a text that does not agree is not served.
 */
#include "engine/files/document.h"
#include "engine/files/entry.h"
#include "engine/files/file.h"
#include "engine/loop/options.h"
#include "engine/loop/services.h"
#include "engine/mirrors/origins.h"

struct metadata;

int metadata_new(struct services *services, struct files *files, struct metadata **ret);
void metadata_free(struct metadata *metadata);

/* engine_file for `<wheel>.metadata`. Returns the same, or METADATA_ELSEWHERE: ask for it like
 * for any other file. Any thread. */
enum { METADATA_ELSEWHERE = 101 };
int metadata_file(struct metadata *metadata, const struct file_query *query, struct waiter *waiter,
                  struct file **ret);
/* Tells the outcome of that. True: ask metadata_file again, for the metadata is being made. Any
 * thread. */
bool metadata_missed(struct metadata *metadata, const struct file_query *query,
                     const struct file_facts *facts);

/* ---- on the flight thread */
/* The wheel is not what it was: forgets what was made of it. */
void metadata_forget(struct metadata *metadata, const char *origin, const char *path);
/* What mirrors have in the wheel's place is no wheel. Nothing can be made of it, and pages
 * promise nothing, until they have another file there. */
void metadata_refuse(struct metadata *metadata, const char *origin, const char *path,
                     const char *why);
/* A wheel is kept that nobody vouches for: earlier refusals are out of date. */
void metadata_admit(struct metadata *metadata, const char *origin, const char *path);
/* Other claims about `<wheel>.metadata` are believed than before: see files_learn_claims. */
void metadata_learn_claims(struct metadata *metadata, const char *origin, const char *path,
                           const char *agreed);
/* Grows when a page may say something else, because metadata was made or a mirror's ranges are
 * known (engine/listings/ranges.h). */
uint64_t metadata_version(const struct metadata *metadata);
void metadata_changed(struct metadata *metadata);
void metadata_tick(struct metadata *metadata, int64_t now_ms);
void metadata_stop(struct metadata *metadata);

/* ---- between metadata.c and extract.c, on the flight thread */
struct extract;
struct extract_result {
    enum outcome outcome; /* of the wheel, when it cannot be had */
    char detail[512];
    bool is_wrong;         /* the wheel itself is bad: asking again is no use */
    struct document *text; /* a reference, when metadata was made */
    char sha256[SHA256_HEX];
    /* etag: the daemon's own ETag of the wheel; NULL when unknown */
    char *requires_python, *etag, *mirrors;
    bool fits; /* name and version agree with the file name */
};
/* Starts an extraction. It ends in one call of metadata_made, not before this returns. False:
 * out of memory. */
bool extract_start(struct metadata *metadata, const struct origin *origin, const char *path,
                   uint64_t id);
/* Takes over what the result points to. */
void metadata_made(struct metadata *metadata, const struct origin *origin, const char *path,
                   uint64_t id, struct extract_result *result);
/* Stores the result in the catalogue. result NULL: forgets what was made of that wheel. */
void metadata_keep(struct metadata *metadata, const char *origin, const char *path,
                   const struct extract_result *result, const char *problem);
void extract_tick(struct metadata *metadata, int64_t now_ms);
void extract_stop(struct metadata *metadata);
