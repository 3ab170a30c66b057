// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The HTTP daemon: libmicrohttpd behind our routes, one MHD daemon per worker and address.
 *
 *     httpd_start(&options, &httpd);        says in one line why it cannot
 *     httpd_addresses(httpd)                with real ports
 *     httpd_quiesce(httpd);                 no new connections
 *     httpd_wait_idle(httpd, grace_ms);     lets short requests end
 *     engine_stop(engine);                  resumes every suspended connection; none follows
 *     httpd_stop(httpd);                    cuts what is left: MHD aborts if one is suspended
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

struct httpd_options {
    struct engine *engine;
    const struct origins *origins;
    const struct httpd_listen *listen;
    size_t listen_count;
    bool listen_is_default; /* an address missing on the machine is a warning */
    const int *inherited;   /* listening sockets, which then stand in place of `listen` */
    size_t inherited_count;
    int workers;              /* per address; 0: one per core */
    const char *const *hosts; /* further Host values accepted; NULL-terminated, or NULL */
    const char *instance;
    int header_timeout_ms; /* in which a request's headers must come; 0: HTTPD_HEADER_TIMEOUT_MS */
    unsigned client_limit; /* connections of one address; 0: see server/connections.h */
};

struct httpd;

/* ERROR_IN_USE: the port is taken. Whatever fails has been logged in one line. */
int httpd_start(const struct httpd_options *options, struct httpd **ret);
/* NULL-terminated; "127.0.0.1:8503". */
const char *const *httpd_addresses(const struct httpd *httpd);
/* Requests that come from now on go by these; those under way keep theirs. Both must live until
 * httpd_free. On failure nothing changes. */
int httpd_reload(struct httpd *httpd, const struct origins *origins, const char *const *hosts);
void httpd_quiesce(struct httpd *httpd);
/* Whether no request is left, nor a client that has just been accepted and not yet asked; waits for
 * it at most `timeout_ms`. */
bool httpd_wait_idle(struct httpd *httpd, int timeout_ms);
void httpd_stop(struct httpd *httpd);
void httpd_free(struct httpd *httpd); /* NULL is legal; stopped, or never begun */
