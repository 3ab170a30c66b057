// SPDX-License-Identifier: Apache-2.0
/*
 * Whether bytes are the right ones, as engine/files/judge.c does it, and what follows for mirrors,
 * as engine/files/blame.c does.
 */
#include <string.h>

#include "base/error.h"
#include "tests/sim/world.h"

enum { LIES_BEFORE_OUT = 3 };

/* ------------------------------------------------------------------ verdicts */

/* Reading the disk takes moments, asking for a page again seconds. */
void judge_begin(struct world *w, int file, const struct flight_command *c)
{
    struct blob *b = &w->blob[file];
    char digest[SHA256_HEX];
    TRACE(w, "file %d judge %llu", file, (unsigned long long)c->judgement);
    content_digest(&b->content, file, c->size, digest);
    if (b->judging || b->verified || b->hashing || b->hashed < c->size ||
        extents_end(&b->reported, 0) < c->size || strcmp(c->sha256, digest) != 0)
        world_fault(w, "file %d: is to be judged%s", file,
                    b->judging ? " again" : ", and is not whole and hashed");
    b->judging = true;
    uint64_t most_us = world_chance(w, 80) ? 5000 : 10000000;
    struct event *e = world_post(w, EVENT_JUDGED, 1 + (int64_t)world_random(w, most_us));
    e->file = file;
    e->number = c->judgement;
    e->to = c->size;
    e->flight = b->downloads;
}

/* Of a spoilt file its structure shows it only where the wrong byte lies in it. */
static bool is_sound(struct world *w, const struct content *c, int64_t size)
{
    const struct piece *first = content_at(c, 0);
    if (first && first->version == PORTAL)
        return false;
    return !content_is_odd(c, size) || world_chance(w, 50);
}

/* By what is claimed when the verdict falls. */
static enum flight_verdict verdict_of(struct world *w, int file, int64_t size)
{
    struct blob *b = &w->blob[file];
    char digest[SHA256_HEX];
    content_digest(&b->content, file, size, digest);
    enum claimed claimed = claims_judge(w, file, digest);
    if (claimed == CLAIMED_OTHERWISE && claims_recheck(w, file))
        claimed = claims_judge(w, file, digest);
    if (claimed == CLAIMED)
        return FLIGHT_AGREED;
    if (claimed == CLAIMED_OTHERWISE)
        return FLIGHT_WRONG;
    if (!is_sound(w, &b->content, size))
        return FLIGHT_UNSOUND;
    return claimed == CLAIMED_BY_SOME ? FLIGHT_AGREED : FLIGHT_SOUND;
}

/* Also of a file that was cut meanwhile, of which the flight wants to hear nothing. */
void judge_end(struct world *w, const struct event *e)
{
    struct blob *b = &w->blob[e->file];
    if (!b->flight || b->downloads != e->flight)
        return;
    static const char *const text[] = {"agreed", "sound", "wrong", "unsound"};
    b->verdict = b->last_verdict = verdict_of(w, e->file, e->to);
    b->right_allowed = claims_allow_right(w, e->file);
    TRACE(w, "file %d judged %llu: %s", e->file, (unsigned long long)e->number, text[b->verdict]);
    flight_on_judged(b->flight, e->number, b->verdict, text[b->verdict]);
    owner_drain(w, e->file);
}

/* ------------------------------------------------------------------ portals */

/* The same page in the place of two files, or one of a stranger. */
bool judge_web_page(struct world *w, int file)
{
    char sha256[SHA256_HEX];
    version_digest(0, PORTAL, 0, sha256);
    bool expected = w->portal_open || w->portal_host || (w->portal_files & ~(1u << file));
    w->portal_open =
        portal_note(w->portal, (uint64_t)file + 1, sha256, w->portal_host, world_now_ms(w));
    w->portal_files |= 1u << file;
    if (w->portal_open != expected)
        world_fault(w, "file %d: a page is taken for %s", file,
                    expected ? "a mirror's" : "a portal's");
    return w->portal_open;
}

/* Something else came: the portal is over, if there was one. */
void judge_no_page(struct world *w)
{
    if (portal_over(w->portal) != w->portal_open)
        world_fault(w, "the portal is %s", w->portal_open ? "forgotten" : "made up");
    w->portal_open = false;
    w->portal_files = 0;
}

/* -------------------------------------------------------------------- blame */

