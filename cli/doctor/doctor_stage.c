// SPDX-License-Identifier: Apache-2.0
/*
 * A URL is ours when its host and port are in the list of authorities. The list holds what the
 * daemon listens on, under every name that this machine has for itself. A client's file may use any
 * of them. The list lives for one run of the command.
 */
#include "cli/doctor/doctor_stage.h"

#include <ifaddrs.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "base/url.h"
#include "config/config.h"

enum { HOST_NAME_BYTES = 256 };

/* ------------------------------------------------------------ our addresses */

/* Takes over the text. */
static void add_once(char **list, size_t *count, char *text)
{
    bool is_new = text && *count < DOCTOR_AUTHORITIES_MAX;

    for (size_t i = 0; is_new && i < *count; i++)
        is_new = strcmp(list[i], text) != 0;
    if (is_new)
        list[(*count)++] = text;
    else
        free(text);
}

static void add_authority(struct doctor_stage *s, const char *host, int port)
{
    add_once(s->authorities, &s->authority_count, str_printf("%s:%d", host, port));
}

static void add_loopback(struct doctor_stage *s, int port)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "::1", "0.0.0.0"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        add_authority(s, names[i], port);
}

/* For a daemon on all addresses any address of this machine is ours. */
static void add_interfaces(struct doctor_stage *s, int port)
{
    struct ifaddrs *list;
    char host[NI_MAXHOST];

    if (getifaddrs(&list) < 0)
        return;
    for (struct ifaddrs *i = list; i; i = i->ifa_next) {
        int family = i->ifa_addr ? i->ifa_addr->sa_family : AF_UNSPEC;
        socklen_t len =
            family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);

        if ((family == AF_INET || family == AF_INET6) &&
            getnameinfo(i->ifa_addr, len, host, sizeof host, NULL, 0, NI_NUMERICHOST) == 0)
            add_authority(s, host, port);
    }
    freeifaddrs(list);
}

/* All names by which this machine may be written in a client's file. */
void doctor_stage_add_listen(struct doctor_stage *s, const char *listen, char *const *names)
{
    char host[CONFIG_HOST_SIZE], own[HOST_NAME_BYTES] = "";
    int port;

    if (config_split_listen(listen, host, &port))
        return;
    bool is_any = !*host || !strcmp(host, "0.0.0.0") || !strcmp(host, "::");
    if (is_any || url_is_loopback(host))
        add_loopback(s, port);
    if (is_any)
        add_interfaces(s, port);
    else
        add_authority(s, host, port);
    if (gethostname(own, sizeof own - 1) == 0)
        add_authority(s, own, port);
    for (; *names; names++) { /* a reverse proxy before us has the usual ports */
        add_authority(s, *names, port);
        add_authority(s, *names, 80);
        add_authority(s, *names, 443);
    }
}

/* The URL that the user gave is ours by definition. */
void doctor_stage_add_url(struct doctor_stage *s, const char *text)
{
    struct url url;

    if (url_parse(text, &url))
        return;
    add_authority(s, url.host, url.port);
    if (url_is_loopback(url.host))
        add_loopback(s, url.port);
    url_release(&url);
    (void)doctor_is_ours(s, text);
}

static void add_host(struct doctor_stage *s, const struct url *url)
{
    bool v6 = strchr(url->host, ':') != NULL;

    add_once(s->hosts, &s->host_count,
             str_printf("%s://%s%s%s:%d", url->scheme, v6 ? "[" : "", url->host, v6 ? "]" : "",
                        url->port));
}

/* Host and port decide; paths differ by index. */
bool doctor_is_ours(struct doctor_stage *s, const char *text)
{
    struct url url;

    if (!text || url_parse(text, &url))
        return false;
    auto_free char *authority = str_printf("%s:%d", url.host, url.port);
    bool found = false;
    for (size_t i = 0; authority && i < s->authority_count && !found; i++)
        found = strcasecmp(s->authorities[i], authority) == 0;
    if (found)
        add_host(s, &url);
    url_release(&url);
    return found;
}

/* -------------------------------------------------------------------- files */

bool doctor_read(const char *path, struct buf *ret)
{
    return file_read_all(path, ret) == 0 && !memchr(ret->data, '\0', ret->len);
}

