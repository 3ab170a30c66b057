// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The clients that `wheelyard setup` knows: where their configuration is, and the change of it that
 * points them at an index. Main thread of a command. */
#include <stdbool.h>
#include <stddef.h>

#include "cli/setup/edit.h"

/* What a client is pointed at. */
struct setup_goal {
    const char *url;    /* of the index */
    const char *quoted; /* the same as TOML */
    const char *host;   /* without port */
    bool has_torch;     /* it is no index of PyPI's projects alone */
    bool in_project;    /* --project: of this folder, where there is a choice */
};

struct setup_client {
    const char *name;
    const char *places; /* for people: lines */
    /* `path` says in which file, or is NULL. The edit borrows the goal's strings. */
    void (*fill)(const struct setup_goal *goal, const char *path, struct edit *ret);
    /* The file (free() it). NULL: there is none, and *ret_why says so. */
    char *(*find)(const struct setup_goal *goal, const char **ret_why);
    const char *install, *run; /* what goes before `torch`, before `python` */
    size_t url_key;            /* the key of the edit that holds the address */
    bool is_toml;
    bool is_of_user;  /* without --project: for all that the user does */
    bool has_project; /* --project means something */
};

extern const struct setup_client setup_clients[];
extern const size_t setup_client_count;

/* NULL when there is none of this name. */
const struct setup_client *setup_client_find(const char *name);
