// SPDX-License-Identifier: Apache-2.0
/*
 * A request is made on its worker when the request line is there, and freed there when MHD has
 * completed it. While it is suspended only the engine's wait list refers to it. `active` counts
 * requests from request_new to request_free; a stop waits for it to reach 0.
 */
#include "server/request.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "engine/files/claim_answer.h"
#include "server/access.h"
#include "server/audit.h"
#include "server/strict.h"
#include "server/via.h"

/* Everything that can fail comes before the request is counted. */
struct request *request_new(struct site *site, struct MHD_Connection *mhd, const char *target)
{
    struct request *request = calloc(1, sizeof(*request));
    if (!request)
        return NULL;
    request->target = strndup(target, ROUTE_TARGET_MAX);
    request->target_end = target + strlen(target);
    if (!request->target || route_parse(site->origins, target, &request->route)) {
        free(request->target);
        free(request);
        return NULL;
    }
    request->site = site;
    connection_init(&request->connection, mhd);
    request->started_ms = clock_monotonic_ms();
    atomic_fetch_add(&site->active, 1);
    return request;
}

bool request_wants_refresh(const struct request *request)
{
    const char *control = request->headers[HEADER_CACHE_CONTROL];
    return control && strcasestr(control, "no-cache");
}

const char *request_host(const struct request *request)
{
    const char *forwarded = request->forwarded.host;
    return *forwarded ? forwarded : request->headers[HEADER_HOST];
}

void request_client(const struct request *request, char ret[REQUEST_CLIENT_SIZE])
{
    if (request->forwarded.is_known)
        network_address_write(&request->forwarded.client, ret);
    else
        str_copy(ret, REQUEST_CLIENT_SIZE, "-");
}

/* How much of a mapped file went out is not known when it was cut, so nothing is counted. */
static void count(const struct request *request, bool is_complete)
{
    const struct meter_seen seen = {
        .route = meter_route_of(&request->route),
        .cache = meter_cache_of(request->cache),
        .status = request->status,
        .bytes = request->is_mapped && !is_complete ? 0 : request->bytes,
        .first_ms = request->first_ms - request->started_ms,
        .is_complete = is_complete,
    };
    meter_count(request->site->meter, &seen);
    if (seen.route == METER_FILE && seen.cache != METER_NONE && !request->is_head &&
        (seen.status == MHD_HTTP_OK || seen.status == MHD_HTTP_PARTIAL_CONTENT))
        engine_note_sent(request->site->engine, seen.cache == METER_HIT, seen.bytes);
}

/* on_idle comes last: a stop may free everything after it. */
void request_free(struct request *request, bool is_complete)
{
    if (!request)
        return;
    struct site *site = request->site;
    count(request, is_complete);
    access_log(request, is_complete);
    audit_note(request->site->audit, request, is_complete);
    if (request->file)
        file_close(request->file);
    claim_answer_free(request->claims);
    if (request->page)
        page_unref(request->page);
    for (size_t i = 0; i < HEADERS; i++)
        free(request->joined[i]);
    route_release(&request->route);
    free(request->why);
    free(request->target);
    free(request);
    if (atomic_fetch_sub(&site->active, 1) == 1)
        site->on_idle(site);
}

/* ------------------------------------------------------------------ headers */

/* What happens when a header is repeated. Lists continue (RFC 9110 5.3). Ranges are optional, so
 * they are ignored. Where two hops could read two different things, the request is refused. */
enum repeat { REPEAT_JOINS, REPEAT_VOIDS, REPEAT_REFUSES };

