// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Which program listens on a TCP port of this machine: its name, of those whose files this user may
 * look at; "" when nobody is found. Reads /proc; a command's main thread. */
#include <stddef.h>

void doctor_port_holder(int port, char *ret, size_t size);
