// SPDX-License-Identifier: Apache-2.0
/*
 * What the sources of a merge say of each file, and what is believed of it.
 *
 *     saying_begin -> saying_note for each link -> saying_settle -> saying_release
 *
 * What is said of a file is a chain in `list`, by index, because the list moves when it grows. For
 * each file the present claims and the remembered rows are gathered, and claims_choose decides.
 * What differs from the rows is news, which build_remember writes. Pure.
 */
#include "engine/pages/merge_claims.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "base/vec.h"
#include "engine/claims/claims.h"
#include "engine/mirrors/origins.h"

/* A row that says the same is written anew when its date is so much older than the page's: each
 * page would be a write otherwise. */
enum { WRITE_EVERY_S = 6 * 3600, DETAIL_BYTES = 512 };

void saying_begin(struct saying *s, const struct merge_input *in, struct merge *merge)
{
    *s = (struct saying){.input = in, .merge = merge};
    for (unsigned i = 0; i < in->source_count; i++) {
        s->heard |= 1u << in->sources[i].mirror;
        s->said_s[in->sources[i].mirror] = in->sources[i].said_s;
    }
    for (size_t m = 0; m < MERGE_SOURCES && m < in->origin->mirror_count; m++)
        s->is_site[m] = origin_is_site(in->origin, m);
}

void saying_release(struct saying *s)
{
    free(s->list);
}

/* Owns a text until the merge is released. */
static const char *own(struct merge *m, char *text)
{
    /* at 0, 1, 3, 7 the list is full: twice the room */
    char **texts = vec_grow(m->texts, m->text_count, sizeof(*texts));
    if (!texts) {
        free(text);
        return NULL;
    }
    m->texts = texts;
    return text ? m->texts[m->text_count++] = text : NULL;
}

/* Two links of one page lead to one file: the page claims both texts. */
static int join(struct merge *m, const char **known, const char *more)
{
    struct digests both = {.count = 0};
    char text[DIGESTS_TEXT];
    if (!more || (*known && strcmp(*known, more) == 0))
        return 0;
    if (!*known) {
        *known = more;
        return 0;
    }
    digests_add_text(&both, *known, ' ');
    digests_add_text(&both, more, ' ');
    digests_write(&both, text);
    *known = own(m, strdup(text));
    return *known ? 0 : ERROR_NO_MEMORY;
}

/* Claims without a digest are not noted: they would count for nothing. */
int saying_note(struct saying *s, struct merge_file *f, unsigned mirror,
                const struct listed_file *l)
{
    const char *metadata = l->has_metadata ? l->metadata_digests : NULL;
    if (!l->digests && !metadata)
        return 0;
    for (size_t i = f->said; i; i = s->list[i - 1].next) {
        struct said *said = &s->list[i - 1];
        if (said->mirror != mirror)
            continue;
        int r = join(s->merge, &said->digests, l->digests);
        return r ? r : join(s->merge, &said->metadata, metadata);
    }
    struct said *list = vec_grow(s->list, s->count, sizeof(*list));
    if (!list)
        return ERROR_NO_MEMORY;
    s->list = list;
    s->list[s->count++] = (struct said){f->said, mirror, l->digests, metadata};
    f->said = s->count;
    return 0;
}

/* ------------------------------------------------------------------- choice */

/* All claims of one file: what is said now, then what is remembered. */
struct gathered {
    struct claim claims[CLAIMS_MOST]; /* of the file, and of its metadata */
    struct claim metadata[CLAIMS_MOST];
    size_t count;
    /* the rows alone: what was believed before */
    struct claim before[CLAIMS_MOST], metadata_before[CLAIMS_MOST];
    size_t before_count;
    bool has_metadata, has_changed;
};

static int add_news(struct merge *m, struct merge_news news)
{
    struct merge_news *list = vec_grow(m->news, m->news_count, sizeof(*list));
    if (!list)
        return ERROR_NO_MEMORY;
    m->news = list;
    m->news[m->news_count++] = news;
    return 0;
}

