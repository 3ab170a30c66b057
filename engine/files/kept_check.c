// SPDX-License-Identifier: Apache-2.0
#include "engine/files/kept_check.h"

#include <stdlib.h>

#include "engine/claims/claim_check.h"
#include "engine/files/files_state.h"
#include "engine/files/rehash.h"
#include "engine/mirrors/origins.h"

/* A check lives: compared by SHA-256, which is the blob's name -> [hashed by the claimed algorithms
 * -> compared again] -> done. */

struct kept_check {
    struct claim_check check;
    struct files *files;
    struct blob *blob; /* a reference */
    void (*done)(void *context, int error, enum claims_verdict verdict,
                 const struct claim_set *set);
    void *context;
};

/* `done` may start another check of the same blob, so it comes before anything is freed. */
static void end(struct kept_check *k, int error)
{
    k->done(k->context, error, k->check.verdict, k->check.set);
    claim_check_release(&k->check);
    blob_unref(k->blob);
    free(k);
}

static void on_rehashed(void *context, int error, const struct digests *found)
{
    struct kept_check *k = context;
    if (error) {
        end(k, error);
        return;
    }
    digests_add_set(&k->check.found, found);
    claim_check_start(&k->check);
}

/* CLAIMS_UNKNOWN: the claims use algorithms by which the blob was not hashed yet. */
static void on_compared(struct claim_check *check)
{
    struct kept_check *k = check->context;
    if (check->verdict != CLAIMS_UNKNOWN) {
        end(k, 0);
        return;
    }
    uint32_t wanted = claim_set_algorithms(check->set);
    int r = rehash_start(k->files, k->blob->fd, k->blob->size, wanted, on_rehashed, k);
    if (r)
        end(k, r);
}

/* The digest by SHA-256 is known without a read: it is the blob's name. */
bool kept_check_start(struct files *files, const struct origin *origin, const struct entry *entry,
                      struct blob *blob,
                      void (*done)(void *context, int error, enum claims_verdict verdict,
                                   const struct claim_set *set),
                      void *context)
{
    struct kept_check *k = calloc(1, sizeof(*k));
    if (!k || !claim_check_init(&k->check, files->s, origin, entry->path, NULL, 0)) {
        free(k);
        return false;
    }
    k->files = files;
    k->blob = blob_ref(blob);
    k->done = done;
    k->context = context;
    (void)digests_add(&k->check.found, DIGEST_SHA256, entry->sha256);
    k->check.done = on_compared;
    k->check.context = k;
    claim_check_start(&k->check);
    return true;
}
