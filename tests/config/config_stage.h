// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What the tests of the configuration stand on: an environment and a directory of their own, never
 * the machine's, and loading with what is complained of in hand. Failures end the running test.
 */
#include <stddef.h>

#include "config/config.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* The least that an origin needs besides its own heading. */
#define MIRROR(prefix)                                                                             \
    "[[" prefix ".mirror]]\nname = \"m\"\nlayout = \"simple\"\n"                                   \
    "index = \"http://127.0.0.1:9/{project}/\"\nfiles = \"http://127.0.0.1:9/f/\"\n"

extern char stage_directory[];

/* Fixtures: of a group, and before each test. */
int stage_make(void **state);
int stage_remove(void **state);
int stage_clear_variables(void **state);

/* The environment that config_load sees; both strings are borrowed. */
void stage_set_variable(const char *name, const char *value);

/* Writes a file below the directory and gives its path, good until the next but one call. */
const char *stage_write(const char *name, const char *text);

/* config_load; free() *ret_errors. */
int stage_load(struct config_request *request, struct config *ret, char **ret_errors);
void stage_load_fine(struct config_request *request, struct config *ret);

/* What config_show prints; free() it. */
char *stage_show(const struct config *config);
