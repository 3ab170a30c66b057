// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Keys of two texts: an origin's name, and a path or a project. The key is `first` NUL `second`
 * NUL, for uthash's HASH_FIND and HASH_ADD_KEYPTR. Pure; any thread. */
#include <stddef.h>
#include <stdint.h>

enum { KEY_MAX_BYTES = 2048 };

/* Writes the key into `key`. Returns its length in bytes, or 0 when it does not fit. */
size_t key_make(char key[KEY_MAX_BYTES], const char *first, const char *second);
/* Returns a new key; free() it. NULL when it does not fit, or when memory is short. */
char *key_new(const char *first, const char *second, size_t *ret_len);
/* A hash of a key, for uses where two keys with one hash do no harm. */
uint64_t key_hash(const char *key, size_t len);
