// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The lines that point pip, uv and pixi at an index, as text for people. Pure; any thread. */
#include "base/buf.h"
#include "engine/mirrors/origins.h"

/* An index worth showing first: a CUDA channel where the origins have some, else any channel that
 * is named without a pattern, else "" (/simple/). */
const char *setup_example_index(const struct origins *origins);

/* The URL by which clients on this machine reach what listens on `address` ("0.0.0.0:8503"): by
 * name where that is loopback's or any. */
void setup_base(struct buf *to, const char *address);

/* The indexes there are, as people name them: "simple, lab, cpu, cu*". */
void setup_write_indexes(struct buf *to, const struct origins *origins);

/*
 * Takes what ends in an index's own address apart: of http://h:8503/cu126/simple/ `url` keeps
 * http://h:8503, and *ret_index is "cu126" (free() it; "" is /simple/ itself). How much of the path
 * is the index: as much as `given` (or NULL), or what `origins` (or NULL) know by that name, the
 * longest first; else all of it. *ret_index is NULL where the address is none of an index.
 */
void setup_cut_index(struct buf *url, const struct origins *origins, const char *given,
                     char **ret_index);

/* The same of a command's --url (or NULL), with --index ("": not given): both become what the
 * address says. *ret_url_own and *ret_index_own (free() them) are set where they point to them. */
void setup_take_url(const char **url, const char **index, char **ret_url_own, char **ret_index_own);

/* `base` is scheme and authority, without a closing slash. */
void setup_write(struct buf *to, const char *base, const char *index);
