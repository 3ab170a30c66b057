// SPDX-License-Identifier: Apache-2.0
#include "server/access.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/request.h"

enum { MIRRORS_SIZE = 256 };

/* `end=cut` marks a reply that was not sent whole. `bytes` then counts what MHD read for the
 * network. It is 0 for a mapped file, because the kernel took those bytes straight from memory. */
void access_log(struct request *request, bool is_complete)
{
    char client[REQUEST_CLIENT_SIZE];
    char mirrors[MIRRORS_SIZE] = "";
    const char *from = mirrors;

    request_client(request, client);
    if (request->file)
        file_mirrors(request->file, mirrors, sizeof(mirrors));
    else if (request->page && request->page->mirrors)
        from = request->page->mirrors;
    /* The target is the client's text; base/log.c escapes it, so it cannot forge a line. */
    log_info("access client=%s method=%s path=%s status=%u bytes=%" PRId64
             " cache=%s mirrors=%s ms=%" PRId64 "%s",
             client, *request->method ? request->method : "-", request->target, request->status,
             request->bytes, request->cache ? request->cache : "-", *from ? from : "-",
             clock_monotonic_ms() - request->started_ms, is_complete ? "" : " end=cut");
}
