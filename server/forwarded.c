// SPDX-License-Identifier: Apache-2.0
#include "server/forwarded.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"

/* HOPS_MAX: a longer chain is a loop or an attack. NODE_SIZE: an address in brackets with a port. */
enum { HOPS_MAX = 16, NODE_SIZE = 64, NAME_SIZE = 16, SCHEME_SIZE = 16 };

/* What one proxy says of the client that it saw. */
struct hop {
    char node[NODE_SIZE];
    char scheme[SCHEME_SIZE];
    char host[FORWARDED_HOST_SIZE];
};

struct hops {
    struct hop list[HOPS_MAX];
    size_t count;
};

/* ------------------------------------------------------------------- addresses */

/* What follows an address: nothing, or a port. */
static bool is_port_or_end(const char *s)
{
    if (!*s)
        return true;
    size_t length = *s == ':' ? strspn(s + 1, "0123456789") : 0;
    return length && length <= 5 && !s[1 + length];
}

/* A node of RFC 7239 section 6, or an entry of X-Forwarded-For, which also has IPv6 without
 * brackets. "unknown" and names that begin with _ are legal, and hide the client.
 * FORWARDED_MALFORMED. */
static int read_node(const char *node, bool *ret_is_known, struct in6_addr *ret)
{
    char address[NODE_SIZE] = "";
    bool is_bracketed = *node == '[', hides = !strcasecmp(node, "unknown") || *node == '_';
    const char *start = node + is_bracketed;
    const char *end = is_bracketed ? strchrnul(start, ']') : strchrnul(start, ':');
    if (!is_bracketed && *end && strchr(end + 1, ':'))
        end += strlen(end); /* the colons are the address's own */
    const char *port = is_bracketed && *end ? end + 1 : end;
    memcpy(address, start, (size_t)(end - start));
    if (!hides &&
        ((is_bracketed && !*end) || !is_port_or_end(port) || network_address_parse(address, ret)))
        return FORWARDED_MALFORMED;
    *ret_is_known = !hides;
    return 0;
}

/*
 * Walks from the last proxy towards the client. NULL: nobody forwarded this request. The result is
 * the hop that names the client, or the first one where only trusted proxies are named.
 */
static int find_client(const struct hops *hops, const struct network_list *trusted,
                       const struct hop **ret_hop, struct forwarded *to)
{
    *ret_hop = NULL;
    for (size_t i = hops->count; i-- > 0;) {
        int r = read_node(hops->list[i].node, &to->is_known, &to->client);
        if (r)
            return r;
        *ret_hop = &hops->list[i];
        if (!to->is_known || !network_list_has(trusted, &to->client))
            break;
    }
    return 0;
}

/* ----------------------------------------------------------------- X-Forwarded */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Copies s[0..length) without blanks at its ends; false when it does not fit. */
static bool copy_trimmed(const char *s, size_t length, char *to, size_t size)
{
    while (length && is_blank(*s))
        s++, length--;
    while (length && is_blank(s[length - 1]))
        length--;
    if (length >= size)
        return false;
    memcpy(to, s, length);
    to[length] = '\0';
    return true;
}

/* The last HOPS_MAX entries; a client may write any number before them. */
static void read_list(const char *list, struct hops *ret)
{
    ret->count = 0;
    for (const char *end = list + strlen(list); ret->count < HOPS_MAX;) {
        const char *start = end;
        while (start > list && start[-1] != ',')
            start--;
        struct hop *hop = &ret->list[HOPS_MAX - ++ret->count];
        *hop = (struct hop){0};
        if (!copy_trimmed(start, (size_t)(end - start), hop->node, sizeof(hop->node)))
            str_copy(hop->node, sizeof(hop->node), "?"); /* no address is so long */
        if (start == list)
            break;
        end = start - 1;
    }
    memmove(ret->list, &ret->list[HOPS_MAX - ret->count], ret->count * sizeof(ret->list[0]));
}

/* The last value of a list: what our own proxy said. */
static void last_value(const char *list, char *to, size_t size)
{
    const char *comma = strrchr(list, ',');
    const char *value = comma ? comma + 1 : list;
    if (!copy_trimmed(value, strlen(value), to, size))
        *to = '\0';
}

/* ------------------------------------------------------------------- Forwarded */

