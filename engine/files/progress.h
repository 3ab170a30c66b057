// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The board of a flight: what its readers see. And the partial: the sparse file they read from.
 *
 * Safety: the flight thread writes, any thread reads. Single values are atomic; the set of extents,
 * the failure's text and the list of waiters are guarded by the waitlist's lock. A reader that
 * finds nothing to read joins the waitlist with a test of its own, so it cannot miss what is
 * published meanwhile (see engine/loop/wait.h). Both objects are shared by reference count.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/lane.h"
#include "engine/flight/extents.h"
#include "engine/flight/flight.h"
#include "engine/loop/options.h"
#include "engine/loop/wait.h"
#include "engine/mirrors/origins.h"

/* A file being fetched. Bytes are claimed before they are written, so none is written twice. */
struct partial {
    _Atomic int refs;
    int fd;
    char *name;           /* in the store */
    struct lane *writer;  /* the one disk lane that writes it: completions keep their order */
    struct lane *cleaner; /* where it is closed: freeing gigabytes takes its time */
    struct job close, leave;
    pthread_mutex_t lock;
    bool is_left; /* nothing can be claimed any more */
    struct extents claimed;
    struct extents written; /* writer lane, as is: */
    bool unsure;            /* more was written than `written` says: there was no memory */
    struct extents sent[FLIGHT_MIRRORS]; /* of these, who sent which since the start */
    struct saved *saved;                 /* the map beside it (engine/files/saved.h), or NULL */
    bool lost; /* cleaner's lane: a sync failed, which the kernel says once; what was written may
                * read well now and be gone later */
};

/* Takes over fd and name, also on failure. */
int partial_new(int fd, char *name, struct lane *writer, struct lane *cleaner,
                struct partial **ret);
struct partial *partial_ref(struct partial *partial);
void partial_unref(struct partial *partial);
/* Its flight ends, and another one may go on with the file, behind its writer's queue: nothing that
 * transfers bring to that from now on is written. Once. */
void partial_leave(struct partial *partial);
/* The first run within [from, to) that nobody has written or claimed, now claimed; false when there
 * is none. ERROR_NO_MEMORY counts as none. */
bool partial_claim(struct partial *partial, int64_t from, int64_t to, struct extent *ret);

enum progress_state {
    PROGRESS_OPENING,   /* nothing known yet */
    PROGRESS_KNOWN,     /* size and ETag stand; bytes come */
    PROGRESS_ASK_AGAIN, /* the file is elsewhere now: look it up again */
    PROGRESS_CLOSED,    /* failed or cut: nothing more comes */
};

struct progress {
    _Atomic int refs;
    _Atomic int state;
    _Atomic int64_t size;    /* -1 unknown */
    _Atomic int64_t read_ms; /* when somebody last read */
    _Atomic int64_t prefix;  /* contiguous bytes from 0 */
    _Atomic int64_t limit;   /* whole-file readers may read below it */
    _Atomic unsigned senders;
    _Atomic bool has_bytes;         /* some are there by now */
    _Atomic bool wants_passthrough; /* closed for want of disk: readers go on by themselves */
    bool authoritative;  /* mirrors agree on its digest; set before PROGRESS_KNOWN, as are these: */
    bool had_bytes;      /* some were there when this board was put up */
    unsigned blamed;     /* mirrors that sent wrong bytes for this file */
    _Atomic bool unkept; /* neither length nor digest: passed through */
    struct claim_set *claims; /* of the file, or NULL; and when they were looked up: */
    uint64_t claims_version;
    char etag[96];
    const struct origin *origin;
    _Atomic(struct partial *) partial; /* NULL until the first transfer; set once */
    struct download *download;         /* the flight thread's; NULL when it is over */
    struct waitlist waiters;
    struct extents present; /* under waiters.lock */
    enum outcome outcome;   /* of PROGRESS_CLOSED; under waiters.lock, as are the next two */
    char detail[512];       /* why it was closed, or what has failed so far */
    unsigned silent;        /* mirrors that were asked and have sent nothing yet */
    int64_t closed_ms;
    bool is_brief; /* set before it is closed: whoever comes later has it tried again */
};

int progress_new(const struct origin *origin, struct progress **ret);
struct progress *progress_ref(struct progress *progress);
void progress_unref(struct progress *progress);

/* The flight thread publishes. Each wakes whom it concerns. */
void progress_publish(struct progress *progress, int64_t from, int64_t to);
void progress_release(struct progress *progress, int64_t limit, int64_t size);
void progress_know(struct progress *progress, int64_t size);
void progress_close(struct progress *progress, enum progress_state state, enum outcome outcome,
                    const char *detail);

/* What somebody is told whose time is over: which mirrors were asked in vain, and how. */
void progress_note(struct progress *progress, unsigned silent, const char *detail);

/* How many bytes a reader may take at `offset`; whole readers are held back, others are not. */
int64_t progress_available(struct progress *progress, int64_t offset, bool whole);
