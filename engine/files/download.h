// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A download: the state machine of engine/flight/flight.h with its progress, its partial and its
 * transfers. download.c carries out the flight's commands, receive.c moves bytes, downloads.c
 * begins and ends downloads, sharing.c shares out connections. Everything belongs to the flight
 * thread, except what struct receiver marks otherwise.
 *
 *     downloads_open -> the catalogue is read -> flight_new -> download_drain after each event
 *     -> FLIGHT_END -> freed with the last reference
 *
 * Jobs hold references to the download. One that returns after the end sees `over` and does
 * nothing.
 */
#include "base/digest.h"
#include "engine/claims/claim_set.h"
#include "engine/files/entry.h"
#include "engine/files/file.h"
#include "engine/flight/flight.h"
#include "engine/mirrors/budget.h"
#include "engine/mirrors/origins.h"

struct hasher;
struct record;

struct download {
    struct files *files;
    struct flight *flight;       /* NULL while the catalogue is read */
    struct entry *entry;         /* NULL when the download is over */
    char *path;                  /* of the file; stays when the download is over */
    const struct origin *origin; /* a mirror's number is its place in this origin */
    struct progress *progress;   /* NULL between a failure and the next reader */
    struct lane *writer;         /* the lane that writes the partial */
    struct partial *partial;
    struct extents present;    /* what is written in the partial */
    struct hasher *hasher;     /* covers bytes [0, hashed) */
    struct hasher *hasher_out; /* the hasher while a job adds to it */
    struct receiver *receivers;
    unsigned refs; /* one for each job, and one for the list of downloads */
    bool over, committed, no_room;
    /* nothing can be kept: the flight asks for size and validators only, and uses no disk */
    bool facts_only;
    bool has_map;     /* the map of the partial is begun: engine/files/saved.h */
    int64_t reserved; /* the disk space promised for the whole file; 0: none yet */
    /* the disk was asked for that space; the disk has it: reserve.h */
    bool reserving, is_allocated;
    unsigned giving_back; /* jobs that give space back */
    /* when the download was last used, real time; and the order within a second */
    int64_t parked_s;
    uint64_t parked_after;
    int evidence_level;              /* of the bytes that were judged: engine/files/evidence.h */
    const struct record *committing; /* what commit.c is about to keep, or NULL */
    /* chosen at the first answer, or taken from the catalogue; "" not yet */
    char etag[96];
    struct claim_set *claims; /* the claims for the file, as last read; or NULL */
    uint64_t claims_version;  /* services->claims_version when they were read */
    /* the digests that are believed since then (files_learn_claims); "": none */
    char *learned;
    struct digests found;   /* digests of all bytes, by SHA-256 and the claimed algorithms */
    enum file_use interest; /* the widest use that a client asked for before the flight began */
    uint64_t last_interest;
    uint64_t first_interest;
    bool asking[FLIGHT_SLOTS]; /* the slot waits: every connection is busy */
    bool brief[FLIGHT_SLOTS];
    int64_t asking_ms[FLIGHT_SLOTS]; /* since when */
    unsigned excluded[FLIGHT_SLOTS];
    enum flight_rank rank[FLIGHT_SLOTS];
    char sha256[SHA256_HEX]; /* the believed digest; "": none, or only by other algorithms */
    char *via;
    /* bit set of mirrors that sent bad bytes, before or to this flight: blame.h */
    unsigned blamed;
    unsigned barred; /* of these: mirrors that would send the same again */
    /* of barred: mirrors that were bad before this flight; they wait until waiting_until_ms */
    unsigned waiting;
    int64_t waiting_until_ms;
    char *why_refused; /* the earlier refusal that still stands; or NULL */
    bool refresh;      /* the client said no-cache: earlier refusals do not count */
    /* ETag, or date, of each mirror's last body; and of its last bad one. Until the file may be
     * asked for again, such a mirror must call its file something else. */
    char *sent_under[FLIGHT_MIRRORS], *wrong_under[FLIGHT_MIRRORS];
    /* Of each mirror's last body: whether it is a web page; and the host that sent it, when that is
     * no mirror. */
    unsigned web_pages;
    char *stranger[FLIGHT_MIRRORS];
    int64_t judged_size;
    char *why_portal;     /* the captive portal that answered; or NULL */
    char *name_validator; /* the validator of the first accepted answer: part of our ETag */
    /* of the bytes in the partial (same_validator in engine/flight/flight.h): */
    bool has_validator;
    unsigned validator_mirror;
    char *validator_etag, *validator_date;
    /* what the catalogue promised; -1 and NULL: nothing */
    int64_t swept_ms;
    int64_t row_size;
    char *row_etag;
    struct download *prev, *next;
};

/* What a hash job adds to. The job owns it while it runs. */
struct hasher {
    struct digester *digester;
    bool abandoned;
};

enum verdict { VERDICT_NONE, VERDICT_ACCEPTED, VERDICT_REJECTED };

