// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The transfer thread: all HTTP requests to mirrors, by libcurl's multi interface. A request is a
 * URL, validators and a sink. This room knows neither wheels nor the disk.
 *
 *     fetcher_new(&options, &fetcher);
 *     id = fetcher_start(fetcher, &request, &sink, context);
 *         on_head, on_data*, on_done: in this order, on_done exactly once
 *     fetcher_cancel(fetcher, id);
 *         no further on_data; on_done(ERROR_STOPPING) unless the transfer ended first
 *     fetcher_stop(fetcher);
 *         ends every transfer with ERROR_STOPPING and joins the thread
 *     fetcher_free(fetcher);
 *
 * start, cancel and pause: any thread; they never block. Sinks run on the transfer thread. They may
 * start, cancel and pause, must not block, and must not call fetcher_stop or fetcher_free. on_head
 * may come before fetcher_start has returned the id. Free the fetcher only when all its slabs are
 * back in the pool and slab_put has returned: the pool calls into the fetcher.
 *
 * Redirects are followed: at most 5, and never from https to http unless the target is in
 * `allowed`. Credentials of a URL are sent only to its own scheme, host and port. Those of the netrc
 * file go to the host that they are for, and only where the URL has none. No URL, redirect
 * or DNS answer may lead to a loopback, private, link-local or otherwise special address.
 * Exceptions: exactly that host and port is in `allowed`, the connection goes to the proxy, or
 * `redirects` of the request names the target of a redirect. Through a proxy, which resolves names
 * unseen, redirects to names of local networks are refused as well. 198.18.0.0/15 counts as public
 * (fake-IP DNS of local proxies).
 *
 * A body that ends early, is longer than its Content-Range, or exceeds max_bytes ends in an error,
 * after the bytes that came before. The body arrives as it was sent, whatever Content-Encoding
 * says, because some servers derive that label from a file's name. Bytes after an announced
 * Content-Length are not delivered, and their connection is not reused. HTTP/1.1 only: multiplexing
 * gains nothing for bulk, and a paused HTTP/2 stream keeps filling memory.
 *
 * `CURLOPT_QUICK_EXIT` keeps a silent resolver from blocking the thread. The first bytes are handed
 * over at once; later ones when a slab is full, after 20 ms, or at the end. When the pool is empty
 * the transfer pauses until a slab comes back.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/slab.h"

struct fetcher;

struct fetcher_options {
    const char *user_agent;
    const char *proxy;       /* URL; "": none; NULL: https_proxy, http_proxy, all_proxy of the
                             environment, read once */
    const char *no_proxy;    /* NULL: no_proxy of the environment; also applies to `proxy` */
    const char *ca_file;     /* PEM bundle in addition to the system's, or NULL */
    const char *credentials; /* netrc file, read anew for each request; or NULL */
    /* "host:port" or "[v6]:port" that may be loopback or private; NULL-terminated, or NULL */
    const char *const *allowed;
    struct slab_pool *pool; /* the fetcher becomes its observer */
    bool offline; /* every request ends in ERROR_UNREACHABLE at once: no socket, no name */
    int connect_timeout_ms; /* DNS + TCP + TLS */
    int stall_timeout_ms;   /* this long without a byte (while we do not pause it): ERROR_TIMEOUT */
    int starved_timeout_ms; /* this long without a slab: ERROR_NO_MEMORY; 0: a minute */
    int page_timeout_ms;    /* the whole request when request.is_page, however many bytes come */
};

struct fetch_request {
    const char *url;    /* copied, like every string here */
    bool head;          /* HEAD */
    bool is_page;       /* small: a total time limit; may come as gzip, which the sink unpacks */
    int64_t from, to;   /* byte range, both inclusive; from = -1: none; to = -1: to the end */
    const char *accept; /* or NULL */
    const char *if_none_match;     /* or NULL */
    const char *if_modified_since; /* or NULL */
    const char *if_range;          /* strong ETag as received, or NULL */
    const char *via;               /* value of Via, or NULL */
    bool no_cache;                 /* caches on the way must ask again: Cache-Control: no-cache */
    int64_t max_bytes;             /* of the body; beyond: ERROR_TOO_BIG */
    uint64_t share;                /* the share of the pool's slabs (base/slab.h) */
    uint64_t mirror;               /* the group there; 0: none */
    /* Private "host:port" to which this request may be redirected; NULL-terminated, or NULL. Not
     * copied: it lives as long as the fetcher. */
    const char *const *redirects;
    int answer_ms;   /* the limit for the header section where stall_timeout is shorter; or 0 */
    int patience_ms; /* stall_timeout and page_timeout are at least this; 0 for most */
};

/* The header section of the final response; valid during on_head only. */
struct fetch_head {
    int status;
    int64_t length; /* Content-Length of this body as the sink will see it, or -1 */
    /* whole file: length of a 200, the total of a 206's or 416's Content-Range; or -1 */
    int64_t total;
    int64_t from;     /* first byte of this body in the file: 0, or a 206's Content-Range start */
    bool ranges;      /* Accept-Ranges: bytes, or a 206 */
    bool is_labelled; /* Content-Encoding names a coding, which may be true or false */
    bool is_framed;   /* the end of the body differs from a cut: a length */
    const char *etag; /* as received, or NULL */
    const char *last_modified; /* or NULL */
    const char *content_type;  /* or NULL */
    const char *final_url;     /* after redirects */
    const char *via;           /* or NULL */
    int retry_after_s;         /* or -1 */
    int max_age_s;             /* of Cache-Control, or -1 */
    int64_t date_s;            /* Date, or -1 */
    int age_s;                 /* Age; 0 without */
};

struct fetch_sink {
    /* 0 takes the body; < 0 ends the transfer with that error. Not called without a header section.
     * A 206 that begins elsewhere or exceeds the asked range ends in ERROR_UPSTREAM_BROKEN before
     * it; a shorter one is reported as it is. A 206 to a request without Range is reported as 200
     * when it has the whole file. */
    int (*on_head)(void *context, const struct fetch_head *head);
    /* The sink owns the slab and must slab_put it. `offset` is the position of its first byte in
     * the file. */
    void (*on_data)(void *context, struct slab *slab, int64_t offset);
    /* error 0: the body came whole. `detail` is a short text for people ("HTTP 503", "Could not
     * resolve host"), never NULL, never with credentials. No further call follows. */
    void (*on_done)(void *context, int error, const char *detail);
};

/* ERROR_CONFIG: an entry of `allowed` is not host:port, or ca_file does not exist. */
int fetcher_new(const struct fetcher_options *options, struct fetcher **ret);
/* Replaces `allowed` for new requests and redirects. ERROR_CONFIG, ERROR_NO_MEMORY: nothing
 * changes. Any thread. */
int fetcher_allow(struct fetcher *fetcher, const char *const *allowed);
/* Ids are never 0 and never repeat. Out of memory, offline, or after fetcher_stop, on_done is called
 * on the caller's thread before this returns. */
uint64_t fetcher_start(struct fetcher *fetcher, const struct fetch_request *request,
                       const struct fetch_sink *sink, void *context);
void fetcher_cancel(struct fetcher *fetcher, uint64_t id); /* unknown ids are ignored */
/* Flow control for a sink that can take no more at the moment; it takes effect with the next slab.
 */
void fetcher_pause(struct fetcher *fetcher, uint64_t id, bool pause);
void fetcher_stop(struct fetcher *fetcher);
void fetcher_free(struct fetcher *fetcher);
