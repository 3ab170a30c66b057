// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A flight: one file being fetched for any number of readers. This is the judgement alone, a pure
 * state machine: events in, commands out. It has no thread, clock, file or socket, so it runs in
 * the simulator exactly as it runs in the daemon.
 *
 *     flight_new(&options, &flight);
 *     flight_on_...(flight, ...);                    each event appends commands
 *     while (flight_next(flight, &command)) ...      the owner executes them, in order
 *     until FLIGHT_END was among them; then flight_free.
 *
 * Bytes: offsets from 0, ranges half open. `slot` numbers a flight's transfers; mirrors are numbers
 * below FLIGHT_MIRRORS, in the origin's configured order. Events that come late (for a slot that
 * was stopped or reused) are told by `transfer`, a number that FLIGHT_START gives and never gives
 * again; they are ignored, so the owner need not filter. Not thread-safe: the flight thread owns
 * it.
 *
 * What it promises (the simulator checks each after every step):
 *  - FLIGHT_RELEASE never lets a whole-file reader at the last 64 KiB (of a smaller file: at the
 * last byte) before the length, when it is known, agrees and the owner has judged the bytes good;
 *  - FLIGHT_COMMIT comes only after the whole file was hashed and judged good (FLIGHT_JUDGE);
 *  - after another verdict FLIGHT_CUT comes before anything else, and nothing is kept. Bytes of one
 * mirror alone: FLIGHT_REFUSE tells whose they were and what, and this flight asks it no more.
 * Bytes of several: the file is fetched from one alone, and then it shows. Whom that makes a liar
 * is the owner's to say, when it knows what is right;
 *  - no byte is asked for twice that is present, but for what a stopped transfer had under way;
 *  - every reader is answered: bytes, FLIGHT_CUT or FLIGHT_FAIL; once no mirror is left, no reader
 * waits on;
 *  - a flight that nobody reads ends or parks: it goes on to the end only as flight_options says.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"

struct flight;

enum {
    FLIGHT_MIRRORS = 16,
    FLIGHT_SLOTS = 8, /* transfers of one flight at once, over all mirrors */
    FLIGHT_HOLD_BACK = 64 << 10,
    FLIGHT_DETAIL = 512,
};

/* Bytes and the mirror that sent them; FLIGHT_NO_MIRROR: one that is not configured any more. */
struct flight_run {
    int64_t from, to;
    unsigned mirror;
};

/* What is known before the first transfer. */
struct flight_options {
    unsigned mirrors;     /* how many the origin has */
    unsigned blamed;      /* bit set: sent wrong bytes of this file before; asked when no other is
                             left */
    unsigned refused;     /* bit set: not to be asked */
    int64_t size;         /* what an authority or an earlier answer said; -1 unknown. Under a claim
                             it stands until the mirrors or the claim contradict it */
    bool is_known;        /* readers can be answered without asking a mirror first */
    bool is_vouched;      /* somebody claims a digest, which one is the owner's to know */
    int64_t now_ms;       /* the clock of flight_on_tick at birth */
    unsigned connections; /* transfers of this file at once per mirror, at least 1 */
    /* What an earlier run of the daemon left on disk: born parked, and resumed by the first reader.
     * Hashing begins at once, before it is needed. Copied. */
    const struct flight_run *present;
    size_t present_count;
};

enum flight_use {
    FLIGHT_HEAD,  /* wants to know size and validators */
    FLIGHT_RANGE, /* wants [from, to) */
    FLIGHT_WHOLE, /* wants [from, end), and only verified bytes at the end */
};

/* Whose turn it is when connections are short: lower first. */
enum flight_rank {
    FLIGHT_RANK_WAITING, /* a reader waits for these very bytes, and nothing brings them */
    FLIGHT_RANK_FRONT,   /* the first missing bytes, or the first that somebody wants */
    FLIGHT_RANK_AHEAD,   /* a second segment: gives way, see flight_on_yield */
};

