// SPDX-License-Identifier: Apache-2.0
#pragma once

/* `wheelyard import PATH...`; the arguments behind the command's name. The exit code. */
int command_import(int argc, char **argv);
