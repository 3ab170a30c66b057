// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Files, for whoever asks: part of engine/engine.h. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/loop/options.h"
#include "engine/loop/wait.h"

struct engine;

enum {
    FILE_DETAIL = 512,          /* room for a file's detail */
    FILE_STATUS_LINE_MS = 9000, /* how long a status line may take; clients give up after ten */
};
enum file_state { FILE_HIT, FILE_PARTIAL, FILE_MISS, FILE_PASSTHROUGH };
enum file_use {
    FILE_USE_HEAD,
    FILE_USE_RANGE,
    FILE_USE_WHOLE
}; /* WHOLE: a 200, or an open-ended `N-` */

struct file_query {
    const char *origin;
    const char *path; /* decoded key */
    enum file_use use;
    bool waited; /* this very request was suspended for the answer: FILE_MISS, not FILE_PARTIAL */
    const char *via; /* or NULL */
    bool refresh;    /* the client said no-cache: what was refused before is asked for again */
};

struct file; /* a handle on one file; belongs to one connection at a time */

struct file_facts {
    enum outcome outcome;
    const char *detail; /* when not OUTCOME_OK */
    int64_t size;       /* -1: not known yet (then only a plain 200 is possible) */
    const char *etag;   /* strong, with quotes */
    bool immutable;     /* under a digest that an authority names, and verified */
    enum file_state state;
};

const struct file_facts *file_facts(const struct file *file);
/* Names of the mirrors the bytes come from so far, comma-separated, into ret. */
void file_mirrors(struct file *file, char *ret, size_t size);

/* Says which bytes will be read, [from, to), before the first file_read; to = -1 when the size is
 * unknown. */
int file_select(struct file *file, int64_t from, int64_t to, enum file_use use);
/* Waits until there is something to send of what was selected, so that the status line is true; of
 * a whole file that is held back to its last byte (64 KiB and less) until it is verified. After the
 * waiter's time only until a mirror has sent a first byte. 0: look at the outcome again.
 * ENGINE_WAIT: ask again when resumed. FILE_CHANGED: close it, and ask engine_file anew. < 0: an
 * error. For a caller that has sent nothing yet. */
enum { FILE_CHANGED = 2 };
int file_begin(struct file *file, struct waiter *waiter);
/* The bytes of a complete blob that is in memory, as one read-only mapping that lives until
 * file_close; NULL otherwise. */
const void *file_mapping(struct file *file);
/* Whether somebody cut the file short behind our back: what is left of its mapping can never be
 * sent. Any thread. */
bool file_is_short(const struct file *file);
/* Reads at `offset` what is there, at most `size` bytes: > 0 bytes read; 0: the waiter was
 * suspended, ask again when resumed; FILE_END: the file ends here (only of unknown size); < 0: the
 * reply must be cut. */
enum { FILE_END = -1000 };
int64_t file_read(struct file *file, int64_t offset, void *data, size_t size,
                  struct waiter *waiter);
void file_close(struct file *file);
