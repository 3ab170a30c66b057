// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A flight in the real world: the state machine of engine/flight/flight.h with its board, its
 * partial and its transfers. downloads.c carries out commands, receive.c moves bytes. Everything here
 * belongs to the flight thread, but for what struct feed marks otherwise.
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
    struct engine *engine;
    struct flight *flight;       /* NULL while the catalogue is asked */
    struct entry *entry;         /* NULL when over */
    char *path;                  /* of the file; also when over */
    const struct origin *origin; /* its mirrors' places are what bits and numbers of mirrors mean */
    struct progress *progress;   /* NULL between a failure and the next reader */
    struct lane *writer;         /* that writes the partial */
    struct partial *partial;
    struct extents present;    /* what is written in it */
    struct hasher *hasher;     /* bytes [0, hashed) */
    struct hasher *hasher_out; /* while a job adds to it */
    struct receiver *receivers;
    unsigned refs; /* jobs on their way, and the list's own */
    bool over, committed, no_room;
    bool facts_only;  /* nothing can be kept: only size and validators are asked for, and no disk */
    bool has_map;     /* the partial's map is begun: see engine/files/saved.h */
    int64_t reserved; /* bytes that the whole file takes of the disk, from when that was promised */
    bool reserving, is_allocated; /* being asked of the disk; the disk has them: reserve.h */
    unsigned giving_back;         /* jobs that do */
    int64_t parked_s; /* since when nobody uses it, real time, and the order in a second */
    uint64_t parked_after;
    int evidence_level; /* of the bytes that were judged: see engine/files/evidence.h */
    const struct record *committing; /* what commit.c is about to keep, or NULL */
    char etag[96];            /* chosen at the first answer, or of the catalogue; "" not yet */
    struct claim_set *claims; /* what is claimed of the file, as far as was looked; or NULL */
    uint64_t claims_version;  /* of the engine, when that was looked up */
    char *learned;            /* what is believed since then: files_learn_claims; "": nothing */
    struct digests found;     /* of all bytes, by further algorithms that are claimed */
    enum file_use interest;   /* the most that was asked for before the flight began */
    uint64_t last_interest;
    uint64_t first_interest;
    bool asking[FLIGHT_SLOTS]; /* every connection is busy: ask again */
    bool brief[FLIGHT_SLOTS];
    int64_t asking_ms[FLIGHT_SLOTS]; /* since when */
    unsigned excluded[FLIGHT_SLOTS];
    enum flight_rank rank[FLIGHT_SLOTS];
    char sha256[SHA256_HEX]; /* that is believed; "": none, or by other algorithms alone */
    char *via;
    unsigned blamed;  /* mirrors that sent bad bytes before, or to this flight: blame.h */
    unsigned barred;  /* of these, those of whom the same would be fetched again too early */
    unsigned waiting; /* of these, those of before this flight: until waiting_until_ms */
    int64_t waiting_until_ms;
    char *why_refused; /* by an earlier flight, while it is too early; or NULL */
    bool refresh;      /* the client wants no refusal of before */
    /* ETag, or date, of each mirror's last body; and of one that was bad a moment ago: until the
     * file may be asked for again, such a mirror has to call its file something else. */
    char *sent_under[FLIGHT_MIRRORS], *wrong_under[FLIGHT_MIRRORS];
    /* Of each mirror's last body: it is a web page; and it came from this host, which is no
     * mirror's. */
    unsigned web_pages;
    char *stranger[FLIGHT_MIRRORS];
    int64_t judged_size;
    char *why_portal;     /* it was a captive portal that answered; or NULL */
    char *name_validator; /* of the first accepted answer: goes into our ETag */
    /* of the bytes in the partial (engine/flight/flight.h, same_validator): */
    bool has_validator;
    unsigned validator_mirror;
    char *validator_etag, *validator_date;
    /* of the catalogue: */
    int64_t swept_ms;
    int64_t row_size;
    char *row_etag;
    struct download *prev, *next;
};

/* What a hash job adds to; goes with the job while one runs. */
struct hasher {
    struct sha256 *sha;
    struct digester *others; /* what else is claimed */
    bool abandoned;
};

enum verdict { VERDICT_NONE, VERDICT_ACCEPTED, VERDICT_REJECTED };

