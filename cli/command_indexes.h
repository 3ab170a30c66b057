// SPDX-License-Identifier: Apache-2.0
#pragma once
/* `wheelyard indexes`. Returns the exit code. */
int command_indexes(int argc, char **argv);
