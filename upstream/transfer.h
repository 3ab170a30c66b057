// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * One transfer: a chain of at most six hops (five redirects), whose last response goes to the sink.
 * The transfer thread owns it, except for the members that say otherwise. upstream/fetcher.c drives
 * it:
 *
 *     transfer_new                any thread; copies the request
 *     transfer_start              begins the first hop
 *     transfer_tick               once per turn of the loop: hands over slabs, watches the clock
 *     transfer_resume             a slab came back, or the sink wants to continue
 *     transfer_hop_ended          curl finished a hop: TRANSFER_GOES_ON or the end
 *     transfer_finish             last bytes, on_done
 *     transfer_free
 *
 * After an error of one of these the caller calls transfer_finish with it.
 */
#include <curl/curl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "base/buf.h"
#include "upstream/fetcher.h"
#include "upstream/head.h"
#include "upstream/proxy.h"
#include "upstream/target.h"

/* What all transfers of a fetcher share; constant while it runs. */
struct transfer_setup {
    CURLM *multi;
    struct slab_pool *pool;
    struct address_rules *_Atomic rules; /* replaced by fetcher_allow */
    struct proxy_rules *proxies;
    char *user_agent;
    char *credentials; /* or NULL */
    struct buf ca;     /* PEM, empty: curl's own choice */
    int connect_timeout_ms;
    int stall_timeout_ms;
    int starved_timeout_ms;
    int page_timeout_ms;
};

struct transfer {
    /* the fetcher's: under its lock */
    uint64_t id;
    UT_hash_handle hh;
    struct transfer *queue_prev, *queue_next;
    bool is_queued;
    /* written by any thread, read by the transfer thread */
    atomic_bool cancelled;
    atomic_bool held; /* fetcher_pause */
    /* the fetcher's: transfer thread */
    struct transfer *prev, *next;
    bool is_running;

    const struct transfer_setup *setup;
    struct fetch_request request; /* strings point into `strings` */
    char *strings;
    struct fetch_sink sink;
    void *context;
    int error; /* our own decision in a callback; outranks curl's code */
    char detail[CURL_ERROR_SIZE];
    int64_t deadline_ms; /* of a page, or INT64_MAX */

    /* one hop */
    CURL *easy;
    struct curl_slist *headers;
    struct target target;
    struct address_rules *more; /* of request.redirects, or NULL */
    int redirects;
    bool is_proxied;
    bool was_refused;    /* the socket's address was refused */
    bool is_connected;   /* and curl is about to send the request */
    bool has_head;       /* of a final response */
    int interim;         /* responses before it */
    size_t header_bytes; /* of all of them */
    char *location;      /* this response is a redirect: follow it after its body */
    int64_t discarded;   /* bytes of a redirect's body */
    int64_t activity_ms; /* last sign of life that counts against stalling */
    char curl_text[CURL_ERROR_SIZE];

    /* the body */
    struct head_reply reply;
    int64_t received; /* bytes taken from curl */
    struct slab *slab;
    int64_t slab_since_ms;
    bool is_starved;    /* curl is paused, for lack of a slab or by the sink */
    int64_t starved_ms; /* since when it lacks a slab */
};

int transfer_new(const struct fetch_request *request, const struct fetch_sink *sink, void *context,
                 struct transfer **ret_transfer);
int transfer_start(struct transfer *t, const struct transfer_setup *setup);
/* 0, or ERROR_TIMEOUT. Lowers *wake_ms to the time of the next look. */
int transfer_tick(struct transfer *t, int64_t now_ms, int64_t *wake_ms);
int transfer_resume(struct transfer *t);
enum { TRANSFER_GOES_ON = 1 };
int transfer_hop_ended(struct transfer *t, CURLcode code);
void transfer_finish(struct transfer *t, int error);
void transfer_free(struct transfer *t);
