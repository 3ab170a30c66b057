// SPDX-License-Identifier: Apache-2.0
/* The owner of the flights: carries out their commands as the daemon does, and checks each. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "tests/sim/world.h"

/* ------------------------------------------------------------ life of it */

void owner_forget_partial(struct blob *b)
{
    disk_release(&b->disk);
    extents_release(&b->claimed);
    extents_release(&b->reported);
    content_clear(&b->content);
    b->partial++;
    b->released = b->hashed = 0;
    b->verdict = FLIGHT_UNSOUND;
    b->judging = b->hashing = b->has_base = b->reserved = false;
    b->base_validator = 0;
    b->unsynced_ms = -1;
    b->dropped = 0;
    b->transfers = b->fulls = 0;
}

/* While it is too early to fetch the same again, an answer must be about another file. Mirrors
 * whose answers cannot tell are not asked. */
static void recall(struct world *w, int file, struct flight_options *o)
{
    struct refused_file known;
    w->blob[file].refused = w->blob[file].waiting = 0;
    if (!refusals_find(w->refusals, "sim", w->name[file], world_now_ms(w), &known))
        return;
    o->blamed = known.mirrors;
    if (!known.waits)
        return;
    o->refused = w->blob[file].refused = w->blob[file].waiting = known.mirrors;
    w->blob[file].waiting_until_ms = known.until_ms;
}

void owner_allow(struct world *w, int file)
{
    struct blob *b = &w->blob[file];
    unsigned mirrors = b->waiting;
    if (!mirrors || world_now_ms(w) < b->waiting_until_ms)
        return;
    TRACE(w, "file %d may ask %x again", file, mirrors);
    b->refused &= ~mirrors;
    b->waiting = 0;
    flight_on_allowed(b->flight, mirrors);
}

void owner_open(struct world *w, int file)
{
    struct blob *b = &w->blob[file];
    if (b->flight)
        return;
    owner_forget_partial(b);
    for (unsigned s = 0; s < SPEAKERS; s++)
        if (world_chance(w, s == SITE ? 80 : 40))
            claims_read(w, file, s);
    claims_forget_old_promise(w, file);
    size_t present_count = 0;
    struct flight_run *present = disk_resume(w, file, &present_count);
    int64_t size = present ? b->size : b->row_size;
    /* The catalogue does not forget one: bytes were mixed and lengths believed under it. */
    b->digest_known = claims_any(w, file);
    b->resumed = present;
    b->promised_size = present ? -1 : size;
    b->born_known = size >= 0 && (present ? b->digest_known : b->row_known || world_chance(w, 50));
    b->connections = 1 + (unsigned)world_random(w, 3);
    struct flight_options o = {.mirrors = w->mirrors,
                               .size = size,
                               .connections = b->connections,
                               .is_known = b->born_known,
                               .is_vouched = b->digest_known,
                               .present = present,
                               .present_count = present_count};
    recall(w, file, &o);
    b->downloads++;
    b->known = b->born_known;
    b->known_size = b->size = b->told_size = o.size;
    o.now_ms = world_now_ms(w);
    b->vouched_version = 0;
    memset(b->sent, 0, sizeof(b->sent));
    b->kept = b->verified = b->parked = b->committing = b->cut_since_known = false;
    b->idle_ms = -1;
    memset(b->ask, 0, sizeof(b->ask));
    memset(b->ignored_range, 0, sizeof(b->ignored_range));
    b->syncing = false;
    if (flight_new(&o, &b->flight))
        world_fault(w, "flight_new failed");
    free(present);
    TRACE(w, "file %d flight %llu: size %lld of %lld, digest %s", file,
          (unsigned long long)b->downloads, (long long)o.size, (long long)w->size[file],
          o.is_vouched ? "known" : "unknown");
}

static void close_flight(struct world *w, int file, bool keep)
{
    struct blob *b = &w->blob[file];
    struct flight_command c;
    if (flight_next(b->flight, &c))
        world_fault(w, "file %d: a command after FLIGHT_END", file);
    for (int i = 0; i < w->transfers; i++) {
        struct transfer *t = &w->transfer[i];
        struct extent run;
        if (t->used && t->file == file && t->flight == b->downloads && !t->over && t->begun &&
            extents_missing(&b->claimed, t->at, t->end, &run))
            world_fault(w, "file %d: transfer %llu still has bytes to send at the end", file,
                        (unsigned long long)t->number);
    }
    if (b->verified)
        readers_wake(w, file); /* they read on from the blob */
    else
        readers_dismiss(w, file, "flight ended");
    flight_free(b->flight);
    b->flight = NULL;
    TRACE(w, "file %d flight ended", file);
    if (keep)
        disk_leave(w, file);
    else
        disk_release(&b->disk);
}

