// SPDX-License-Identifier: Apache-2.0
#pragma once

/* `wheelyard prefetch LOCK...`; the arguments behind the command's name. The exit code. */
int command_prefetch(int argc, char **argv);
