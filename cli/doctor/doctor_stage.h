// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Where `wheelyard doctor` looks at the configuration of clients: environment, home, folder, and
 * the addresses that are ours, so that all others are told from them.
 *
 *     doctor_stage_init(&stage, &findings);
 *     doctor_stage_add_listen(&stage, "0.0.0.0:8503", hosts);     and so on
 *     doctor_stage_add_url(&stage, "http://wheels.lab");
 *     doctor_pip(&stage); doctor_uv(&stage); ...                  each adds its findings
 *     doctor_stage_release(&stage);
 *
 * Files that are not there, or not to be read, say nothing. Main thread of a command.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/toml.h"
#include "control/findings.h"

enum { DOCTOR_AUTHORITIES_MAX = 256, DOCTOR_FILE_MAX_BYTES = 4 << 20 };

struct doctor_stage {
    const char *folder; /* the current one */
    char *folder_own;
    char *authorities[DOCTOR_AUTHORITIES_MAX]; /* "host:port" */
    size_t authority_count;
    const char *index_url;               /* what a client should have as its index */
    const char *setup;                   /* the flags of `wheelyard setup` that give it that */
    char *hosts[DOCTOR_AUTHORITIES_MAX]; /* "http://host:port" under which clients know us */
    size_t host_count;
    struct findings *to;
};

int doctor_stage_init(struct doctor_stage *stage, struct findings *to);
void doctor_stage_release(struct doctor_stage *stage);

/* `listen` as configured; `names` (NULL-terminated) are further names of ours. For an address that
 * stands for all: those of every interface. */
void doctor_stage_add_listen(struct doctor_stage *stage, const char *listen, char *const *names);
void doctor_stage_add_url(struct doctor_stage *stage, const char *url);

/* Whether a URL leads to us; if so it is remembered among `hosts`. */
bool doctor_is_ours(struct doctor_stage *stage, const char *url);

/* A value as it may be shown: no password in it. free() it. */
char *doctor_shown(const char *value);
/* The text of a file; false when there is none. buf_init *ret for DOCTOR_FILE_MAX_BYTES. */
bool doctor_read(const char *path, struct buf *ret);
/* The same as TOML (toml_free it); NULL when there is none, or after a finding that it cannot be
 * read by `client`. */
struct toml_document *doctor_read_toml(struct doctor_stage *stage, const char *client,
                                       const char *path);

/* Another index than ours is asked: `what` it is called, `where` it is set. */
void doctor_bypass(struct doctor_stage *stage, const char *client, const char *check,
                   const char *what, const char *value, const char *where);
/* It is told to ask none at all. */
void doctor_no_index(struct doctor_stage *stage, const char *client, const char *where);
/* A switch as pip and uv read it. */
bool doctor_is_yes(const char *value);
/* The client's own index: ours, another, or none (NULL, `where` NULL). True when it is ours. */
bool doctor_judge_index(struct doctor_stage *stage, const char *client, const char *what,
                        const char *value, const char *where);

/* ---- what there is to look at */
void doctor_pip(struct doctor_stage *stage);  /* doctor_pip.c */
void doctor_uv(struct doctor_stage *stage);   /* doctor_uv.c */
void doctor_pixi(struct doctor_stage *stage); /* doctor_projects.c */
void doctor_poetry(struct doctor_stage *stage);
void doctor_pdm(struct doctor_stage *stage);
void doctor_proxies(struct doctor_stage *stage); /* doctor_proxy.c; last: it knows all hosts then */
