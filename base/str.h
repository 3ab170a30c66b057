// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Strings, one-liners that libc lacks. Pure; any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* printf into a fresh string (free() it); NULL when out of memory. */
char *str_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A fresh copy (free() it); NULL of NULL, and when out of memory. */
char *str_dup(const char *s);

/* What follows the last slash; all of it without a slash. */
const char *str_last_segment(const char *path);

bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);

/* Copies s into a field of fixed size, cut at a byte if necessary, always terminated. */
void str_copy(char *to, size_t size, const char *s);

/* Matches a pattern of the configuration: `*` stands for any run of characters, all else for
 * itself. */
bool str_matches(const char *pattern, const char *s);

/* Lower-case hex of `len` bytes into `to` (2 * len + 1 bytes). */
void str_hex(char *to, const void *bytes, size_t len);

/* "5.2 GB", in powers of ten as in the configuration; `separator` comes before the unit. */
enum { STR_SIZE = 32 };
void str_size(int64_t bytes, const char *separator, char ret[STR_SIZE]);

/* Exactly 64 lower-case hex digits. */
bool str_is_sha256(const char *s);
