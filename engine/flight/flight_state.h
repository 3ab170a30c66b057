// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The inside of a flight. Three files share it: flight.c has its life (readers, checks, time),
 * flight_plan.c decides what is asked next and which mirror is asked, and flight_traffic.c takes
 * what the mirrors answer. No other file includes this header. Everything belongs to the flight
 * thread.
 */
#include "engine/flight/extents.h"
#include "engine/flight/flight.h"

enum phase { FILLING, COMMITTING, PARKED, ENDED };
enum slot_state { SLOT_IDLE, SLOT_ASKED, SLOT_RUNNING };

enum {
    /* the slot that continues from the first missing byte; the other slots are helpers */
    FRONT = 0,
    /* a wanted range that begins so close ahead of a transfer is left to that transfer */
    NEAR_BYTES = 4 << 20,
    /* of a smaller file the whole is fetched, even when a reader wants a part */
    SMALL_BYTES = 1 << 20,
    SEGMENTED_BYTES = 8 << 20, /* from this size on a file is fetched in segments */
    SEGMENT_BYTES = 8 << 20,   /* of a mirror with no measured rate */
    SEGMENT_LEAST_BYTES = 4 << 20,
    SEGMENT_MOST_BYTES = 16 << 20,
    /* so far ahead of the front segments are planned: the bytes are read within seconds */
    WINDOW_BYTES = 64 << 20,
    /* a longer pause between ticks is not counted as time of the transfers */
    TICK_MOST_MS = 500,
    HEDGE_MS = 1000, /* after so long without an answer another mirror is also asked */
    /* a transfer's pace is measured over so long; without a byte it counts as stalled */
    PACE_MS = 3000,
    /* a second; below it, mirrors of unknown pace are also worth asking */
    PACE_LEAST_BYTES = 16 << 10,
    PACE_SHARE = 4, /* slow: below a quarter of what another mirror is known to bring */
    /* TRICKLE_BYTES a second must come over this time, or the transfer counts for nothing */
    TRICKLE_MS = 30000,
    TRICKLE_BYTES = 1 << 10,
    /* after so long with next to nothing, another version of the file may be the right one */
    VAIN_MS = 150000,
    TRICKLES_MOST = 2,     /* so many slow windows, where others are raced, or were tried before */
    LEFT_MS = 30000,       /* for so long the pace at which a mirror was left stands for its pace */
    HEDGE_AGAIN_MS = 2000, /* before the next hedge, after no mirror was left for one */
    SHY_MS = 10000,        /* for so long a helper does not ask a mirror that failed a helper */
    HASH_LEAST_BYTES = 1 << 20, /* fewer bytes are not worth a job */
    HASH_MOST_BYTES = 1 << 20,  /* one job takes half a millisecond of a core */
    /* without readers before parking: a client may be between two requests */
    GRACE_MS = 2000,
    FORGET_MS = 3600 * 1000,
    SYNC_MS = 2000, /* a power cut loses at most so much */
    ROUNDS_WITHOUT_PROGRESS = 3,
    PROGRESS_BYTES = 1 << 20,
    /* of a range that a mirror cuts short; after a shorter piece the mirror counts as failed */
    PIECE_LEAST_BYTES = 64 << 10,
    SKIP_BYTES = 1 << 20, /* a shorter present run ahead is received again, not skipped */
    QUEUE_MOST = 64, /* more commands than one event gives; the owner drains after each event */
    /* an unread file is completed when less is missing, or less than a quarter */
    FINISH_MISSING_BYTES = 64000000,
};

struct slot {
    enum slot_state state;
    unsigned tried; /* mirrors that failed in this round */
    unsigned mirror;
    unsigned rounds;
    unsigned excluded; /* as the last FLIGHT_ASK said */
    unsigned beside;   /* of a hedge: mirrors that would not do better than its rival */
    /* of a hedge: the slow transfer that was asked for the same run; otherwise 0 */
    uint64_t rival;
    int64_t begun_ms, heard_ms;      /* when it was asked, and when bytes last came */
    int64_t window_ms, window_bytes; /* bytes that came since window_ms */
    int64_t pace;                    /* bytes a second in the window before; -1: none yet */
    enum flight_rank rank;
    uint64_t transfer;
    int64_t from, to; /* the run that was asked for; to = -1: to the end */
    int64_t at;       /* bytes below it were reported */
    int64_t round_present;
    bool head;    /* only the header section of the answer is wanted */
    bool by_byte; /* a range of one byte, because the mirror refuses HEAD */
    bool full;    /* from 0, because the mirror knows no ranges */
    bool is_framed;
    bool partial;  /* the answer is a 206, which may end sooner than asked for */
    bool measured; /* ... and it says how long the file is */
    bool endless;  /* the answer told no length, and the body runs to the end */
    bool accepted; /* the body may come */
    bool bounded;  /* the run was cut to the length of a segment */
    bool refused;  /* the mirror refused the beginning as a range */
    bool limited;  /* `to` was lowered, so more than that was asked for */
    bool of_whole; /* a whole-file reader waits for it, far ahead of the front */
};

/* What a mirror brought while its transfers ran, in one window of time after the other. */
struct trickle {
    int64_t ms, all_ms, bytes; /* all_ms: the time of each transfer, added up */
    unsigned times;            /* so many windows in a row brought next to nothing */
};

struct reader {
    uint64_t id;
    enum flight_use use;
    int64_t from, to;
    struct reader *next;
};

