// SPDX-License-Identifier: Apache-2.0
#pragma once
/* `wheelyard doctor`: argv[0] is its first flag. Gives the exit code: 0 all well but for warnings,
 * 1 something failed, 2 usage, 3 no daemon reached. Main thread. */
int command_doctor(int argc, char **argv);
