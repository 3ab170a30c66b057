// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What a client is told that asks an offline daemon for a file that is not held: which versions of
 * the same project are. It walks the table of files, which is fast enough for a refusal.
 */
#include <stddef.h>

struct files;

/* Writes "held of torch are 2.8.0, 2.9.0", oldest first and at most HELD_VERSIONS_MOST of the
 * newest, or "nothing of this project is held", with its NUL. path: of the file or of its
 * `.metadata`. Any thread. */
enum { HELD_VERSIONS_MOST = 8 };
void held_versions_write(struct files *files, const char *origin, const char *path, char *to,
                         size_t size);
