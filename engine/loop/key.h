// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What is looked up by two texts, an origin's name and a path or project: the key is `first` NUL
 * `second` NUL, for uthash's HASH_FIND and HASH_ADD_KEYPTR. Pure; any thread.
 */
#include <stddef.h>
#include <stdint.h>

enum { KEY_MAX_BYTES = 2048 };

/* Into `key`; its length, or 0 when it does not fit. */
size_t key_make(char key[KEY_MAX_BYTES], const char *first, const char *second);
/* A fresh one (free() it); NULL when it does not fit, and when out of memory. */
char *key_new(const char *first, const char *second, size_t *ret_len);
/* To tell keys apart where two that are taken for one do no harm. */
uint64_t key_hash(const char *key, size_t len);
