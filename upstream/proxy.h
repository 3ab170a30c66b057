// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Which proxy a request goes through. curl could decide this itself, but then nobody would know
 * whether an address seen at the socket is the proxy's (which may be on loopback) or a stranger's;
 * so it is decided here, by curl's rules, and curl is told.
 *
 * The environment is read once: http_proxy (lower case only: a CGI server sets HTTP_PROXY from a
 * request header), https_proxy, all_proxy, no_proxy and their upper-case forms. Rules never change;
 * any thread may ask.
 */
#include <stdbool.h>

#include "base/cleanup.h"

struct proxy_rules;

/* NULL: of the environment; "": none. */
int proxy_rules_new(const char *proxy, const char *no_proxy, struct proxy_rules **ret_rules);
void proxy_rules_free(struct proxy_rules *rules);
DEFINE_CLEANUP(struct proxy_rules, proxy_rules_free)

/* "127.0.0.1:7890" of a proxy's URL, for people: without scheme and credentials. */
enum { PROXY_NAME_BYTES = 300 };
void proxy_name(const char *proxy, char ret[PROXY_NAME_BYTES]);

/* The proxy's URL, perhaps with credentials, or NULL to connect directly. `host` in canonical
 * spelling (upstream/address.h). */
const char *proxy_for(const struct proxy_rules *rules, bool is_https, const char *host);
