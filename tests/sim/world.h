// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The simulated world around flights: a clock, mirrors, a disk, a hash lane, readers, and the owner
 * that executes what the flights command; and crashes, after which flights resume from what their
 * maps say. One seed is one schedule; the same seed gives the same schedule. Promises are checked
 * as they could be broken; the first broken one is kept in `fault`.
 *
 * Content is a pure function: a byte is named by (version, offset), and a byte that a mirror spoils
 * by version WRONG. Two bytes at one offset are equal when their versions are, so a map of versions
 * (struct content) stands for the bytes themselves and every byte a reader gets can be judged.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/files/refusals.h"
#include "engine/flight/extents.h"
#include "engine/flight/flight.h"
#include "engine/mirrors/budget.h"
#include "engine/mirrors/portal.h"
#include "engine/mirrors/precedence.h"

enum {
    MIRRORS = 4, /* at most */
    FILES = 4,
    READERS = 48,   /* at once */
    SITE = MIRRORS, /* which pages speak of files: the canonical site, and below it the mirrors */
    SPEAKERS,
    TRANSFERS = 128,
    EVENTS = 4096,
    RIGHT = 1,   /* version: what the authority's digest names */
    WRONG = -1,  /* a spoiled byte */
    PORTAL = 8,  /* a captive portal's page */
    NOBODYS = 9, /* what an index claims that is wrong */
    LOST = -2,   /* never reached the disk, or decayed on it */
    FAULT_TEXT = 400,
};

/* ------------------------------------------------- content of a file */

struct piece {
    int64_t from, to;
    int version;
    int validator; /* of the answer it came under; 0: none */
    unsigned mirror;
    uint64_t transfer; /* never the same for two of one file */
};

struct content {
    struct piece *list; /* sorted, disjoint */
    size_t count, room;
};

void content_clear(struct content *c);
void content_add(struct content *c, const struct piece *piece);
void content_copy(const struct content *from, struct content *to);
/* Adds of `from` what lies in [low, high). */
void content_add_part(struct content *c, const struct content *from, int64_t low, int64_t high);
/* Whether every byte of [from, to) is there, and as it was written. */
bool content_is_sound(const struct content *c, int64_t from, int64_t to);
/* The piece that holds byte `at`, or NULL. */
const struct piece *content_at(const struct content *c, int64_t at);
/* The digest of [0, size): RIGHT's when every byte is of that version, and so on. */
void content_digest(const struct content *c, int file, int64_t size, char ret[SHA256_HEX]);
void version_digest(int file, int version, int64_t size, char ret[SHA256_HEX]);
/* Whether it is no whole file of one version: something is spoilt, missing or of another. */
bool content_is_odd(const struct content *c, int64_t size);
/* Whether all bytes came under one strong validator, or in one transfer. */
bool content_is_of_one_answer(const struct content *c);

/* -------------------------------------------------------- what is claimed */

struct word {
    int version; /* that is claimed; 0: nothing */
    int64_t size, said_s;
    bool withdrawn; /* the page says it no more */
};

enum claimed { CLAIMED_NOTHING, CLAIMED, CLAIMED_BY_SOME, CLAIMED_OTHERWISE };

/* -------------------------------------------------------------- mirrors */

struct copy {       /* what a mirror has of one file */
    int version;    /* 0: nothing, 404 */
    int64_t size;   /* bytes it sends */
    int64_t spoilt; /* offset of a wrong byte, -1: none */
    int64_t told;   /* length it announces, -1: none */
    int validator;  /* 0: none */
};

struct server {
    bool honest; /* never sends a wrong byte, never lies about length */
    bool refuses_head, ignores_ranges, unframed;
    bool down;                 /* refuses connections */
    unsigned trouble;          /* percent of transfers that go wrong */
    unsigned latency_ms, rate; /* rate: bytes a millisecond */
    int64_t served_brief_ms;   /* when something brief last got a connection here */
    int64_t piece;             /* of a range it sends no more at once; 0: all */
    struct copy copy[FILES];
};

/* How a captive portal's page comes: with a label and a beginning by which it is refused at once,
 * with the label alone, or as bytes like others. */
enum portal_kind { PORTAL_PLAIN, PORTAL_LABELLED, PORTAL_BARE, PORTAL_KINDS };

