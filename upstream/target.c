// SPDX-License-Identifier: Apache-2.0
/*
 * A target lives as long as its transfer and moves with each redirect. A move builds the new target
 * aside, checks it, and only then replaces the old one. A refused redirect therefore changes
 * nothing.
 */
#include "upstream/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static void curl_freep(char **p)
{
    curl_free(*p);
}
#define auto_curl_free __attribute__((cleanup(curl_freep)))

void target_release(struct target *target)
{
    curl_url_cleanup(target->url);
    free(target->host);
    *target = (struct target){0};
}

/* A scheme that curl does not know is forbidden rather than malformed. */
static int error_from_urlcode(CURLUcode code, int malformed)
{
    switch (code) {
    case CURLUE_OK:
        return 0;
    case CURLUE_OUT_OF_MEMORY:
        return ERROR_NO_MEMORY;
    case CURLUE_UNSUPPORTED_SCHEME:
    case CURLUE_BAD_FILE_URL:
        return ERROR_FORBIDDEN_ADDRESS;
    default:
        return malformed;
    }
}

/* Fills in host, port and scheme from target->url. */
static int target_read(struct target *target, int malformed)
{
    auto_curl_free char *scheme = NULL, *host = NULL, *port = NULL;

    if (curl_url_get(target->url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(target->url, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
        curl_url_get(target->url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK)
        /* file: and similar schemes have no host or no port */
        return scheme && strncmp(scheme, "http", 4) != 0 ? ERROR_FORBIDDEN_ADDRESS : malformed;
    target->is_https = strcmp(scheme, "https") == 0;
    if (!target->is_https && strcmp(scheme, "http") != 0)
        return ERROR_FORBIDDEN_ADDRESS;
    target->port = (int)strtol(port, NULL, 10); /* libcurl has checked it */
    target->host = address_canonical_host(host);
    return target->host ? 0 : ERROR_NO_MEMORY;
}

/* The list of the mirror counts only after a redirect, through `more`. */
bool target_is_allowed(const struct target *target, const struct address_rules *rules)
{
    return address_is_allowed(rules, target->host, target->port) ||
           (target->more && address_is_allowed(target->more, target->host, target->port));
}

/* The first of two checks: the second is at the socket (target_may_reach). */
static bool target_may_be_asked(const struct target *target, const struct address_rules *rules)
{
    return !address_host_is_special(target->host) || target_is_allowed(target, rules);
}

void target_place(const struct target *target, char ret[TARGET_PLACE])
{
    bool is_v6 = strchr(target->host, ':');
    int len = snprintf(ret, TARGET_PLACE, "%s%s%s:%d", is_v6 ? "[" : "", target->host,
                       is_v6 ? "]" : "", target->port);
    if (len >= TARGET_PLACE)
        ret[0] = '\0';
}

/* Credentials in the URL stay in `url`; curl sends them to this host only. */
int target_init(const char *text, const struct address_rules *rules, struct target *ret_target)
{
    __attribute__((cleanup(target_release))) struct target new = {.url = curl_url()};

    if (!new.url)
        return ERROR_NO_MEMORY;
    CURLUcode code = curl_url_set(new.url, CURLUPART_URL, text, 0);
    int r = error_from_urlcode(code, ERROR_BAD_REQUEST);
    if (r == 0)
        r = target_read(&new, ERROR_BAD_REQUEST);
    if (r < 0)
        return r;
    if (!target_may_be_asked(&new, rules))
        return ERROR_FORBIDDEN_ADDRESS;
    *ret_target = new;
    new = (struct target){0};
    return 0;
}

static int copy_part(CURLU *from, CURLU *to, CURLUPart part)
{
    auto_curl_free char *value = NULL;
    if (curl_url_get(from, part, &value, 0) != CURLUE_OK)
        value = NULL; /* the URL lacks this part */
    return curl_url_set(to, part, value, 0) == CURLUE_OK ? 0 : ERROR_NO_MEMORY;
}

/* A Location must not bring credentials, nor take ours to another host. */
static int settle_credentials(const struct target *old, struct target *new)
{
    bool same = old->is_https == new->is_https &&
                old->port == new->port &&strcmp(old->host, new->host) == 0;
    if (curl_url_set(new->url, CURLUPART_USER, NULL, 0) != CURLUE_OK ||
        curl_url_set(new->url, CURLUPART_PASSWORD, NULL, 0) != CURLUE_OK)
        return ERROR_NO_MEMORY;
    if (!same)
        return 0;
    int r = copy_part(old->url, new->url, CURLUPART_USER);
    return r < 0 ? r : copy_part(old->url, new->url, CURLUPART_PASSWORD);
}

int target_follow(struct target *target, const char *location, const struct address_rules *rules,
                  char ret_place[TARGET_PLACE])
{
    __attribute__((cleanup(target_release))) struct target new = {.url = curl_url_dup(target->url),
                                                                  .more = target->more};

    ret_place[0] = '\0';
    if (!new.url)
        return ERROR_NO_MEMORY;
    /* Real servers write spaces and raw UTF-8 into Location. */
    CURLUcode code = curl_url_set(new.url, CURLUPART_URL, location, CURLU_URLENCODE);
    int r = error_from_urlcode(code, ERROR_UPSTREAM_BROKEN);
    if (r == 0)
        r = target_read(&new, ERROR_UPSTREAM_BROKEN);
    if (r == 0)
        r = settle_credentials(target, &new);
    if (r < 0)
        return r;
    bool downgrade = target->is_https && !new.is_https;
    if (!target_may_be_asked(&new, rules) || (downgrade && !target_is_allowed(&new, rules))) {
        target_place(&new, ret_place);
        return ERROR_FORBIDDEN_ADDRESS;
    }

    struct target old = *target;
    *target = new;
    new = old; /* released on return */
    return 0;
}

bool target_may_reach(const struct target *target, const struct address_rules *rules,
                      const struct sockaddr *address)
{
    return !address_is_special(address) || target_is_allowed(target, rules);
}

/* Fragments are ours alone and are never sent. */
char *target_text(const struct target *target)
{
    CURLU *copy = curl_url_dup(target->url);
    auto_curl_free char *text = NULL;

    if (copy && (curl_url_set(copy, CURLUPART_USER, NULL, 0) != CURLUE_OK ||
                 curl_url_set(copy, CURLUPART_PASSWORD, NULL, 0) != CURLUE_OK ||
                 curl_url_set(copy, CURLUPART_FRAGMENT, NULL, 0) != CURLUE_OK ||
                 curl_url_get(copy, CURLUPART_URL, &text, 0) != CURLUE_OK))
        text = NULL;
    curl_url_cleanup(copy);
    return text ? strdup(text) : NULL;
}