/* A row names digests of the file and of its metadata: two claims of one date. */
static void add_claim(struct gathered *g, struct claim c, const char *digests, const char *metadata)
{
    if (g->count == CLAIMS_MOST)
        return;
    c.digests = digests;
    g->claims[g->count] = c;
    c.digests = metadata;
    g->metadata[g->count++] = c;
    g->has_metadata |= metadata != NULL;
}

/* Rows are sorted by path, so those of a file stand together. */
static const struct merge_claim *row_of(const struct merge_input *in, long first, const char *path,
                                        const char *mirror)
{
    for (size_t i = (size_t)first; first >= 0 && i < in->remembered_count; i++) {
        const struct merge_claim *row = &in->remembered[i];
        if (strcmp(row->path, path) != 0)
            break;
        if (strcmp(row->mirror, mirror) == 0)
            return row;
    }
    return NULL;
}

/* Gathers what the sources say now, and notes what differs from the rows. */
static int gather_said(struct saying *s, struct merge_file *f, long first, struct gathered *g)
{
    int r = 0;
    for (size_t i = f->said; i && r == 0; i = s->list[i - 1].next) {
        const struct said *said = &s->list[i - 1];
        if (said->mirror == SAYING_NO_MIRROR) {
            add_claim(g, (struct claim){.is_remembered = true}, said->digests, said->metadata);
            continue;
        }
        const char *mirror = s->input->origin->mirrors[said->mirror].name;
        int64_t said_s = s->said_s[said->mirror];
        add_claim(
            g,
            (struct claim){.mirror = mirror, .said_s = said_s, .is_site = s->is_site[said->mirror]},
            said->digests, said->metadata);
        const struct merge_claim *row = row_of(s->input, first, f->path, mirror);
        /* a claim that was withdrawn and is made again counts as a new one */
        bool same = row && !row->is_withdrawn && merge_is_text(row->digests, said->digests) &&
                    merge_is_text(row->metadata, said->metadata);
        g->has_changed |= !same;
        if (!same || said_s - row->said_s >= WRITE_EVERY_S)
            r = add_news(s->merge, (struct merge_news){.file = (size_t)(f - s->merge->files),
                                                       .mirror = mirror,
                                                       .digests = said->digests,
                                                       .metadata = said->metadata,
                                                       .said_s = said_s});
    }
    return r;
}

/* -1: the mirror of a row is not configured any more. */
static int find_mirror(const struct origin *origin, const char *name)
{
    for (size_t m = 0; m < MERGE_SOURCES && m < origin->mirror_count; m++)
        if (strcmp(origin->mirrors[m].name, name) == 0)
            return (int)m;
    return -1;
}

/* Whether that mirror is among those that claim something of the file now. */
static bool is_said_now(const struct saying *s, const struct merge_file *f, unsigned mirror)
{
    for (size_t i = f->said; i; i = s->list[i - 1].next)
        if (s->list[i - 1].mirror == mirror)
            return true;
    return false;
}

/* Gathers rows of mirrors that do not say it now. When the very page that said it does not say
 * it any more, it takes the claim back. Another page of that mirror may still say it. */
