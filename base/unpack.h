// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Inflation by zlib, piece by piece, for bytes that are too many to hold at once.
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
    UNPACK_GZIP,    /* RFC 1952: one member; its CRC and length are checked */
};

struct unpack;

int unpack_new(enum unpack_form form, struct unpack **ret); /* ERROR_NO_MEMORY */
void unpack_free(struct unpack *unpack);
/* Prepares for the next member. */
void unpack_again(struct unpack *unpack);

/* Consumes input as far as it can and advances data and len. 0: it needs input or room. UNPACK_END:
 * the stream ended, and its own checks agree. ERROR_CORRUPT, ERROR_NO_MEMORY. */
enum { UNPACK_END = 1 };
int unpack_step(struct unpack *unpack, const char **data, size_t *len, void *room, size_t room_len,
                size_t *ret_len);

/* The CRC-32 of the earlier bytes and these; begin with 0. */
uint32_t crc32_add(uint32_t crc, const void *data, size_t len);
