// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Sockets that the service manager opened for us (systemd's socket activation: $LISTEN_FDS). They
 * stay open at the manager's end when we go, so clients of a restarting daemon wait in the backlog
 * and nobody is refused. Once, on the main thread, before others start.
 */
#include <stddef.h>

/* The inherited descriptors, at most `max`, to be owned by the caller; *ret_count 0: there are
 * none. ERROR_CONFIG after saying which of them is no listening TCP socket, or that they are too
 * many. */
int activation_take(int *ret_fds, size_t max, size_t *ret_count);
