// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The progress of a download: what its readers see. And the partial: the sparse file that they
 * read.
 *
 * Safety: the flight thread writes, any thread reads. Single values are atomic. The lock of
 * `waiters` guards the set of extents, the failure's text and the list of waiters. A reader that
 * finds nothing to read joins the waitlist with a test of its own. So it cannot miss what is
 * published meanwhile (engine/loop/wait.h). Both objects are shared by reference count.
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

/* A file that is being fetched. Bytes are claimed before they are written, so none is written
 * twice. */
struct partial {
    _Atomic int refs;
    int fd;
    char *name;           /* in the store */
    struct lane *writer;  /* the one lane that writes it, so that completions keep their order */
    struct lane *cleaner; /* the lane that closes it, because freeing gigabytes takes time */
    struct job close, leave;
    pthread_mutex_t lock;
    bool is_left; /* nothing can be claimed any more */
    struct extents claimed;
    struct extents written; /* writer lane, as is `unsure`: */
    bool unsure;            /* `written` lacks some bytes: there was no memory */
    /* which of these bytes each mirror sent, since the start */
    struct extents sent[FLIGHT_MIRRORS];
    struct saved *saved; /* the map beside it (engine/files/saved.h), or NULL */
    /* cleaner lane: a sync failed, which the kernel reports once. What was written may be readable
     * now and gone later */
    bool lost;
};

/* Takes over fd and name, also on failure. */
int partial_new(int fd, char *name, struct lane *writer, struct lane *cleaner,
                struct partial **ret);
struct partial *partial_ref(struct partial *partial);
void partial_unref(struct partial *partial);
/* Its download ends, and another one may resume the file after the writer's queue. Bytes that
 * transfers deliver from now on are not written. Call once. */
void partial_leave(struct partial *partial);
/* Claims the first run within [from, to) that is neither written nor claimed. False when there is
 * none, or out of memory. */
bool partial_claim(struct partial *partial, int64_t from, int64_t to, struct extent *ret);

enum progress_state {
    PROGRESS_OPENING,   /* nothing is known yet */
    PROGRESS_KNOWN,     /* size and ETag are told; bytes come */
    PROGRESS_ASK_AGAIN, /* the file is elsewhere now: look it up again */
    PROGRESS_CLOSED,    /* failed or cut: nothing more comes */
};

struct progress {
    _Atomic int refs;
    _Atomic int state;
    _Atomic int64_t size;    /* -1 unknown */
    _Atomic int64_t read_ms; /* when a reader last read */
    _Atomic int64_t prefix;  /* bytes present from offset 0 on */
    _Atomic int64_t limit;   /* whole-file readers may read below it */
    _Atomic unsigned senders;
    _Atomic bool has_bytes; /* some bytes are present by now */
    /* closed because there is no room: each reader continues with a passthrough */
    _Atomic bool wants_passthrough;
    /* a digest is agreed. Set before PROGRESS_KNOWN, as are had_bytes to origin: */
    bool authoritative;
    bool had_bytes;      /* bytes were present when this progress was made */
    unsigned blamed;     /* mirrors that sent wrong bytes of this file */
    _Atomic bool unkept; /* neither length nor digest is known: served, not kept */
    /* the claims of the file, or NULL; and services->claims_version when they were read: */
    struct claim_set *claims;
    uint64_t claims_version;
    char etag[96];
    const struct origin *origin;
    _Atomic(struct partial *) partial; /* NULL until the first transfer; set once */
    struct download *download;         /* flight thread; NULL when it is over */
    struct waitlist waiters;
    struct extents present; /* under waiters.lock, as are outcome, detail and silent */
    enum outcome outcome;   /* of PROGRESS_CLOSED */
    char detail[512];       /* why it was closed, or what has failed so far */
    unsigned silent;        /* mirrors that were asked and have sent nothing yet */
    int64_t closed_ms;
    bool is_brief; /* set before it is closed: a client that comes later has the file tried again */
};

int progress_new(const struct origin *origin, struct progress **ret);
struct progress *progress_ref(struct progress *progress);
void progress_unref(struct progress *progress);

/* The flight thread publishes. Each call wakes the readers that it concerns. */
void progress_publish(struct progress *progress, int64_t from, int64_t to);
void progress_release(struct progress *progress, int64_t limit, int64_t size);
void progress_know(struct progress *progress, int64_t size);
void progress_close(struct progress *progress, enum progress_state state, enum outcome outcome,
                    const char *detail);

/* What a client is told when its time is over: which mirrors are silent, and how others failed. */
void progress_note(struct progress *progress, unsigned silent, const char *detail);

/* How many bytes a reader may take at `offset`. Whole-file readers are held back before the end. */
int64_t progress_available(struct progress *progress, int64_t offset, bool whole);
