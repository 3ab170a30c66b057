// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The zip format, shared by wheel.c (METADATA from a few pieces) and archive.c (a whole archive).
 * No other room uses it. Offsets in struct zip_directory count from the start of the file; those in
 * struct zip_member count from the archive's first byte, which is `prefix` bytes later. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "index/wheel.h"

enum {
    ZIP_ENTRY_BYTES = 46, /* in the directory, without name, extra field and comment */
    ZIP_LOCAL_BYTES = 30, /* before the member, likewise */
    ZIP_ENTRY_MOST = ZIP_ENTRY_BYTES + 3 * UINT16_MAX,
    ZIP_FLAGS_ENCRYPTED = 1 | 1 << 6 | 1 << 13,
    ZIP_STORED = 0,
    ZIP_DEFLATED = 8,
};

struct zip_directory {
    int64_t prefix, from, to;
    uint64_t count;
};

struct zip_member {
    const char *name; /* into the entry */
    size_t name_len;
    uint64_t packed, size, local; /* local: offset of its header */
    uint32_t crc;
    unsigned flags, method;
};

/* Finds the directory; returns like wheel_metadata. */
int zip_find_directory(const struct wheel_parts *parts, struct zip_directory *ret,
                       struct wheel_run *ret_want, const char **ret_why);

uint64_t zip_number(const char *at, unsigned bytes);
bool zip_is_entry(const char *at);
bool zip_is_local(const char *at);
/* The length of the whole entry; its first ZIP_ENTRY_BYTES must be there. */
int64_t zip_entry_bytes(const char *entry);
/* Reads a complete entry; false: it contradicts itself. */
bool zip_read_entry(const char *entry, struct zip_member *ret);
/* Whether header, name and data lie between the archive's first byte and its directory. */
bool zip_is_inside(const struct zip_directory *directory, const struct zip_member *member);
/* Whether the name is `<project>-<anything>.dist-info/<file>` at the top level; the second is false
 * when the project differs or is "". */
bool zip_is_dist_info(const char *name, size_t len, const char *file);
bool zip_is_of_project(const char *name, size_t len, const char *project);
