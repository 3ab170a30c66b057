// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A captive portal: a network that answers in the name of every site until somebody has logged in.
 * What gives it away is a small web page where a file belongs: the same one for two files, or one
 * that a redirect to a host led to which no mirror has. Pure: recognition and a little memory.
 *
 *     portal_note(...)      a web page came instead of a file; true: it is a portal's
 *     portal_over(...)      a sound file came: true, if there was a portal until then
 *
 * It is no mirror's fault, so nobody is blamed for it and nothing waits longer for its sake; it is
 * over with the first sound answer. Not thread-safe.
 */
#include <stdbool.h>
#include <stdint.h>

#include "engine/origins.h"

struct portal;

enum { PORTAL_PAGE_BYTES = 256 << 10 /* no portal's page is larger */ };

int portal_new(struct portal **ret);
void portal_free(struct portal *portal);

bool portal_is_web_page(const char *content_type);
/* The host (and port) where an answer came from, when no mirror of these has it; else NULL. free()
 * it. */
char *portal_stranger(const struct origins *origins, const char *url);

/* `file` tells files apart; sha256 is the page's; stranger: see above, or NULL. */
bool portal_note(struct portal *portal, uint64_t file, const char *sha256, const char *stranger,
                 int64_t now_ms);
bool portal_over(struct portal *portal);
