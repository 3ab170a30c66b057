// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Reads bundles: any set of parts, manifests and unpacked folders, in any order, from any media.
 *
 *     r = reader_open(&options, paths, count, &reader);    finds out which bundles these are
 *     r = reader_check(reader, &watch);                    reads all bytes, and compares
 *     for (i < reader->bundle_count)
 *         for (k < bundle->piece_count) ... reader_place(reader, bundle, k, &place)
 *     reader_free(reader);
 *
 * The signature goes before all else: a manifest that the key has not signed is not even parsed,
 * and what only it names stays unknown. `takes_unsigned` parses every manifest; that finds damage,
 * and vouches for nothing.
 *
 * A part must be, byte for byte, what the manifest makes of it (bundle/tar.h), but for the
 * untrusted comment of its signature. Members that differ are damaged; the others of that part are
 * good. So `..`, absolute names, links, devices, sparse files, members twice, other names or other
 * sizes never get as far as being refused one by one: nothing in a part says where its bytes go.
 * Nothing is unpacked, so there is nothing that could grow. A part belongs to its bundle by its own
 * manifest, and has its number by its first member; where one of these is damaged, its file name
 * helps. Several copies of a part may be given: each member is taken from the first copy that has
 * it whole. In an unpacked folder only the files that the manifest names are looked at; links that
 * lead out of the folder are not followed.
 *
 * What is good is described by descriptor, offset and length, so that an importer copies from the
 * medium without unpacking. A medium may change after it was checked: who copies must hash what
 * was copied once more.
 *
 * A manifest may be signed after the parts were written: then the signature beside it counts, and
 * the parts have none. A signature that lies in a part must be as good as that of the bundle.
 *
 * Errors: those of memory, and ERROR_IO for a path that cannot be read; *all* else that may be
 * wrong is no error but told in the structures below. Blocks; one thread at a time.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "bundle/layout.h"
#include "bundle/manifest.h"
#include "bundle/minisign.h"

enum { READER_SOURCES_MAX = 50000, READER_PROBLEMS_MAX = 1000 };

struct reader_options {
    const struct minisign_public *key; /* or NULL */
    bool takes_unsigned;
};

/* Best first. */
enum reader_trust {
    READER_SIGNED,    /* by the key */
    READER_NO_KEY,    /* signed, and no key was given */
    READER_OTHER_KEY, /* signed by another key */
    READER_REFUTED,   /* the key's number, and not its signature: forged or damaged */
    READER_UNSIGNED,  /* there is no signature, or none that can be read */
};

enum reader_state {
    READER_UNKNOWN, /* not looked at yet */
    READER_GOOD,
    READER_DAMAGED,
    READER_MISSING,
};

struct reader_source;

/* Where a piece was found. */
struct reader_found {
    enum reader_state state;
    const struct reader_source *source; /* of READER_GOOD */
    int64_t offset;                     /* in it */
    bool is_joined;                     /* in a file of a folder that pieces were joined to */
};

struct reader_part {
    struct reader_source **copies;
    size_t copy_count;
    size_t first_piece, piece_count;
    /* After reader_check: GOOD when a copy is right to the last byte, or when several copies or a
     * folder have all of its members together. */
    enum reader_state state;
    char *damage; /* of DAMAGED: the first thing that is wrong, for people */
    size_t files; /* of the manifest that are damaged or missing with it */
};

struct reader_bundle {
    enum reader_trust trust;
    char key_id[MINISIGN_ID_TEXT]; /* of the signature; "" */
    char sha256[SHA256_HEX];       /* of the manifest's text */
    char *path;                    /* where it was found first */
    char *why;                     /* why the manifest is not believed, for people; or NULL */
    struct manifest *manifest;     /* NULL when it is not believed */
    struct layout_piece *pieces;
    struct reader_found *found; /* of each piece */
    size_t piece_count;
    struct reader_part *parts; /* of each of the manifest's */
    size_t text_len;           /* bytes of the manifest */
    size_t signature_len;      /* and of its signature, or 0 */
    bool is_explained;         /* it was the damaged manifest of a part of another bundle */
};

struct reader {
    struct reader_options options;
    struct reader_bundle *bundles;
    size_t bundle_count;
    char **problems; /* with what was given, for people: "x.tar: it is no part of a bundle" */
    size_t problem_count;
    struct reader_source **sources; /* parts, then folders */
    size_t source_count;
    char *block; /* to read into */
};

/* A path is a part, a manifest (with PATH.minisig beside it), or a folder with any of these in it,
 * which may also be the unpacked tree. */
int reader_open(const struct reader_options *options, const char *const *paths, size_t count,
                struct reader **ret);
void reader_free(struct reader *reader); /* NULL is legal */

/* Told after each megabyte; `progress` may be NULL. When it says false the check ends with
 * ERROR_STOPPING. */
struct reader_watch {
    bool (*progress)(void *context, int64_t done, int64_t total);
    void *context;
};
int reader_check(struct reader *reader, const struct reader_watch *watch);

/* Whether all that this bundle carries is there and right; whether it is signed, `trust` says. */
bool reader_is_whole(const struct reader_bundle *bundle);
/* Whether the piece is one of a file (its bytes or METADATA) that is damaged or missing, and the
 * first such piece of that file in its part. */
bool reader_lacks_file(const struct reader_bundle *bundle, size_t piece);

/* Bytes of a piece, in an open file (close it). */
struct reader_place {
    int fd;
    int64_t offset, length;
};
/* READER_DAMAGED, READER_MISSING (also when it was not checked): there are none. ERROR_IO: the
 * medium is not as it was. */
int reader_place(const struct reader_bundle *bundle, size_t piece, struct reader_place *ret);

/* A sentence about a part: "part 2 of 3 of lab-2026-11-30 (lab.part002.tar) is missing: 14 files".
 */
void reader_part_text(const struct reader_bundle *bundle, size_t part, struct buf *to);
