// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The METADATA of a wheel, read from a few pieces of it. The end of the archive says where METADATA
 * lies, so tens of kilobytes of a wheel of gigabytes are enough.
 *
 *     struct wheel_parts parts = {.size = size};
 *     while ((r = wheel_metadata(&parts, file_name, &want, &why, &text)) == WHEEL_WANTS)
 *         ... get the bytes [want.from, want.to), add them as a part ...
 *
 * Each want asks for bytes that no single part has. WHEEL_ROUNDS_MOST rounds and WHEEL_PARTS_MOST
 * parts are enough for every archive. The list of members is searched from its end: the last few
 * hundred entries of a large list are enough, because builders put dist-info there. Zip64, stored
 * and deflated members; the CRC is checked. Bytes before the archive are legal.
 *
 * Wheels come from strangers; the constants below are the bounds. In addition to its parts, no
 * reading takes more memory than one byte for each byte of the list, and METADATA itself. Pure; any
 * thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum {
    WHEEL_TAIL_BYTES = 64 << 10,    /* the first want */
    WHEEL_METADATA_MAX = 4 << 20,   /* of METADATA, compressed or not */
    WHEEL_DIRECTORY_MAX = 32 << 20, /* of the list of members, when all of it is needed */
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

/* 0: METADATA was appended to ret_text (whose maximum is at least WHEEL_METADATA_MAX). WHEEL_WANTS:
 * *ret_want. ERROR_CORRUPT, ERROR_TOO_BIG: *ret_why says for people what is wrong with the wheel.
 * ERROR_NO_MEMORY. `file` is the wheel's file name, which identifies its own dist-info. */
enum { WHEEL_WANTS = 1 };
int wheel_metadata(const struct wheel_parts *parts, const char *file, struct wheel_run *ret_want,
                   const char **ret_why, struct buf *ret_text);

/* Checks that the end of the archive exists and fits the rest; a wheel that is still being copied
 * has none. Returns like wheel_metadata. */
int wheel_end(const struct wheel_parts *parts, struct wheel_run *ret_want, const char **ret_why);

/* The header of a METADATA document; NULL when a field is missing or not plain text. */
struct wheel_header {
    char *metadata_version, *name, *version, *requires_python;
};
/* 0 or ERROR_NO_MEMORY, for any bytes. */
int wheel_header_read(const char *text, size_t len, struct wheel_header *ret);
void wheel_header_release(struct wheel_header *header);
/* Whether name and version fit the wheel's file name, compared as installers do. A file name
 * without a project fits everything. */
enum wheel_fit { WHEEL_FITS, WHEEL_OTHER_VERSION, WHEEL_OTHER_PROJECT };
enum wheel_fit wheel_header_compare(const struct wheel_header *header, const char *file);
bool wheel_header_fits(const struct wheel_header *header, const char *file);
/* Whether a document is METADATA: it begins with a header line, and has Metadata-Version, Name and
 * Version. `header` is the result of wheel_header_read. */
bool wheel_is_metadata(const char *text, size_t len, const struct wheel_header *header);
