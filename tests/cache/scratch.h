// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A directory for one test program, and small file systems in it. scratch_enter and scratch_leave
 * are cmocka's group set-up and tear-down; in between, the directory is the current one.
 */
#include <stdbool.h>
#include <stdint.h>

int scratch_enter(void **state);
int scratch_leave(void **state);

/* A tmpfs of that size at `name` (made if need be), seen by this process alone. False, with a line
 * that says why, where that is not allowed: the test then skips. */
bool scratch_mount(const char *name, int64_t size_bytes);
bool scratch_make_read_only(const char *name);
void scratch_unmount(const char *name);

void scratch_write(const char *path, const char *text);
bool scratch_exists(const char *path);
/* Entries of a directory but "." and ".."; -1 when there is no such directory. */
int scratch_count(const char *path);
/* The only entry whose name begins with prefix, into ret (256 bytes); false unless it is one. */
bool scratch_find(const char *directory, const char *prefix, char *ret);
