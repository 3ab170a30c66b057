// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A captive portal: a network that answers in the name of every site until a user has logged in. A
 * small web page in the place of something else gives it away. Either the same page comes for two
 * files, or a redirect led to it, to a host that no mirror has. Pure: recognition and a little
 * memory.
 *
 *     portal_note(...)      a web page came in the place of a file; true: it is a portal's
 *     portal_is_open(...)   whether a portal answers now
 *     portal_over(...)      something else than a web page came; true: a portal was open until then
 *
 * A portal is no mirror's fault. So no mirror is blamed for it, and failures are not remembered
 * while it is open. The first answer that is none of its pages ends it. Not thread-safe.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "engine/mirrors/origins.h"

struct portal;

enum { PORTAL_PAGE_BYTES = 256 << 10 /* no portal's page is larger */ };

int portal_new(struct portal **ret);
void portal_free(struct portal *portal);

/* Whether an answer is labelled as a web page; whether a body begins like one. Then sha256 is of
 * its beginning, which tells it from other pages. A label alone proves nothing: some mirrors
 * label wheels so. */
bool portal_is_web_page(const char *content_type);
bool portal_begins_page(const void *body, size_t len, char sha256[SHA256_HEX]);
/* The host and port that an answer came from, when no mirror of these origins has it; else NULL.
 * free() it. */
char *portal_stranger(const struct origins *origins, const char *url);

/* `file` tells files apart. For a mirror's listing it tells mirrors apart, because each mirror
 * may have one page that says "not found". sha256: of the page, or of its beginning. stranger:
 * see above, or NULL. */
bool portal_note(struct portal *portal, uint64_t file, const char *sha256, const char *stranger,
                 int64_t now_ms);
bool portal_is_open(const struct portal *portal);
bool portal_over(struct portal *portal);