/* A broken file is a finding: the client itself stops at it. */
struct toml_document *doctor_read_toml(struct doctor_stage *s, const char *client, const char *path)
{
    struct toml_document *document = NULL;
    auto_free char *message = NULL;
    auto_buf struct buf text;
    int line = 0;

    buf_init(&text, DOCTOR_FILE_MAX_BYTES);
    if (!doctor_read(path, &text))
        return NULL;
    if (toml_parse(text.data, text.len, &document, &message, &line)) {
        findings_add(s->to, FINDING_FAILED, "client-file", client, "correct the file",
                     "%s:%d: no TOML: %s", path, line, message ? message : "out of memory");
        return NULL;
    }
    return document;
}

/* ------------------------------------------------------------------ verdicts */

/* Returns the position after the last `@` before the next slash, and writes `***@` in its place. */
static const char *hide_user(const char *at, struct buf *to)
{
    const char *end = memrchr(at, '@', strcspn(at, "/ \t\n"));

    if (!end)
        return at;
    buf_puts(to, "***@");
    return end + 1;
}

/* A proxy may lack its scheme, so credentials may stand at the very beginning. */
char *doctor_shown(const char *value)
{
    struct buf text;

    buf_init(&text, DOCTOR_FILE_MAX_BYTES);
    if (!strstr(value, "//"))
        value = hide_user(value, &text);
    for (const char *at; (at = strstr(value, "//"));) {
        buf_add(&text, value, (size_t)(at + 2 - value));
        value = hide_user(at + 2, &text);
    }
    buf_puts(&text, value);
    char *ret = buf_take(&text, NULL);
    buf_release(&text);
    return ret;
}

void doctor_no_index(struct doctor_stage *s, const char *client, const char *where)
{
    auto_free char *remedy = str_printf("take it out of %s", where);

    findings_add(s->to, FINDING_WARNING, "client-no-index", client, remedy,
                 "no-index (%s): it asks no index at all", where);
}

bool doctor_is_yes(const char *value)
{
    static const char *const yes[] = {"1", "true", "yes", "on", "y", "t"};

    for (size_t i = 0; value && i < sizeof yes / sizeof *yes; i++)
        if (strcasecmp(value, yes[i]) == 0)
            return true;
    return false;
}

void doctor_bypass(struct doctor_stage *s, const char *client, const char *check, const char *what,
                   const char *value, const char *where)
{
    auto_free char *shown = doctor_shown(value);
    auto_free char *remedy = str_printf("take it out of %s", where);

    findings_add(s->to, FINDING_WARNING, check, client, remedy, "%s = %s (%s): it passes us by",
                 what, shown ? shown : "?", where);
}

bool doctor_judge_index(struct doctor_stage *s, const char *client, const char *what,
                        const char *value, const char *where)
{
    auto_free char *shown = value ? doctor_shown(value) : NULL;
    auto_free char *remedy = value ? str_printf("set it to %s in %s", s->index_url, where)
                                   : str_printf("wheelyard setup %s %s --write", client, s->setup);

    if (!value) {
        findings_add(s->to, FINDING_WARNING, "client-index", client, remedy,
                     "no index is set: it asks pypi.org itself");
        return false;
    }
    if (doctor_is_ours(s, value)) {
        findings_add(s->to, FINDING_OK, "client-index", client, NULL, "%s = %s (%s)", what,
                     shown ? shown : "?", where);
        return true;
    }
    findings_add(s->to, FINDING_WARNING, "client-index", client, remedy,
                 "%s = %s (%s): it passes us by", what, shown ? shown : "?", where);
    return false;
}

/* --------------------------------------------------------------------- life */

int doctor_stage_init(struct doctor_stage *s, struct findings *to)
{
    *s = (struct doctor_stage){.to = to, .folder_own = getcwd(NULL, 0)};
    s->folder = s->folder_own;
    return s->folder ? 0 : ERROR_IO;
}

void doctor_stage_release(struct doctor_stage *s)
{
    for (size_t i = 0; i < s->authority_count; i++)
        free(s->authorities[i]);
    for (size_t i = 0; i < s->host_count; i++)
        free(s->hosts[i]);
    free(s->folder_own);
}
