// SPDX-License-Identifier: Apache-2.0
/* What a flight knows of the claims of its file, and what follows from them. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "engine/files/flying.h"

bool flying_is_vouched(const struct flying *fl)
{
    return claim_set_agrees(fl->claims);
}

void flying_set_claims(struct flying *fl, struct claim_set *set, uint64_t version)
{
    struct claim_set *old = fl->claims;
    fl->claims = claim_set_ref(set);
    fl->claims_version = version;
    fl->sha256[0] = '\0';
    if (set)
        (void)digests_sha256(set->choice.agreed, fl->sha256);
    claim_set_unref(old);
}

/* What a page has said since the claims were looked up: they are looked up again before the bytes
 * are judged, but what is told of the file should fit now. */
void flying_take_learned(struct flying *fl)
{
    fl->sha256[0] = '\0';
    (void)digests_sha256(fl->learned, fl->sha256);
}

/* A digest that the file was once promised under, and is not believed any more, tells nothing of
 * the file of today. */
void flying_forget_old_promise(struct flying *fl)
{
    static const char prefix[] = "\"sha256-";
    size_t len = strlen(prefix);
    if (!fl->row_etag || !fl->sha256[0] || !str_starts(fl->row_etag, prefix) ||
        strncmp(fl->row_etag + len, fl->sha256, strlen(fl->sha256)) == 0)
        return;
    free(fl->row_etag);
    fl->row_etag = NULL;
    fl->row_size = -1;
}