static const struct {
    const char *name;
    enum repeat repeat;
} known[HEADERS] = {
    [HEADER_HOST] = {"Host", REPEAT_REFUSES},
    [HEADER_ACCEPT] = {"Accept", REPEAT_JOINS},
    [HEADER_ACCEPT_ENCODING] = {"Accept-Encoding", REPEAT_JOINS},
    [HEADER_CACHE_CONTROL] = {"Cache-Control", REPEAT_JOINS},
    [HEADER_IF_NONE_MATCH] = {"If-None-Match", REPEAT_JOINS},
    [HEADER_IF_RANGE] = {"If-Range", REPEAT_VOIDS},
    [HEADER_RANGE] = {"Range", REPEAT_VOIDS},
    [HEADER_VIA] = {"Via", REPEAT_JOINS},
    [HEADER_ORIGIN] = {"Origin", REPEAT_REFUSES},
    [HEADER_SEC_FETCH_SITE] = {"Sec-Fetch-Site", REPEAT_REFUSES},
    [HEADER_SEC_FETCH_MODE] = {"Sec-Fetch-Mode", REPEAT_REFUSES},
    [HEADER_FORWARDED] = {"Forwarded", REPEAT_JOINS},
    [HEADER_FORWARDED_FOR] = {"X-Forwarded-For", REPEAT_JOINS},
    [HEADER_FORWARDED_PROTO] = {"X-Forwarded-Proto", REPEAT_JOINS},
    [HEADER_FORWARDED_HOST] = {"X-Forwarded-Host", REPEAT_JOINS},
    [HEADER_FORWARDED_PREFIX] = {"X-Forwarded-Prefix", REPEAT_JOINS},
    [HEADER_CONTENT_LENGTH] = {"Content-Length", REPEAT_REFUSES},
    [HEADER_TRANSFER_ENCODING] = {"Transfer-Encoding", REPEAT_REFUSES},
};

/* The state of one pass over a request's headers. */
struct header_scan {
    struct request *request;
    struct strict strict;
    bool voided[HEADERS];
    const char *why; /* not NULL: refuse */
};

/* A joined value is a string of our own; a single one stays MHD's. */
static void header_repeat(struct header_scan *scan, enum header header, const char *value)
{
    struct request *request = scan->request;
    switch (known[header].repeat) {
    case REPEAT_REFUSES:
        scan->why = "a header that may come once came twice";
        return;
    case REPEAT_VOIDS:
        scan->voided[header] = true;
        return;
    case REPEAT_JOINS:
        break;
    }
    char *joined = str_printf("%s, %s", request->headers[header], value);
    if (!joined) {
        scan->why = "out of memory";
        return;
    }
    free(request->joined[header]);
    request->headers[header] = request->joined[header] = joined;
}

/* A header name is a token (RFC 9110 5.1): no space before its colon, and no folded line in it. */
static bool is_token(const char *s)
{
    const char *start = s;
    while (isalnum((unsigned char)*s) || (*s && strchr("!#$%&'*+-.^_`|~", *s)))
        s++;
    return s > start && !*s;
}

static bool is_value(const char *s)
{
    while (*s && *s != 0x7f && ((unsigned char)*s >= ' ' || *s == '\t'))
        s++;
    return !*s;
}

/* MHD calls this for every header in the order of the request; server/strict.h needs that order. */
static enum MHD_Result header_take(void *cls, enum MHD_ValueKind kind, const char *key,
                                   size_t key_size, const char *value, size_t value_size)
{
    struct header_scan *scan = cls;
    (void)kind, (void)key_size, (void)value_size;
    if (!value)
        value = "";
    strict_header(&scan->strict, key, value);
    if (!is_token(key) || !is_value(value))
        scan->why = "a header line with a bad name or a control byte";
    for (enum header h = HEADER_HOST; h < HEADERS && !scan->why; h++) {
        if (strcasecmp(key, known[h].name) != 0)
            continue;
        if (scan->request->headers[h])
            header_repeat(scan, h, value);
        else
            scan->request->headers[h] = value;
        break;
    }
    return scan->why ? MHD_NO : MHD_YES;
}

