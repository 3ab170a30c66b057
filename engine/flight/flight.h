// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A flight: one file that is being fetched for any number of readers. This is the decision alone, a
 * pure state machine: events in, commands out. It has no thread, clock, file or socket. So it runs
 * in the simulator exactly as it runs in the daemon.
 *
 *     flight_new(&options, &flight);
 *     flight_on_...(flight, ...);                    each event appends commands
 *     while (flight_next(flight, &command)) ...      the owner executes them, in order
 *     until FLIGHT_END was among them; then flight_free.
 *
 * Units are bytes: offsets count from 0, ranges are half open. `slot` numbers the transfers that a
 * flight has at once. Mirrors are numbers below FLIGHT_MIRRORS, in the origin's configured order.
 * `transfer` is a number that FLIGHT_START gives and never gives again. An event of a transfer that
 * was stopped is recognised by it and ignored, so the owner need not filter. The flight is not
 * thread-safe: the flight thread owns it.
 *
 * What the flight promises (the simulator checks each promise after every step):
 *
 *  - FLIGHT_RELEASE holds whole-file readers back before the last 64 KiB of a file; of a smaller
 *  file, before its last byte. They get those bytes once the owner has judged all bytes good,
 *  and they agree with the length, where that is known.
 *  - FLIGHT_COMMIT comes only after the whole file was hashed and judged good (FLIGHT_JUDGE).
 *  - After another verdict FLIGHT_CUT is the first command, and nothing is kept. When one mirror
 *  sent every byte, FLIGHT_REFUSE names it, and this flight asks it no more. When several
 *  mirrors sent the bytes, the file is fetched again from one alone, and then the culprit
 *  shows. Whether that mirror lied is the owner's decision, once it knows the right bytes.
 *  - No present byte is asked for again, except what a stopped transfer still had under way.
 *  - Every reader gets an answer: bytes, FLIGHT_CUT or FLIGHT_FAIL. Once no mirror is left, no
 *  reader goes on waiting.
 *  - A flight without readers ends or parks. It fetches the rest only where little is missing.
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

/* Bytes and the mirror that sent them; FLIGHT_NO_MIRROR: a mirror that is no longer configured. */
struct flight_run {
    int64_t from, to;
    unsigned mirror;
};

/* What is known before the first transfer. */
struct flight_options {
    unsigned mirrors; /* how many mirrors the origin has */
    /* bit set: they sent wrong bytes of this file before; asked when no other mirror is left, or
     * only such from which next to nothing comes */
    unsigned blamed;
    unsigned refused; /* bit set: not to be asked */
    /* as an earlier answer said; -1 unknown. Where a digest is claimed, it stands until the mirrors
     * or the claim contradict it */
    int64_t size;
    bool is_known;        /* readers can be answered before any mirror is asked */
    bool is_vouched;      /* some page claims a digest; the owner knows which */
    int64_t now_ms;       /* the clock of flight_on_tick when the flight begins */
    unsigned connections; /* transfers of this file at once per mirror, at least 1 */
    /* What an earlier download left on disk. The flight then begins parked, and the first reader
     * resumes it. Hashing begins at once, before its result is needed. The list is copied. */
    const struct flight_run *present;
    size_t present_count;
};

enum flight_use {
    FLIGHT_HEAD,  /* wants to know size and validators */
    FLIGHT_RANGE, /* wants [from, to) */
    FLIGHT_WHOLE, /* wants [from, end), and the last bytes only when they are verified */
};

/* The order of asks when connections are short; the lowest number goes first. */
enum flight_rank {
    FLIGHT_RANK_WAITING, /* a reader waits for these very bytes, and nothing brings them */
    FLIGHT_RANK_FRONT,   /* the first missing bytes, or the first that a reader wants */
    /* a second segment, which gives its connection up to others: flight_on_yield */
    FLIGHT_RANK_AHEAD,
};

