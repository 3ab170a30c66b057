// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The claims of one file, as the catalogue has them, with the choice among them (engine/claims.h).
 *
 *     set = claim_set_load(catalogue, origin, path);     // catalogue lane
 *     if (set->choice.agreed) ...
 *     claim_set_free(set);
 *
 * A path that ends in .metadata has the claims of its wheel's page about it. A set never changes:
 * it may be read by any thread.
 */
#include "cache/catalogue.h"
#include "engine/claims.h"
#include "engine/origins.h"

struct claim_set {
    struct claim list[CLAIMS_MOST]; /* strings are the set's own */
    size_t count;
    struct claims_choice choice; /* as of the time it was loaded */
};

/* NULL when out of memory. */
struct claim_set *claim_set_load(struct catalogue *catalogue, const struct origin *origin,
                                 const char *path);
void claim_set_free(struct claim_set *set); /* NULL is legal */
