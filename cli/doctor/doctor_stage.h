// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The surroundings in which `wheelyard doctor` checks clients: environment, home, folder, and the
 * list of our own addresses, by which all other addresses are recognised.
 *
 *     doctor_stage_init(&stage, &findings);
 *     doctor_stage_add_listen(&stage, "0.0.0.0:8503", hosts);     for each address
 *     doctor_stage_add_url(&stage, "http://wheels.lab");
 *     doctor_pip(&stage); doctor_uv(&stage); ...                  each adds its findings
 *     doctor_stage_release(&stage);
 *
 * Missing and unreadable files give no finding. Main thread of a command.
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
    const char *index_url;               /* the URL that a client should have as its index */
    const char *setup;                   /* the flags of `wheelyard setup` that write it */
    char *hosts[DOCTOR_AUTHORITIES_MAX]; /* "http://host:port" by which clients reach us */
    size_t host_count;
    struct findings *to;
};

int doctor_stage_init(struct doctor_stage *stage, struct findings *to);
void doctor_stage_release(struct doctor_stage *stage);

/* Adds an address. `listen` as configured; `names` (NULL-terminated) are further names of ours. An
 * address that stands for all adds those of every interface. */
void doctor_stage_add_listen(struct doctor_stage *stage, const char *listen, char *const *names);
void doctor_stage_add_url(struct doctor_stage *stage, const char *url);

/* Whether a URL leads to us; if so, it is added to `hosts`. */
bool doctor_is_ours(struct doctor_stage *stage, const char *url);

/* A value without passwords, for display; free() it. */
char *doctor_shown(const char *value);
/* Reads the text of a file; false when there is none. *ret is a buffer of DOCTOR_FILE_MAX_BYTES. */
bool doctor_read(const char *path, struct buf *ret);
/* The same as TOML (toml_free it). NULL when there is none, or after a finding that `client` cannot
 * read it. */
struct toml_document *doctor_read_toml(struct doctor_stage *stage, const char *client,
                                       const char *path);

/* Reports that the client asks another index: `what` is the setting, `where` its place. */
void doctor_bypass(struct doctor_stage *stage, const char *client, const char *check,
                   const char *what, const char *value, const char *where);
/* Reports that the client is told to ask no index at all. */
void doctor_no_index(struct doctor_stage *stage, const char *client, const char *where);
/* Whether a switch is on, as pip and uv read it. */
bool doctor_is_yes(const char *value);
/* Judges the client's own index: ours, another, or none (both NULL). True when it is ours. */
bool doctor_judge_index(struct doctor_stage *stage, const char *client, const char *what,
                        const char *value, const char *where);

/* ---- the checks */
void doctor_pip(struct doctor_stage *stage);  /* doctor_pip.c */
void doctor_uv(struct doctor_stage *stage);   /* doctor_uv.c */
void doctor_pixi(struct doctor_stage *stage); /* doctor_projects.c */
void doctor_poetry(struct doctor_stage *stage);
void doctor_pdm(struct doctor_stage *stage);
void doctor_proxies(
    struct doctor_stage *stage); /* doctor_proxy.c; last, because it needs all hosts */
