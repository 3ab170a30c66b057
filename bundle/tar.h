// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The blocks of a tar archive (POSIX.1-2017, `ustar` with `pax` extensions) in the one form that
 * bundles have: regular files of mode 0644, owned by root, all of one date. Every tar program
 * unpacks them.
 *
 * There is no reader, and no library. A bundle's manifest determines each header of a part to the
 * last bit, so who reads a part makes the header that must stand there, and compares. Links,
 * devices, sparse files, names that lead elsewhere, sizes that lie, and whatever else a tar may
 * hold are all one case then: bytes that differ. That needs headers that never change with the
 * version of a library. tar_describe says for people what stands there instead.
 *
 * A member is a header, the bytes, and zeros up to the next block. TAR_END zeros end the archive.
 * Pure; any thread.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum { TAR_BLOCK = 512, TAR_END = 2 * TAR_BLOCK, TAR_HEADER_MAX = 16 * TAR_BLOCK };

/* Appends the header of a member: a block, or three and more where name (up to 4 KiB) or size (from
 * 8 GiB on) need an extension. Errors are the buffer's. */
void tar_header_write(const char *name, int64_t size, int64_t modified_s, struct buf *to);
/* How many bytes that appends. */
int64_t tar_header_length(const char *name, int64_t size);
/* Bytes of the zeros behind that many bytes. */
int64_t tar_padding(int64_t size);

/* Size and date of a header that tar_header_write has made in one block; false for all others. */
bool tar_header_read(const char block[TAR_BLOCK], const char *name, int64_t *ret_size,
                     int64_t *ret_modified_s);

/* What a block is, half a sentence: "a symbolic link", "a file of another name". */
const char *tar_describe(const char block[TAR_BLOCK]);
