// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The problems that a daemon reports (/-/status): one finding for each kind, with advice. Pure; any
 * thread. */
#include "base/json.h"
#include "control/findings.h"

/* What to do about a kind of problem; NULL for an unknown kind. Static. */
const char *doctor_remedy(const char *kind);
/* `problems` is the array of the status, newest first; `url` the daemon's. */
void doctor_problems(const struct json *problems, const char *url, struct findings *to);
