// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Sets of the daemon (control/control_sets.h), written from what locks want and read back. Main
 * thread of a command.
 */
#include "cli/wanted.h"
#include "control/control_client.h"

/* Adds all wanted files to the set. SET_GO of cli/lock_set.h, or the exit code after a message. */
int pinned_add(const char *command, struct control_client *client, const char *set,
               const struct wanted *wanted);
/* The files of the set become wanted ones, without digests. */
int pinned_read(const char *command, struct control_client *client, const char *set,
                struct wanted *ret);
