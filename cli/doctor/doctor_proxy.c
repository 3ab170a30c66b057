// SPDX-License-Identifier: Apache-2.0
/* Proxies of the environment that would receive the clients' requests to us. pip and uv read
 * http_proxy, all_proxy and no_proxy in both cases, and neither exempts this machine by itself. A
 * request through a proxy to "localhost" ends at the proxy's own machine. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/url.h"
#include "cli/doctor/doctor_stage.h"
#include "config/user.h"

static const char *first_set(const char *const names[], size_t count, const char **ret_name)
{
    for (size_t i = 0; i < count; i++)
        if (user_environment(names[i])) {
            *ret_name = names[i];
            return user_environment(names[i]);
        }
    return NULL;
}

/* Whether a host is in a network such as "10.0.0.0/8"; IPv4 only, because all clients know that
 * form. */
static bool is_in_network(const char *host, const char *network)
{
    struct in_addr address, base;
    auto_free char *text = str_dup(network);
    char *slash = text ? strchr(text, '/') : NULL;

    if (!slash)
        return false;
    *slash = '\0';
    char *end;
    long bits = strtol(slash + 1, &end, 10);
    if (end == slash + 1 || *end || bits < 0 || bits > 32 ||
        inet_pton(AF_INET, host, &address) != 1 || inet_pton(AF_INET, text, &base) != 1)
        return false;
    uint32_t mask = bits ? htonl(~0U << (32 - bits)) : 0;
    return (address.s_addr & mask) == (base.s_addr & mask);
}

/* One entry of no_proxy: a host, host and port, a domain with all below it, a network, or "*". */
static bool covers(const char *entry, const struct url *url)
{
    auto_free char *with_port = str_printf("%s:%d", url->host, url->port);
    size_t host_len = strlen(url->host);

    if (strcmp(entry, "*") == 0 || is_in_network(url->host, entry))
        return true;
    if (with_port && strcasecmp(entry, with_port) == 0)
        return true;
    while (*entry == '.')
        entry++;
    size_t len = strlen(entry);
    if (!len || len > host_len || strcasecmp(url->host + host_len - len, entry) != 0)
        return false;
    return len == host_len || url->host[host_len - len - 1] == '.';
}

/* Any entry of the list is enough. */
static bool is_exempt(const char *no_proxy, const struct url *url)
{
    auto_free char *list = str_dup(no_proxy ? no_proxy : "");
    char *rest = list;

    for (char *entry; rest && (entry = strsep(&rest, ", "));)
        if (covers(entry, url))
            return true;
    return false;
}

/* A proxy on this machine can reach us, but is a detour and may cache old replies. */
static bool is_local(const char *proxy)
{
    auto_free char *text =
        strstr(proxy, "//") ? str_dup(strstr(proxy, "//")) : str_printf("//%s", proxy);
    auto_free char *address = text ? str_printf("http:%s", text) : NULL;
    struct url url;

    if (!address || url_parse(address, &url))
        return false;
    bool local = url_is_loopback(url.host);
    url_release(&url);
    return local;
}

/* True when clients reach this host directly. */
static bool judge_host(struct doctor_stage *s, const char *text)
{
    static const char *const plain[] = {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"};
    static const char *const secure[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"};
    static const char *const exempt[] = {"no_proxy", "NO_PROXY"};
    const char *name, *ignored;
    struct url url;

    if (url_parse(text, &url))
        return true;
    const char *proxy = first_set(strcmp(url.scheme, "https") ? plain : secure, 4, &name);
    const char *list = first_set(exempt, 2, &ignored);
    bool direct = !proxy || is_exempt(list, &url);
    if (!direct) {
        auto_free char *shown = doctor_shown(proxy);
        auto_free char *remedy =
            str_printf("export no_proxy=%s%s%s", list ? list : "", list ? "," : "", url.host);

        findings_add(s->to, is_local(proxy) ? FINDING_WARNING : FINDING_FAILED, "proxy", "proxy",
                     remedy, "%s=%s takes what clients ask of %s, which no_proxy does not exempt",
                     name, shown ? shown : "?", url.host);
    }
    url_release(&url);
    return direct;
}

/* One host may be direct while another is not, so each is judged. */
void doctor_proxies(struct doctor_stage *s)
{
    bool direct = true;

    for (size_t i = 0; i < s->host_count; i++)
        direct &= judge_host(s, s->hosts[i]);
    if (direct && s->host_count)
        findings_add(s->to, FINDING_OK, "proxy", "proxy", NULL, "none between clients and %s",
                     s->hosts[0]);
}
