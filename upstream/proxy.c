// SPDX-License-Identifier: Apache-2.0
/* The rules of curl's documentation for no_proxy, written again: domains with or without a leading
 * dot, addresses, networks with a number of bits, and "*". They are read at start and freed with
 * the fetcher. */
#include "upstream/proxy.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/str.h"

/* What the configuration or the environment says, copied once. */
struct proxy_rules {
    char *http; /* or NULL */
    char *https;
    char *no_proxy;
};

/* The first variable that is set and not empty. */
static const char *first_set(const char *const names[])
{
    for (size_t i = 0; names[i]; i++) {
        const char *value = getenv(names[i]);
        if (value && *value)
            return value;
    }
    return "";
}

static int copy_unless_empty(const char *value, char **ret)
{
    if (!*value)
        return 0;
    *ret = strdup(value);
    return *ret ? 0 : ERROR_NO_MEMORY;
}

/* An explicit "" means no proxy, also when the environment names one. */
int proxy_rules_new(const char *proxy, const char *no_proxy, struct proxy_rules **ret_rules)
{
    static const char *const http[] = {"http_proxy", "all_proxy", "ALL_PROXY", NULL};
    static const char *const https[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY",
                                        NULL};
    static const char *const none[] = {"no_proxy", "NO_PROXY", NULL};

    AUTO(proxy_rules_free) struct proxy_rules *rules = calloc(1, sizeof(*rules));
    if (!rules || copy_unless_empty(proxy ? proxy : first_set(http), &rules->http) < 0 ||
        copy_unless_empty(proxy ? proxy : first_set(https), &rules->https) < 0 ||
        copy_unless_empty(no_proxy ? no_proxy : first_set(none), &rules->no_proxy) < 0)
        return ERROR_NO_MEMORY;
    *ret_rules = rules;
    rules = NULL;
    return 0;
}

void proxy_rules_free(struct proxy_rules *rules)
{
    if (!rules)
        return;
    free(rules->http);
    free(rules->https);
    free(rules->no_proxy);
    free(rules);
}

/* Whether the first `bits` bits are equal. */
static bool same_bits(const uint8_t *a, const uint8_t *b, long bits)
{
    size_t whole = (size_t)bits / 8;
    if (memcmp(a, b, whole) != 0)
        return false;
    int rest = (int)(bits % 8);
    return rest == 0 || a[whole] >> (8 - rest) == b[whole] >> (8 - rest);
}

/* `token` is an address or a network "address/bits". */
static bool network_holds(char *token, const char *host)
{
    char *slash = strchr(token, '/');
    if (slash)
        *slash = '\0';
    for (int i = 0; i < 2; i++) {
        int family = i == 0 ? AF_INET : AF_INET6;
        long most = family == AF_INET ? 32 : 128;
        uint8_t net[16], address[16];
        if (inet_pton(family, token, net) != 1 || inet_pton(family, host, address) != 1)
            continue;
        char *end = NULL;
        long bits = slash ? strtol(slash + 1, &end, 10) : most;
        if (end && (end == slash + 1 || *end))
            return false;
        return bits >= 0 && bits <= most && same_bits(net, address, bits);
    }
    return false;
}

/* "example.com" and ".example.com" both name the domain and everything below it. */
static bool domain_holds(const char *token, const char *host)
{
    while (*token == '.')
        token++;
    size_t len = strlen(host), tail = strlen(token);
    if (tail > 1 && token[tail - 1] == '.')
        tail--;
    if (tail == 0 || tail > len || strncasecmp(host + len - tail, token, tail) != 0)
        return false;
    return tail == len || host[len - tail - 1] == '.';
}

/* Brackets around an IPv6 address are accepted, as curl does. */
static bool token_holds(char *token, const char *host)
{
    size_t len = strlen(token);
    if (strcmp(token, "*") == 0)
        return true;
    if (len > 2 && token[0] == '[' && token[len - 1] == ']') {
        token[len - 1] = '\0';
        token++;
    }
    return domain_holds(token, host) || network_holds(token, host);
}

/* Out of memory counts as "not excepted": the proxy was configured for a reason. */
static bool is_excepted(const struct proxy_rules *rules, const char *host)
{
    if (!rules->no_proxy)
        return false;
    auto_free char *list = strdup(rules->no_proxy);
    char *rest = NULL;
    for (char *token = list ? strtok_r(list, ", \t", &rest) : NULL; token;
         token = strtok_r(NULL, ", \t", &rest))
        if (token_holds(token, host))
            return true;
    return false;
}

const char *proxy_for(const struct proxy_rules *rules, bool is_https, const char *host)
{
    const char *proxy = is_https ? rules->https : rules->http;
    return proxy && !is_excepted(rules, host) ? proxy : NULL;
}

/* Credentials stay out of logs and problem texts. */
void proxy_name(const char *proxy, char ret[PROXY_NAME_BYTES])
{
    const char *scheme = strstr(proxy, "://");
    const char *host = scheme ? scheme + strlen("://") : proxy;
    const char *credentials = strrchr(host, '@');
    if (credentials)
        host = credentials + 1;
    str_copy(ret, PROXY_NAME_BYTES, host);
    ret[strcspn(ret, "/?#")] = '\0';
}