void owner_release(struct world *w)
{
    for (int f = 0; f < w->files; f++) {
        struct blob *b = &w->blob[f];
        flight_free(b->flight);
        owner_forget_partial(b);
        disk_release(&b->left);
        content_clear(&b->cut);
    }
    refusals_free(w->refusals);
    portal_free(w->portal);
    budget_free(w->budget);
}

/* ------------------------------------------------------ commands, checked */

static void on_start(struct world *w, int file, const struct flight_command *c)
{
    struct blob *b = &w->blob[file];
    TRACE(w, "file %d transfer %llu slot %u mirror %u [%lld, %lld)%s%s", file,
          (unsigned long long)c->transfer, c->slot, c->mirror, (long long)c->from, (long long)c->to,
          c->head ? " HEAD" : "", c->resume ? " resume" : "");
    if (c->mirror >= w->mirrors || (b->refused & (1u << c->mirror)))
        world_fault(w, "file %d: mirror %u is asked, whose file was refused", file, c->mirror);
    if (transfer_find(w, file, b->downloads, c->transfer))
        world_fault(w, "file %d: transfer number given twice", file);
    owner_check_start(w, file, c);
    if (!c->head)
        disk_begin(w, file);
    transfer_start(w, file, c);
}

static void on_known(struct world *w, int file, const struct flight_command *c)
{
    struct blob *b = &w->blob[file];
    TRACE(w, "file %d known, size %lld", file, (long long)c->size);
    if (b->known)
        world_fault(w, "file %d: FLIGHT_KNOWN twice", file);
    b->known = true;
    b->known_size = b->row_size = c->size;
    b->row_known = c->size >= 0;
    claims_promise(w, file);
}

/* Of a body whose length was never told. */
static bool more_comes(const struct world *w, int file, int64_t size)
{
    bool any = false;
    for (int i = 0; i < w->transfers; i++) {
        const struct transfer *t = &w->transfer[i];
        any |= t->used && t->file == file && t->flight == w->blob[file].downloads && t->begun &&
               !t->over && t->to < 0 && t->copy.told < 0 && t->end > size;
    }
    return any;
}

static void on_release(struct world *w, int file, const struct flight_command *c)
{
    struct blob *b = &w->blob[file];
    TRACE(w, "file %d release %lld", file, (long long)c->to);
    b->released = c->to;
    if (c->to == INT64_MAX) {
        char digest[SHA256_HEX];
        content_digest(&b->content, file, c->size, digest);
        b->verified = true;
        if (!b->judging || (b->verdict != FLIGHT_AGREED && b->verdict != FLIGHT_SOUND))
            world_fault(w, "file %d: verified before it was judged good", file);
        b->judging = false;
        b->vouched_version = b->digest_known && c->size ? content_at(&b->content, 0)->version : 0;
        if (extents_end(&b->reported, 0) < c->size || b->hashed < c->size)
            world_fault(w, "file %d: verified before all was there and hashed", file);
        if (!claims_allow(w, file, digest))
            world_fault(w, "file %d: verified with a wrong digest", file);
        if (!b->digest_known && !content_is_of_one_answer(&b->content))
            world_fault(w, "file %d: bytes of several answers mixed without a digest", file);
        if (!b->digest_known && more_comes(w, file, c->size))
            world_fault(w, "file %d: the beginning of a file is taken for all of it", file);
        return;
    }
    int64_t hold = c->size > FLIGHT_HOLD_BACK || c->size < 0 ? FLIGHT_HOLD_BACK : 1;
    int64_t end = c->size < 0 ? extents_end(&b->reported, 0) : c->size;
    if (c->to > end - hold)
        world_fault(w, "file %d: [0, %lld) released unverified, size %lld", file, (long long)c->to,
                    (long long)c->size);
}

static void on_hash(struct world *w, int file, const struct flight_command *c)
{
    struct blob *b = &w->blob[file];
    TRACE(w, "file %d hash [%lld, %lld)", file, (long long)c->from, (long long)c->to);
    if (b->hashing || c->from != b->hashed || c->to < c->from ||
        extents_end(&b->reported, 0) < c->to)
        world_fault(w, "file %d: hash of [%lld, %lld) behind %lld", file, (long long)c->from,
                    (long long)c->to, (long long)b->hashed);
    b->hashing = true;
    struct event *e = world_post(w, EVENT_HASHED, 10 + (int64_t)world_random(w, 50000));
    e->file = file;
    e->to = c->to;
    e->from = c->size; /* the digest ends where the file is known to end */
    e->partial = b->partial;
    e->flight = b->downloads;
}

