// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Which program listens on a TCP port of this machine. Reads /proc, which may take milliseconds;
 * any thread that may block. */
#include <stddef.h>

/* "nginx, pid 812"; only processes whose files this user may read are found. "" when none is. */
void port_holder(int port, char *ret, size_t size);
