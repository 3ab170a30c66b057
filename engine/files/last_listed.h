// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What listings said of a file that we hold, the last time they did (a showing of the catalogue):
 * for whoever carries the file away with its row. Looked up on the catalogue lane; blocks until
 * that has answered, so it is for threads that may.
 */
#include <stdbool.h>

struct files;

struct last_listed {
    bool is_known;         /* a listing had it once */
    char *requires_python; /* or NULL, as are the next two */
    char *upload_time;     /* as the listing said; not one that we made of something else */
    char *yanked_reason;
    bool yanked;
};

/* Where several channels list it, the one that still does and comes first by name counts.
 * ERROR_NO_MEMORY. */
int last_listed_get(struct files *files, const char *origin, const char *project, const char *path,
                    struct last_listed *ret);
void last_listed_release(struct last_listed *row);