static void on_cut(struct world *w, int file, const struct flight_command *c)
{
    TRACE(w, "file %d CUT %s", file, error_text(c->error));
    readers_dismiss(w, file, "cut");
    struct blob *b = &w->blob[file];
    content_copy(&b->content, &b->cut);
    b->cut_resumed = b->resumed;
    owner_forget_partial(b);
    b->known = b->parked = false;
    b->told_size = b->promised_size;
    b->resumed = false;
    b->cut_since_known = true;
}

static void on_commit(struct world *w, int file, const struct flight_command *c)
{
    struct blob *b = &w->blob[file];
    char digest[SHA256_HEX];
    TRACE(w, "file %d commit%s", file, c->authoritative ? ", authoritative" : "");
    content_digest(&b->content, file, c->size, digest);
    bool length_known = b->told_size >= 0;
    if (strcmp(c->sha256, digest) != 0 || extents_end(&b->reported, 0) < c->size)
        world_fault(w, "file %d: commit of other bytes than are there", file);
    if (c->authoritative != b->digest_known || !claims_allow(w, file, digest))
        world_fault(w, "file %d: commit against the known digest", file);
    if (!b->digest_known && !length_known)
        world_fault(w, "file %d: commit with neither length nor digest", file);
    if (length_known && b->told_size != c->size && !b->digest_known)
        world_fault(w, "file %d: commit of another length than announced", file);
    judge_settle(w, file, c);
    b->committing = true;
    struct event *e = world_post(w, EVENT_COMMITTED, (int64_t)world_random(w, 100000));
    e->file = file;
    e->flight = b->downloads;
}

static void on_fail(struct world *w, int file, const struct flight_command *c)
{
    struct blob *b = &w->blob[file];
    TRACE(w, "file %d FAIL %s: %s", file, error_text(c->error), c->detail);
    if (w->well_ms && world_now_ms(w) > w->well_ms && w->mirrors == 1 && w->mirror[0].honest &&
        w->good[file] && b->digest_known && !w->stopping && !c->refusals)
        world_fault(w, "file %d: failed, and the only mirror is well", file);
    judge_failed(w, file, c);
    if (c->doubted) {
        b->row_size = -1;
        b->row_known = false;
    }
    if (!b->verified)
        readers_dismiss(w, file, "failed");
}

static void on_park(struct world *w, int file)
{
    struct blob *b = &w->blob[file];
    TRACE(w, "file %d parked", file);
    b->parked = true;
    b->reserved = false;
    memset(b->ask, 0, sizeof(b->ask));
    for (int i = 0; i < w->readers; i++)
        if (w->reader[i].used && w->reader[i].file == file && !b->verified)
            world_fault(w, "file %d: parked while reader %llu waits", file,
                        (unsigned long long)w->reader[i].id);
}

/* Once, for all of it; the disk may have no room. */
static void on_reserve(struct world *w, int file, const struct flight_command *c)
{
    struct blob *b = &w->blob[file];
    TRACE(w, "file %d reserves %lld", file, (long long)c->size);
    if (b->reserved || !b->known || c->size <= 0 || b->parked)
        world_fault(w, "file %d: %lld bytes are reserved%s", file, (long long)c->size,
                    b->reserved ? " again"
                    : b->parked ? ", parked"
                                : ", and nobody knows of them");
    b->reserved = true;
    if (disk_fails(w))
        flight_on_disk_error(b->flight, ERROR_NO_SPACE);
}

