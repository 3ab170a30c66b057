// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The manifest of a bundle: what is in it, where, and as of when. A manifest is JSON in UTF-8, and
 * besides has one record on each line, in the form below. So it is read line by line, in little
 * memory, and an error names its line.
 *
 *     {"wheelyard-bundle":1,"id":"lab-2026-11-30","name":"lab","date":"2026-11-30T02:15:30Z",
 *     "since":{"id":"lab-2026-11-01","sha256":"..."},                  or null
 *     "parts":[
 *     {"name":"lab.part001.tar","payload":4096},
 *     ...
 *     ],
 *     "locks":[
 *     {"name":"uv.lock","sha256":"...","files":["pypi/packages/...", ...]},
 *     ],
 *     "others":[
 *     {"path":"simple/index.html","size":210,"sha256":"...","part":1,"offset":512},
 *     ],
 *     "files":[
 *     {"origin":"pypi","path":"packages/.../a-1-py3-none-any.whl","project":"a","kind":"wheel",
 *      "requires-python":">=3.9","yanked":"a reason","upload-time":"2026-01-02T03:04:05Z",
 *      "size":9,"sha256":"...","part":1,"offset":1536,
 *      "metadata":{"size":3,"sha256":"...","part":1,"offset":2560}},
 *     ]}
 *
 * (The first two lines are one; so are those of a file.) `requires-python`, `yanked` (true, or the
 * reason) and `upload-time` are the row of the index as it was, each left out when not known.
 *
 * A part of a bundle is a tar archive: the manifest, its signature, and the payload. `offset`
 * counts bytes from the beginning of the payload, because the manifest comes before it and cannot
 * know its own length. For the same reason it names no digest of a part, which would have to cover
 * itself. None is needed: the manifest determines every byte of a payload. It has digest and place
 * of each member, and the headers between them follow from names, sizes and the date
 * (bundle/tar.h). So each part can be checked without the others, and damage has the name of a
 * file.
 *
 * Members lie in the payload in the order of the manifest: others, then each file and its METADATA.
 * A member that is larger than a part is in several, as `"pieces":[{"part","offset","size",
 * "sha256"}, ...]`; see bundle/layout.h. A file without part and pieces is in an earlier bundle.
 *
 * Reading trusts nothing. Names must be keys (url_key_is_valid), files wheels or sdists that are
 * sorted and unlike, others of the few names that bundles have. Members must fill each payload
 * without a gap. Members of JSON that are not known are passed over. Pure; any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/digest.h"
#include "index/name.h"

enum {
    MANIFEST_VERSION = 1,
    MANIFEST_MAX_BYTES = 256 << 20,
    MANIFEST_LINE_MAX = 4 << 20,
    MANIFEST_FILES_MAX = 500000,
    MANIFEST_OTHERS_MAX = 200000,
    MANIFEST_PARTS_MAX = 9999,
    MANIFEST_PIECES_MAX = 999, /* of one member */
    MANIFEST_LOCKS_MAX = 1000,
    MANIFEST_LOCK_FILES_MAX = 20000, /* of one lock */
    MANIFEST_TEXT_MAX = 4096,        /* bytes of any other text */
    MANIFEST_NAME_MAX = 64,          /* of the bundle's name: letters, digits, `._-` */
    MANIFEST_ID_MAX = 80,
    MANIFEST_METADATA_MAX = 4 << 20,
};
#define MANIFEST_SIZE_MAX (INT64_C(1) << 50)

struct manifest_piece {
    uint32_t part;  /* from 0 */
    int64_t offset; /* of its bytes in the payload */
    int64_t size;
    char sha256[SHA256_HEX];
};

/* A file of the unpacked tree. */
struct manifest_member {
    int64_t size; /* -1: there is no such member */
    char sha256[SHA256_HEX];
    struct manifest_piece *pieces; /* one, or several where it is larger than a part */
    size_t piece_count;            /* 0: it is not carried */
};

struct manifest_file {
    char *origin, *path, *project;
    enum file_kind kind; /* FILE_WHEEL, FILE_WHEEL_INVALID or FILE_SDIST */
    char *requires_python, *yanked_reason, *upload_time; /* or NULL */
    bool yanked;
    struct manifest_member bytes, metadata;
};

struct manifest_other {
    char *path;
    struct manifest_member bytes;
};

struct manifest_lock {
    char *name;
    char sha256[SHA256_HEX];
    char **files; /* origin/path of what it wants; also what the bundle does not have */
    size_t file_count;
};

struct manifest_part {
    int64_t payload; /* bytes */
};

struct manifest {
    char *id, *name;
    int64_t date_s;
    char *since_id; /* the predecessor's, or NULL */
    char since_sha256[SHA256_HEX];
    struct manifest_part *parts;
    size_t part_count;
    struct manifest_lock *locks;
    size_t lock_count;
    struct manifest_other *others; /* ascending by path */
    size_t other_count;
    struct manifest_file *files; /* ascending by origin, then path */
    size_t file_count;
};

/* ERROR_CORRUPT, ERROR_TOO_BIG: *ret_why (free() it; NULL when out of memory) says line and what.
 * ERROR_NO_MEMORY. */
int manifest_read(const char *text, size_t len, struct manifest **ret, char **ret_why);
void manifest_free(struct manifest *manifest); /* NULL is legal */
void manifest_file_release(struct manifest_file *file);

/* Appends it. Equal manifests are equal bytes. */
void manifest_write(const struct manifest *manifest, struct buf *to);

/* "lab.part002.tar" of the part 1. */
enum { MANIFEST_PART_NAME = MANIFEST_NAME_MAX + 24 };
void manifest_part_name(const char *name, size_t part, char ret[MANIFEST_PART_NAME]);
/* Whether it can be the name of a bundle: MANIFEST_NAME_MAX letters, digits and `._-` at most, the
 * first one a letter or a digit. */
bool manifest_name_is_valid(const char *name);

/* The order of files. */
int manifest_compare(const struct manifest_file *a, const struct manifest_file *b);
/* The file; NULL when it has none of that name. */
const struct manifest_file *manifest_find(const struct manifest *manifest, const char *origin,
                                          const char *path);

/* What is wrong with a file's row; NULL: nothing. A static text. */
const char *manifest_file_refusal(const struct manifest_file *file);
