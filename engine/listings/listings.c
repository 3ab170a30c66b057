// SPDX-License-Identifier: Apache-2.0
/* Makes and frees what the room's modules keep. No state of its own. */
#include "engine/listings/listings.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "engine/listings/channels.h"
#include "engine/listings/heads.h"
#include "engine/listings/link_places.h"
#include "engine/listings/listings_state.h"
#include "engine/listings/ranges.h"
#include "engine/listings/sources.h"

DEFINE_CLEANUP(struct listings, listings_free)

int listings_new(struct services *s, struct listings **ret)
{
    AUTO(listings_free) struct listings *listings = calloc(1, sizeof(*listings));
    if (!listings)
        return ERROR_NO_MEMORY;
    listings->s = s;
    int r = sources_new(&listings->sources);
    r = r ? r : heads_new(&listings->heads);
    r = r ? r : ranges_new(s, &listings->ranges);
    r = r ? r : channels_new(s, &listings->channels);
    r = r ? r : channel_roots_new(&listings->channel_roots);
    if (r)
        return r;
    *ret = listings;
    listings = NULL;
    return 0;
}

void listings_free(struct listings *listings)
{
    if (!listings)
        return;
    channels_free(listings->channels);
    channel_roots_free(listings->channel_roots);
    sources_free(listings->sources);
    remembered_links_free(listings->links);
    ranges_free(listings->ranges);
    heads_free(listings->heads);
    free(listings);
}
