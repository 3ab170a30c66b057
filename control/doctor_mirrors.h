// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Turns a diagnosis of the mirrors into findings: one line for each mirror that answers, one for
 * each fault and each folder of wheels, and one for the clock. Each fault says what to do. Pure;
 * any thread. */
#include "control/findings.h"
#include "engine/diagnose.h"

void doctor_mirrors(const struct diagnosis *diagnosis, struct findings *to);
