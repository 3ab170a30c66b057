// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Which proxy a request uses. curl could decide this, but then nobody would know whether an address
 * at the socket is the proxy's (which may be on loopback) or a stranger's. So it is decided here,
 * by curl's rules, and curl is told.
 *
 * The environment is read once: http_proxy (lower case only, because a CGI server sets HTTP_PROXY
 * from a request header), https_proxy, all_proxy, no_proxy and their upper-case forms. Rules never
 * change; any thread may ask.
 */
#include <stdbool.h>

#include "base/cleanup.h"

struct proxy_rules;

/* NULL: from the environment; "": none. */
int proxy_rules_new(const char *proxy, const char *no_proxy, struct proxy_rules **ret_rules);
void proxy_rules_free(struct proxy_rules *rules);
DEFINE_CLEANUP(struct proxy_rules, proxy_rules_free)

/* "127.0.0.1:7890" from a proxy's URL, for people: without scheme and credentials. */
enum { PROXY_NAME_BYTES = 300 };
void proxy_name(const char *proxy, char ret[PROXY_NAME_BYTES]);

/* The proxy's URL, possibly with credentials, or NULL to connect directly. `host` is in canonical
 * spelling (upstream/address.h). */
const char *proxy_for(const struct proxy_rules *rules, bool is_https, const char *host);
