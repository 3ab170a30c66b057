// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The clients of `wheelyard setup`: the place of their configuration, and the change that points
 * them at an index. Main thread of a command. */
#include <stdbool.h>
#include <stddef.h>

#include "cli/setup/edit.h"

/* What a client is pointed at. */
struct setup_goal {
    const char *url;    /* of the index */
    const char *quoted; /* the same as a TOML string */
    const char *host;   /* without port */
    bool has_torch;     /* the index has more than PyPI's projects */
    bool in_project;    /* --project: in this folder, if the client has the choice */
};

struct setup_client {
    const char *name;
    const char *places; /* for people: lines */
    /* `path` is the file, or NULL. The edit borrows the goal's strings. */
    void (*fill)(const struct setup_goal *goal, const char *path, struct edit *ret);
    /* Returns the file (free() it); NULL: there is none, and *ret_why says why. */
    char *(*find)(const struct setup_goal *goal, const char **ret_why);
    const char *install, *run; /* the words before `torch` and before `python` */
    size_t url_key;            /* the edit's key that holds the URL */
    bool is_toml;
    bool is_of_user;  /* without --project: for everything of this user */
    bool has_project; /* --project is supported */
};

extern const struct setup_client setup_clients[];
extern const size_t setup_client_count;

/* NULL when no client has this name. */
const struct setup_client *setup_client_find(const char *name);
