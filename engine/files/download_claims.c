// SPDX-License-Identifier: Apache-2.0
/* What a download knows of the claims for its file, and what follows from them. The claims are read
 * when the download begins, and again before the bytes are judged. A page that is read between the
 * two is remembered as `learned`: it changes what is promised, but not yet the verdict. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "engine/files/download.h"

bool download_is_vouched(const struct download *dl)
{
    return claim_set_agrees(dl->claims);
}

/* The set of a judgement replaces the older one; both may be the same. */
void download_set_claims(struct download *dl, struct claim_set *set, uint64_t version)
{
    struct claim_set *old = dl->claims;
    dl->claims = claim_set_ref(set);
    dl->claims_version = version;
    dl->sha256[0] = '\0';
    if (set)
        (void)digests_sha256(set->choice.agreed, dl->sha256);
    claim_set_unref(old);
}

/* Believes what a page said after the claims were read. They are read again before the bytes are
 * judged; until then, answers should fit the new digest. */
void download_take_learned(struct download *dl)
{
    dl->sha256[0] = '\0';
    (void)digests_sha256(dl->learned, dl->sha256);
}

/* A promise under a digest that is no longer believed says nothing of today's file: it is
 * forgotten. */
void download_forget_old_promise(struct download *dl)
{
    static const char prefix[] = "\"sha256-";
    size_t len = strlen(prefix);
    if (!dl->row_etag || !dl->sha256[0] || !str_starts(dl->row_etag, prefix) ||
        strncmp(dl->row_etag + len, dl->sha256, strlen(dl->sha256)) == 0)
        return;
    free(dl->row_etag);
    dl->row_etag = NULL;
    dl->row_size = -1;
}
