// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Deflate by zlib, piece by piece, for bytes that nobody could hold at once.
 *
 *     unpack_new(UNPACK_GZIP, &u);
 *     while (there is input) {
 *         r = unpack_step(u, &data, &len, room, sizeof(room), &n);      n bytes are in room
 *         ...
 *     }
 *     unpack_free(u);
 *
 * A step takes a few tens of kilobytes of memory, whatever the bytes are. One thread at a time.
 */
#include <stddef.h>
#include <stdint.h>

enum unpack_form {
    UNPACK_DEFLATE, /* RFC 1951 alone, as in a zip archive */
    UNPACK_GZIP,    /* RFC 1952: one member; its CRC and length are compared */
};

struct unpack;

int unpack_new(enum unpack_form form, struct unpack **ret); /* ERROR_NO_MEMORY */
void unpack_free(struct unpack *unpack);
/* For the next member. */
void unpack_again(struct unpack *unpack);

/* Takes what it can of the input, which it moves on. 0: it wants input, or room. UNPACK_END: the
 * stream is over, and what it says of itself agrees. ERROR_CORRUPT, ERROR_NO_MEMORY. */
enum { UNPACK_END = 1 };
int unpack_step(struct unpack *unpack, const char **data, size_t *len, void *room, size_t room_len,
                size_t *ret_len);

/* The CRC-32 of what came before and these bytes; 0 to begin. */
uint32_t crc32_add(uint32_t crc, const void *data, size_t len);
