// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What the bytes of a file prove: whether they are a whole wheel or sdist, of the project in the
 * file's name. This detects accidents (a login page, half a file, another file). It does not detect
 * a forger, who can make everything agree.
 *
 *     struct archive_source source = {read_some, it, size};
 *     int r = archive_structure(&source, "demo-1.0-py3-none-any.whl", &verdict);
 *
 * archive_structure looks at the end of a zip archive. End record and directory must agree and be
 * complete, every member must lie between the archive's beginning and its directory, and no two
 * members may overlap. Of a wheel it unpacks METADATA and compares its Name with the file name.
 * Bytes before the archive are legal. It unpacks all of a `.tar.gz`, whose trailer has CRC and
 * length, and checks that a tar archive begins there. PKG-INFO one folder deep must name the
 * project of the file name, also in a plain `.tar` and in a `.zip`. It unpacks nothing of `.tar.xz`
 * and `.tar.bz2` (PEP 625 has `.tar.gz` alone): it finds the end mark, which tells a part from a
 * whole.
 *
 * archive_record reads a whole wheel and compares every member with its CRC and with the wheel's
 * RECORD. It takes a few megabytes of memory, by the length of RECORD, for a wheel of any size.
 *
 * The bytes come from strangers; all bounds are below. Pure except for `read`; any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ARCHIVE_WHY_BYTES = 200,
    ARCHIVE_RECORD_MAX = 16 << 20, /* of a RECORD; a longer one is not compared */
    ARCHIVE_RECORD_ROWS = 400000,
};
#define ARCHIVE_UNPACKED_MAX                                                                       \
    ((int64_t)32 << 30) /* all members together that are compared with RECORD */
#define ARCHIVE_STREAM_MAX ((int64_t)4 << 30) /* of a stream */

struct archive_source {
    /* Reads all of [from, from + len), which lies in the file: 0, or an error that ends the check.
     */
    int (*read)(void *userdata, int64_t from, void *to, size_t len);
    void *userdata;
    int64_t size;
};

enum archive_level {
    ARCHIVE_NONE,      /* not sound */
    ARCHIVE_STRUCTURE, /* the structure is whole */
    ARCHIVE_RECORD,    /* also every member agrees with RECORD */
};

struct archive_verdict {
    enum archive_level level;
    bool other_version; /* METADATA names another version than the file; the client judges that */
    /* Structure and CRC are whole, but RECORD contradicts a member. Damage looks different, so the
     * file was probably published like this. */
    bool contradicted;
    char why[ARCHIVE_WHY_BYTES]; /* for people: why the level is not higher; "" no reason */
};

/* Whether a file with this name can be judged: .whl, .zip, .egg, .tar, .tar.gz and others. */
bool archive_is_known(const char *file);

/* 0 and a verdict of ARCHIVE_NONE or ARCHIVE_STRUCTURE. An error of `read`, or ERROR_NO_MEMORY. A
 * file that archive_is_known refuses is ARCHIVE_NONE. */
int archive_structure(const struct archive_source *source, const char *file,
                      struct archive_verdict *ret);
/* The same for a wheel. ARCHIVE_RECORD: everything agrees. ARCHIVE_STRUCTURE: RECORD cannot tell
 * (no digests, members that it does not name, another compression). ARCHIVE_NONE: a member is
 * damaged or contradicts RECORD. Other files are judged by archive_structure. */
int archive_record(const struct archive_source *source, const char *file,
                   struct archive_verdict *ret);

/* What the first bytes look like: "a web page", "a Git LFS pointer" ... */
const char *archive_describe(const char *data, size_t len);
