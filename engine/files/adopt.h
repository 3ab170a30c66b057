// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A file that no mirror sends: somebody hands its bytes over, from a bundle or from a disk. They are
 * copied, compared with the digest that the caller expects, and kept as a fetched file is, in the
 * same order: the store's commit (cleaner lane), its rows (catalogue lane), the table (flight
 * thread).
 *
 * What is expected is written down as a remembered claim of `source`, unless that is "". A claim of
 * the canonical site or of the mirrors goes before it. A file without an expected digest has to say itself that it
 * is sound (engine/files/evidence.h): see inventory_check_evidence.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"

struct files;

struct adoption {
    const char *origin, *path;
    int fd; /* of the caller, who closes it: regular, read from `offset` on */
    int64_t offset, size;
    const char *sha256; /* lower-case hex; NULL or "": nothing is expected */
    const char *source; /* whose word that is: "bundle"; "": one that is written down already */
    /* What a listing says of it: the page shows it so. */
    const char *const *channels; /* NULL-terminated; empty: those of the path */
    const char *requires_python; /* or NULL, as are the next two */
    const char *upload_time;     /* RFC 3339 */
    const char *yanked_reason;
    bool yanked;
};

enum {
    ADOPT_HELD = 1,      /* another copy is there, and stays */
    ADOPT_BUSY = 2,      /* the file is being fetched just now */
    ADOPT_WRONG = 3,     /* the bytes are not what is expected */
    ADOPT_NO_ORIGIN = 4, /* none of that name is configured, or it is a folder */
    ADOPT_BAD_NAME = 5,  /* the path's last part names no wheel and no sdist */
};

/* 0: it is kept, and ret_sha256 is its digest. Blocks as long as the copy takes; ends early with
 * ERROR_STOPPING when *stop is set. ERROR_MAX_SIZE, ERROR_MIN_FREE: there is no room for it.
 * ERROR_IO: the descriptor gave less than `size`. Any thread that may wait. */
int adopt_file(struct files *files, const struct adoption *adoption, const _Atomic bool *stop,
               char ret_sha256[SHA256_HEX]);

/* Writes down what `source`, which is no mirror, says of a file's digest ("sha256=... sha512=...",
 * as index/digests.h has it): a remembered claim, also of a file that is fetched later. Blocks until
 * the catalogue has it. ADOPT_BAD_NAME, or an error of the catalogue. Any thread that may wait. */
int adopt_expect(struct files *files, const char *origin, const char *path, const char *digests,
                 const char *source);

/* The digest of what is held of a file, "" when nothing is. A file whose last byte a reader has had
 * before this call is being kept, at most: that is waited for. Any thread that may wait. */
void adopt_held(struct files *files, const char *origin, const char *path,
                char ret_sha256[SHA256_HEX]);
