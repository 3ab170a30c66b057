// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The user who runs a command: environment, home, programs. The caller frees the paths. Main thread
 * of a command. */
#include <stdbool.h>

/* Like getenv, but NULL for an empty value. */
const char *user_environment(const char *name);
/* A file of the user: below $XDG_CONFIG_HOME or ~/.config, or below ~. NULL without a home. */
char *user_in_config_home(const char *rest);
char *user_in_home(const char *rest);
/* Calls `visit` with the path of `rest` below each of $XDG_CONFIG_DIRS, in their order. */
void user_each_config_dir(const char *rest, void (*visit)(void *context, const char *path),
                          void *context);
/* Whether $PATH has this program. */
bool user_has_program(const char *name);
