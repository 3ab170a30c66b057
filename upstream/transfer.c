// SPDX-License-Identifier: Apache-2.0
/*
 * The life of a hop, all on the transfer thread:
 *
 *     connecting    DNS, TCP, TLS; curl's connect timeout
 *     waiting       for the header section: one stall timeout in all, or the request's answer_ms
 *     body          a stall timeout between any two pieces; pauses of ours do not count
 *     ended         curl reports it: the transfer ends, or the next hop begins
 *
 * A redirect discards its short body and then begins the next hop. A pause is either the sink's
 * wish (`held`) or the lack of a slab. The first error decides (`error`); later ones are ignored.
 * Callbacks of curl only record it, and the loop ends the transfer.
 */
#include "upstream/transfer.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"

enum {
    MAX_REDIRECTS = 5,
    GATHER_MS = 20,
    DISCARD_MAX_BYTES =
        64 << 10, /* of a redirect's body; beyond that a new connection is cheaper */
    RECEIVE_BYTES = 256 << 10,
    INTERIM_MOST = 16,            /* 1xx: curl keeps the headers of all of them */
    HEADER_MAX_BYTES = 256 << 10, /* of all header sections of a hop, with trailers */
};
static_assert(CURL_MAX_WRITE_SIZE < SLAB_BYTES, "a piece must fit what is left plus one slab");

__attribute__((format(printf, 3, 4))) static int transfer_fail(struct transfer *t, int error,
                                                               const char *format, ...)
{
    if (t->error) /* only the first error counts */
        return t->error;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(t->detail, sizeof(t->detail), format, args);
    va_end(args);
    t->error = error;
    return error;
}

/* ---- the body ---- */

/* Gives the slab to the sink, or back to the pool when it is empty or nobody wants it. */
static void hand_over(struct transfer *t)
{
    struct slab *slab = t->slab;
    t->slab = NULL;
    if (!slab)
        return;
    if (slab->len == 0 || atomic_load(&t->cancelled)) {
        slab_put(slab);
        return;
    }
    int64_t offset = t->reply.head.from + t->received - (int64_t)slab->len;
    t->sink.on_data(t->context, slab, offset);
}

/* A full slab goes out at once, so a slab is never held longer than needed. */
static void append(struct transfer *t, const char *data, size_t len)
{
    memcpy(t->slab->data + t->slab->len, data, len);
    t->slab->len += len;
    t->received += (int64_t)len;
    if (t->slab->len == SLAB_BYTES)
        hand_over(t);
}

/* A held transfer takes none, so it pauses like a starved one. */
static struct slab *next_slab(struct transfer *t)
{
    return atomic_load(&t->held) ? NULL
                                 : slab_get(t->setup->pool, t->request.share, t->request.mirror);
}

/* curl repeats a paused piece as a whole, so the room for all of it must exist before the first
 * byte is copied. */
static size_t gather(struct transfer *t, const char *data, size_t len)
{
    size_t room = t->slab ? SLAB_BYTES - t->slab->len : 0;
    struct slab *spare = NULL;

    if (len > room && !(spare = next_slab(t))) {
        hand_over(t); /* the holders of other slabs may be waiting for these bytes */
        t->is_starved = true;
        if (!t->starved_ms && !atomic_load(&t->held))
            t->starved_ms = t->activity_ms;
        return CURL_WRITEFUNC_PAUSE;
    }
    t->starved_ms = 0;
    size_t first = len < room ? len : room;
    if (first > 0)
        append(t, data, first);
    if (spare) {
        t->slab = spare;
        t->slab_since_ms = t->activity_ms;
        append(t, data + first, len - first);
    }
    return len;
}

/* Called before the bytes are copied: a mirror must not send more than it announced. */
static int check_size(struct transfer *t, size_t more)
{
    int64_t bytes = t->received + (int64_t)more;
    int64_t expected = t->reply.expected_bytes;

    if (expected >= 0 && bytes > expected)
        return transfer_fail(t, ERROR_UPSTREAM_BROKEN, "body is longer than announced");
    if (bytes > t->request.max_bytes)
        return transfer_fail(t, ERROR_TOO_BIG, "body is larger than %lld bytes",
                             (long long)t->request.max_bytes);
    return 0;
}

