// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Inside the store: the state that store.c, store_scan.c and store_quarantine.c share. */
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/digest.h"

struct store {
    int lock; /* held while the store is open */
    int root; /* directories: all names below are relative to them */
    int blobs;
    int partials;
    pthread_mutex_t names;
    _Atomic uint64_t next; /* name of the next partial */
    uint64_t first;        /* the first name of this run; lower ones are of earlier runs */
    char *catalogue_path;
};

/* "ab/<digest>" and "ab/<digest>.json", relative to blobs/. */
struct blob_names {
    char directory[3];
    char blob[3 + SHA256_HEX];
    char sidecar[3 + SHA256_HEX + 5];
};

void store_names_of(const char *sha256, struct blob_names *ret);

/* A stream over a directory below an open one; NULL with errno. The second call gives its next
 * entry except "." and "..", valid until the next call; NULL at the end. */
DIR *store_list(int parent, const char *name);
const char *store_next_name(DIR *stream);

static void cleanup_dir(DIR **stream)
{
    if (*stream)
        (void)closedir(*stream);
}
#define auto_dir __attribute__((cleanup(cleanup_dir)))
