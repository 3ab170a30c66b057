// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * From the target of a request line to the thing that is asked for. The target comes as the client
 * wrote it and is decoded here, once and strictly. Bad escapes, an escaped NUL or slash, control
 * bytes, dot segments, `#` and a target without a leading '/' are ROUTE_MALFORMED. Pure; any
 * thread.
 *
 *     route_parse(origins, "/cu126/simple/torch/?format=...", &route);
 *     switch (route.kind) ...
 *     route_release(&route);
 */
#include <stdbool.h>

#include "engine/mirrors/origins.h"

enum route_kind {
    ROUTE_HOME,      /* / */
    ROUTE_PAGE,      /* index and project; project NULL: the list of projects, or flat */
    ROUTE_FILE,      /* origin, path */
    ROUTE_HEALTH,    /* /-/health */
    ROUTE_READY,     /* /-/ready */
    ROUTE_STATUS,    /* /-/status */
    ROUTE_METRICS,   /* /-/metrics */
    ROUTE_INDEXES,   /* /-/indexes */
    ROUTE_CLAIMS,    /* /-/claims/{origin}/{path} */
    ROUTE_NO_INDEX,  /* 400: a page of an `index` that does not exist; why */
    ROUTE_MOVED,     /* 301 to location */
    ROUTE_NONE,      /* 404; why */
    ROUTE_MALFORMED, /* 400; why */
    ROUTE_TOO_LONG,  /* 414 */
};

enum { ROUTE_TARGET_MAX = 4096 }; /* bytes of a target that are read */

struct route {
    enum route_kind kind;
    const char *index; /* "" is PyPI alone; these four point into text */
    const char *project;
    bool flat;     /* ROUTE_PAGE: the flat page of the index */
    bool official; /* ROUTE_PAGE: with links to the public site, which the path named */
    const char *origin;
    const char *path;
    const char *why; /* static text, for people */
    char
        *location; /* relative to the target, so it also works through a proxy that adds a prefix */
    char *format;  /* the value of ?format=, or NULL */
    char *text;
};

/* ERROR_NO_MEMORY only. */
int route_parse(const struct origins *origins, const char *target, struct route *ret);
void route_release(struct route *route);
