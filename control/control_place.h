// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Where the control socket is: the same places, in the same order, for the daemon and for commands.
 * A place that was given (`--socket`, WHEELYARD_SOCKET, the key socket) is the only one; else the
 * directories of systemd, of the session and of the machine. Pure but for the environment.
 */
#include <stddef.h>

enum { CONTROL_PLACES = 3 };

/* At most CONTROL_PLACES paths into ret (free() each); how many. `environment` is getenv or stands
 * in for it. */
size_t control_places(const char *given, const char *(*environment)(const char *name),
                      char *ret[CONTROL_PLACES]);