struct receiver {
    struct download *download; /* a reference */
    struct files *files;
    struct partial *partial;
    uint64_t number, fetch;
    unsigned mirror;
    size_t counted_mirror; /* the mirror's number in the budget */
    enum budget_need need; /* the kind of connection that it holds */
    enum flight_rank rank;
    /* yielded: it gave its connection up. holds_on: the flight would not stop it at this tick */
    bool stopped, yielded, holds_on;
    bool had_turn; /* struct precedence */
    bool head, says_empty, was_wrong;
    int verdict_error;
    int64_t from, to;
    bool resume;
    int64_t started_ms;
    char *url;        /* the address that was asked */
    bool asked_page;  /* the mirror's page was asked for a newer address; once */
    bool awaits_page; /* the answer waits for that page, */
    bool is_waiting;  /* ... and the transfer is over, since */
    int64_t waits_since_ms;
    struct job answer, done;
    struct receiver *next;
    /* transfer thread until on_done, then flight thread: */
    struct flight_answer facts;
    char *etag, *date, *detail;
    char *stranger;               /* the host that sent the web page, when it is no mirror's */
    bool is_web_page;             /* labelled as a web page, */
    bool is_page;                 /* ... and its first bytes are one; */
    char page_sha256[SHA256_HEX]; /* of those first bytes */
    int error, retry_after_s;
    bool answered;
    /* by its name: the file itself begins as gzip does, so a label proves nothing */
    bool is_gzip;
    bool awaits_bytes; /* the first bytes tell whether the labels are true */
    bool is_labelled;  /* labelled as coded, */
    bool is_coded;     /* ... and it is */
    _Atomic int64_t bytes;
    _Atomic int64_t head_ms; /* when the header section came; 0: it did not */
    int64_t counted_bytes;   /* flight thread: what the mirror's figures have of `bytes` */
    _Atomic int64_t limit;   /* bytes from this offset on are not wanted */
    /* both, under the lock: */
    pthread_mutex_t lock;
    enum verdict verdict;
    bool ended;
    struct held_slab *held, **held_last; /* slabs that wait for the verdict */
};

/* Begins a transfer, as FLIGHT_START says. */
void receive_start(struct download *download, const struct flight_command *command);
/* As FLIGHT_STOP says. When the mirror lost a race, the log and the budget hear of it. */
void receive_stop(struct download *download, const struct flight_command *command);
void receive_limit(struct download *download, uint64_t number, int64_t to);
/* Between receive.c and receive_page.c. fetch: begins the transfer, or begins it again after a
 * reset. done: ends it. */
void receive_fetch(struct receiver *receiver);
void receive_reset(struct receiver *receiver);
void receive_done(struct job *job);
/* A mirror has refused the file at the address that was asked. True: its page is read first,
 * because it may name another address. */
bool receive_asks_page(struct receiver *receiver);
bool receive_awaits_page(struct receiver *receiver);
void receive_stop_waiting(struct receiver *receiver);
/* On each tick: transfers whose page was read are begun again, or end with the refusal. */
void receive_look_at_pages(struct download *download, int64_t now_ms);
/* The download is over: stops all its transfers. */
void receive_stop_all(struct download *download);

/* Carries out the commands of the flight. Afterwards the download may be over. A caller without a
 * reference of its own must not touch it then. */
void download_drain(struct download *download);
void download_ref(struct download *download);
void download_unref(struct download *download);
/* Keeps the file, as FLIGHT_COMMIT says. Ends in flight_on_committed. */
void commit_start(struct download *download, const struct flight_command *command);
/* Stores ETag and size, so that later answers are the same. */
void commit_facts(struct download *download);
/* Forgets ETag and size: the mirrors have another file under that name now. */
void commit_forget_facts(struct download *download);
/* Whether a digest is agreed, by any algorithm. */
bool download_is_vouched(const struct download *download);
/* Takes a reference to the claims, and derives dl->sha256 from them. */
void download_set_claims(struct download *download, struct claim_set *set, uint64_t version);
/* Believes `learned` until the claims are read again. */
void download_take_learned(struct download *download);
/* Forgets size and ETag of the catalogue when they were promised under another digest. */
void download_forget_old_promise(struct download *download);
/* ---- hashing.c: hashing_start as FLIGHT_HASH says; hashing_abandon forgets what was hashed. */
void hashing_start(struct download *download, const struct flight_command *command);
void hashing_abandon(struct download *download);
/* Answers clients from the size and ETag of the catalogue. Without room the file is passed through.
 */
void download_know_from_row(struct download *download);
/* Makes a new progress over the present bytes, for clients that come after a cut or a failure. */
int download_renew_progress(struct download *download);
/* Takes a new progress over the present bytes; takes over the reference. */
void download_take_progress(struct download *download, struct progress *progress);
/* Makes this the download's progress. */
void download_set_progress(struct download *download, struct progress *progress);
/* Asks the budget for a mirror, as FLIGHT_ASK says: at once, or when its turn comes. */
void download_ask(struct download *download, const struct flight_command *command);
/* Asks again for a slot that waits. It goes on waiting when all connections are busy. may: false
 * when others go first: then it waits on. */
void download_ask_again(struct download *download, unsigned slot, bool may);
/* Whether it has no readers, or they do not read at present. */
bool download_is_unread(const struct download *download, int64_t now_ms);
/* Adds a client that waits for size and ETag. */
void download_add_interest(struct download *download, enum file_use use);
/* Ends a flight without readers, which waits to be resumed. keep: what is on disk may be resumed
 * later. */
void download_forget(struct download *download, bool keep);
/* Unlinks a partial, on the lane that may block. Takes over the name. */
void download_discard(struct files *files, char *name);
/* Whether its transfers count as connections: small files need none of their own. */
bool download_is_counted(const struct download *download);
/* ---- sharing.c: a connection became free, or time passed. Waiting asks are tried in their order,
 * and a transfer that has had its turn gives its connection to one that still waits. */
void downloads_retry_asks(struct files *files);
/* Does the same a moment later: for code that runs while commands are carried out. */
void downloads_retry_soon(struct files *files);
bool downloads_somebody_waits(const struct files *files);
