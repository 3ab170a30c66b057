// SPDX-License-Identifier: Apache-2.0
#pragma once
/* `wheelyard relock`: addresses in a lock file become ours, or the official ones again. Gives the
 * exit code: 0, 1, 2. Main thread. */
int command_relock(int argc, char **argv);
