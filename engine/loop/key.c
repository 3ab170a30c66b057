// SPDX-License-Identifier: Apache-2.0
/*
 * Keys for hash tables that are indexed by two texts. Pure functions, no state.
 */
#include "engine/loop/key.h"

#include <stdlib.h>
#include <string.h>

/* Both NULs belong to the key: without the first, "a" + "bc" and "ab" + "c" would be equal. */
size_t key_make(char key[KEY_MAX_BYTES], const char *first, const char *second)
{
    size_t first_len = strlen(first) + 1, second_len = strlen(second) + 1;
    if (first_len + second_len > KEY_MAX_BYTES)
        return 0;
    memcpy(key, first, first_len);
    memcpy(key + first_len, second, second_len);
    return first_len + second_len;
}

char *key_new(const char *first, const char *second, size_t *ret_len)
{
    char key[KEY_MAX_BYTES];
    size_t len = key_make(key, first, second);
    char *fresh = len ? malloc(len) : NULL;
    if (!fresh)
        return NULL;
    memcpy(fresh, key, len);
    *ret_len = len;
    return fresh;
}

/* The 64-bit FNV-1a hash: one multiplication per byte, good enough for short names. */
uint64_t key_hash(const char *key, size_t len)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)key[i]) * 0x100000001b3u;
    return h;
}
