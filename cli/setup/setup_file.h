// SPDX-License-Identifier: Apache-2.0
#pragma once
/* A client's file: what `wheelyard setup` prints, writes into it, and takes out of it again. What
 * there is to say goes to standard output, what is wrong to standard error. Main thread of a
 * command. */
#include "base/buf.h"
#include "cli/setup/setup_client.h"

/* All of these give an exit code: 0, 1. */
int setup_print(const struct setup_client *client, const struct setup_goal *goal);
int setup_put(const struct setup_client *client, const struct setup_goal *goal);
/* `base` is the daemon's address, by which what was written is known. */
int setup_undo(const struct setup_client *client, const struct setup_goal *goal, const char *base);
