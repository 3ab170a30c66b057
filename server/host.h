// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Which Host a request may name. A web page can make its own name resolve to 127.0.0.1 (DNS
 * rebinding) and then read what a service on loopback answers. So only certain names are accepted:
 * any address literal, localhost, and the names in the configuration. The machine's own name counts
 * as well, also without its domain or with .local. Pure except host_names_init; any thread. */
enum { HOST_NAME_SIZE = 256 };

struct host_names {
    const char *const *configured; /* NULL-terminated, or NULL; must outlive this */
    char own[HOST_NAME_SIZE];      /* the machine's name; "" when unknown */
};

void host_names_init(struct host_names *names, const char *const *configured);

/* `header` is the value of Host: a name or address, perhaps with a port. */
enum { HOST_MALFORMED = 1, HOST_FOREIGN = 2 };
int host_check(const struct host_names *names, const char *header);