enum fate { FATE_GOOD, FATE_REFUSED, FATE_SILENT, FATE_STATUS, FATE_CUT, FATE_STALL };

struct transfer {
    bool used, answered, stopped, refused, begun;
    bool over;   /* the connection is closed */
    bool behind; /* ... and its end is counted in world.ends */
    int file;
    unsigned slot, mirror;
    struct precedence turn;
    enum budget_need need;
    uint64_t number;   /* the flight's */
    uint64_t flight;   /* which flight of the file, see struct blob */
    uint64_t partial;  /* which partial its bytes go to */
    bool head, resume; /* as asked */
    int64_t from, to;
    enum fate fate;
    int64_t fate_at; /* position */
    enum portal_kind portal_kind;
    int64_t at, end;           /* bytes to send */
    int64_t limit;             /* 0: none */
    bool is_piece;             /* it ends before what was asked for */
    bool is_part, is_measured; /* a 206, which says how long the whole is */
    struct copy copy;
    unsigned writes;  /* under way */
    bool has_dropped; /* bytes that another one had brought, maybe not to the disk yet */
    int error, status;
    int64_t started_ms, sent;
    uint64_t serial; /* events for an earlier use of this place are void */
};

/* -------------------------------------------------------------- readers */

struct reader {
    bool used;
    uint64_t id;
    int file;
    enum flight_use use;
    bool asks_first; /* registers as HEAD until the size is known, then for its range */
    bool final;      /* of the quiet end: comes again until it was served */
    unsigned tries;
    int64_t from, to, at;
    unsigned pause_ms, piece; /* reads so much, so often */
    int64_t leaves_ms;        /* -1: stays */
    bool stepping;            /* an event for it is under way */
    int version;              /* of the bytes it has read; WRONG: of several */
};

/* ---------------------------------------------- the owner's side of a file */

struct ask {
    bool waiting;
    struct precedence turn;
    unsigned excluded;
};

/* A partial and its map, as the kernel has them and as the disk does. */
struct disk {
    uint64_t id;
    bool has_map, named, broken;
    struct content content; /* of a partial that no flight has; else it is the blob's */
    struct content synced;  /* survives a power cut for sure */
    void *map, *map_synced;
    size_t map_len;
    int64_t size;
    /* a sync under way: */
    bool syncing, is_copied;
    uint64_t sync; /* its number; the ends of earlier ones are void */
    void *copy;
    struct content at_copy;
    struct extents safe; /* sealed: what a power cut may not take */
    struct extents must; /* what the next flight has to find */
};

struct blob {
    struct disk disk; /* of the present flight; id 0: none */
    struct disk left; /* of an earlier one, to be resumed */
    bool reserved, syncing;
    bool resumed; /* its bytes are of an earlier run */
    /* What the catalogue remembers of the file: what clients were told. */
    int64_t row_size;           /* -1 */
    bool row_known;             /* a mirror said it; else an authority */
    char row_under[SHA256_HEX]; /* what was believed then */
    int64_t promised_size;
    int64_t unsynced_ms; /* since when bytes wait for FLIGHT_SYNC, -1 */
    struct flight *flight;
    uint64_t downloads; /* the number of the present one */
    uint64_t partial;
    struct extents claimed;  /* written or being written: dropped when it comes again */
    struct extents reported; /* told to the flight */
    struct content content;
    bool known, verified, parked, ignored_range[MIRRORS];
    int64_t known_size, size, released;
    int64_t hashed;
    bool hashing, judging, committing, kept, digest_known;
    enum flight_verdict verdict, last_verdict; /* on the bytes that are there; on any */
    struct content cut;                        /* the bytes that were cut last */
    bool cut_resumed;                          /* some were of an earlier run */
    int64_t told_size;                         /* by an authority or an accepted answer */
    /* of the verified bytes, when a digest is claimed; otherwise 0 */
    int vouched_version;
    bool right_allowed;             /* by what was claimed at the last verdict */
    char sent[MIRRORS][SHA256_HEX]; /* what was noted of the mirrors that this flight refused */
    int base_validator;             /* of the bytes there */
    unsigned base_mirror;
    bool has_base;
    struct ask ask[FLIGHT_SLOTS];
    unsigned transfers, fulls;
    unsigned connections; /* per mirror, as the flight was told */
    int64_t dropped;
    unsigned refused; /* by this flight: not to be asked again */
    unsigned waiting; /* of these, those of before it: until then */
    int64_t waiting_until_ms;
    bool portal_seen; /* it answered for this file once, maybe with a length alone */
    bool cut_since_known, born_known;
    int64_t idle_ms; /* since when no reader is there, -1 */
};

