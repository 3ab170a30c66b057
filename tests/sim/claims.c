// SPDX-License-Identifier: Apache-2.0
/*
 * What pages say of files, and what the daemon has read of it. The canonical site says what is
 * right, or is wrong until somebody corrects it; a mirror says what is right, or what it has
 * itself. The choice among these words is engine/claims/claims.c's, and is compared with the law as
 * it is written below: the site's newest word, then what mirrors say, then what is remembered.
 */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "engine/claims/claims.h"
#include "tests/sim/world.h"

enum {
    BEGIN_S = 1000000000,
    RECHECK_MS = 30000, /* so often a page is asked again for the sake of a mismatch */
};

static int64_t now_s(const struct world *w)
{
    return BEGIN_S + world_now_ms(w) / 1000;
}

/* ------------------------------------------------------------------ pages */

static void say(struct world *w, int file, unsigned speaker, int version, int64_t size)
{
    w->page[file][speaker] = (struct word){.version = version, .size = size};
    struct event *e = world_post(w, EVENT_DIGEST, (int64_t)world_random(w, 40000000));
    e->file = file;
    e->index = (int)speaker;
}

static void correct_later(struct world *w, int file, unsigned speaker)
{
    struct event *e = world_post(w, EVENT_CORRECT, (int64_t)world_random(w, 30000000));
    e->file = file;
    e->index = (int)speaker;
}

static void make_site(struct world *w, int file)
{
    int64_t size = w->size[file];
    bool wrong = world_chance(w, 20);
    if (!w->has_digest[file])
        return;
    if (wrong && world_chance(w, 30)) /* of another file, which some mirrors have */
        say(w, file, SITE, 2 + (int)world_random(w, 2), size);
    else
        say(w, file, SITE, wrong ? NOBODYS : RIGHT, size);
    if (wrong)
        correct_later(w, file, SITE);
}

static void make_mirrors(struct world *w, int file)
{
    for (unsigned m = 0; m < w->mirrors; m++) {
        const struct copy *c = &w->mirror[m].copy[file];
        bool lies = !w->mirror[m].honest && c->version && world_chance(w, 70);
        if (!world_chance(w, w->has_digest[file] ? 20 : 10))
            continue;
        say(w, file, m, lies ? c->version : RIGHT, lies ? c->size : w->size[file]);
        if (lies && world_chance(w, 60))
            correct_later(w, file, m);
    }
}

void claims_prepare(struct world *w)
{
    for (int f = 0; f < w->files; f++) {
        make_site(w, f);
        make_mirrors(w, f);
        for (unsigned s = 0; s < SPEAKERS; s++) {
            w->said[f][s] = w->page[f][s];
            if (world_chance(w, 60)) /* no client has asked for it yet */
                w->said[f][s].version = 0;
            int64_t days = world_chance(w, 80) ? 0 : world_chance(w, 50) ? 3 : 20;
            w->said[f][s].said_s = now_s(w) - days * 24 * 3600;
        }
    }
}

/* The page is put right; a mirror's may say no more of the file. */
void claims_correct(struct world *w, int file, unsigned speaker)
{
    bool silent = speaker != SITE && world_chance(w, 30);
    TRACE(w, "file %d page %u corrected", file, speaker);
    w->page[file][speaker] = (struct word){.version = silent ? 0 : RIGHT, .size = w->size[file]};
    if (world_chance(w, 50))
        claims_read(w, file, speaker);
}

/* -------------------------------------------------------------------- law */

static int weight(const struct world *w, int file, unsigned speaker)
{
    const struct word *word = &w->said[file][speaker];
    bool current = !word->withdrawn && now_s(w) - word->said_s <= 7 * 24 * 3600;
    if (!word->version)
        return 0;
    return (current ? 3 : 1) + (speaker == SITE);
}

static int heaviest(const struct world *w, int file)
{
    int best = 0;
    for (unsigned s = 0; s < SPEAKERS; s++)
        if (weight(w, file, s) > best)
            best = weight(w, file, s);
    return best;
}

bool claims_any(const struct world *w, int file)
{
    return heaviest(w, file) > 0;
}

bool claims_allow(const struct world *w, int file, const char sha256[SHA256_HEX])
{
    int best = heaviest(w, file);
    char digest[SHA256_HEX];
    bool any = best == 0;
    for (unsigned s = 0; s < SPEAKERS && !any; s++) {
        const struct word *word = &w->said[file][s];
        if (weight(w, file, s) != best)
            continue;
        version_digest(file, word->size ? word->version : RIGHT, word->size, digest);
        any = strcmp(digest, sha256) == 0;
    }
    return any;
}

/* Those that count name different bytes. */
static bool is_disputed(const struct world *w, int file)
{
    const struct word *first = NULL;
    bool differ = false;
    int best = heaviest(w, file);
    for (unsigned s = 0; s < SPEAKERS && best; s++) {
        const struct word *word = &w->said[file][s];
        if (weight(w, file, s) != best)
            continue;
        first = first ? first : word;
        differ |= word->size != first->size || (word->size && word->version != first->version);
    }
    return differ;
}

bool claims_allow_right(const struct world *w, int file)
{
    char digest[SHA256_HEX];
    version_digest(file, RIGHT, w->size[file], digest);
    return claims_allow(w, file, digest);
}

/* ------------------------------------------------------------- as the daemon */

