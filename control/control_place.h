// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The paths of the control socket, in the same order for the daemon and for commands. A path that
 * was given (`--socket`, WHEELYARD_SOCKET, the key socket) is the only one. Otherwise the
 * directories of systemd, of the session and of the machine follow. Pure except for the
 * environment. */
#include <stddef.h>

enum { CONTROL_PLACES = 3 };

/* Writes at most CONTROL_PLACES paths to `ret` (free() each) and returns their count. `environment`
 * is getenv, or a replacement in tests. */
size_t control_places(const char *given, const char *(*environment)(const char *name),
                      char *ret[CONTROL_PLACES]);
