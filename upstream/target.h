// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Where one hop of a transfer goes: a URL, taken apart by the parser that will also be used to
 * connect, so that the host that is checked is the host that is asked. Redirects are followed by
 * hand, because every hop has to be judged before anything is sent, also to a proxy.
 */
#include <curl/curl.h>
#include <stdbool.h>

#include "upstream/address.h"

struct target {
    CURLU *url; /* with the credentials that were configured for this host */
    char *host; /* canonical, see upstream/address.h */
    int port;
    bool is_https;
    const struct address_rules *more; /* also allowed, once it was redirected; or NULL. The owner's,
                                         who sets it */
};

/* ERROR_BAD_REQUEST when it is no URL, ERROR_FORBIDDEN_ADDRESS when it is not http(s) or names an
 * address where it may not lead. */
int target_init(const char *text, const struct address_rules *rules, struct target *ret_target);
void target_release(struct target *target); /* a zeroed one is legal */

/* Resolves a Location against the target and moves it there. Credentials stay for the same scheme,
 * host and port alone, and never come from the Location. Unchanged on failure:
 * ERROR_UPSTREAM_BROKEN for nonsense, ERROR_FORBIDDEN_ADDRESS for a place where it may not lead or
 * the step from https to an http host that was not configured: then ret_place says "host:port", ""
 * when it has none. */
enum { TARGET_PLACE = 128 };
int target_follow(struct target *target, const char *location, const struct address_rules *rules,
                  char ret_place[TARGET_PLACE]);

/* "host:port" as the configuration has it. */
void target_place(const struct target *target, char ret[TARGET_PLACE]);
/* Exactly this host and port may be anywhere. */
bool target_is_allowed(const struct target *target, const struct address_rules *rules);

/* May a connection for this target be made to that address? */
bool target_may_reach(const struct target *target, const struct address_rules *rules,
                      const struct sockaddr *address);

/* Without credentials and fragment, for people and for the catalogue; NULL when out of memory. */
char *target_text(const struct target *target);
