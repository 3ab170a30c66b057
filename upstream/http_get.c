// SPDX-License-Identifier: Apache-2.0
#include "upstream/http_get.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "base/url.h"

DEFINE_CLEANUP(CURL, curl_easy_cleanup)
DEFINE_CLEANUP(struct curl_slist, curl_slist_free_all)

static size_t on_body(char *data, size_t size, size_t count, void *body)
{
    buf_add(body, data, size * count);
    return ((struct buf *)body)->error ? 0 : size * count;
}

static int error_of(CURLcode code, const struct buf *body)
{
    switch (code) {
    case CURLE_OK:
        return 0;
    case CURLE_WRITE_ERROR:
        return body->error;
    case CURLE_OUT_OF_MEMORY:
        return ERROR_NO_MEMORY;
    case CURLE_OPERATION_TIMEDOUT:
        return ERROR_TIMEOUT;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
        return ERROR_UNREACHABLE;
    case CURLE_PEER_FAILED_VERIFICATION:
        return HTTP_GET_UNTRUSTED;
    default:
        return ERROR_UPSTREAM_BROKEN;
    }
}

/* What the environment could change is set here: a command asks its own daemon, not a proxy. */
static void set_behaviour(CURL *easy, int timeout_s)
{
    const char *authorities = getenv("SSL_CERT_FILE");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "wheelyard/" VERSION);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)timeout_s);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)timeout_s);
    if (authorities && *authorities)
        curl_easy_setopt(easy, CURLOPT_CAINFO, authorities);
}

/* "http://host:8503/prefix" and "/target" without a doubled slash; NULL: not such a URL. */
static int join(const char *base_url, const char *target, char **ret)
{
    struct url url;
    int r = url_parse(base_url, &url);
    if (r)
        return r;
    bool is_ours = !strcmp(url.scheme, "http") || !strcmp(url.scheme, "https");
    url_release(&url);
    if (!is_ours)
        return ERROR_BAD_REQUEST;
    size_t length = strcspn(base_url, "?#");
    while (length && base_url[length - 1] == '/')
        length--;
    *ret = str_printf("%.*s%s", (int)length, base_url, target);
    return *ret ? 0 : ERROR_NO_MEMORY;
}

int http_get(const char *base_url, const char *target, const char *accept, int timeout_s,
             int *ret_status, struct buf *ret_body)
{
    auto_free char *url = NULL, *line = str_printf("Accept: %s", accept);
    AUTO(curl_easy_cleanup) CURL *easy = curl_easy_init();
    AUTO(curl_slist_free_all)
    struct curl_slist *headers = line ? curl_slist_append(NULL, line) : NULL;
    long status = 0;
    int r = join(base_url, target, &url);
    if (r)
        return r;
    if (!easy || !headers)
        return ERROR_NO_MEMORY;
    set_behaviour(easy, timeout_s);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, ret_body);
    r = error_of(curl_easy_perform(easy), ret_body);
    if (r == 0 && curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK)
        r = ERROR_UPSTREAM_BROKEN;
    if (r == 0)
        *ret_status = (int)status;
    return r;
}
