// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What an examination of the mirrors means, and what to do: a line for each mirror that answers,
 * one for each fault and each folder of wheels, and the clock. Pure; any thread. */
#include "control/findings.h"
#include "engine/diagnose.h"

void doctor_mirrors(const struct diagnosis *diagnosis, struct findings *to);
