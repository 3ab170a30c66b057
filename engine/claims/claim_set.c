// SPDX-License-Identifier: Apache-2.0
/*
 * The claims of one file out of the catalogue, and the choice among them.
 *
 *     claim_set_load (catalogue lane) -> shared, never changed -> claim_set_unref
 *
 * A row is a current claim while its mirror is configured and its page still says it. Otherwise it
 * is a remembered one, which counts less.
 */
#include "engine/claims/claim_set.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "engine/mirrors/origins.h"

struct load {
    struct claim_set *set;
    const struct origin *origin;
    bool is_metadata;
};

/* Rows beyond CLAIMS_MOST are left out, as claims_choose does. */
static int on_row(void *context, const struct catalogue_claim *row)
{
    struct load *l = context;
    const char *digests = l->is_metadata ? row->metadata : row->digests;
    struct claim claim = {.said_s = row->said_s, .is_remembered = true};
    if (!digests || l->set->count == CLAIMS_MOST)
        return 0;
    for (size_t m = 0; m < l->origin->mirror_count; m++) {
        if (strcmp(l->origin->mirrors[m].name, row->mirror) != 0)
            continue;
        claim.is_site = origin_is_site(l->origin, m);
        claim.is_remembered = row->is_withdrawn;
    }
    claim.digests = strdup(digests);
    claim.mirror = strdup(row->mirror);
    l->set->list[l->set->count++] = claim;
    return claim.digests && claim.mirror ? 0 : ERROR_NO_MEMORY;
}

/* The claims about `.metadata` stand in the row of its wheel. */
struct claim_set *claim_set_load(struct catalogue *catalogue, const struct origin *origin,
                                 const char *path)
{
    static const char suffix[] = ".metadata";
    auto_free char *file = strdup(path);
    struct load l = {.set = calloc(1, sizeof(*l.set)), .origin = origin};
    if (!file || !l.set) {
        free(l.set);
        return NULL;
    }
    l.set->refs = 1;
    l.is_metadata = str_ends(path, suffix);
    if (l.is_metadata)
        file[strlen(file) - strlen(suffix)] = '\0';
    if (catalogue_each_claim_of(catalogue, origin->name, file, on_row, &l) == ERROR_NO_MEMORY) {
        claim_set_unref(l.set);
        return NULL;
    }
    claims_choose(l.set->list, l.set->count, clock_real_s(), &l.set->choice);
    return l.set;
}

bool claim_set_counts(const struct claim_set *set)
{
    return set && set->choice.counting;
}

bool claim_set_agrees(const struct claim_set *set)
{
    return set && set->choice.agreed;
}

/* NULL claims nothing, so nothing need be computed. */
uint32_t claim_set_algorithms(const struct claim_set *set)
{
    return set ? claims_algorithms(set->list, set->count, &set->choice) : 0;
}

void claim_set_describe(const struct claim_set *set, char *ret, size_t size)
{
    str_copy(ret, size, "");
    if (set)
        claims_describe(set->list, set->count, &set->choice, clock_real_s(), ret, size);
}

/* A match decides at once. Without one, the bytes are refused only when every claimed algorithm
 * was computed. */
enum claims_verdict claim_set_judge(const struct claim_set *set, const struct digests *found)
{
    uint32_t has = 0;
    if (!claim_set_counts(set))
        return CLAIMS_NONE;
    if (claims_accept(set->list, set->count, &set->choice, found))
        return set->choice.is_disputed ? CLAIMS_DISPUTED : CLAIMS_AGREE;
    for (size_t i = 0; i < found->count; i++)
        has |= 1u << found->list[i].algorithm;
    return claim_set_algorithms(set) & ~has ? CLAIMS_UNKNOWN : CLAIMS_REFUSE;
}
