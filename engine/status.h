// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The snapshot of everything that /-/status shows. Flight thread. */
struct engine;

void status_tick(struct engine *engine);