struct flight {
    enum phase phase;
    unsigned mirrors;
    /* a bit set, as those below: sent wrong bytes before; asked when no other is left */
    unsigned blamed;
    unsigned refused; /* sent bad bytes to this flight, or still have them: not asked again */
    /* not to be asked in this attempt: the file is gone there, or has another length */
    unsigned dead;
    unsigned spent;     /* dead, because they had their one try, and it failed */
    unsigned others;    /* dead, because they have another file than the present bytes are of */
    unsigned unproven;  /* dead, because no validator says that their file is still the same */
    unsigned no_ranges; /* answered 200 to a range */
    unsigned unsized;   /* gave no range from the beginning, or did not say how long the file is */
    unsigned trickled;  /* left, because next to nothing came: only the front asks them */
    unsigned shy;       /* failed a helper: for a while no helper asks them */
    int64_t shy_since_ms;
    unsigned no_head;                  /* refused HEAD: asked for one byte instead */
    unsigned senders;                  /* their bytes are present */
    unsigned sized_by;                 /* said the size, when it was not known before */
    unsigned connections;              /* at most so many transfers per mirror */
    int64_t rate[FLIGHT_MIRRORS];      /* bytes a second, over all files; 0 not measured */
    int64_t left_rate[FLIGHT_MIRRORS]; /* at which a slow transfer was left */
    int64_t left_ms[FLIGHT_MIRRORS];
    struct trickle trickle[FLIGHT_MIRRORS];
    unsigned left;
    int64_t hedge_after_ms;
    /* later answers could not be held to the first one, so one transfer brings everything */
    bool plain;
    bool has_strong;  /* the base of the present bytes has a strong validator */
    bool reads_ahead; /* a whole-file reader began after the beginning */
    /* bytes of an earlier download are present; the disk may have damaged them since */
    bool resumed;
    bool late; /* a transfer was stopped whose bytes may still be on the way to the disk */
    bool unsynced, syncing;
    bool reserved; /* disk for the whole file, since FLIGHT_RESERVE */
    bool known, has_length, verified, hashing, was_whole, go_on, alone, no_wanted;
    int64_t size, first_size; /* first_size: what was promised before the flight; -1 none */
    int64_t begun_ms;         /* of this attempt */
    /* What mirrors said of the size in this attempt. confirming: bit set of those that agree with
     * `size`. contradicting: bit set of those that agree on other_size. */
    bool contradicted;
    unsigned confirming, contradicting;
    int64_t other_size;
    bool vouched;              /* some page claims a digest */
    bool judging;              /* the owner judges the whole file */
    uint64_t judgement;        /* the number of the last FLIGHT_JUDGE */
    char computed[SHA256_HEX]; /* digest of the bytes; "" not yet */
    struct extents present;
    int64_t prefix, hashed, released;
    struct slot slot[FLIGHT_SLOTS];
    struct reader *readers;
    uint64_t last_transfer, last_forgotten;
    int64_t now_ms, idle_since_ms, synced_ms;
    unsigned gone, broken, silent, looped; /* failures of this attempt, by kind */
    char detail[FLIGHT_DETAIL];
    struct flight_command queue[QUEUE_MOST];
    unsigned queue_first, queue_count;
};

/* ---------------------------------------------------------- ---- flight.c */
struct flight_command *flight_emit(struct flight *f, enum flight_command_type type);
bool flight_is_whole(const struct flight *f);
void flight_stop_slot(struct flight *f, struct slot *s);
void flight_begin_round(struct flight *f, struct slot *s);
/* Releases what may be released, and hashes what can be hashed. */
void flight_release(struct flight *f);
void flight_hash_more(struct flight *f);
/* Answers the clients that wait for the size. */
void flight_tell_size(struct flight *f);
/* Whether the length is older than this flight, and no mirror has confirmed it since. */
bool flight_has_old_size(const struct flight *f);
/* Mirrors that are not asked, or only last, for what they sent. */
unsigned flight_barred(const struct flight *f);
/* Mirrors that may have caused a wrong digest, by their bytes or by the length they told. */
unsigned flight_suspects(const struct flight *f);
/* Forgets the bytes and begins a new attempt. Readers are cut before any other command. */
void flight_start_over(struct flight *f, int error);
void flight_note_failure(struct flight *f, int error, const char *detail);
/* The one error that stands for all failures of this attempt. */
int flight_failure(const struct flight *f);
/* Fails all readers. What is present stays for the next reader. */
void flight_fail(struct flight *f, int error, const char *detail);

/* ----------------------------------------------------- ---- flight_plan.c */
/* Gives idle slots something to do. Called after every event. */
void flight_plan(struct flight *f);
/* Mirrors that may not be asked for the slot's run, or that have all the transfers they may have.
 */
unsigned flight_excluded(const struct flight *f, const struct slot *s);
/* Takes bytes out of the slot's run that came while it waited, or that another slot will bring.
 * False: no other bytes are missing. */
bool flight_narrow(const struct flight *f, struct slot *s, unsigned mirror);
/* Also asks another mirror where a reader waits and no answer comes, or few bytes come. */
void flight_hedge(struct flight *f);
/* Whether a mixture of two mirrors' different files would be found out. */
bool flight_is_provable(const struct flight *f);
/* Whether the slot has a segment ahead, at which no reader waits. */
bool flight_may_yield(const struct flight *f, const struct slot *s);
/* Whether no byte came for so long that the slot's pace counts as nothing. */
bool flight_is_stalled(const struct flight *f, const struct slot *s);

/* -------------------------------------------------- ---- flight_traffic.c */
/* Whether two slots were asked for the slot's run. */
bool flight_is_racing(const struct flight *f, const struct slot *s);
/* Whether the slot `hedge` was asked beside `with`. */
bool flight_races(const struct slot *hedge, const struct slot *with);
/* After this much time: leaves a mirror that trickles, for another one. */
void flight_leave_trickle(struct flight *f, int64_t passed_ms);
