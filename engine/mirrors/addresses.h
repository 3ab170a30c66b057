// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Addresses of files and indexes as lock files hold them: what an address of a public site is at a
 * wheelyard, and the way back. Both work by prefixes alone; no daemon is asked.
 *
 *     https://files.pythonhosted.org/packages/...     http://HOST/files/pypi/packages/...
 *     https://download.pytorch.org/whl/cu126/x.whl    http://HOST/files/pytorch/cu126/x.whl
 *     https://pypi.org/simple                         http://HOST/simple
 *     https://download.pytorch.org/whl/cu126          http://HOST/whl/cu126
 *
 * An address of an alias or a mirror keeps its host, as http://HOST/mirror/PLACE: so the way back
 * leads to the very same host. Every address that addresses_to_ours gives is led back by
 * addresses_to_official to the same bytes; one for which that would not hold is refused.
 *
 * Pure; any thread.
 */
#include <stdbool.h>

#include "base/buf.h"
#include "engine/mirrors/origins.h"

struct addresses {
    const struct origins *origins;
    const char *base;        /* of the wheelyard that is meant: "http://localhost:8503" */
    const char *const *ours; /* bases that are a wheelyard's with the same origins, `base` among
                                them; NULL-terminated */
};

enum address_role { ADDRESS_FILE, ADDRESS_INDEX };

/* Both append to `to`, and give ADDRESSES_NONE (> 0) with a static half sentence where there is no
 * such address, ERROR_NO_MEMORY, or the buffer's error. */
enum { ADDRESSES_NONE = 1 };

/* An address of ours at another host gets the new base. */
int addresses_to_ours(const struct addresses *a, const char *url, enum address_role role,
                      struct buf *to, const char **ret_why);

/*
 * An address that is not ours stays as it is. `project` is the normalised name that an index is
 * named for, or NULL: the index of a channel becomes that of the project's owner.
 */
int addresses_to_official(const struct addresses *a, const char *url, enum address_role role,
                          const char *project, struct buf *to, const char **ret_why);
