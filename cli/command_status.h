// SPDX-License-Identifier: Apache-2.0
#pragma once
/* `wheelyard status` and `wheelyard health`. Both return the exit code. */
int command_status(int argc, char **argv);
int command_health(int argc, char **argv);
