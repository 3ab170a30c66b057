// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The lines that point pip, uv and pixi at an index, for people. Pure; any thread. */
#include "base/buf.h"
#include "engine/mirrors/origins.h"

/* The index to show as an example: a CUDA channel if there is one, else any channel without a
 * pattern, else "" (/simple/). */
const char *setup_example_index(const struct origins *origins);

/* The URL by which clients on this machine reach a listener on `address` ("0.0.0.0:8503"). Loopback
 * and "all addresses" become localhost. */
void setup_base(struct buf *to, const char *address);

/* The same for a command, with the address itself; "all addresses" become loopback. free() it; NULL
 * when out of memory. */
char *setup_listen_url(const char *address);

/* The names of all indexes for people: "simple, lab, cpu, cu*". */
void setup_write_indexes(struct buf *to, const struct origins *origins);

/* Splits a URL that ends in an index. Of http://h:8503/cu126/simple/ `url` keeps http://h:8503, and
 * *ret_index is "cu126" (free() it; "" is /simple/ itself). The index is the part of the path that
 * equals `given` (or NULL), or the longest that `origins` (or NULL) know, else the whole path.
 * *ret_index is NULL when the URL names no index. */
void setup_cut_index(struct buf *url, const struct origins *origins, const char *given,
                     char **ret_index);

/* The same for a command's --url (or NULL) and --index ("": not given). Both then point to what the
 * URL says; *ret_url_own and *ret_index_own hold the new strings (free() them). */
void setup_take_url(const char **url, const char **index, char **ret_url_own, char **ret_index_own);

/* `base` is scheme and authority, without a closing slash. */
void setup_write(struct buf *to, const char *base, const char *index);