/* Once per request, when MHD has all headers. */
static const char *headers_read(struct request *request, const char *method, const char *version)
{
    struct header_scan scan = {.request = request};
    struct MHD_Connection *mhd = request->connection.mhd;
    strict_begin(&scan.strict, request->target_end, version);
    (void)MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, header_take, &scan);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (!scan.why && !strict_end(&scan.strict, method, info ? info->header_size : 0))
        scan.why = "a NUL byte, a folded line or mixed line ends";
    /* A repeated If-Range proves nothing, so the range that it guards is ignored. */
    if (scan.voided[HEADER_RANGE] || scan.voided[HEADER_IF_RANGE])
        request->headers[HEADER_RANGE] = NULL;
    return scan.why;
}

/* ------------------------------------------------------------------ refusals */

static unsigned refuse(unsigned status, const char *why, const char **ret_why)
{
    *ret_why = why;
    return status;
}

/* Finds out who asks. A socket that is not of IP has no address to judge by; its file's mode says
 * who may open it. */
static unsigned forwarded_refusal(struct request *request, const char **ret_why)
{
    const struct sockaddr *address = connection_address(request->connection.mhd);
    struct in6_addr peer;
    if (!address || !network_address(address, &peer))
        return 0;
    const struct forwarded_headers headers = {
        .forwarded = request->headers[HEADER_FORWARDED],
        .address = request->headers[HEADER_FORWARDED_FOR],
        .scheme = request->headers[HEADER_FORWARDED_PROTO],
        .host = request->headers[HEADER_FORWARDED_HOST],
        .prefix = request->headers[HEADER_FORWARDED_PREFIX],
    };
    switch (forwarded_read(&headers, &request->site->trusted_proxies, &peer, &request->forwarded)) {
    case FORWARDED_MALFORMED:
        return refuse(MHD_HTTP_BAD_REQUEST,
                      "the proxy's Forwarded or X-Forwarded-For header is malformed", ret_why);
    case FORWARDED_CONFLICT:
        return refuse(
            MHD_HTTP_BAD_REQUEST,
            "Forwarded and X-Forwarded-For name two clients; the proxy must set or remove "
            "both",
            ret_why);
    default:
        return 0;
    }
}

/* Loopback is always allowed: doctor, health checks and setup ask from there. */
static unsigned client_refusal(struct request *request, const char **ret_why)
{
    char client[REQUEST_CLIENT_SIZE];
    const struct forwarded *from = &request->forwarded;
    const struct network_list *allowed = &request->site->allow_clients;
    bool is_allowed = from->is_known && (network_is_loopback(&from->client) ||
                                         network_list_has(allowed, &from->client));
    if (!allowed->count || is_allowed)
        return 0;
    request_client(request, client);
    request->why = str_printf("clients at %s are not allowed here; allow_clients in the "
                              "configuration names those that are",
                              client);
    return refuse(MHD_HTTP_FORBIDDEN, request->why, ret_why);
}

static unsigned name_refusal(struct request *request, const char *host, const char **ret_why)
{
    switch (host_check(&request->site->hosts, host)) {
    case HOST_MALFORMED:
        return refuse(MHD_HTTP_BAD_REQUEST, "the Host is malformed", ret_why);
    case HOST_FOREIGN:
        request->why = str_printf("%.*s is not a name of ours; add it to `hosts` in the "
                                  "configuration",
                                  (int)strcspn(host, ":"), host);
        return refuse(MHD_HTTP_MISDIRECTED_REQUEST, request->why, ret_why);
    default:
        return 0;
    }
}

/* HTTP/1.0 clients may omit Host; in HTTP/1.1 it is required. The name that a proxy was called by is
 * held to the same rule. */
static unsigned host_refusal(struct request *request, const char *version, const char **ret_why)
{
    const char *host = request->headers[HEADER_HOST];
    if (!host && strcmp(version, MHD_HTTP_VERSION_1_1) == 0)
        return refuse(MHD_HTTP_BAD_REQUEST, "no Host", ret_why);
    unsigned status = host ? name_refusal(request, host, ret_why) : 0;
    if (!status && *request->forwarded.host)
        status = name_refusal(request, request->forwarded.host, ret_why);
    return status;
}