/* --------------------------------------------------------------- events */

enum event_type {
    EVENT_ARRIVE,
    EVENT_READER,
    EVENT_TRANSFER,
    EVENT_WRITTEN,
    EVENT_HASHED,
    EVENT_JUDGED,
    EVENT_COMMITTED,
    EVENT_TURNS,
    EVENT_SYNC_COPY, /* on the writer's lane */
    EVENT_SYNC_END,  /* the data are synced, then the map */
    EVENT_DIGEST,
    EVENT_CORRECT,
    EVENT_MIRROR,
    EVENT_PORTAL,
    EVENT_TICK,
    EVENT_STOP,
    EVENT_CRASH,
};

enum crash {
    CRASH_KILL,    /* same boot: what was written counts */
    CRASH_POWER,   /* what was synced counts; of the rest some is there, whole or in half */
    CRASH_RESTART, /* the daemon was asked to stop */
};

struct event {
    int64_t at_us;
    uint64_t order;
    enum event_type type;
    int file, index;
    uint64_t serial;
    int64_t from, to;
    struct copy copy;
    uint64_t number, flight, partial;
};

struct world {
    uint64_t random;
    bool trace;
    int64_t now_us;
    uint64_t order, steps;
    struct event heap[EVENTS];
    size_t events;
    struct budget *budget;
    unsigned connections; /* of each mirror */
    struct refusals *refusals;
    unsigned mirrors;
    struct server mirror[MIRRORS];
    int files;
    int64_t size[FILES];
    bool has_digest[FILES], has_size[FILES];
    char name[FILES][2];
    struct word page[FILES][SPEAKERS], said[FILES][SPEAKERS]; /* today, and when it was read */
    int64_t rechecked_ms[FILES];
    bool all_good;    /* the file is right, and a digest is claimed; no portal was taken for it */
    bool good[FILES]; /* an honest mirror, and what is claimed allows its bytes; when all is calm */
    unsigned lies[MIRRORS]; /* files that a mirror was blamed for, bit set */
    struct blob blob[FILES];
    struct transfer transfer[TRANSFERS];
    struct reader reader[READERS];
    int transfers, readers; /* places that have been used: the first ones */
    uint64_t last_reader, last_serial;
    unsigned disk_trouble;   /* in ten thousand writes */
    bool calm;               /* the quiet end: what is good stays good */
    int64_t well_ms;         /* from then on a good mirror answers at once; 0: not yet */
    unsigned portal_percent; /* of requests that a captive portal answers, for every mirror */
    enum portal_kind portal_kind;
    const char *portal_host;
    struct portal *portal; /* what is known of it */
    bool portal_open;
    unsigned portal_files; /* bit set: its page came in place of these */
    bool hopeful;          /* one honest mirror at least */
    bool stopping;
    bool restarting;  /* at this moment: stopped flights leave their partials */
    bool crashes;     /* at any time until the quiet end */
    bool has_boot_id; /* the kernel says which boot it is */
    bool tells_rates;
    uint64_t asks;  /* so many came */
    uint64_t freed; /* so many transfers have ended */
    unsigned ends;  /* transfers whose end waits for writes of others */
    bool turns_due; /* an EVENT_TURNS is under way */
    bool crash_now; /* in the middle of a sync */
    unsigned boot, restarts;
    uint64_t last_disk;
    bool served[FILES];
    unsigned served_count;
    char fault[FAULT_TEXT];
};

/* One schedule; false: a promise was broken, see fault. */
bool world_run(struct world *w, uint64_t seed, bool trace);

/* ---------------------------------------------------- between the parts */

