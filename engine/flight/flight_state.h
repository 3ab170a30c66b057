// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The inside of a flight, shared by flight.c (its life: readers, bytes checked and kept, time),
 * flight_plan.c (what is asked next, and of whom) and flight_traffic.c (what came of it), and seen
 * by nobody else.
 */
#include "engine/flight/extents.h"
#include "engine/flight/flight.h"

enum phase { FILLING, COMMITTING, PARKED, ENDED };
enum slot_state { SLOT_IDLE, SLOT_ASKED, SLOT_RUNNING };

enum {
    FRONT = 0,             /* the slot that goes on from the first missing byte; the others help */
    NEAR_BYTES = 4 << 20,  /* a wanted range so close ahead of a transfer is left to it */
    SMALL_BYTES = 1 << 20, /* who wants a part of it gets it fetched whole */
    SEGMENTED_BYTES = 8 << 20, /* from this size on a file comes in segments */
    SEGMENT_BYTES = 8 << 20,   /* of a mirror whose rate nobody has measured */
    SEGMENT_LEAST_BYTES = 4 << 20,
    SEGMENT_MOST_BYTES = 16 << 20,
    WINDOW_BYTES = 64 << 20, /* so far ahead of a front: it will be read within seconds */
    TICK_MOST_MS = 500,      /* beyond, the time was not that of the transfers */
    HEDGE_MS = 1000,         /* without an answer somebody else is asked, too */
    PACE_MS = 3000, /* over so long a transfer's pace is measured; without a byte it stalls */
    PACE_LEAST_BYTES = 16 << 10, /* a second: slower, whoever is not known to be as slow is asked */
    PACE_SHARE = 4,     /* slow: below a quarter of what another mirror is known to bring */
    TRICKLE_MS = 30000, /* over so long, less than so much a second is no transfer */
    TRICKLE_BYTES = 1 << 10,
    VAIN_MS = 150000,      /* after so long of that another file may be the right one */
    TRICKLES_MOST = 2,     /* so often, where others are raced, or were tried before */
    LEFT_MS = 30000,       /* so long the pace at which a mirror was left is what is known of it */
    HEDGE_AGAIN_MS = 2000, /* when there was nobody to ask beside */
    SHY_MS = 10000,        /* so long a mirror that failed ahead is not asked ahead */
    HASH_LEAST_BYTES = 1 << 20, /* not worth a hop below */
    HASH_MOST_BYTES = 1 << 20,  /* whose turn takes a core for half a millisecond */
    GRACE_MS = 2000,            /* without readers before parking: a client between two requests */
    FORGET_MS = 3600 * 1000,
    SYNC_MS = 2000, /* what a power cut may take */
    ROUNDS_WITHOUT_PROGRESS = 3,
    PROGRESS_BYTES = 1 << 20,
    PIECE_LEAST_BYTES =
        64 << 10,         /* of a range that a mirror cuts short; else it is asked for all */
    SKIP_BYTES = 1 << 20, /* what is present ahead and shorter is passed over, not skipped */
    QUEUE_MOST =
        64, /* commands one event can give, with room to spare; the owner drains after each */
    FINISH_MISSING_BYTES = 64000000, /* go on unread when less is missing, or less than a quarter */
};

struct slot {
    enum slot_state state;
    unsigned tried; /* mirrors that failed in this round */
    unsigned mirror;
    unsigned rounds;
    unsigned excluded; /* as the last FLIGHT_ASK said */
    unsigned beside;   /* a hedge: mirrors that would not do better than its rival */
    uint64_t rival;    /* a hedge: the slow transfer that was asked for the same run; else 0 */
    int64_t begun_ms, heard_ms;      /* asked; last brought something */
    int64_t window_ms, window_bytes; /* brought since then */
    int64_t pace;                    /* bytes a second in the window before; -1: none yet */
    enum flight_rank rank;
    uint64_t transfer;
    int64_t from, to; /* the run asked for; to = -1: to the end */
    int64_t at;       /* bytes below were reported */
    int64_t round_present;
    bool head;    /* only the answer's header section is wanted */
    bool by_byte; /* asked by a range of one byte, of a mirror that refuses HEAD */
    bool full;    /* from 0, of a mirror that knows no ranges */
    bool is_framed;
    bool partial;  /* it is a 206, which may end sooner than asked for */
    bool measured; /* ... and says how long the whole is */
    bool endless;  /* it told no length, and sends to the end */
    bool accepted; /* its body may come */
    bool bounded;  /* the run was cut to a segment's length */
    bool refused;  /* the mirror would not give the beginning as a range */
    bool limited;  /* `to` was drawn in: more than that was asked for */
    bool of_whole; /* a whole-file reader waits for it, far ahead of the front */
};