enum flight_command_type {
    FLIGHT_ASK, /* slot, rank, brief: choose a mirror not in `excluded`; answer by flight_on_mirror.
                   A later one of the same slot replaces it; FLIGHT_CUT, _PARK, _END and FLIGHT_DROP
                   withdraw it */
    FLIGHT_DROP,  /* slot: its FLIGHT_ASK is void, nothing is left to fetch there */
    FLIGHT_START, /* slot, transfer, mirror, head, from, to (-1: to the end), resume */
    FLIGHT_STOP,  /* transfer; error, detail, rate (bytes a second, 0 not measured): another mirror
                     does better, which the choice of mirrors should know; error 0: the mirror is
                     not at fault */
    FLIGHT_LIMIT, /* transfer, to: what it brings behind `to` comes from elsewhere: to be stopped
                     there, without waiting for FLIGHT_STOP */
    FLIGHT_KNOWN, /* size (-1 unknown): readers may be answered; comes once, again only after
                     FLIGHT_CUT */
    FLIGHT_RELEASE, /* to: whole-file readers may read below it; INT64_MAX: verified, no limit;
                       size is then final */
    FLIGHT_RESERVE, /* size: a whole-file reader has come: disk for all of it; where there is none:
                       flight_on_disk_error. Once until FLIGHT_PARK gives it back or FLIGHT_CUT */
    FLIGHT_SYNC,    /* bring what was reported by flight_on_bytes to the disk, then save the map of
                       it; answer by flight_on_synced. Every two seconds while bytes come, at parking
                       and when the daemon stops */
    FLIGHT_HASH, /* from, to: hash these bytes next; from = 0 begins anew; to = size ends the digest
                    (from = to when nothing but the end is missing) */
    FLIGHT_JUDGE,  /* judgement, sha256 (of the bytes), size: the file is whole. Are these the right
                      bytes? Answer by flight_on_judged, whenever that is known. FLIGHT_CUT and
                      FLIGHT_END withdraw it */
    FLIGHT_CUT,    /* readers that have not got everything are cut now, bytes are forgotten: a new
                      partial file begins; error */
    FLIGHT_REFUSE, /* mirror, sha256, error, detail: its copy, of which every byte is its own, was
                      judged FLIGHT_WRONG (ERROR_DIGEST_MISMATCH) or FLIGHT_UNSOUND
                      (ERROR_UPSTREAM_BROKEN) */
    FLIGHT_COMMIT, /* sha256, authoritative: keep it; answer by flight_on_committed */
    FLIGHT_FAIL,   /* error, detail: readers and those waiting for FLIGHT_KNOWN get this; bytes stay
                      unless FLIGHT_END follows; doubted: mirrors contradict the length of before the
                      flight, and none confirms it, or there is a claim: to be forgotten; refusals: a
                      copy was refused, so there is more to say than that no mirror is left */
    FLIGHT_PARK,   /* nobody reads: give reserved space back; the next reader resumes, or late bytes
                      that complete the file (then FLIGHT_HASH and what follows) */
    FLIGHT_END,    /* nothing more will come; transfers not stopped by then end by themselves; keep:
                      what is on disk may be resumed by a later flight, else it is removed */
};

struct flight_command {
    enum flight_command_type type;
    unsigned slot;
    unsigned mirror;
    unsigned excluded; /* bit set of mirrors */
    enum flight_rank rank;
    uint64_t transfer;
    uint64_t judgement;
    int64_t from, to;
    int64_t size, rate;
    bool head;   /* ask HEAD */
    bool resume; /* the mirror must be held to the validator of its earlier answer (If-Range) */
    bool authoritative;
    bool brief; /* a file's first bytes, or few: it will be over in a moment */
    bool keep, doubted, refusals;
    int error;
    char sha256[SHA256_HEX];
    char detail[FLIGHT_DETAIL];
};

int flight_new(const struct flight_options *options, struct flight **ret);
void flight_free(struct flight *flight);

/* The next command, in the order in which they were decided; false when there is none for now. */
bool flight_next(struct flight *flight, struct flight_command *ret);

/* ---- readers. `reader` is any number of the caller's, unique among present readers. */
void flight_on_reader(struct flight *flight, uint64_t reader, enum flight_use use, int64_t from,
                      int64_t to);
void flight_on_reader_left(struct flight *flight, uint64_t reader);

/* ---- mirrors and transfers */
/* Answer to FLIGHT_ASK: a mirror, or FLIGHT_NO_MIRROR with why; none are left for this file. */
enum { FLIGHT_NO_MIRROR = FLIGHT_MIRRORS };
void flight_on_mirror(struct flight *flight, unsigned slot, unsigned mirror, int error,
                      const char *detail);

