// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Who runs a command: environment, home, programs. Paths are free()d by the caller. Main thread of
 * a command.
 */
#include <stdbool.h>

/* getenv, but NULL for an empty value. */
const char *user_environment(const char *name);
/* A file of the user's, below $XDG_CONFIG_HOME or ~/.config; below ~. NULL without a home. */
char *user_in_config_home(const char *rest);
char *user_in_home(const char *rest);
/* Calls `visit` with the path of `rest` below each of $XDG_CONFIG_DIRS, in their order. */
void user_each_config_dir(const char *rest, void (*visit)(void *context, const char *path),
                          void *context);
/* Whether $PATH leads to it. */
bool user_has_program(const char *name);