static size_t refuse_bytes(struct transfer *t)
{
    (void)transfer_fail(t, ERROR_UPSTREAM_BROKEN, "bytes before the header section of an answer");
    return CURL_WRITEFUNC_ERROR;
}

/* Called by curl; any other return value than `len` ends or pauses the hop. */
static size_t on_body(char *data, size_t size, size_t count, void *context)
{
    struct transfer *t = context;
    size_t len = size * count;

    if (t->error || atomic_load(&t->cancelled))
        return CURL_WRITEFUNC_ERROR;
    if (!t->has_head) /* after a 101 no answer follows, and no request asked for one */
        return refuse_bytes(t);
    t->activity_ms = clock_monotonic_ms();
    if (t->location) {
        t->discarded += (int64_t)len;
        return t->discarded > DISCARD_MAX_BYTES ? CURL_WRITEFUNC_ERROR : len;
    }
    if (check_size(t, len) < 0)
        return CURL_WRITEFUNC_ERROR;
    return gather(t, data, len);
}

/* ---- the header section ---- */

static bool is_redirect(long status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static int take_location(struct transfer *t, const char *location)
{
    t->location = strdup(location);
    return t->location ? 0 : transfer_fail(t, ERROR_NO_MEMORY, "out of memory");
}

/* A limit that Content-Length already exceeds fails before the body is received. */
static int take_head(struct transfer *t)
{
    struct head_question question = {.head = t->request.head,
                                     .is_page = t->request.is_page,
                                     .from = t->request.from,
                                     .to = t->request.to};
    int r = head_read(t->easy, &question, &t->reply);
    if (r < 0)
        return transfer_fail(t, r, "HTTP %d: %s", t->reply.head.status, t->reply.complaint);
    auto_free char *url = target_text(&t->target);
    if (!url)
        return transfer_fail(t, ERROR_NO_MEMORY, "out of memory");
    t->reply.head.final_url = url;
    r = t->sink.on_head(t->context, &t->reply.head);
    t->reply.head.final_url = NULL;
    if (r < 0)
        return transfer_fail(t, r, "HTTP %d", t->reply.head.status);
    return check_size(
        t, t->request.head || t->reply.head.length < 0 ? 0 : (size_t)t->reply.head.length);
}

/* The empty line ends a header section. Interim responses (1xx) are not the answer, and trailers
 * come after it. */
static int headers_complete(struct transfer *t)
{
    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (t->has_head)
        return 0;
    if (status == 101)
        return transfer_fail(t, ERROR_UPSTREAM_BROKEN, "HTTP 101, which nobody asked for");
    if (status < 200)
        return ++t->interim <= INTERIM_MOST
                   ? 0
                   : transfer_fail(t, ERROR_UPSTREAM_BROKEN, "more than %d interim answers",
                                   INTERIM_MOST);
    t->has_head = true;
    t->activity_ms = clock_monotonic_ms();
    const char *location = is_redirect(status) ? head_value(t->easy, "Location") : NULL;
    return location && *location ? take_location(t, location) : take_head(t);
}

/* Called for each header line, also of trailers; the total is bounded, because curl keeps them all.
 */
static size_t on_header(char *line, size_t size, size_t count, void *context)
{
    struct transfer *t = context;
    size_t len = size * count;
    bool is_empty = len > 0 && (line[0] == '\r' || line[0] == '\n');

    if (t->error || atomic_load(&t->cancelled))
        return CURL_WRITEFUNC_ERROR;
    t->header_bytes += len;
    if (t->header_bytes > HEADER_MAX_BYTES) {
        (void)transfer_fail(t, ERROR_UPSTREAM_BROKEN, "a header section of more than %d bytes",
                            HEADER_MAX_BYTES);
        return CURL_WRITEFUNC_ERROR;
    }
    return is_empty && headers_complete(t) < 0 ? CURL_WRITEFUNC_ERROR : len;
}

/* ---- the connection ---- */

/* The last place where a connection can be refused before it is made. */
static curl_socket_t on_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct transfer *t = context;

    (void)purpose;
    t->is_connected = false; /* again when curl found an idle connection dead */
    /* Through a proxy this is the address of the proxy, which was configured. */
    if (!t->is_proxied && !target_may_reach(&t->target, t->setup->rules, &address->addr)) {
        t->was_refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* From now on silence counts as a stall; until here it was connecting. */
static int on_request(void *context, char *ip, char *local_ip, int port, int local_port)
{
    struct transfer *t = context;

    (void)ip, (void)local_ip, (void)port, (void)local_port;
    t->is_connected = true;
    t->activity_ms = clock_monotonic_ms();
    return CURL_PREREQFUNC_OK;
}

/* The value comes from a mirror's earlier answer or from a client, so it is checked for line ends.
 */
static int add_header(struct transfer *t, const char *name, const char *value)
{
    if (!value)
        return 0;
    if (strpbrk(value, "\r\n")) /* it would become another header */
        return ERROR_BAD_REQUEST;
    auto_free char *line = str_printf("%s: %s", name, value);
    struct curl_slist *longer = line ? curl_slist_append(t->headers, line) : NULL;
    if (!longer)
        return ERROR_NO_MEMORY;
    t->headers = longer;
    return 0;
}

static int add_range(struct transfer *t)
{
    char text[64];
    if (t->request.from < 0)
        return 0;
    if (t->request.to < 0)
        (void)snprintf(text, sizeof(text), "bytes=%lld-", (long long)t->request.from);
    else
        (void)snprintf(text, sizeof(text), "bytes=%lld-%lld", (long long)t->request.from,
                       (long long)t->request.to);
    return add_header(t, "Range", text);
}

/* Accept-Encoding is always set: a file must arrive as it is on the mirror. */
static int add_headers(struct transfer *t)
{
    const struct fetch_request *q = &t->request;
    int r = add_header(t, "Accept", q->accept);
    if (r == 0) /* without it every coding would be allowed */
        r = add_header(t, "Accept-Encoding", q->is_page ? "gzip" : "identity");
    if (r == 0)
        r = add_header(t, "If-None-Match", q->if_none_match);
    if (r == 0)
        r = add_header(t, "If-Modified-Since", q->if_modified_since);
    if (r == 0)
        r = add_header(t, "If-Range", q->if_range);
    if (r == 0)
        r = add_header(t, "Via", q->via);
    if (r == 0)
        r = add_header(t, "Cache-Control", q->no_cache ? "no-cache" : NULL);
    return r < 0 ? r : add_range(t);
}

/* A user's CA is added to the system's; it never replaces it. */
static void set_trust(struct transfer *t)
{
    const struct buf *ca = &t->setup->ca;
    /* With a directory in addition to the bundle curl does not keep the parsed bundle. Every
     * connection would then cost this thread 20 ms instead of 2. */
    if (curl_version_info(CURLVERSION_NOW)->cainfo)
        curl_easy_setopt(t->easy, CURLOPT_CAPATH, NULL);
    if (ca->len == 0)
        return;
    struct curl_blob blob = {.data = ca->data, .len = ca->len, .flags = CURL_BLOB_NOCOPY};
    curl_easy_setopt(t->easy, CURLOPT_CAINFO_BLOB, &blob);
    curl_easy_setopt(t->easy, CURLOPT_PROXY_CAINFO_BLOB, &blob);
}

static void set_callbacks(struct transfer *t)
{
    CURL *easy = t->easy;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->curl_text);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, t);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_request);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, t);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

