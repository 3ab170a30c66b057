// SPDX-License-Identifier: Apache-2.0
#pragma once
/* `wheelyard serve`: starts the daemon, waits for a signal, and stops in the reverse order. Returns
 * the exit code. */
int command_serve(int argc, char **argv);
