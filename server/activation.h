// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Sockets that the service manager opened for us (systemd's socket activation, $LISTEN_FDS). The
 * manager keeps them open after we end. Clients of a restarting daemon therefore wait in the
 * backlog, and none is refused. Call it once, on the main thread, before any thread starts. */
#include <stddef.h>

/* Gives the inherited descriptors, at most `max`; the caller owns them. *ret_count is 0 when there
 * are none. ERROR_CONFIG, after one log line: a descriptor is not a listening TCP socket, or there
 * are more than `max`. */
int activation_take(int *ret_fds, size_t max, size_t *ret_count);