/* Everything that curl would otherwise take from the environment or decide itself. */
static void set_behaviour(struct transfer *t)
{
    CURL *easy = t->easy;
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    /* Otherwise a silent resolver blocks the whole thread when its transfer ends. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    /* HTTP/2 gains nothing for bulk, and a paused stream keeps filling memory. */
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)RECEIVE_BYTES);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)t->setup->connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, t->setup->user_agent);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, t->headers);
    curl_easy_setopt(easy, CURLOPT_NOBODY, t->request.head ? 1L : 0L);
    /* curl looks the host of each hop up; ~/.netrc is never read. */
    if (t->setup->credentials) {
        curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_OPTIONAL);
        curl_easy_setopt(easy, CURLOPT_NETRC_FILE, t->setup->credentials);
    }
    /* upstream/proxy.c has read the environment; curl must not read it again. */
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
}

/* ---- hops ---- */

/* The proxy is chosen for each hop: a redirect may lead to an exempt host. */
static int begin_hop(struct transfer *t)
{
    const char *proxy = proxy_for(t->setup->proxies, t->target.is_https, t->target.host);
    bool is_set = curl_easy_setopt(t->easy, CURLOPT_CURLU, t->target.url) == CURLE_OK &&
                  curl_easy_setopt(t->easy, CURLOPT_PROXY, proxy ? proxy : "") == CURLE_OK;
    t->is_proxied = proxy != NULL;
    t->was_refused = t->is_connected = t->has_head = false;
    t->interim = 0;
    t->header_bytes = 0;
    t->discarded = 0;
    t->curl_text[0] = '\0';
    if (!is_set || curl_multi_add_handle(t->setup->multi, t->easy) != CURLM_OK)
        return transfer_fail(t, ERROR_NO_MEMORY, "out of memory");
    return 0;
}