/* The client's Via is never forwarded as it was written; see server/via.h. */
static unsigned via_refusal(struct request *request, const char **ret_why)
{
    const char *written = request->headers[HEADER_VIA];
    char *clean = written ? via_clean(written) : NULL;
    free(request->joined[HEADER_VIA]);
    request->headers[HEADER_VIA] = request->joined[HEADER_VIA] = clean;
    switch (via_judge(clean, request->site->instance ? request->site->instance : "none")) {
    case VIA_LOOPS:
        return refuse(MHD_HTTP_LOOP_DETECTED, "this request came from ourselves", ret_why);
    case VIA_TOO_LONG:
        return refuse(MHD_HTTP_LOOP_DETECTED, "this request came over too many wheelyards",
                      ret_why);
    case VIA_GOES_ON:
        break;
    }
    return 0;
}

/* ------------------------------------------------------------------ browsers */

static bool is_word(const char *value, const char *word)
{
    return value && !strcasecmp(value, word);
}

/* Whether `origin` is http(s)://<the Host that was asked>. */
static bool is_own_origin(const struct request *request, const char *origin)
{
    const char *site = strstr(origin, "://");
    const char *host = request_host(request);
    return site && host && !strcasecmp(site + strlen("://"), host);
}

/* A page of another site in a user's browser reaches whatever that user reaches. It must not make
 * us fetch anything, fill the cache, or learn what the cache holds. Installers send none of these
 * headers. A site under the same registrable name is still another program (on localhost every port
 * is one), but a user may follow its links. */
static bool is_foreign(const struct request *request)
{
    const char *site = request->headers[HEADER_SEC_FETCH_SITE];
    const char *mode = request->headers[HEADER_SEC_FETCH_MODE];
    const char *origin = request->headers[HEADER_ORIGIN];
    if (is_word(site, "cross-site") || (is_word(site, "same-site") && !is_word(mode, "navigate")))
        return true;
    return origin && !is_word(site, "same-origin") && !is_own_origin(request, origin);
}

/* Only for what fetches: status and home may be linked from anywhere. */
static unsigned browser_refusal(const struct request *request, const char **ret_why)
{
    enum route_kind kind = request->route.kind;
    bool fetches = kind == ROUTE_PAGE || kind == ROUTE_FILE;
    if (!fetches || !is_foreign(request))
        return 0;
    return refuse(
        MHD_HTTP_FORBIDDEN,
        "a browser asks for another site's page, which may not have anything fetched here; "
        "open the address itself",
        ret_why);
}

unsigned request_check(struct request *request, const char *method, const char *version,
                       const char **ret_why)
{
    str_copy(request->method, sizeof(request->method), method);
    request->is_head = !strcmp(method, MHD_HTTP_METHOD_HEAD);
    const char *why = headers_read(request, method, version);
    if (why)
        return refuse(MHD_HTTP_BAD_REQUEST, why, ret_why);
    unsigned status = forwarded_refusal(request, ret_why);
    status = status ? status : client_refusal(request, ret_why);
    if (status)
        return status;
    if (!request->is_head && strcmp(method, MHD_HTTP_METHOD_GET) != 0)
        return refuse(MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD are served", ret_why);
    /* No request here has a body. Two views of where a body ends are how requests are smuggled past
     * a proxy. */
    const char *length = request->headers[HEADER_CONTENT_LENGTH];
    if (request->headers[HEADER_TRANSFER_ENCODING] || (length && strcmp(length, "0") != 0))
        return refuse(MHD_HTTP_BAD_REQUEST, "a request with a body", ret_why);
    status = host_refusal(request, version, ret_why);
    if (status)
        return status;
    if (request->route.kind == ROUTE_TOO_LONG)
        return refuse(MHD_HTTP_URI_TOO_LONG, "the request line is over 4 KiB", ret_why);
    if (request->route.kind == ROUTE_MALFORMED)
        return refuse(MHD_HTTP_BAD_REQUEST, request->route.why, ret_why);
    status = via_refusal(request, ret_why);
    return status ? status : browser_refusal(request, ret_why);
}
