// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * IP addresses and networks of them, written as in RFC 4632 and RFC 4291: "10.0.0.0/8",
 * "fd00::/8", or one address. An IPv4 address is kept mapped into IPv6 (::ffff:10.0.0.1), so there
 * is one form to compare. Pure; any thread.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct network {
    struct in6_addr address; /* 0 beyond `bits` */
    unsigned bits;           /* of 128 */
};

/* A list that is read once and then only looked at. All zero is an empty one. */
struct network_list {
    struct network *list;
    size_t count;
};

/* ERROR_BAD_REQUEST: not an address or network. Bits beyond the prefix are dropped. */
int network_parse(const char *text, struct network *ret);
bool network_has(const struct network *network, const struct in6_addr *address);

/* The networks of a NULL-terminated list (or of NULL). ERROR_BAD_REQUEST, ERROR_NO_MEMORY. */
int network_list_read(const char *const *texts, struct network_list *ret);
void network_list_release(struct network_list *list);
bool network_list_has(const struct network_list *list, const struct in6_addr *address);

/* False for a family other than IPv4 and IPv6. */
bool network_address(const struct sockaddr *address, struct in6_addr *ret);
/* "10.0.0.1" or "fd00::1", without port or brackets. ERROR_BAD_REQUEST. */
int network_address_parse(const char *text, struct in6_addr *ret);
/* The same text back: a mapped address is written as IPv4. */
void network_address_write(const struct in6_addr *address, char ret[INET6_ADDRSTRLEN]);
bool network_is_loopback(const struct in6_addr *address); /* 127.0.0.0/8, ::1 */