/* A request may be more patient than the configuration, never less. */
static int at_least(int timeout_ms, const struct transfer *t)
{
    return timeout_ms > t->request.patience_ms ? timeout_ms : t->request.patience_ms;
}

/* The URL is judged before curl sees it. */
int transfer_start(struct transfer *t, const struct transfer_setup *setup)
{
    t->setup = setup;
    t->deadline_ms = INT64_MAX;
    if (t->request.is_page)
        t->deadline_ms = clock_monotonic_ms() + at_least(setup->page_timeout_ms, t);
    int r = target_init(t->request.url, setup->rules, &t->target);
    if (r == ERROR_FORBIDDEN_ADDRESS)
        return transfer_fail(t, r, "the URL leads where it may not lead");
    if (r == 0 && t->request.redirects)
        r = address_rules_new(t->request.redirects, &t->more);
    t->target.more = t->more;
    if (r == 0)
        r = add_headers(t);
    if (r < 0)
        return transfer_fail(t, r, "%s", error_text(r));
    t->easy = curl_easy_init();
    if (!t->easy)
        return transfer_fail(t, ERROR_NO_MEMORY, "out of memory");
    set_callbacks(t);
    set_behaviour(t);
    set_trust(t);
    return begin_hop(t);
}

/* Says which configuration would allow it. */
static int refuse_place(struct transfer *t, const char *place)
{
    return transfer_fail(t, ERROR_FORBIDDEN_ADDRESS,
                         "redirected to %s, which is not public (redirects = [\"%s\"] of the "
                         "mirror allows it)",
                         place, place);
}

/* A proxy resolves names unseen, so names of local networks are judged by their form. */
static bool is_hidden(const struct transfer *t)
{
    return proxy_for(t->setup->proxies, t->target.is_https, t->target.host) &&
           address_name_is_local(t->target.host) && !target_is_allowed(&t->target, t->setup->rules);
}

/* The handle is removed and added again, so that curl takes the new URL. */
static int follow(struct transfer *t)
{
    auto_free char *location = t->location;
    t->location = NULL;
    if (t->redirects++ == MAX_REDIRECTS)
        return transfer_fail(t, ERROR_UPSTREAM_BROKEN, "more than %d redirects", MAX_REDIRECTS);
    curl_multi_remove_handle(t->setup->multi, t->easy);
    char place[TARGET_PLACE];
    int r = target_follow(&t->target, location, t->setup->rules, place);
    if (r == ERROR_FORBIDDEN_ADDRESS && *place)
        return refuse_place(t, place);
    if (r == ERROR_FORBIDDEN_ADDRESS)
        return transfer_fail(t, r, "a redirect leads where it may not lead");
    if (r < 0)
        return transfer_fail(t, r, "unusable redirect");
    if (is_hidden(t)) {
        target_place(&t->target, place);
        return refuse_place(t, place);
    }
    r = begin_hop(t);
    return r < 0 ? r : TRANSFER_GOES_ON;
}

