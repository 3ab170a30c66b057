// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What an offline daemon can serve, as one finding: how many projects, wheels and bytes are held, how
 * old the newest listing is, and what to do next. Nothing held is a warning where no folder of wheels
 * stands in. Pure; any thread. */
#include <stdbool.h>
#include <stdint.h>

#include "control/findings.h"
#include "engine/files/inventory.h"

/* listed_s: real time of the newest listing, 0 without any (all came in bundles). ERROR_NO_MEMORY. */
int doctor_held(const struct inventory *inventory, int64_t listed_s, bool has_folders,
                struct findings *to);