/* What a mirror brought while its transfers ran, over one window after the other. */
struct trickle {
    int64_t ms, all_ms, bytes; /* all: of each transfer, together */
    unsigned times;            /* so many windows in which next to nothing came */
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
    unsigned blamed;    /* sent wrong bytes before: asked when no other is left */
    unsigned refused;   /* sent bad bytes to this flight, or still have them: not asked again */
    unsigned dead;      /* not to be asked in this attempt: gone, another length */
    unsigned spent;     /* dead because they had their one try, and it was in vain */
    unsigned others;    /* dead because they have another file than the bytes present are of */
    unsigned unproven;  /* dead, for no validator says that their file is still the same */
    unsigned no_ranges; /* answered 200 to a range */
    unsigned unsized;   /* gave no range from the beginning, or did not say of how much */
    unsigned trickled;  /* left, for next to nothing came: asked by the front alone */
    unsigned shy;       /* failed a helper: for a while not asked by one */
    int64_t shy_since_ms;
    unsigned no_head;                  /* refused HEAD: asked for one byte instead */
    unsigned senders;                  /* their bytes are present */
    unsigned sized_by;                 /* said the size, when no authority did */
    unsigned connections;              /* at most so many transfers per mirror */
    int64_t rate[FLIGHT_MIRRORS];      /* bytes a second, of all files; 0 not measured */
    int64_t left_rate[FLIGHT_MIRRORS]; /* at which a slow transfer was left */
    int64_t left_ms[FLIGHT_MIRRORS];
    struct trickle trickle[FLIGHT_MIRRORS];
    unsigned left;
    int64_t hedge_after_ms;
    bool plain;      /* later answers could not be held to the first one: one transfer brings all */
    bool has_strong; /* so has the base of the bytes that are there */
    bool reads_ahead; /* somebody reads whole from behind the beginning */
    bool resumed;     /* bytes of an earlier run of the daemon are present: whoever sent them, the
                         disk may have spoilt them since */
    bool late;        /* a transfer was stopped whose bytes may be under way to the disk */
    bool unsynced, syncing;
    bool reserved; /* disk for all of it, since FLIGHT_RESERVE */
    bool known, has_length, verified, hashing, was_whole, go_on, alone, no_wanted;
    int64_t size, first_size; /* first_size: a promise of before the flight; -1 none */
    int64_t begun_ms;         /* this attempt */
    /* What was said of the size in this attempt. Bit sets: mirrors whose answers have it; and those
     * that agree on other_size instead. */
    bool contradicted;
    unsigned confirming, contradicting;
    int64_t other_size;
    bool vouched;              /* somebody claims a digest */
    bool judging;              /* the owner judges the whole file */
    uint64_t judgement;        /* the last one's number */
    char computed[SHA256_HEX]; /* of the bytes; "" not yet */
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

/* ---- flight.c */
struct flight_command *flight_emit(struct flight *f, enum flight_command_type type);
bool flight_is_whole(const struct flight *f);
void flight_stop_slot(struct flight *f, struct slot *s);
void flight_begin_round(struct flight *f, struct slot *s);
/* Hands out what may be handed out, hashes what can be hashed. */
void flight_release(struct flight *f);
void flight_hash_more(struct flight *f);
/* From here on clients are answered. */
void flight_tell_size(struct flight *f);
/* Whether the length is of before this flight, and no mirror has said it since. */
bool flight_has_old_size(const struct flight *f);
/* Mirrors that are not asked, or not yet: for what they sent. */
unsigned flight_barred(const struct flight *f);
/* Mirrors that may have spoilt the digest: by their bytes, or by the length they told. */
unsigned flight_suspects(const struct flight *f);
/* Forgets the bytes and begins anew; readers are cut before anybody is told anything else. */
void flight_start_over(struct flight *f, int error);
void flight_note_failure(struct flight *f, int error, const char *detail);
/* What the failures of this attempt come to. */
int flight_failure(const struct flight *f);
/* Nothing more can be done for those who wait. What is there stays for the next who asks. */
void flight_fail(struct flight *f, int error, const char *detail);

/* ---- flight_plan.c */
/* Gives idle slots something to do; after every event. */
void flight_plan(struct flight *f);
/* Mirrors that may not be asked for the slot's run, be it only because they have their share. */
unsigned flight_excluded(const struct flight *f, const struct slot *s);
/* Bytes that came while the slot waited for a mirror, or will without it, are not asked for; false:
 * no others are missing. */
bool flight_narrow(const struct flight *f, struct slot *s, unsigned mirror);
/* Asks somebody else, too, where a reader waits and no answer comes, or little. */
void flight_hedge(struct flight *f);
/* Whether it would be found out that mirrors have different files. */
bool flight_is_provable(const struct flight *f);
/* Whether a segment ahead, where nobody stands. */
bool flight_may_yield(const struct flight *f, const struct slot *s);
/* No byte for so long that its pace is nothing. */
bool flight_is_stalled(const struct flight *f, const struct slot *s);

/* ---- flight_traffic.c */
/* Whether two slots are asked for its run. */
bool flight_is_racing(const struct flight *f, const struct slot *s);
/* Whether the slot was asked beside the other one. */
bool flight_races(const struct slot *hedge, const struct slot *with);
/* So much time has passed: leaves a mirror that trickles for another one. */
void flight_leave_trickle(struct flight *f, int64_t passed_ms);
