// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * One request, from its first line to its access line.
 *
 *     request_new       when the request line is there (MHD's URI callback)
 *     request_check     once, when the headers are there: fills `headers`; a status to refuse with
 *     ...               page_reply_send and their like, as often as the request is resumed
 *     request_free      when MHD is done with it (its completion callback): access line
 *
 * What a reply reads from (page, file) belongs to the request and lives as long as it: MHD has done
 * with a response's bytes by the time of its completion callback. On the connection's worker only.
 */
#include <stdatomic.h>

#include "engine/engine.h"
#include "server/connection.h"
#include "server/forwarded.h"
#include "server/host.h"
#include "server/meter.h"
#include "server/route.h"

struct audit;

/* What all requests share; but for `active` it never changes after start. */
struct site {
    struct engine *engine;
    const struct origins *origins;
    struct host_names hosts;
    struct network_list trusted_proxies;
    struct network_list allow_clients; /* empty: everybody */
    const char *instance;
    struct meter *meter; /* the same for all generations */
    struct audit *audit; /* or NULL */
    int64_t started_ms;
    _Atomic long active;                /* requests begun and not completed */
    void (*on_idle)(struct site *site); /* called when `active` falls to 0 */
};

enum header {
    HEADER_HOST,
    HEADER_ACCEPT,
    HEADER_ACCEPT_ENCODING,
    HEADER_CACHE_CONTROL,
    HEADER_IF_NONE_MATCH,
    HEADER_IF_RANGE,
    HEADER_RANGE,
    HEADER_VIA, /* from request_check on what via_clean leaves of it */
    HEADER_ORIGIN,
    HEADER_SEC_FETCH_SITE,
    HEADER_SEC_FETCH_MODE,
    HEADER_FORWARDED,
    HEADER_FORWARDED_FOR,
    HEADER_FORWARDED_PROTO,
    HEADER_FORWARDED_HOST,
    HEADER_FORWARDED_PREFIX,
    HEADER_CONTENT_LENGTH,
    HEADER_TRANSFER_ENCODING,
    HEADERS
};

struct request {
    struct site *site;
    struct connection connection;
    char *target;           /* as written, for the access line; cut at ROUTE_TARGET_MAX */
    const char *target_end; /* in MHD's buffer, for request_check */
    struct route route;
    char method[16];
    bool is_checked;
    bool is_head;
    bool has_waited;
    const char *headers[HEADERS]; /* NULL: not sent. Lists sent in several lines are joined */
    char *joined[HEADERS];
    struct forwarded forwarded; /* the client and how it calls us; from request_check on */
    char *why;                  /* a refusal that was written for this request, or NULL */
    struct page *page;
    struct file *file;
    struct claim_answer *claims;
    bool is_range;  /* a part of the file goes out */
    bool is_mapped; /* its bytes go out of the mapping of a file */
    int64_t from;   /* what of the file goes out */
    int64_t to;     /* -1: to its end, wherever that is */

    /* for the access line */
    int64_t started_ms;
    int64_t first_ms; /* when the answer was queued; 0: not yet */
    unsigned status;
    int64_t bytes; /* of body */
    const char *cache;
};

/* NULL when out of memory. */
struct request *request_new(struct site *site, struct MHD_Connection *mhd, const char *target);

/* 0, or the status to refuse the request with: bodies, doubled Host, foreign Host, ... *ret_why
 * lives as long as the request. */
unsigned request_check(struct request *request, const char *method, const char *version,
                       const char **ret_why);

/* `no-cache` asks for a look at the mirrors; `max-age=0`, which old pips send always, does not. */
bool request_wants_refresh(const struct request *request);

/* The client's address, for people; "-" when it is not known. */
enum { REQUEST_CLIENT_SIZE = INET6_ADDRSTRLEN };
void request_client(const struct request *request, char ret[REQUEST_CLIENT_SIZE]);

/* The name by which the client calls us, perhaps with a port; NULL: it sent none. */
const char *request_host(const struct request *request);

/* `is_complete`: everything that was promised has been sent. Writes the access line; NULL is legal.
 */
void request_free(struct request *request, bool is_complete);