struct receiver {
    struct download *download; /* a reference */
    struct engine *engine;
    struct partial *partial;
    uint64_t number, fetch;
    unsigned mirror;
    size_t counted_mirror; /* its number in the budget */
    enum budget_need need; /* what it holds of the mirror's connections */
    enum flight_rank rank;
    bool stopped, yielded, holds_on; /* the last: it may not be stopped, as was found just now */
    bool had_turn;                   /* see struct precedence */
    bool head, says_empty, was_wrong;
    int verdict_error;
    int64_t from, to;
    bool resume;
    int64_t started_ms;
    char *url;        /* that was asked for */
    bool asked_page;  /* whose links may name another; once */
    bool awaits_page; /* and the transfer is over, or about to be, */
    bool is_waiting;  /* ... over, since */
    int64_t waits_since_ms;
    struct job answer, done;
    struct receiver *next;
    /* transfer thread until on_done, then the flight thread: */
    struct flight_answer facts;
    char *etag, *date, *detail;
    char *stranger;               /* see struct flying */
    bool is_web_page;             /* labelled so, */
    bool is_page;                 /* and so it begins: */
    char page_sha256[SHA256_HEX]; /* of the beginning */
    int error, retry_after_s;
    bool answered;
    bool is_gzip;      /* by its name: it begins as gzip does, whatever a label says */
    bool awaits_bytes; /* the first of them tell whether its labels are true */
    bool is_labelled;  /* as coded, */
    bool is_coded;     /* and it is */
    _Atomic int64_t bytes;
    _Atomic int64_t limit; /* nothing behind it is wanted */
    /* both, under the lock: */
    pthread_mutex_t lock;
    enum verdict verdict;
    bool ended;
    struct held *held, **held_last; /* slabs that wait for the verdict */
};

/* Begins a transfer as FLIGHT_START says. */
void receive_start(struct download *download, const struct flight_command *command);
/* As FLIGHT_STOP says; what is said of its mirror is logged and told to the budget. */
void receive_stop(struct download *download, const struct flight_command *command);
void receive_limit(struct download *download, uint64_t number, int64_t to);
/* Between receive.c and receive_page.c: begins a transfer, again when it was reset; ends it. */
void receive_fetch(struct receiver *receiver);
void receive_reset(struct receiver *receiver);
void receive_done(struct job *job);
/* A mirror has refused the file where it was asked for: whether its page is read first. */
bool receive_asks_page(struct receiver *receiver);
bool receive_awaits_page(struct receiver *receiver);
void receive_stop_waiting(struct receiver *receiver);
/* On each tick: those whose page is there are asked for again, or end as they would have. */
void receive_look_at_pages(struct download *download, int64_t now_ms);
/* The flight is over: stops all and forgets them. */
void receive_stop_all(struct download *download);

/* Carries out what the flight has decided; it may be over then, but lives on for the caller's
 * reference. Without one of its own the caller does not touch it afterwards. */
void download_drain(struct download *download);
void download_ref(struct download *download);
void download_unref(struct download *download);
/* Keeps the file, as FLIGHT_COMMIT says; ends in flight_on_committed. */
void commit_start(struct download *download, const struct flight_command *command);
/* Remembers ETag and size, so that they are the same for good. */
void commit_facts(struct download *download);
/* Forgets them: the mirrors have another file by that name now. */
void commit_forget_facts(struct download *download);
/* Whether mirrors agree on what its digest is, by any algorithm. */
bool download_is_vouched(const struct download *download);
/* Takes a reference to what is claimed of the file, and what follows from it. */
void download_set_claims(struct download *download, struct claim_set *set, uint64_t version);
/* Takes `learned` for what is believed, until the claims are looked up again. */
void download_take_learned(struct download *download);
/* Forgets size and ETag of the catalogue where they were promised under another digest. */
void download_forget_old_promise(struct download *download);
/* ---- hashing.c: as FLIGHT_HASH says; and forgets what was hashed. */
void hashing_start(struct download *download, const struct flight_command *command);
void hashing_abandon(struct download *download);
/* Answers whom the catalogue's size and ETag are enough for, or, when there is no room, lets the
 * file pass by. */
void download_know_from_row(struct download *download);
/* A fresh board over what is there, for those who come after a cut or a failure. */
int download_renew_board(struct download *download);
/* The same with a board that is there: takes the reference. */
void download_take_board(struct download *download, struct progress *progress);
/* Puts up a flight's first board. */
void download_put_board(struct download *download, struct progress *progress);
/* Asks the budget for a mirror, as FLIGHT_ASK says: at once, or in its turn. */
void download_ask(struct download *download, const struct flight_command *command);
/* Asks for a slot that waits; stays waiting when nothing is to be had. may: false: others that are
 * before it wait on. */
void download_ask_again(struct download *download, unsigned slot, bool may);
/* Whether its readers do not read just now, or there are none. */
bool download_is_unread(const struct download *download, int64_t now_ms);
/* Registers somebody who waits for size and ETag. */
void download_add_interest(struct download *download, enum file_use use);
/* Ends a flight that nobody reads and that only waits for somebody to resume it; keep: what is on
 * disk may be resumed later. */
void download_forget(struct download *download, bool keep);
/* Unlinks a partial, on the lane that may wait for the disk; takes over the name. */
void download_discard(struct engine *engine, char *name);
/* Small files need no connection of their own. */
bool download_is_counted(const struct download *download);
/* ---- sharing.c: a connection came free, or time went by: those that wait ask again, each in its
 * turn, and what has had a connection for long gives it to who waits still. */
void downloads_retry_asks(struct engine *engine);
/* The same, soon: from where a flight's commands are carried out. */
void downloads_retry_soon(struct engine *engine);
bool downloads_somebody_waits(const struct engine *engine);
