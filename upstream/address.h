// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Which hosts and addresses a transfer may connect to. A listing, a redirect and a DNS answer are
 * all written by strangers; none of them may make the daemon talk to services of its own machine or
 * network. Pure but for numeric address parsing; rules never change, so any thread may ask.
 *
 * The verdict depends on the URL's host and port and on the address alone. That is why a connection
 * that curl uses again needs no second look: it is only used again for the same host and port.
 */
#include <stdbool.h>
#include <sys/socket.h>

#include "base/cleanup.h"

struct address_rules;

/* `allowed` is a NULL-terminated list of "host:port" or "[v6]:port", or NULL for none.
 * ERROR_CONFIG when an entry is something else. */
int address_rules_new(const char *const *allowed, struct address_rules **ret_rules);
void address_rules_free(struct address_rules *rules);
DEFINE_CLEANUP(struct address_rules, address_rules_free)

/* Exactly this host and port was configured, so it may be anywhere. */
bool address_is_allowed(const struct address_rules *rules, const char *host, int port);

/* Loopback, private, link-local, multicast, documentation ...: all that is no public unicast
 * address. 198.18.0.0/15 counts as public, because local proxies answer DNS from it. */
bool address_is_special(const struct sockaddr *address);

/* The same for a host as written in a URL: a literal address in any spelling, or localhost. Other
 * names are judged at the socket, when their address is known. */
bool address_host_is_special(const char *host);

/* A name that only a local network knows: without a dot, or of a domain that no public resolver
 * has (.local, .internal, .lan, .home.arpa and their like). False for addresses. */
bool address_name_is_local(const char *host);

/* A host in the one spelling in which two are compared: lower case, without brackets, final dot and
 * zone, addresses as inet_ntop writes them. NULL when out of memory; free() it. */
char *address_canonical_host(const char *host);
