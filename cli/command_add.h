// SPDX-License-Identifier: Apache-2.0
#pragma once

/* `wheelyard add FILE...`; the arguments behind the command's name. The exit code. */
int command_add(int argc, char **argv);
