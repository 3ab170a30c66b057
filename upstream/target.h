// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The target of one hop of a transfer. The URL is split by the parser that curl also uses to
 * connect, so that the checked host is the host that is asked. Redirects are followed by hand:
 * every hop must be judged before anything is sent, also to a proxy. */
#include <curl/curl.h>
#include <stdbool.h>

#include "upstream/address.h"

struct target {
    CURLU *url; /* with the credentials that were configured for this host */
    char *host; /* canonical, see upstream/address.h */
    int port;
    bool is_https;
    const struct address_rules
        *more; /* also allowed after a redirect; or NULL. The owner sets it */
};

/* ERROR_BAD_REQUEST when it is not a URL. ERROR_FORBIDDEN_ADDRESS when it is not http(s) or names a
 * forbidden address. */
int target_init(const char *text, const struct address_rules *rules, struct target *ret_target);
void target_release(struct target *target); /* a zeroed one is legal */

/* Resolves a Location against the target and moves the target there. Credentials stay only for the
 * same scheme, host and port, and never come from the Location. Unchanged on failure.
 * ERROR_UPSTREAM_BROKEN: the Location is malformed. ERROR_FORBIDDEN_ADDRESS: a forbidden address,
 * or a step from https to an http host that was not configured; ret_place is then "host:port", or
 * "" when there is none. */
enum { TARGET_PLACE = 128 };
int target_follow(struct target *target, const char *location, const struct address_rules *rules,
                  char ret_place[TARGET_PLACE]);

/* "host:port" in the form of the configuration. */
void target_place(const struct target *target, char ret[TARGET_PLACE]);
/* Whether exactly this host and port is allowed at any address. */
bool target_is_allowed(const struct target *target, const struct address_rules *rules);

/* Whether a connection for this target may use that address. */
bool target_may_reach(const struct target *target, const struct address_rules *rules,
                      const struct sockaddr *address);

/* The URL without credentials and fragment, for people and for the catalogue; NULL when out of
 * memory. */
char *target_text(const struct target *target);