enum flight_command_type {
    /* slot, rank, brief: choose a mirror that is not in `excluded`, and answer by flight_on_mirror.
     * A later ask of the same slot replaces this one. FLIGHT_CUT, _PARK, _END and FLIGHT_DROP
     * withdraw it */
    FLIGHT_ASK,
    FLIGHT_DROP,  /* slot: its FLIGHT_ASK is void, because nothing is left to fetch there */
    FLIGHT_START, /* slot, transfer, mirror, head, from, to (-1: to the end), resume */
    /* transfer; error, detail, rate (bytes a second, 0 not measured): another mirror does better,
     * which the choice of mirrors should know. error 0: the mirror is not at fault */
    FLIGHT_STOP,
    /* transfer, to: another transfer brings the bytes from `to` on. Stop this one there, without
     * waiting for FLIGHT_STOP */
    FLIGHT_LIMIT,
    /* size (-1 unknown): readers may be answered. It comes once, and again only after FLIGHT_CUT */
    FLIGHT_KNOWN,
    /* to: whole-file readers may read below it. INT64_MAX: the file is verified, there is no limit,
     * and size is final */
    FLIGHT_RELEASE,
    /* size: a whole-file reader has come, so reserve disk for the whole file. Where there is none,
     * answer by flight_on_disk_error. It comes once, until FLIGHT_PARK or FLIGHT_CUT gives the
     * space back */
    FLIGHT_RESERVE,
    /* sync what flight_on_bytes reported, then save its map; answer by flight_on_synced. It comes
     * every two seconds while bytes come, when the flight parks, and when the daemon stops */
    FLIGHT_SYNC,
    /* from, to: hash these bytes next. from = 0 begins anew; to = size ends the digest (from = to
     * when only that end is missing) */
    FLIGHT_HASH,
    /* judgement, sha256 (of the bytes), size: the file is whole; are these the right bytes? Answer
     * by flight_on_judged, at any later time. FLIGHT_CUT and FLIGHT_END withdraw the question */
    FLIGHT_JUDGE,
    /* error: cut all readers that have not got everything, and forget the bytes. A new partial file
     * begins */
    FLIGHT_CUT,
    /* mirror, sha256, error, detail: this mirror sent every byte of a copy that was judged
     * FLIGHT_WRONG (ERROR_DIGEST_MISMATCH) or FLIGHT_UNSOUND (ERROR_UPSTREAM_BROKEN) */
    FLIGHT_REFUSE,
    FLIGHT_COMMIT, /* sha256, authoritative: keep the file; answer by flight_on_committed */
    /* error, detail: readers, and those that wait for FLIGHT_KNOWN, get this. The bytes stay unless
     * FLIGHT_END follows. doubted: forget the length of before the flight, because mirrors
     * contradict it and no mirror confirms it, or a digest is claimed. refusals: a copy was
     * refused, which says more than that no mirror is left */
    FLIGHT_FAIL,
    /* nobody reads: give reserved space back. The next reader resumes the flight. So do late bytes
     * that complete the file (then FLIGHT_HASH and what follows) */
    FLIGHT_PARK,
    /* no command follows. Transfers that were not stopped end by themselves. keep: a later flight
     * may resume what is on disk, otherwise it is removed */
    FLIGHT_END,
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
    bool resume; /* hold the mirror to the validator of its earlier answer (If-Range) */
    bool authoritative;
    bool brief; /* a file's first bytes, or few bytes: the transfer will be over in a moment */
    bool keep, doubted, refusals;
    int error;
    char sha256[SHA256_HEX];
    char detail[FLIGHT_DETAIL];
};

int flight_new(const struct flight_options *options, struct flight **ret);
void flight_free(struct flight *flight);

/* The next command, in the order in which they were decided. False when there is none for now. */
bool flight_next(struct flight *flight, struct flight_command *ret);

/* ---- readers. The caller chooses the numbers; they are unique among present readers. */
void flight_on_reader(struct flight *flight, uint64_t reader, enum flight_use use, int64_t from,
                      int64_t to);
void flight_on_reader_left(struct flight *flight, uint64_t reader);

/* --------------------------------------------- ---- mirrors and transfers */
/* Answer to FLIGHT_ASK: a mirror. Or FLIGHT_NO_MIRROR: none is left for this file, and why. */
enum { FLIGHT_NO_MIRROR = FLIGHT_MIRRORS };
void flight_on_mirror(struct flight *flight, unsigned slot, unsigned mirror, int error,
                      const char *detail);

