// SPDX-License-Identifier: Apache-2.0
#pragma once
/* `wheelyard doctor`: argv[0] is its first flag. Returns the exit code: 0 well, perhaps with
 * warnings, 1 something failed, 2 usage, 3 no daemon reached. Main thread. */
int command_doctor(int argc, char **argv);
