// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Which hosts and addresses a transfer may connect to. Strangers write listings, redirects and DNS
 * answers; none of them may make the daemon talk to services of its own machine or network. Pure
 * except for the parsing of numeric addresses. Rules never change, so any thread may ask.
 *
 * The verdict depends only on the URL's host and port and on the address. A connection that curl
 * reuses therefore needs no second check: curl reuses it only for the same host and port.
 */
#include <stdbool.h>
#include <sys/socket.h>

#include "base/cleanup.h"

struct address_rules;

/* `allowed` is a NULL-terminated list of "host:port" or "[v6]:port", or NULL for none. ERROR_CONFIG
 * for an entry of another form. */
int address_rules_new(const char *const *allowed, struct address_rules **ret_rules);
void address_rules_free(struct address_rules *rules);
DEFINE_CLEANUP(struct address_rules, address_rules_free)

/* Whether exactly this host and port was configured; then its address may be of any kind. */
bool address_is_allowed(const struct address_rules *rules, const char *host, int port);

/* Whether the address is loopback, private, link-local, multicast, documentation or anything else
 * that is not public unicast. 198.18.0.0/15 counts as public, because local proxies answer DNS from
 * it. */
bool address_is_special(const struct sockaddr *address);

/* The same for a host as a URL writes it: a literal address in any spelling, or localhost. Other
 * names are judged at the socket, when their address is known. */
bool address_host_is_special(const char *host);

/* Whether only a local network knows this name: it has no dot, or a domain that public resolvers
 * lack (.local, .internal, .lan, .home.arpa and others). False for addresses. */
bool address_name_is_local(const char *host);

/* The canonical spelling of a host, in which two hosts can be compared: lower case, without
 * brackets, final dot and zone, addresses as inet_ntop writes them. NULL when out of memory; free()
 * it. */
char *address_canonical_host(const char *host);
