// SPDX-License-Identifier: Apache-2.0
#include "control/control_fetch.h"

#include <string.h>

#include "base/error.h"
#include "control/control_cache.h"
#include "control/control_request.h"
#include "engine/engine.h"
#include "engine/files/adopt.h"
#include "engine/files/file.h"
#include "engine/files/inventory.h"
#include "index/digests.h"

enum { CODE_DONE = 0, CODE_FAILED = 1, CODE_USAGE = 2, FETCH_WORDS = 4 };

/* A claim of the site or of mirrors goes before that of the lock, so it is compared once more. */
static void reply_held(struct engine *engine, const char *origin, const char *path,
                       const char *digests, struct buf *reply)
{
    char held[SHA256_HEX], wanted[SHA256_HEX];
    adopt_held(engine_files(engine), origin, path, held);
    if (!*held)
        control_refuse(reply, CODE_FAILED, "it came, and could not be kept");
    else if (digests_sha256(digests, wanted) && strcmp(held, wanted) != 0)
        control_refuse(
            reply, CODE_FAILED,
            "the index has another file of this name than the lock: its SHA-256 differs");
    else
        control_refuse(reply, CODE_DONE, "");
}

void control_fetch(struct engine *engine, const struct control_request *request,
                   const _Atomic bool *stop, struct buf *reply)
{
    char why[FILE_DETAIL];
    const char *const *w = request->words;
    if (request->count != FETCH_WORDS) {
        control_refuse(reply, CODE_USAGE, "not a request to fetch a file");
        return;
    }
    int r = *w[3] ? adopt_expect(engine_files(engine), w[1], w[2], w[3], "lock") : 0;
    if (r) {
        control_refuse(reply, CODE_FAILED,
                       r == ADOPT_BAD_NAME ? "not the name of a wheel or a source archive"
                                           : error_text(r));
        return;
    }
    r = inventory_fetch(engine_files(engine), w[1], w[2], stop, why, sizeof why);
    if (r)
        control_refuse(reply, CODE_FAILED, *why ? why : error_text(r));
    else
        reply_held(engine, w[1], w[2], w[3], reply);
}