uint64_t world_random(struct world *w, uint64_t below); /* [0, below) */
bool world_chance(struct world *w, unsigned percent);
int64_t world_now_ms(const struct world *w);
struct event *world_post(struct world *w, enum event_type type, int64_t after_us);
void world_forget_work(struct world *w); /* what threads and lanes had to do */
void world_fault(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
void world_trace(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define TRACE(w, ...) ((w)->trace ? world_trace((w), __VA_ARGS__) : (void)0)

void owner_drain(struct world *w, int file);
void owner_ask(struct world *w, int file, const struct flight_command *c);
/* Bytes of a transfer that has a connection as brief. */
void owner_brief_came(struct world *world);
void owner_retry_asks(struct world *w);
void owner_open(struct world *w, int file);  /* a flight for the file, when there is none */
void owner_allow(struct world *w, int file); /* whose time is over, on every tick of a flight */
void owner_on_written(struct world *w, const struct event *e);
void owner_on_hashed(struct world *w, const struct event *e);
void owner_on_committed(struct world *w, const struct event *e);
void owner_forget_partial(struct blob *b);
void owner_check_turn(struct world *w, int file, unsigned slot, unsigned mirror);
void owner_check_turns(struct world *w); /* after each tick */
void owner_check_start(struct world *w, int file, const struct flight_command *c);
void owner_check(struct world *w, int file);      /* after each step */
void owner_check_sync(struct world *w, int file); /* after each tick */
void owner_release(struct world *w);

/* The partial's map, as engine/files/saved.c keeps it. */
void disk_begin(struct world *w, int file); /* with the first transfer */
void disk_begin_map(struct world *w, int file);
void disk_rebase(struct world *w, int file); /* bytes of another version come */
void disk_mark(struct world *w, int file, int64_t from, int64_t to, unsigned mirror);
void disk_on_sync(struct world *w, int file);
void disk_on_sync_copy(struct world *w, const struct event *e);
void disk_on_sync_end(struct world *w, const struct event *e);
void disk_release(struct disk *d);
void disk_leave(struct world *w, int file); /* the flight ends, its partial stays */
void disk_cut_power(struct world *w, struct disk *d);
void disk_finish_sync(struct world *w, struct disk *d); /* the daemon stops after its lanes */
bool disk_fails(struct world *w);
/* What was left, and is as the file is known to be: fills the blob. Release the runs by free(). */
struct flight_run *disk_resume(struct world *w, int file, size_t *ret_count);

/* ---- judge.c: verdicts, and what follows from them. */
void judge_begin(struct world *w, int file, const struct flight_command *c);
void judge_end(struct world *w, const struct event *e);
void judge_refuse(struct world *w, int file, const struct flight_command *c);
void judge_failed(struct world *w, int file, const struct flight_command *c);
void judge_settle(struct world *w, int file, const struct flight_command *c);
/* A page came in the place of a file: whether it is known to be a portal's. */
bool judge_web_page(struct world *w, int file);
void judge_no_page(struct world *w);

/* ---- claims.c */
void claims_prepare(struct world *w);
void claims_correct(struct world *w, int file, unsigned speaker);
void claims_read(struct world *w, int file, unsigned speaker);
void claims_read_all(struct world *w, int file);
void claims_compare_kept(struct world *w, int file);
bool claims_recheck(struct world *w, int file);
bool claims_any(const struct world *w, int file);
bool claims_allow(const struct world *w, int file, const char sha256[SHA256_HEX]);
bool claims_allow_right(const struct world *w, int file);
enum claimed claims_judge(struct world *w, int file, const char sha256[SHA256_HEX]);
void claims_promise(struct world *w, int file); /* clients were told a length */
void claims_forget_old_promise(struct world *w, int file);

/* ---- crash.c */
void crash(struct world *w, enum crash kind);

void mirror_make(struct world *w, unsigned index);
void mirror_change(struct world *w, unsigned index);
void mirror_calm(struct world *w, unsigned index);
void transfer_start(struct world *w, int file, const struct flight_command *c);
void transfer_stop(struct world *w, int file, uint64_t number);
void transfer_limit(struct world *w, int file, uint64_t number, int64_t to);
void transfer_step(struct world *w, struct transfer *t);
void transfer_settle(struct world *w, struct transfer *t); /* tells its end once writes are done */
void transfer_settle_all(struct world *w, int file);       /* those that waited for others' */
struct transfer *transfer_find(struct world *w, int file, uint64_t flight, uint64_t number);

void readers_arrive(struct world *w, int file);
void readers_arrive_final(struct world *w, int file, unsigned tries);
void readers_wake(struct world *w, int file);
void readers_dismiss(struct world *w, int file, const char *why);
void reader_step(struct world *w, struct reader *r);
