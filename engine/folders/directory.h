// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Folders of wheels as origins. One thread of low priority looks through each folder again and
 * again, reads what is new, and hashes it at half a core at most; what it found is a listing like a
 * mirror's, from which pages are made, and a table of files, which are served from where they lie.
 *
 *     seen --two seconds without a change--> read --end and METADATA--> listed --> hashed
 *                                              +--> refused: a problem, looked at again later
 *
 * Looked through, not watched: notices of the kernel come neither from other machines that write to
 * a shared folder nor when its queue has overflowed, so the folder would have to be walked all the
 * same; a walk over 10,000 files takes milliseconds. A change is seen within DIRECTORY_SCAN_MS, a
 * new file listed within five seconds.
 *
 * Digests are remembered in the catalogue by path, size, time and inode.
 *
 *   - directory.c: the table, and what is asked of it
 *   - directory_watch.c: the thread
 *   - directory_record.c: what becomes of one file
 *   - directory_keep.c: the catalogue
 */
#include "engine/files/file.h"
#include "engine/listings/sources.h"
#include "engine/loop/loop.h"
#include "engine/mirrors/origins.h"

struct directories;

enum {
    DIRECTORY_SCAN_MS = 1500, /* between two looks; longer where they take long: */
    DIRECTORY_SCAN_MOST_MS = 2500,
    DIRECTORY_SETTLE_MS = 2000, /* how long a file stands still before it is listed */
    DIRECTORY_AGE_S = 5,        /* of its pages, in the hands of clients */
};

int directories_new(struct engine *engine, struct directories **ret);
void directories_free(struct directories *directories); /* after all lanes have ended */
/* Takes up the folders of these origins and leaves others alone; starts the thread when there is
 * the first one. At start, later on the flight thread. */
int directories_set(struct engine *engine, const struct origins *origins);
/* After a reload: what problems say of folders is what is in force. Flight thread. */
void directories_note_problems(struct engine *engine);
/* Ends the thread, which may take as long as the disk takes for a few megabytes. */
void directories_stop(struct engine *engine);

/* engine_file for a file of an origin with a folder, and for `<wheel>.metadata`. Any thread. */
int directory_file(struct engine *engine, const struct origin *origin,
                   const struct file_query *query, struct waiter *waiter, struct file **ret);

/* What there is to be said of an origin's folder. Any thread. */
struct diagnosed_folder;
void directory_diagnose(struct engine *engine, const struct origin *origin,
                        struct diagnosed_folder *ret);

/* ---- on the flight thread */
/* What the folder lists, as a source; an origin that has none is a mistake of the caller's. */
void directory_view(struct engine *engine, const struct origin *origin, struct source_view *ret);
/* Has the folder looked through at once; for who wants fresh pages. */
void directory_look(struct engine *engine, const struct origin *origin);
void directories_tick(struct engine *engine, int64_t now_ms);
void directories_close(struct engine *engine); /* nobody waits any more */