static int gather_rows(struct saying *s, struct merge_file *f, long first, struct gathered *g)
{
    const struct merge_input *in = s->input;
    const char *channel = in->channel ? in->channel : "";
    for (size_t i = (size_t)first; first >= 0 && i < in->remembered_count; i++) {
        const struct merge_claim *row = &in->remembered[i];
        if (strcmp(row->path, f->path) != 0)
            break;
        int m = find_mirror(in->origin, row->mirror);
        struct claim c = {.mirror = row->mirror,
                          .said_s = row->said_s,
                          .is_site = m >= 0 && s->is_site[m],
                          .is_remembered = row->is_withdrawn || m < 0};
        if (g->before_count < CLAIMS_MOST) {
            g->before[g->before_count] = g->metadata_before[g->before_count] = c;
            g->before[g->before_count].digests = row->digests;
            g->metadata_before[g->before_count++].digests = row->metadata;
        }
        if (m >= 0 && is_said_now(s, f, (unsigned)m))
            continue;
        /* heard: the mirror's page is among the sources, so its silence is an answer */
        bool taken_back = m >= 0 && (s->heard & (1u << m)) && !row->is_withdrawn &&
                          strcmp(row->channel, channel) == 0;
        if (taken_back) {
            c.is_remembered = true;
            g->has_changed = true;
            int r = add_news(s->merge, (struct merge_news){.file = (size_t)(f - s->merge->files),
                                                           .mirror = row->mirror,
                                                           .digests = row->digests,
                                                           .metadata = row->metadata,
                                                           .said_s = row->said_s,
                                                           .is_withdrawn = true});
            if (r)
                return r;
        }
        add_claim(g, c, row->digests, row->metadata);
    }
    return 0;
}

/* The text that is believed, as one that outlives the choice. */
static int believe(struct saying *s, const struct claims_choice *choice, const char **ret)
{
    *ret = choice->agreed;
    if (choice->agreed == choice->text)
        *ret = own(s->merge, strdup(choice->text));
    return *ret || !choice->agreed ? 0 : ERROR_NO_MEMORY;
}

/* Whether the rows alone led to another result. Only then files have to learn anything. */
static bool is_other(const struct claim *before, size_t count, int64_t now_s,
                     const struct claims_choice *after, bool *ret_was_said)
{
    struct claims_choice choice;
    claims_choose(before, count, now_s, &choice);
    *ret_was_said = choice.rank != CLAIM_NONE;
    return choice.is_disputed != after->is_disputed || !merge_is_text(choice.agreed, after->agreed);
}

/* Only where a mirror or a row says anything of the metadata. */
static int settle_metadata(struct saying *s, struct merge_file *f, const struct gathered *g)
{
    struct claims_choice choice;
    bool was_said;
    if (!g->has_metadata)
        return 0;
    claims_choose(g->metadata, g->count, s->input->now_s, &choice);
    f->learns_metadata = g->has_changed && is_other(g->metadata_before, g->before_count,
                                                    s->input->now_s, &choice, &was_said);
    return believe(s, &choice, &f->said_metadata);
}

/* The choice lives on the stack: what outlives it is copied by `believe`. */
static int settle(struct saying *s, struct merge_file *f, long first)
{
    struct gathered g;
    struct claims_choice choice;
    g.count = g.before_count = 0;
    g.has_metadata = g.has_changed = false;
    int r = gather_said(s, f, first, &g);
    if (r == 0)
        r = gather_rows(s, f, first, &g);
    if (r)
        return r;
    claims_choose(g.claims, g.count, s->input->now_s, &choice);
    f->is_disputed = choice.is_disputed;
    bool was_said = false;
    f->learns =
        g.has_changed && is_other(g.before, g.before_count, s->input->now_s, &choice, &was_said);
    f->corrects = f->learns && was_said;
    if (choice.is_disputed || choice.is_opposed) {
        char detail[DETAIL_BYTES];
        claims_describe(g.claims, g.count, &choice, s->input->now_s, detail, sizeof(detail));
        f->dispute = own(s->merge, strdup(detail));
    }
    r = believe(s, &choice, &f->digests);
    return r ? r : settle_metadata(s, f, &g);
}

/* Files that nobody has ever claimed a digest of are skipped: most of a flat page. */
int saying_settle(struct saying *s, long (*first_row)(void *context, const char *path),
                  void *context)
{
    int r = 0;
    for (size_t i = 0; i < s->merge->count && r == 0; i++) {
        struct merge_file *f = &s->merge->files[i];
        long first = first_row(context, f->path);
        if (f->said || first >= 0)
            r = settle(s, f, first);
    }
    return r;
}