struct list {
    struct claim list[SPEAKERS];
    char text[SPEAKERS][SHA256_HEX + 8];
    size_t count;
    struct claims_choice choice;
};

static void load(const struct world *w, int file, struct list *ret)
{
    char digest[SHA256_HEX];
    ret->count = 0;
    for (unsigned s = 0; s < SPEAKERS; s++) {
        const struct word *word = &w->said[file][s];
        if (!word->version)
            continue;
        version_digest(file, word->size ? word->version : RIGHT, word->size, digest);
        char *text = ret->text[ret->count];
        (void)snprintf(text, sizeof(ret->text[0]), "sha256=%s", digest);
        ret->list[ret->count++] = (struct claim){.digests = text,
                                                 .said_s = word->said_s,
                                                 .is_site = s == SITE,
                                                 .is_remembered = word->withdrawn};
    }
    claims_choose(ret->list, ret->count, now_s(w), &ret->choice);
}

enum claimed claims_judge(struct world *w, int file, const char sha256[SHA256_HEX])
{
    struct list l;
    struct digests found = {.count = 0};
    load(w, file, &l);
    (void)digests_add(&found, DIGEST_SHA256, sha256);
    bool accepted = claims_accept(l.list, l.count, &l.choice, &found);
    if ((l.choice.counting != 0) != claims_any(w, file) ||
        accepted != claims_allow(w, file, sha256))
        world_fault(w, "file %d: the bytes are %s, and the claims say otherwise", file,
                    accepted ? "accepted" : "refused");
    if (l.choice.is_disputed != is_disputed(w, file))
        world_fault(w, "file %d: the claims %s", file,
                    l.choice.is_disputed ? "agree" : "contradict each other");
    if (!l.choice.counting)
        return CLAIMED_NOTHING;
    if (!accepted)
        return CLAIMED_OTHERWISE;
    return l.choice.is_disputed ? CLAIMED_BY_SOME : CLAIMED;
}

/* What is promised of a file is promised under what is believed of it. */
static void believed(const struct world *w, int file, char ret[SHA256_HEX])
{
    struct list l;
    load(w, file, &l);
    str_copy(ret, SHA256_HEX, l.choice.agreed ? l.choice.agreed + strlen("sha256=") : "");
}

void claims_promise(struct world *w, int file)
{
    believed(w, file, w->blob[file].row_under);
}

void claims_forget_old_promise(struct world *w, int file)
{
    struct blob *b = &w->blob[file];
    char digest[SHA256_HEX];
    believed(w, file, digest);
    if (!b->row_under[0] || !digest[0] || strcmp(b->row_under, digest) == 0)
        return;
    b->row_size = -1;
    b->row_known = false;
}

/* What is kept is compared with today's word: other bytes go. */
void claims_compare_kept(struct world *w, int file)
{
    struct blob *b = &w->blob[file];
    char digest[SHA256_HEX];
    if (b->flight || !b->verified || !b->kept)
        return;
    content_digest(&b->content, file, b->size, digest);
    if (claims_judge(w, file, digest) != CLAIMED_OTHERWISE)
        return;
    TRACE(w, "file %d is kept, and claimed otherwise", file);
    b->kept = false;
}

/* A flight hears that there is a new word. */
static void learn(struct world *w, int file)
{
    struct blob *b = &w->blob[file];
    if (world_chance(w, 80)) /* it may lag by a moment */
        refusals_forget(w->refusals, "sim", w->name[file]);
    b->refused = b->waiting = 0;
    memset(b->sent, 0, sizeof(b->sent));
    claims_compare_kept(w, file);
    if (b->flight && (b->verified || b->committing))
        return;
    b->digest_known = true;
    if (!b->flight)
        return;
    flight_on_vouched(b->flight);
    owner_drain(w, file);
}

/* The same for the same set of digests that count. */
static int64_t law(const struct world *w, int file)
{
    int best = heaviest(w, file);
    int64_t sum = 0;
    for (unsigned s = 0; s < SPEAKERS; s++) {
        const struct word *word = &w->said[file][s];
        bool counts = best && weight(w, file, s) == best;
        for (unsigned o = 0; o < s && counts; o++)
            counts = weight(w, file, o) != best || w->said[file][o].version != word->version ||
                     w->said[file][o].size != word->size;
        sum += counts ? word->version * 1000003ll + word->size : 0;
    }
    return sum;
}

void claims_read(struct world *w, int file, unsigned speaker)
{
    struct word *word = &w->said[file][speaker];
    const struct word *page = &w->page[file][speaker];
    int64_t old = law(w, file);
    if (page->version)
        *word = *page;
    else
        word->withdrawn = true;
    if (page->version)
        word->said_s = now_s(w);
    if (law(w, file) != old) {
        TRACE(w, "file %d page %u says version %d", file, speaker, page->version);
        learn(w, file);
    }
}

void claims_read_all(struct world *w, int file)
{
    for (unsigned s = 0; s < SPEAKERS; s++)
        claims_read(w, file, s);
}

/* A mismatch: the page is asked again before anybody is blamed. Whether it was. */
bool claims_recheck(struct world *w, int file)
{
    int64_t *last = &w->rechecked_ms[file];
    if (*last && world_now_ms(w) - *last < RECHECK_MS)
        return false;
    *last = world_now_ms(w);
    claims_read_all(w, file);
    return true;
}
