// SPDX-License-Identifier: Apache-2.0
/*
 * The check happens twice: on the URL before a transfer starts, and on the socket's address after
 * DNS. The second is the one that counts, because a name may resolve to anything; the first gives a
 * clear error early. Rules are built from the configuration and never change; a reload builds new
 * ones.
 */
#include "upstream/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

/* The hosts and ports that may be private, in canonical spelling. */
struct address_rules {
    size_t count;
    struct address_entry {
        char *host;
        int port;
    } entries[];
};

/* IANA's special-purpose registry without 198.18.0.0/15 (see the header). */
static const struct {
    uint32_t net;
    int bits;
} SPECIAL_V4[] = {
    {0x00000000, 8},  /* this network */
    {0x0a000000, 8},  /* private */
    {0x64400000, 10}, /* carrier-grade NAT */
    {0x7f000000, 8},  /* loopback */
    {0xa9fe0000, 16}, /* link-local, cloud metadata */
    {0xac100000, 12}, /* private */
    {0xc0000000, 24}, /* protocol assignments */
    {0xc0000200, 24}, /* documentation */
    {0xc0586300, 24}, /* 6to4 relays */
    {0xc0a80000, 16}, /* private */
    {0xc6336400, 24}, /* documentation */
    {0xcb007100, 24}, /* documentation */
    {0xe0000000, 3},  /* multicast, reserved, broadcast */
};

/* Compares only the network's bits. */
static bool v4_is_special(uint32_t address)
{
    for (size_t i = 0; i < sizeof(SPECIAL_V4) / sizeof(SPECIAL_V4[0]); i++) {
        int shift = 32 - SPECIAL_V4[i].bits;
        if (address >> shift == SPECIAL_V4[i].net >> shift)
            return true;
    }
    return false;
}

static uint32_t read_v4(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Only 2000::/3 is public unicast. Forms that carry an IPv4 address are judged by that address. */
static bool v6_is_special(const uint8_t a[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};

    if (memcmp(a, mapped, 12) == 0 || memcmp(a, nat64, 12) == 0)
        return v4_is_special(read_v4(a + 12));
    if (a[0] == 0x20 && a[1] == 0x02) /* 6to4 */
        return v4_is_special(read_v4(a + 2));
    if (a[0] == 0x20 && a[1] == 0x01 && a[2] < 0x02) /* Teredo, ORCHID and others */
        return true;
    if (a[0] == 0x20 && a[1] == 0x01 && a[2] == 0x0d && a[3] == 0xb8) /* documentation */
        return true;
    if (a[0] == 0x3f && a[1] == 0xff && a[2] < 0x10) /* documentation */
        return true;
    return (a[0] & 0xe0) != 0x20;
}

/* An unknown family counts as special: nothing is known about it. */
bool address_is_special(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof(in));
        return v4_is_special(ntohl(in.sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof(in6));
        return v6_is_special(in6.sin6_addr.s6_addr);
    }
    return true;
}

/* Parses without DNS. It accepts every spelling that a resolver accepts (0x7f.1, 2130706433), so
 * that none of them passes as a name. */
static struct addrinfo *parse_literal(const char *host)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_flags = AI_NUMERICHOST};
    struct addrinfo *list = NULL;

    hints.ai_socktype = SOCK_STREAM;
    return getaddrinfo(host, NULL, &hints, &list) == 0 ? list : NULL;
}

/* Brackets and a final dot are spelling only. */
static char *trimmed_host(const char *host)
{
    size_t len = strlen(host);
    if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
        host++;
        len -= 2;
    }
    if (len > 1 && host[len - 1] == '.')
        len--;
    char *name = strndup(host, len);
    for (char *p = name; p && *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return name;
}

/* Two spellings of one address must be equal, or a rule could be bypassed by another spelling. */
char *address_canonical_host(const char *host)
{
    auto_free char *name = trimmed_host(host);
    if (!name)
        return NULL;
    struct addrinfo *list = parse_literal(name);
    char text[NI_MAXHOST];
    const char *best = name;
    if (list) {
        if (getnameinfo(list->ai_addr, list->ai_addrlen, text, sizeof(text), NULL, 0,
                        NI_NUMERICHOST) == 0) {
            text[strcspn(text, "%")] = '\0';
            best = text;
        }
        freeaddrinfo(list);
    }
    return strdup(best);
}

/* Names under .localhost are loopback by RFC 6761. */
bool address_host_is_special(const char *host)
{
    auto_free char *name = trimmed_host(host);
    if (!name) /* out of memory: no check was made */
        return true;
    if (strcmp(name, "localhost") == 0 || str_ends(name, ".localhost"))
        return true;
    struct addrinfo *list = parse_literal(name);
    bool special = list && address_is_special(list->ai_addr);
    if (list)
        freeaddrinfo(list);
    return special;
}

/* Out of memory counts as local: refusing is the safe side. */
bool address_name_is_local(const char *host)
{
    /* RFC 6762 (and its appendix G), RFC 8375, ICANN's .internal, and names in common use. */
    static const char *const domains[] = {".local", ".internal", ".intranet",  ".private",
                                          ".corp",  ".home",     ".lan",       ".localdomain",
                                          ".lab",   ".test",     ".home.arpa", NULL};
    auto_free char *name = trimmed_host(host);
    if (!name)
        return true;
    struct addrinfo *literal = parse_literal(name);
    if (literal) {
        freeaddrinfo(literal);
        return false;
    }
    bool local = !strchr(name, '.');
    for (const char *const *domain = domains; !local && *domain; domain++)
        local = str_ends(name, *domain);
    return local;
}

/* One "host:port" of the configuration, in the canonical spelling. */
static int entry_parse(const char *text, struct address_entry *ret)
{
    const char *colon = strrchr(text, ':');
    if (!colon || colon == text)
        return ERROR_CONFIG;
    char *end = NULL;
    long port = isdigit((unsigned char)colon[1]) ? strtol(colon + 1, &end, 10) : 0;
    if (!end || *end || port < 1 || port > 65535)
        return ERROR_CONFIG;

    auto_free char *written = strndup(text, (size_t)(colon - text));
    char *host = written ? address_canonical_host(written) : NULL;
    if (!host)
        return ERROR_NO_MEMORY;
    *ret = (struct address_entry){.host = host, .port = (int)port};
    return 0;
}

/* Entries are made canonical once; requests are compared with them often. */
int address_rules_new(const char *const *allowed, struct address_rules **ret_rules)
{
    size_t count = 0;
    while (allowed && allowed[count])
        count++;
    AUTO(address_rules_free)
    struct address_rules *rules = calloc(1, sizeof(*rules) + count * sizeof(rules->entries[0]));
    if (!rules)
        return ERROR_NO_MEMORY;
    for (; rules->count < count; rules->count++) {
        int r = entry_parse(allowed[rules->count], &rules->entries[rules->count]);
        if (r < 0)
            return r;
    }
    *ret_rules = rules;
    rules = NULL;
    return 0;
}

void address_rules_free(struct address_rules *rules)
{
    if (!rules)
        return;
    for (size_t i = 0; i < rules->count; i++)
        free(rules->entries[i].host);
    free(rules);
}

/* Host and port must both match: another service of an allowed host stays forbidden. */
bool address_is_allowed(const struct address_rules *rules, const char *host, int port)
{
    auto_free char *name = address_canonical_host(host);
    for (size_t i = 0; name && i < rules->count; i++)
        if (rules->entries[i].port == port && strcmp(rules->entries[i].host, name) == 0)
            return true;
    return false;
}
