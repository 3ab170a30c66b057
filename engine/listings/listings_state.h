// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The inside of the room's handle. Flight thread, except channels and channel_roots. */
#include "engine/listings/listings.h"

struct channel_roots;
struct channels;
struct heads;
struct ranges;
struct remembered_links;
struct sources;

struct listings {
    struct services *s;
    struct sources *sources;
    struct heads *heads;
    struct ranges *ranges;
    struct remembered_links *links;
    struct channels *channels;
    struct channel_roots *channel_roots;
};
