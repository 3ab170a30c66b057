// SPDX-License-Identifier: Apache-2.0
#pragma once
/* `wheelyard export`: a bundle of what the daemon holds. argv[0] is its first argument. Gives the
 * exit code: 0 done, 1 not, 2 usage, 3 no daemon. Main thread. */
int command_export(int argc, char **argv);