static bool is_token_byte(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static const char *skip_blanks(const char *s)
{
    while (is_blank(*s))
        s++;
    return s;
}

/* A token or a quoted string (RFC 9110 5.6). What does not fit is cut: no value that we read is so
 * long. NULL: malformed. */
static const char *read_value(const char *s, char *to, size_t size)
{
    bool is_quoted = *s == '"';
    size_t length = 0;
    const char *start = s;
    for (s += is_quoted; is_quoted ? *s && *s != '"' : is_token_byte(*s); s++) {
        if (is_quoted && *s == '\\' && !*++s)
            return NULL;
        if (length + 1 < size)
            to[length++] = *s;
    }
    to[length] = '\0';
    if (is_quoted)
        return *s == '"' ? s + 1 : NULL;
    return s > start ? s : NULL;
}

/* name=value; a parameter that we do not know is skipped. */
static const char *read_parameter(const char *s, struct hop *hop)
{
    char name[NAME_SIZE], ignored[2];
    const char *end = read_value(s, name, sizeof(name));
    if (*s == '"' || !end || *end != '=')
        return NULL;
    if (!strcasecmp(name, "for"))
        return read_value(end + 1, hop->node, sizeof(hop->node));
    if (!strcasecmp(name, "proto"))
        return read_value(end + 1, hop->scheme, sizeof(hop->scheme));
    if (!strcasecmp(name, "host"))
        return read_value(end + 1, hop->host, sizeof(hop->host));
    return read_value(end + 1, ignored, sizeof(ignored));
}

/* One element of the list: parameters with semicolons between them. A proxy that does not say whom
 * it forwards for hides its client. */
static const char *read_element(const char *s, struct hop *hop)
{
    *hop = (struct hop){.node = "unknown"};
    for (;;) {
        if (*s && *s != ';' && *s != ',')
            s = read_parameter(s, hop);
        if (!s)
            return NULL;
        s = skip_blanks(s);
        if (*s != ';')
            return s;
        s = skip_blanks(s + 1);
    }
}

/* Unlike X-Forwarded-For, whose entries cannot hold a comma, this is read from its start. */
static int read_forwarded(const char *value, struct hops *ret)
{
    ret->count = 0;
    for (const char *s = skip_blanks(value);; s = skip_blanks(s + 1)) {
        if (ret->count == HOPS_MAX) {
            memmove(ret->list, ret->list + 1, (HOPS_MAX - 1) * sizeof(ret->list[0]));
            ret->count--;
        }
        s = read_element(s, &ret->list[ret->count++]);
        if (!s || (*s && *s != ','))
            return FORWARDED_MALFORMED;
        if (!*s)
            return 0;
    }
}

/* ----------------------------------------------------------------------- whole */

/* Only what is safe in a page and in an address: a path of unreserved characters (RFC 3986). */
static void read_prefix(const char *value, char ret[FORWARDED_PREFIX_SIZE])
{
    char prefix[FORWARDED_PREFIX_SIZE];
    last_value(value, prefix, sizeof(prefix));
    size_t length = strlen(prefix);
    while (length && prefix[length - 1] == '/')
        prefix[--length] = '\0';
    for (const char *s = prefix; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr("/-._~", *s))
            return;
    if (*prefix == '/' && prefix[1] != '/')
        str_copy(ret, FORWARDED_PREFIX_SIZE, prefix);
}

/* X-Forwarded-Proto and -Host count where Forwarded says nothing of them. */
static void read_address(const struct forwarded_headers *headers, const struct hop *hop,
                         struct forwarded *to)
{
    char scheme[SCHEME_SIZE] = "";
    if (hop)
        str_copy(scheme, sizeof(scheme), hop->scheme);
    if (hop)
        str_copy(to->host, sizeof(to->host), hop->host);
    if (!*scheme && headers->scheme)
        last_value(headers->scheme, scheme, sizeof(scheme));
    if (!*to->host && headers->host)
        last_value(headers->host, to->host, sizeof(to->host));
    to->is_https = !strcasecmp(scheme, "https");
    if (headers->prefix)
        read_prefix(headers->prefix, to->prefix);
}

static bool is_same_client(const struct forwarded *a, const struct forwarded *b)
{
    return a->is_known == b->is_known &&
           (!a->is_known || memcmp(&a->client, &b->client, sizeof(a->client)) == 0);
}

int forwarded_read(const struct forwarded_headers *headers, const struct network_list *trusted,
                   const struct in6_addr *peer, struct forwarded *ret)
{
    struct forwarded said = {.is_known = true, .client = *peer}, other = said;
    struct hops hops;
    const struct hop *hop = NULL, *none;
    int r = 0;
    if (!network_list_has(trusted, peer)) {
        *ret = said;
        return 0;
    }
    if (headers->address) {
        read_list(headers->address, &hops);
        r = find_client(&hops, trusted, &none, &other);
        said = other;
    }
    if (r == 0 && headers->forwarded) {
        r = read_forwarded(headers->forwarded, &hops);
        r = r ? r : find_client(&hops, trusted, &hop, &said);
    }
    if (r == 0 && headers->address && !is_same_client(&said, &other))
        r = FORWARDED_CONFLICT;
    if (r)
        return r;
    read_address(headers, hop, &said);
    *ret = said;
    return 0;
}
