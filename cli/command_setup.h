// SPDX-License-Identifier: Apache-2.0
#pragma once

/* `wheelyard setup CLIENT [--index NAME] [--url URL] [--write]`: prints or writes the configuration
 * that makes an installer use the daemon. Returns the exit code: 0 done, 1 not, 2 usage. Main
 * thread. */
int command_setup(int argc, char **argv);
