// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A store and what stands in it. For the files of tests alone: everything is static. path_of has a
 * digest's files below the store's folder; begin writes a partial, put makes a blob of it with
 * `sidecar` beside it, and scan tells of all blobs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/str.h"
#include "cache/store.h"
#include "tests/cache/scratch.h"

static const char sidecar[] = "{\"origin\":\"o\",\"path\":\"p\"}";

/* Where a digest's files stand below `root`. */
static inline void path_of(const char *root, const char *sha256, const char *suffix, char ret[256])
{
    (void)snprintf(ret, 256, "%s/blobs/%.2s/%s%s", root, sha256, sha256, suffix);
}

static inline void begin(struct store *store, const char *text, char **ret_name, int *ret_fd,
                         char ret_sha256[SHA256_HEX])
{
    assert_int_equal(store_begin(store, ret_name, ret_fd), 0);
    assert_int_equal(file_write_at(*ret_fd, text, strlen(text), 0), 0);
    assert_int_equal(sha256_of(text, strlen(text), ret_sha256), 0);
}

static inline int put(struct store *store, const char *text, char ret_sha256[SHA256_HEX])
{
    auto_free char *name = NULL;
    auto_close int fd = -1;
    begin(store, text, &name, &fd, ret_sha256);
    return store_commit(store, name, fd, ret_sha256, sidecar, strlen(sidecar));
}

static inline struct store *open_store(const char *dir)
{
    struct store *store = NULL;
    assert_int_equal(store_open(dir, &store), 0);
    return store;
}

struct seen {
    int blobs;
    int with_sidecar;
    int64_t bytes;
    int64_t allocated_bytes;
    char sidecar[64]; /* the last one; "" where there is none */
    int answer;       /* what the scan is told of each blob */
};

static inline int see(void *context, const char *sha256, int64_t size, int64_t allocated_bytes,
                      const char *text)
{
    struct seen *seen = context;
    (void)sha256;
    seen->blobs++;
    seen->with_sidecar += text && strcmp(text, sidecar) == 0;
    seen->bytes += size;
    seen->allocated_bytes += allocated_bytes;
    str_copy(seen->sidecar, sizeof(seen->sidecar), text ? text : "");
    return seen->answer;
}

static inline struct seen scan(struct store *store)
{
    struct seen seen = {0};
    assert_int_equal(store_scan(store, see, &seen), 0);
    return seen;
}
