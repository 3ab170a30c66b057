// SPDX-License-Identifier: Apache-2.0
/* What a flight knows of the claims of its file, and what follows from them. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "engine/files/download.h"

bool download_is_vouched(const struct download *dl)
{
    return claim_set_agrees(dl->claims);
}

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

/* What a page has said since the claims were looked up: they are looked up again before the bytes
 * are judged, but what is told of the file should fit now. */
void download_take_learned(struct download *dl)
{
    dl->sha256[0] = '\0';
    (void)digests_sha256(dl->learned, dl->sha256);
}

/* A digest that the file was once promised under, and is not believed any more, tells nothing of
 * the file of today. */
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