/* Every byte was that mirror's own, and no disk or length of long ago had a part in it. */
static void check_refusal(struct world *w, int file, const struct flight_command *c)
{
    struct blob *b = &w->blob[file];
    bool wrong = c->error == ERROR_DIGEST_MISMATCH;
    for (size_t i = 0; i < b->cut.count; i++)
        if (b->cut.list[i].mirror != c->mirror)
            world_fault(w, "file %d: mirror %u is refused for bytes of mirror %u", file, c->mirror,
                        b->cut.list[i].mirror);
    if (b->last_verdict != (wrong ? FLIGHT_WRONG : FLIGHT_UNSOUND) || b->cut_resumed)
        world_fault(w, "file %d: mirror %u is refused, and that was not the verdict", file,
                    c->mirror);
    if (w->mirror[c->mirror].honest && !(wrong && !b->right_allowed) && !b->portal_seen)
        world_fault(w, "file %d: honest mirror %u is refused", file, c->mirror);
}

void judge_refuse(struct world *w, int file, const struct flight_command *c)
{
    struct blob *b = &w->blob[file];
    bool page = b->cut.count && b->cut.list[0].version == PORTAL;
    bool labelled = page && w->portal_kind == PORTAL_LABELLED;
    TRACE(w, "file %d refuses mirror %u", file, c->mirror);
    check_refusal(w, file, c);
    b->refused |= 1u << c->mirror;
    b->waiting &= ~(1u << c->mirror);
    if (labelled && judge_web_page(w, file)) {
        refusals_forget_bytes(w->refusals, c->sha256);
        return;
    }
    memcpy(b->sent[c->mirror], c->sha256, sizeof(b->sent[0]));
    refusals_note(w->refusals, "sim", w->name[file], c->mirror, c->sha256, labelled, NULL,
                  c->detail, world_now_ms(w));
}

/* Two honest mirrors that sent the same against a claim make the claim doubtful. */
static void check_agreeing(struct world *w, int file, unsigned agreeing)
{
    const struct blob *b = &w->blob[file];
    unsigned honest = 0;
    for (unsigned m = 0; m < w->mirrors; m++)
        if ((b->refused & (1u << m)) && b->sent[m][0] && w->mirror[m].honest && !b->portal_seen)
            honest |= 1u << m;
    if ((honest & (honest - 1)) && !agreeing)
        world_fault(w, "file %d: mirrors agree against the claim, and it is not doubted", file);
    for (unsigned m = 0; m < w->mirrors; m++)
        for (unsigned o = 0; o < m; o++)
            if ((agreeing & b->refused & (1u << m)) && (agreeing & b->refused & (1u << o)) &&
                b->sent[m][0] && b->sent[o][0] && strcmp(b->sent[m], b->sent[o]) != 0)
                world_fault(w, "file %d: mirrors %u and %u agree, and sent different bytes", file,
                            o, m);
}

void judge_failed(struct world *w, int file, const struct flight_command *c)
{
    struct refused_file known;
    if (!c->refusals)
        return;
    if (!w->blob[file].refused)
        world_fault(w, "file %d: failed for copies that were refused by an old word", file);
    refusals_failed(w->refusals, "sim", w->name[file], world_now_ms(w));
    bool any = refusals_find(w->refusals, "sim", w->name[file], world_now_ms(w), &known);
    check_agreeing(w, file, any ? known.agreeing : 0);
}

static void blame(struct world *w, int file, unsigned mirror, const char *right)
{
    char digest[SHA256_HEX];
    struct budget_view view;
    TRACE(w, "file %d blames mirror %u", file, mirror);
    version_digest(file, RIGHT, w->size[file], digest);
    if (w->mirror[mirror].honest && strcmp(digest, right) == 0 && !w->blob[file].portal_seen)
        world_fault(w, "file %d: honest mirror %u is blamed", file, mirror);
    budget_lied(w->budget, mirror, (uint64_t)file + 1, world_now_ms(w));
    w->lies[mirror] |= 1u << file;
    budget_view(w->budget, mirror, world_now_ms(w), &view);
    if (view.state == MIRROR_OUT && __builtin_popcount(w->lies[mirror]) < LIES_BEFORE_OUT)
        world_fault(w, "mirror %u is put out for fewer than %d files", mirror, LIES_BEFORE_OUT);
}

/* The right bytes are known: a mirror that sent others is blamed. */
void judge_settle(struct world *w, int file, const struct flight_command *c)
{
    unsigned differ = refusals_settle(w->refusals, "sim", w->name[file], c->sha256);
    struct flight_view v;
    flight_view(w->blob[file].flight, &v);
    for (unsigned m = 0; m < w->mirrors && c->authoritative; m++) {
        if (v.senders & (1u << m)) {
            budget_vouched(w->budget, m);
            w->lies[m] = 0;
        } else if (differ & (1u << m)) {
            blame(w, file, m, c->sha256);
        }
    }
}