static void execute(struct world *w, int file, const struct flight_command *c)
{
    struct blob *b = &w->blob[file];
    b->size = c->size;
    switch (c->type) {
    case FLIGHT_ASK:
        owner_ask(w, file, c);
        break;
    case FLIGHT_START:
        on_start(w, file, c);
        break;
    case FLIGHT_STOP:
        if (c->error)
            budget_outrun(w->budget, c->transfer % FLIGHT_MIRRORS, c->detail, c->rate,
                          world_now_ms(w));
        transfer_stop(w, file, c->transfer);
        break;
    case FLIGHT_LIMIT:
        transfer_limit(w, file, c->transfer, c->to);
        break;
    case FLIGHT_KNOWN:
        on_known(w, file, c);
        break;
    case FLIGHT_RELEASE:
        on_release(w, file, c);
        break;
    case FLIGHT_DROP:
        b->ask[c->slot].waiting = false;
        break;
    case FLIGHT_RESERVE:
        on_reserve(w, file, c);
        break;
    case FLIGHT_SYNC:
        disk_on_sync(w, file);
        break;
    case FLIGHT_HASH:
        on_hash(w, file, c);
        break;
    case FLIGHT_JUDGE:
        judge_begin(w, file, c);
        break;
    case FLIGHT_CUT:
        on_cut(w, file, c);
        break;
    case FLIGHT_REFUSE:
        judge_refuse(w, file, c);
        break;
    case FLIGHT_COMMIT:
        on_commit(w, file, c);
        break;
    case FLIGHT_FAIL:
        on_fail(w, file, c);
        break;
    case FLIGHT_PARK:
        on_park(w, file);
        break;
    case FLIGHT_END:
        close_flight(w, file, c->keep);
        break;
    }
}

void owner_drain(struct world *w, int file)
{
    struct flight_command c;
    for (int n = 0; w->blob[file].flight && !w->fault[0] && flight_next(w->blob[file].flight, &c);
         n++) {
        execute(w, file, &c);
        if (n > 1000)
            world_fault(w, "file %d: commands without end", file);
    }
    readers_wake(w, file);
}

/* ------------------------------------------------------------ the disk */

static void add_pieces(struct blob *b, const struct event *e)
{
    struct piece p = {.from = e->from,
                      .to = e->to,
                      .version = e->copy.version,
                      .validator = e->copy.validator,
                      .mirror = e->number % FLIGHT_MIRRORS,
                      .transfer = e->flight << 32 | e->number};
    if (e->copy.spoilt < e->from || e->copy.spoilt >= e->to) {
        content_add(&b->content, &p);
        return;
    }
    struct piece parts[] = {p, p, p};
    parts[0].to = parts[1].from = e->copy.spoilt;
    parts[1].to = parts[2].from = e->copy.spoilt + 1;
    parts[1].version = WRONG;
    for (int i = 0; i < 3; i++)
        if (parts[i].from < parts[i].to)
            content_add(&b->content, &parts[i]);
}

void owner_on_written(struct world *w, const struct event *e)
{
    struct blob *b = &w->blob[e->file];
    struct transfer *t = &w->transfer[e->index];
    t->writes--;
    if (b->flight && b->downloads == e->flight) {
        if (disk_fails(w)) {
            TRACE(w, "file %d disk error", e->file);
            flight_on_disk_error(b->flight, world_chance(w, 50) ? ERROR_NO_SPACE : ERROR_IO);
        } else {
            if (b->partial == e->partial) {
                add_pieces(b, e);
                (void)extents_add(&b->reported, e->from, e->to);
                disk_mark(w, e->file, e->from, e->to, e->number % FLIGHT_MIRRORS);
                if (b->unsynced_ms < 0)
                    b->unsynced_ms = world_now_ms(w);
            }
            TRACE(w, "file %d transfer %llu wrote [%lld, %lld)", e->file,
                  (unsigned long long)e->number, (long long)e->from, (long long)e->to);
            flight_on_bytes(b->flight, e->number, e->from, e->to);
        }
        owner_drain(w, e->file);
    }
    transfer_settle(w, t);
    transfer_settle_all(w, e->file);
}

void owner_on_hashed(struct world *w, const struct event *e)
{
    struct blob *b = &w->blob[e->file];
    if (!b->flight || b->downloads != e->flight || b->partial != e->partial)
        return;
    b->hashing = false;
    b->hashed = e->to;
    char digest[SHA256_HEX];
    content_digest(&b->content, e->file, e->to, digest);
    flight_on_hashed(b->flight, e->to, e->to == e->from ? digest : NULL);
    owner_drain(w, e->file);
}

void owner_on_committed(struct world *w, const struct event *e)
{
    struct blob *b = &w->blob[e->file];
    if (!b->flight || b->downloads != e->flight)
        return;
    b->kept = !world_chance(w, 10);
    flight_on_committed(b->flight, b->kept ? 0 : ERROR_IO);
    owner_drain(w, e->file);
    if (b->flight)
        world_fault(w, "file %d: committed, but no end", e->file);
    claims_compare_kept(w, e->file); /* a page may have spoken meanwhile */
}
