// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Files, as clients see them: part of engine/engine.h.
 *
 *     engine_file(engine, &query, waiter, &file)     ENGINE_WAIT: suspended; ask again when resumed
 *     file_facts(file)                               outcome, size, ETag, for the status line
 *     file_select(file, from, to, use)
 *     file_begin(file, waiter)                       optional: wait for the first byte
 *     file_read(file, offset, ...)                   until all is read
 *     file_close(file)
 *
 * Sizes and offsets are bytes; ranges are half open. A handle belongs to one connection, so one
 * thread at a time uses it. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/loop/options.h"
#include "engine/loop/wait.h"

struct files;

enum {
    FILE_DETAIL = 512, /* room for the detail of an outcome */
    /* how long a status line may take; clients give up after ten seconds */
    FILE_STATUS_LINE_MS = 9000,
};
enum file_state { FILE_HIT, FILE_PARTIAL, FILE_MISS, FILE_PASSTHROUGH };
enum file_use {
    FILE_USE_HEAD,
    FILE_USE_RANGE,
    FILE_USE_WHOLE
}; /* WHOLE: a 200, or an open-ended `N-` */

struct file_query {
    const char *origin;
    const char *path; /* decoded */
    enum file_use use;
    /* this request was suspended for the answer: the state is FILE_MISS, not FILE_PARTIAL */
    bool waited;
    const char *via; /* or NULL */
    bool refresh;    /* the client said no-cache: an earlier refusal does not count */
    bool is_inner;   /* of a file that a client may have: no policy is asked again */
};

struct file; /* a handle on one file; belongs to one connection at a time */

struct file_facts {
    enum outcome outcome;
    const char *detail; /* when not OUTCOME_OK */
    int64_t size;       /* -1: not known yet, so only a plain 200 is possible */
    const char *etag;   /* strong, with quotes */
    bool immutable;     /* a digest is agreed, and the bytes are verified */
    enum file_state state;
};

const struct file_facts *file_facts(const struct file *file);
/* Writes the names of the mirrors that the bytes come from so far, comma-separated, into ret. */
void file_mirrors(struct file *file, char *ret, size_t size);

/* Tells which bytes will be read, [from, to), before the first file_read. to = -1 when the size is
 * unknown. */
int file_select(struct file *file, int64_t from, int64_t to, enum file_use use);
/* Waits until the first selected byte can be sent, so that the status line is true. A file of 64
 * KiB or less that is read whole is held back to its last byte; here the wait ends with its
 * verdict. After the waiter's time the wait ends as soon as a mirror has sent a byte. Only for a
 * caller that has sent nothing yet. 0: look at the outcome again. ENGINE_WAIT: call again when
 * resumed. FILE_CHANGED: close it and call engine_file again. < 0: an error. */
enum { FILE_CHANGED = 2 };
int file_begin(struct file *file, struct waiter *waiter);
/* All bytes of a complete blob that is in memory, as one read-only mapping that lives until
 * file_close. NULL otherwise. */
const void *file_mapping(struct file *file);
/* Whether somebody cut the file short on the disk: the rest of its mapping can never be sent. Any
 * thread. */
bool file_is_short(const struct file *file);
/* Reads at most `size` bytes of what is present at `offset`. > 0: bytes read. 0: the waiter was
 * suspended; call again when resumed. FILE_END: the file ends here (only when the size was
 * unknown). < 0: the reply must be cut. */
enum { FILE_END = -1000 };
int64_t file_read(struct file *file, int64_t offset, void *data, size_t size,
                  struct waiter *waiter);
void file_close(struct file *file);