struct flight_answer {
    int status;          /* HTTP */
    int64_t total;       /* size of the whole file, -1 unknown */
    int64_t from;        /* first byte of the body */
    bool is_framed;      /* the end can be told from a cut */
    bool ranges;         /* the mirror honours ranges */
    bool same_validator; /* strong validator equal to the base, whoever sent that; true while there
                            is no base. An accepted answer with a body (not to HEAD) that was not
                            the same becomes the base; FLIGHT_CUT forgets it */
    bool has_strong;     /* it has a strong validator, to which other mirrors can be held */
};
/* 0: the body may come. < 0: the owner ends the transfer with that error; flight_on_ended follows.
 */
int flight_on_answer(struct flight *flight, uint64_t transfer, const struct flight_answer *answer);
/* A mirror that sent wrong bytes a moment ago has that file still, as its answer shows, which is
 * told of no further: this flight asks it no more. */
void flight_on_still_wrong(struct flight *flight, unsigned mirror);
/* Bytes of a transfer are on disk that were not there before. The owner drops bytes that are
 * already written: no byte is ever written twice into one partial file. Bytes of a
 * stopped transfer may still come, and count; after FLIGHT_CUT none of the old partial may. */
void flight_on_bytes(struct flight *flight, uint64_t transfer, int64_t from, int64_t to);
/* A transfer is over, and flight_on_bytes for all its bytes has come, also for those that were
 * dropped because another transfer had brought them. status: HTTP status or 0. */
void flight_on_ended(struct flight *flight, uint64_t transfer, int error, int status,
                     const char *detail);

/* The connection is needed elsewhere: the transfer is stopped if it has brought something, and
 * another one can go on behind it later; false: it is not. The flight asks again at once, and
 * waits.
 */
bool flight_on_yield(struct flight *flight, uint64_t transfer);

/* ---- disk and digests */
/* Bytes [0, to) are hashed; when `to` is the whole file, sha256 is its digest, else NULL. */
void flight_on_hashed(struct flight *flight, int64_t to, const char *sha256);
/* Somebody claims a digest now, or another one than before: who was refused may be asked again. */
void flight_on_vouched(struct flight *flight);
/* The time is over in which these mirrors (a bit set) were not to be asked: they may be, after all
 * others. */
void flight_on_allowed(struct flight *flight, unsigned mirrors);

enum flight_verdict {
    FLIGHT_AGREED,  /* a claim agrees */
    FLIGHT_SOUND,   /* nobody claims a digest, and the bytes vouch for themselves */
    FLIGHT_WRONG,   /* they contradict a claim */
    FLIGHT_UNSOUND, /* nobody claims a digest, and this is no file of the kind its name says */
};
/* Answer to the FLIGHT_JUDGE of that number; an answer to an earlier one is ignored. detail: for
 * people, of the last two verdicts. */
void flight_on_judged(struct flight *flight, uint64_t judgement, enum flight_verdict verdict,
                      const char *detail);
void flight_on_committed(struct flight *flight, int error);
/* An error of the sync is told by flight_on_disk_error instead. */
void flight_on_synced(struct flight *flight);
/* The disk failed under a write, a sync or a reservation. While it is committing, that says how it
 * went. */
void flight_on_disk_error(struct flight *flight, int error);

/* ---- time. Called four times a second; decides hedging, moving away from a slow mirror, syncing,
 * parking and forgetting. now_ms only ever grows. rates: of each mirror, in bytes a second; 0: not
 * measured, or not to be had just now; NULL: none known. */
void flight_on_tick(struct flight *flight, int64_t now_ms, const int64_t *rates);
/* The daemon stops: FLIGHT_FAIL(ERROR_STOPPING), FLIGHT_SYNC when there is something to save, END.
 * What is on disk is resumed after the next start. */
void flight_on_stop(struct flight *flight);

/* ---- for status and for the simulator's model */
struct flight_view {
    int64_t size, prefix, present, hashed, released;
    unsigned readers;
    unsigned senders; /* bit set of mirrors whose bytes are present */
    bool verified, parked, ended;
};
void flight_view(const struct flight *flight, struct flight_view *ret);
/* Which mirrors have failed so far, and how; "" none. */
const char *flight_detail(const struct flight *flight);
