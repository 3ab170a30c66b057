// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Folders of wheels as origins. One thread of low priority walks each folder again and again, reads
 * new files, and hashes them at half a core at most. It makes a listing like a mirror's, which
 * pages are made of, and a table of files, which are served from where they lie.
 *
 *     seen --two seconds without a change--> read --end and METADATA--> listed --> hashed
 *                                              +--> refused: a problem, checked again later
 *
 * Folders are walked and not watched. The kernel sends no notice of what other machines write to a
 * shared folder, nor after its queue has overflowed. So the folder would have to be walked all the
 * same, and 10,000 files take milliseconds. A change is seen within DIRECTORY_SCAN_MS; a new file
 * is listed within five seconds. The catalogue remembers digests by path, size, time and inode.
 *
 *   - directory.c: the table, and requests for files
 *   - directory_watch.c: the thread
 *   - directory_record.c: the life of one file
 *   - directory_keep.c: the catalogue
 */
#include "engine/files/file.h"
#include "engine/listings/sources.h"
#include "engine/loop/services.h"
#include "engine/mirrors/origins.h"

struct files;
struct folders;

enum {
    DIRECTORY_SCAN_MS = 1500, /* between two walks; longer where they take long: */
    DIRECTORY_SCAN_MOST_MS = 2500,
    DIRECTORY_SETTLE_MS = 2000, /* how long a file must not change before it is listed */
    DIRECTORY_AGE_S = 5,        /* the life of its pages at clients */
};

int folders_new(struct services *services, struct files *files, struct folders **ret);
void folders_free(struct folders *folders); /* after all lanes have ended */
/* Takes up the folders of these origins, and starts the thread with the first one. Folders of
 * other origins rest. At start, later on the flight thread. */
int folders_set(struct folders *folders, const struct origins *origins);
/* After a reload: notes the problems of folders that are in force, and of no others. Flight
 * thread. */
void folders_note_problems(struct folders *folders);
/* Ends the thread. That may take as long as the disk needs for a few megabytes. */
void folders_stop(struct folders *folders);

/* engine_file for a file of an origin with a folder, and for its `<wheel>.metadata`. Any thread. */
int directory_file(struct folders *folders, const struct origin *origin,
                   const struct file_query *query, struct waiter *waiter, struct file **ret);

/* What the doctor is told of an origin's folder. Any thread. */
struct diagnosed_folder;
void directory_diagnose(struct folders *folders, const struct origin *origin,
                        struct diagnosed_folder *ret);

/* ---- on the flight thread */
/* What the folder lists, as a source. The origin must have a folder. */
void directory_view(struct folders *folders, const struct origin *origin, struct source_view *ret);
/* Has the folder walked at once, for a request that wants fresh pages. */
void directory_look(struct folders *folders, const struct origin *origin);
void folders_tick(struct folders *folders, int64_t now_ms);
void folders_close(struct folders *folders); /* resumes all waiters, and lets none wait again */
