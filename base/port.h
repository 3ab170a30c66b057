// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Which program listens on a TCP port of this machine. Reads /proc, so it may take milliseconds:
 * any thread that may block. */
#include <stddef.h>

/* "nginx, pid 812", of the processes whose files this user may look at; "" when none has it. */
void port_holder(int port, char *ret, size_t size);
