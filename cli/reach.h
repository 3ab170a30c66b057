// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The control socket of the running daemon, for commands. Main thread of a command.
 */
#include "control/control_client.h"

/* socket: --socket, or NULL: what the configuration `config` (NULL: the usual one) says, else the
 * usual places. 0, or the exit code, when what is wrong has been said: 2 for a configuration that
 * cannot be read, 3 where nobody answers. control_client_close *ret. */
int reach_daemon(const char *socket, const char *config, struct control_client *ret);
