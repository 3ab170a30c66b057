// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The METADATA of a wheel, read from a few pieces of the wheel: the end of the archive says where
 * it lies, so tens of kilobytes are enough of one that has gigabytes.
 *
 *     struct wheel_parts parts = {.size = size};
 *     while ((r = wheel_metadata(&parts, file_name, &want, &why, &text)) == WHEEL_WANTS)
 *         ... get the bytes [want.from, want.to), add them as a part ...
 *
 * Each want asks for bytes that no single part has; WHEEL_ROUNDS_MOST is enough for every archive,
 * and WHEEL_PARTS_MOST for the parts. The list of an archive's members is looked through from its
 * end: of a large one the last few hundred entries are enough, for that is where builders put
 * dist-info. Zip64, stored and deflated members; the CRC is checked. Bytes before the archive are
 * legal.
 *
 * Wheels come from strangers: bounds are the constants below; beside its parts no reading takes
 * more than a byte for each of the list's, and METADATA itself. Pure; any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum {
    WHEEL_TAIL_BYTES = 64 << 10,    /* the first want */
    WHEEL_METADATA_MAX = 4 << 20,   /* of METADATA, packed or not */
    WHEEL_DIRECTORY_MAX = 32 << 20, /* of the list of members, where all of it is needed */
    WHEEL_PARTS_MOST = 8,
    WHEEL_ROUNDS_MOST = 6,
};

struct wheel_part {
    int64_t from;
    const char *data;
    size_t len;
};

struct wheel_parts {
    int64_t size; /* of the wheel */
    struct wheel_part list[WHEEL_PARTS_MOST];
    unsigned count;
};

struct wheel_run {
    int64_t from, to;
};

/* 0: METADATA is in ret_text (appended; its maximum at least WHEEL_METADATA_MAX). WHEEL_WANTS:
 * *ret_want. ERROR_CORRUPT, ERROR_TOO_BIG: *ret_why says for people what is wrong with the wheel.
 * ERROR_NO_MEMORY. `file` is the wheel's file name, which tells its dist-info from others. */
enum { WHEEL_WANTS = 1 };
int wheel_metadata(const struct wheel_parts *parts, const char *file, struct wheel_run *ret_want,
                   const char **ret_why, struct buf *ret_text);

/* Whether the end of the archive is there, and fits the rest: a wheel that is being copied has
 * none. Returns like wheel_metadata. */
int wheel_end(const struct wheel_parts *parts, struct wheel_run *ret_want, const char **ret_why);

/* What the header of a METADATA document says; NULL where it is not said, or no plain text. */
struct wheel_header {
    char *metadata_version, *name, *version, *requires_python;
};
/* 0 or ERROR_NO_MEMORY, for whatever bytes. */
int wheel_header_read(const char *text, size_t len, struct wheel_header *ret);
void wheel_header_release(struct wheel_header *header);
/* Whether name and version are those of the wheel's file name, as installers compare them. A file
 * name that tells no project is everybody's. */
enum wheel_fit { WHEEL_FITS, WHEEL_OTHER_VERSION, WHEEL_OTHER_PROJECT };
enum wheel_fit wheel_header_compare(const struct wheel_header *header, const char *file);
bool wheel_header_fits(const struct wheel_header *header, const char *file);
/* Whether a document is METADATA: it begins with a header line, and says Metadata-Version, Name and
 * Version. `header` is what wheel_header_read found in it. */
bool wheel_is_metadata(const char *text, size_t len, const struct wheel_header *header);
