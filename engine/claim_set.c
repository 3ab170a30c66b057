// SPDX-License-Identifier: Apache-2.0
#include "engine/claim_set.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"

struct load {
    struct claim_set *set;
    const struct origin *origin;
    bool is_metadata;
};

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
    l.is_metadata = str_ends(path, suffix);
    if (l.is_metadata)
        file[strlen(file) - strlen(suffix)] = '\0';
    if (catalogue_each_claim_of(catalogue, origin->name, file, on_row, &l) == ERROR_NO_MEMORY) {
        claim_set_free(l.set);
        return NULL;
    }
    claims_choose(l.set->list, l.set->count, clock_real_s(), &l.set->choice);
    return l.set;
}

void claim_set_free(struct claim_set *set)
{
    if (!set)
        return;
    for (size_t i = 0; i < set->count; i++) {
        free((void *)(uintptr_t)set->list[i].digests);
        free((void *)(uintptr_t)set->list[i].mirror);
    }
    free(set);
}
