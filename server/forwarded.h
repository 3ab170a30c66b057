// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What a reverse proxy says of the client behind it: `Forwarded` (RFC 7239), or X-Forwarded-For,
 * -Proto, -Host and -Prefix. Anybody can send these headers, so only those of a proxy that the
 * configuration trusts count (`trusted_proxies`).
 *
 * Each proxy appends the address that it saw. So the list is read from its end, and the client is
 * the first address that is no trusted proxy. What stands before it is only what the client says.
 *
 * Pure; any thread.
 */
#include "base/network.h"

enum { FORWARDED_HOST_SIZE = 264, FORWARDED_PREFIX_SIZE = 256 };

/* The values as they came; NULL: not sent. */
struct forwarded_headers {
    const char *forwarded;
    const char *address; /* X-Forwarded-For */
    const char *scheme;  /* X-Forwarded-Proto */
    const char *host;    /* X-Forwarded-Host */
    const char *prefix;  /* X-Forwarded-Prefix */
};

struct forwarded {
    bool is_known; /* the client has an address; else its proxy hides it */
    struct in6_addr client;
    bool is_https;                  /* the client speaks TLS with the proxy */
    char host[FORWARDED_HOST_SIZE]; /* by which the client calls us; "": see Host */
    char prefix
        [FORWARDED_PREFIX_SIZE]; /* before our paths; "" or "/..." without a slash at its end */
};

/*
 * 0; without a trusted proxy the client is the peer. FORWARDED_MALFORMED: a trusted proxy sent what
 * RFC 7239 does not allow. FORWARDED_CONFLICT: Forwarded and X-Forwarded-For name two clients. One
 * of them is then the client's own word that the proxy passed on, and we cannot know which.
 */
enum { FORWARDED_MALFORMED = 1, FORWARDED_CONFLICT };
int forwarded_read(const struct forwarded_headers *headers, const struct network_list *trusted,
                   const struct in6_addr *peer, struct forwarded *ret);