struct flight_answer {
    int status;     /* HTTP status */
    int64_t total;  /* size of the whole file, -1 unknown */
    int64_t from;   /* first byte of the body */
    bool is_framed; /* the end of the body can be told from a cut */
    bool ranges;    /* the mirror honours ranges */
    /* the strong validator equals the base, from any mirror; true while there is no base. An
     * accepted answer with a body (not to HEAD) and another validator becomes the base. FLIGHT_CUT
     * forgets the base */
    bool same_validator;
    bool has_strong; /* the answer has a strong validator, to which other mirrors can be held */
};
/* 0: the body may come. < 0: the owner ends the transfer with that error, and flight_on_ended
 * follows. */
int flight_on_answer(struct flight *flight, uint64_t transfer, const struct flight_answer *answer);
/* A mirror that sent wrong bytes a moment ago still has that file, as its answer shows. The owner
 * does not pass that answer on. This flight asks the mirror no more. */
void flight_on_still_wrong(struct flight *flight, unsigned mirror);
/* Bytes of a transfer are on disk that were not there before. The owner drops bytes that are
 * already written: no byte is written twice into one partial file. Bytes of a stopped transfer may
 * still come, and count. After FLIGHT_CUT no bytes of the old partial file may come. */
void flight_on_bytes(struct flight *flight, uint64_t transfer, int64_t from, int64_t to);
/* A transfer is over. Before that, flight_on_bytes was called for all its bytes, except those that
 * the owner dropped because another transfer had brought them. status: HTTP status, or 0. */
void flight_on_ended(struct flight *flight, uint64_t transfer, int error, int status,
                     const char *detail);

/* The connection is needed elsewhere. True: the transfer had brought something, is stopped, and
 * another one can go on where it ended. The flight asks again at once, and waits. False: it goes
 * on. */
bool flight_on_yield(struct flight *flight, uint64_t transfer);

/* -------------------------------------------------- ---- disk and digests */
/* Bytes [0, to) are hashed. When `to` is the whole file, sha256 is its digest, otherwise NULL. */
void flight_on_hashed(struct flight *flight, int64_t to, const char *sha256);
/* A page now claims a digest, or another one than before. A refused mirror may be asked again. */
void flight_on_vouched(struct flight *flight);
/* These mirrors (a bit set) may be asked again, after all others: their waiting time is over. */
void flight_on_allowed(struct flight *flight, unsigned mirrors);

enum flight_verdict {
    FLIGHT_AGREED, /* a claim agrees */
    FLIGHT_SOUND,  /* nobody claims a digest, and the bytes vouch for themselves */
    FLIGHT_WRONG,  /* the bytes contradict a claim */
    /* nobody claims a digest, and the bytes are no file of the kind that the name says */
    FLIGHT_UNSOUND,
};
/* Answer to the FLIGHT_JUDGE of that number; an answer to an earlier one is ignored. detail: for
 * people, of the last two verdicts. */
void flight_on_judged(struct flight *flight, uint64_t judgement, enum flight_verdict verdict,
                      const char *detail);
void flight_on_committed(struct flight *flight, int error);
/* When the sync failed, flight_on_disk_error is called instead. */
void flight_on_synced(struct flight *flight);
/* A write, a sync or a reservation failed. It is ignored while the flight commits, because the
 * commit reports its own error. */
void flight_on_disk_error(struct flight *flight, int error);

/* ---- time. Called four times a second. Here the flight hedges, leaves a slow mirror, syncs,
 * parks and forgets. now_ms never goes back. rates: bytes a second of each mirror; 0: not
 * measured, or the mirror is not available now. NULL: no rate is known. */
void flight_on_tick(struct flight *flight, int64_t now_ms, const int64_t *rates);
/* The daemon stops: FLIGHT_FAIL(ERROR_STOPPING), FLIGHT_SYNC when there is something to save, END.
 * The next start resumes what is on disk. */
void flight_on_stop(struct flight *flight);

/* ------------------------- ---- for status, and for the simulator's model */
struct flight_view {
    int64_t size, prefix, present, hashed, released;
    unsigned readers;
    unsigned senders; /* bit set of mirrors whose bytes are present */
    bool verified, parked, ended;
};
void flight_view(const struct flight *flight, struct flight_view *ret);
/* Which mirrors have failed so far, and how; "" when none has. */
const char *flight_detail(const struct flight *flight);