/* Before the request was sent a failure is one of reaching; afterwards the mirror broke the
 * transfer. */
static int error_from_curl(const struct transfer *t, CURLcode code)
{
    if (code == CURLE_OPERATION_TIMEDOUT)
        return ERROR_TIMEOUT;
    /* curl gives the same code for a header line that is too long. */
    if (code == CURLE_OUT_OF_MEMORY && (!t->is_connected || t->has_head))
        return ERROR_NO_MEMORY;
    if (t->is_connected)
        return ERROR_UPSTREAM_BROKEN;
    return t->was_refused ? ERROR_FORBIDDEN_ADDRESS : ERROR_UNREACHABLE;
}

/* curl's own text says most, but a text with a URL may contain a password. The milliseconds are cut
 * out: with them each repetition of a failure would be a new text. */
static const char *words_of_curl(struct transfer *t, CURLcode code)
{
    char *after = strstr(t->curl_text, " after ");
    char *ms = after ? strstr(after, " ms: ") : NULL;
    if (ms)
        memmove(after, ms + strlen(" ms"), strlen(ms + strlen(" ms")) + 1);
    bool is_usable = t->curl_text[0] && !strchr(t->curl_text, '@');
    return is_usable ? t->curl_text : curl_easy_strerror(code);
}

/* Names the proxy: its fault is not the mirror's. */
static int fail_at_proxy(struct transfer *t, int error, CURLcode code)
{
    const char *proxy = proxy_for(t->setup->proxies, t->target.is_https, t->target.host);
    char name[PROXY_NAME_BYTES];
    long os_error = 0;
    proxy_name(proxy ? proxy : "", name);
    (void)curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &os_error);
    if (code == CURLE_COULDNT_CONNECT && os_error == ECONNREFUSED)
        return transfer_fail(t, error, "proxy %s refused the connection", name);
    if (code == CURLE_COULDNT_RESOLVE_PROXY)
        return transfer_fail(t, error, "proxy %s: its name cannot be resolved", name);
    return transfer_fail(t, error, "through proxy %s: %s", name, words_of_curl(t, code));
}

/* Our own error outranks curl's code, which then only says "aborted by callback". */
int transfer_hop_ended(struct transfer *t, CURLcode code)
{
    if (t->error)
        return t->error;
    if (t->location)
        return follow(t);
    if (code != CURLE_OK) {
        int error = error_from_curl(t, code);
        char place[TARGET_PLACE];
        target_place(&t->target, place);
        if (error == ERROR_FORBIDDEN_ADDRESS && t->redirects && *place)
            return refuse_place(t, place);
        if (error == ERROR_FORBIDDEN_ADDRESS)
            return transfer_fail(t, error, "the name leads to an address that is not allowed");
        return t->is_proxied && !t->is_connected
                   ? fail_at_proxy(t, error, code)
                   : transfer_fail(t, error, "%s", words_of_curl(t, code));
    }
    if (!t->has_head)
        return transfer_fail(t, ERROR_UPSTREAM_BROKEN, "no header section");
    int64_t expected = t->reply.expected_bytes;
    if (expected >= 0 && t->received != expected && !t->request.head)
        return transfer_fail(t, ERROR_UPSTREAM_BROKEN, "body is shorter than announced");
    return 0;
}

/* Also called for transfers that do not need it; those return at once. */
int transfer_resume(struct transfer *t)
{
    if (!t->is_starved || atomic_load(&t->held))
        return 0;
    t->is_starved = false;
    t->activity_ms = clock_monotonic_ms();
    /* This may call on_body, which may find the pool empty again. */
    CURLcode code = curl_easy_pause(t->easy, CURLPAUSE_CONT);
    if (t->error)
        return t->error;
    return code == CURLE_OK ? 0 : transfer_hop_ended(t, code);
}

static void lower(int64_t *wake_ms, int64_t at_ms)
{
    if (at_ms < *wake_ms)
        *wake_ms = at_ms;
}

