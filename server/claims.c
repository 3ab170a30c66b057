// SPDX-License-Identifier: Apache-2.0
/*
 * The claims of one file as JSON. The answer lives in the request, so a resumed request goes on
 * with the one that it began. The engine reads pages and the catalogue for it; this file only
 * frames the result.
 */
#include "server/claims.h"

#include "base/json.h"
#include "engine/files/claim_answer.h"

enum { CLAIMS_MAX_BYTES = 256 << 10 };

/* The first call begins the answer; a call after a resume finds it complete. */
enum MHD_Result claims_send(struct request *request)
{
    const struct route *route = &request->route;
    if (!request->claims) {
        int r = engine_claims(request->site->engine, route->origin, route->path, &request->claims);
        if (r < 0)
            return reply_problem(request, MHD_HTTP_INTERNAL_SERVER_ERROR, NULL);
        if (r)
            return reply_problem(request, MHD_HTTP_NOT_FOUND, "there is no such origin");
    }
    if (claim_answer_wait(request->claims, &request->connection.waiter) == ENGINE_WAIT)
        return MHD_YES;
    auto_buf struct buf json;
    buf_init(&json, CLAIMS_MAX_BYTES);
    buf_putc(&json, '{');
    json_write_member(&json, "origin", route->origin);
    json_write_member(&json, "path", route->path);
    claim_answer_write(request->claims, &json);
    buf_puts(&json, "}\n");
    return reply_buffer(request, "application/json", &json);
}
