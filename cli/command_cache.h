// SPDX-License-Identifier: Apache-2.0
#pragma once
/* `wheelyard cache`: argv[0] is its subcommand. Returns the exit code: 0 done or right, 1 not, 2
 * usage, 3 no daemon reached. Main thread. */
int command_cache(int argc, char **argv);
