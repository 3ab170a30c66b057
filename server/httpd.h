// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The HTTP daemon: libmicrohttpd (MHD) with our routes, one MHD daemon for each worker and address.
 *
 *     httpd_start(&options, &httpd);        logs one line when it fails
 *     httpd_addresses(httpd)                with the real ports
 *     httpd_quiesce(httpd);                 accepts no new connections
 *     httpd_wait_idle(httpd, grace_ms);     lets short requests end
 *     engine_stop(engine);                  resumes every suspended connection
 *     httpd_stop(httpd);                    cuts what is left; MHD aborts if one is suspended
 *     httpd_free(httpd);                    then engine_free
 *
 * Main thread.
 */
#include <stdbool.h>
#include <stddef.h>

#include "engine/engine.h"

enum { HTTPD_HOST_SIZE = 256, HTTPD_ADDRESSES_MAX = 32, HTTPD_HEADER_TIMEOUT_MS = 15000 };

struct httpd_listen {
    char host[HTTPD_HOST_SIZE]; /* without brackets; "" for all addresses */
    int port;                   /* 0: a free one */
};

/* Who may ask, and under which names. Each list is NULL-terminated, or NULL. */
struct httpd_access {
    const char *const *hosts;           /* further Host values accepted; must outlive the httpd */
    const char *const *allow_clients;   /* networks; none: everybody */
    const char *const *trusted_proxies; /* networks whose Forwarded headers count */
};

struct httpd_options {
    struct engine *engine;
    const struct origins *origins;
    const struct httpd_listen *listen;
    size_t listen_count;
    bool listen_is_default; /* an address that this machine does not have is only a warning */
    const int *inherited;   /* listening sockets that replace `listen` */
    size_t inherited_count;
    int workers; /* per address; 0: one per core */
    struct httpd_access access;
    const char *instance;
    struct audit *audit;   /* or NULL */
    int header_timeout_ms; /* the time for a request's headers; 0: HTTPD_HEADER_TIMEOUT_MS */
    unsigned client_limit; /* connections of one address; 0: see server/connections.h */
};

struct httpd;

/* ERROR_IN_USE: the port is taken. Every failure has been logged in one line. */
int httpd_start(const struct httpd_options *options, struct httpd **ret);
/* NULL-terminated; "127.0.0.1:8503". */
const char *const *httpd_addresses(const struct httpd *httpd);
/* New requests use these; requests that are under way keep theirs. Origins and hosts must live until
 * httpd_free. On failure nothing changes. */
int httpd_reload(struct httpd *httpd, const struct origins *origins,
                 const struct httpd_access *access);
void httpd_quiesce(struct httpd *httpd);
/* Waits at most `timeout_ms` until no request is left and no new client is about to send one.
 * Returns whether that is so. */
bool httpd_wait_idle(struct httpd *httpd, int timeout_ms);
void httpd_stop(struct httpd *httpd);
void httpd_free(struct httpd *httpd); /* NULL is legal; call httpd_stop before */
