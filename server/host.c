// SPDX-License-Identifier: Apache-2.0
/*
 * An attacker's page is always asked for under a name that the attacker owns. A name that is ours,
 * or a literal address, therefore cannot come from DNS rebinding.
 */
#include "server/host.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

void host_names_init(struct host_names *names, const char *const *configured)
{
    *names = (struct host_names){.configured = configured};
    if (gethostname(names->own, sizeof(names->own)))
        names->own[0] = '\0';
    names->own[sizeof(names->own) - 1] = '\0';
}

static bool is_port(const char *s)
{
    size_t len = strspn(s, "0123456789");
    return len <= 5 && !s[len];
}

/* The name without port and closing dot, or the address without brackets. */
static int host_split(const char *header, char ret[HOST_NAME_SIZE], bool *ret_bracketed)
{
    bool bracketed = *header == '[';
    const char *name = bracketed ? header + 1 : header;
    size_t len = strcspn(name, bracketed ? "]" : ":");
    const char *rest = name + len;
    if (bracketed && *rest++ != ']')
        return HOST_MALFORMED;
    if (*rest && (*rest != ':' || !is_port(rest + 1)))
        return HOST_MALFORMED;
    if (len > 1 && !bracketed && name[len - 1] == '.')
        len--;
    if (len == 0 || len >= HOST_NAME_SIZE)
        return HOST_MALFORMED;
    memcpy(ret, name, len);
    ret[len] = '\0';
    *ret_bracketed = bracketed;
    return 0;
}

static bool is_name(const char *s)
{
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr("-._", *s))
            return false;
    return true;
}

/* "box" and "box.local" are accepted for a machine named box.example.org: people type both. */
static bool is_own(const char *own, const char *name)
{
    size_t len = strcspn(own, ".");
    if (!len)
        return false;
    if (!strcasecmp(name, own))
        return true;
    return !strncasecmp(name, own, len) && (!name[len] || !strcasecmp(name + len, ".local"));
}

/* Literal addresses first: they need no list. */
int host_check(const struct host_names *names, const char *header)
{
    char name[HOST_NAME_SIZE];
    bool bracketed;
    unsigned char address[sizeof(struct in6_addr)];

    if (host_split(header, name, &bracketed))
        return HOST_MALFORMED;
    if (bracketed)
        return inet_pton(AF_INET6, name, address) == 1 ? 0 : HOST_MALFORMED;
    if (!is_name(name))
        return HOST_MALFORMED;
    if (inet_pton(AF_INET, name, address) == 1 || !strcasecmp(name, "localhost") ||
        is_own(names->own, name))
        return 0;
    for (const char *const *c = names->configured; c && *c; c++)
        if (!strcasecmp(name, *c))
            return 0;
    return HOST_FOREIGN;
}