/* A pause by the sink has no limit; a lack of slabs has one. */
static int check_starved(struct transfer *t, int64_t now_ms, int64_t *wake_ms)
{
    if (atomic_load(&t->held))
        t->starved_ms = 0;
    if (!t->starved_ms)
        return 0;
    int most_ms = t->setup->starved_timeout_ms;
    if (now_ms >= t->starved_ms + most_ms)
        return transfer_fail(t, ERROR_NO_MEMORY, "no room to receive into for %d ms", most_ms);
    lower(wake_ms, t->starved_ms + most_ms);
    return 0;
}

/* Runs for every transfer in each turn of the loop, so it only compares times. */
int transfer_tick(struct transfer *t, int64_t now_ms, int64_t *wake_ms)
{
    /* A client waits for the first bytes; later ones cost less together. */
    bool is_first = t->slab && t->received == (int64_t)t->slab->len;
    if (t->slab && (is_first || now_ms >= t->slab_since_ms + GATHER_MS))
        hand_over(t);
    if (t->slab)
        lower(wake_ms, t->slab_since_ms + GATHER_MS);
    if (now_ms >= t->deadline_ms)
        return transfer_fail(t, ERROR_TIMEOUT, "not complete after %d ms",
                             at_least(t->setup->page_timeout_ms, t));
    lower(wake_ms, t->deadline_ms);
    if (t->is_starved)
        return check_starved(t, now_ms, wake_ms);
    if (!t->is_connected)
        return 0;
    int silence_ms = at_least(t->setup->stall_timeout_ms, t);
    if (!t->has_head && silence_ms < t->request.answer_ms)
        silence_ms = t->request.answer_ms;
    int64_t stalled_ms = t->activity_ms + silence_ms;
    if (now_ms >= stalled_ms)
        return transfer_fail(t, ERROR_TIMEOUT, "no byte for %d ms", silence_ms);
    lower(wake_ms, stalled_ms);
    return 0;
}

/* Bytes that are still in a slab are valid and go to the sink before on_done. */
void transfer_finish(struct transfer *t, int error)
{
    if (t->easy)
        curl_multi_remove_handle(t->setup->multi, t->easy);
    hand_over(t);
    if (!error)
        (void)snprintf(t->detail, sizeof(t->detail), "HTTP %d", t->reply.head.status);
    else if (!t->error)
        str_copy(t->detail, sizeof(t->detail), error_text(error));
    t->sink.on_done(t->context, error, t->detail);
}

/* ---- start and end ---- */

static size_t room_for(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

/* Moves *text to *at and advances *at. */
static void copy_to(char **at, const char **text)
{
    size_t bytes = room_for(*text);
    if (bytes == 0)
        return;
    memcpy(*at, *text, bytes);
    *text = *at;
    *at += bytes;
}

/* One allocation holds all strings of a request. */
static int copy_strings(struct fetch_request *request, char **ret_strings)
{
    const char **const fields[] = {&request->url,           &request->accept,
                                   &request->if_none_match, &request->if_modified_since,
                                   &request->if_range,      &request->via};
    enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };
    size_t bytes = 0;
    for (int i = 0; i < FIELDS; i++)
        bytes += room_for(*fields[i]);
    char *strings = malloc(bytes), *at = strings;
    if (!strings)
        return ERROR_NO_MEMORY;
    for (int i = 0; i < FIELDS; i++)
        copy_to(&at, fields[i]);
    *ret_strings = strings;
    return 0;
}

int transfer_new(const struct fetch_request *request, const struct fetch_sink *sink, void *context,
                 struct transfer **ret_transfer)
{
    struct transfer *t = calloc(1, sizeof(*t));
    if (!t)
        return ERROR_NO_MEMORY;
    head_init(&t->reply);
    t->request = *request;
    t->sink = *sink;
    t->context = context;
    int r = copy_strings(&t->request, &t->strings);
    if (r < 0) {
        transfer_free(t);
        return r;
    }
    *ret_transfer = t;
    return 0;
}

void transfer_free(struct transfer *t)
{
    if (!t)
        return;
    curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->headers);
    target_release(&t->target);
    address_rules_free(t->more);
    head_release(&t->reply);
    free(t->location);
    free(t->strings);
    free(t);
}
