// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Command-line arguments. In a flag's name '_' counts as '-'. Pure except for the two functions
 * that print. */
#include <stdbool.h>

bool argument_is(const char *argument, const char *name);

/* The value of the flag argv[*i] when its name is `name`: of `--name=value`, or of `--name value`,
 * where *i then moves to the value. NULL when it is another flag or the value is missing. */
const char *argument_value(int argc, char **argv, int *i, const char *name);

/* Prints on standard error what is wrong with an argument that a command does not take. A flag of
 * `flags` (NULL-terminated) lacks its value. Any other flag is unknown; a similar one is suggested.
 */
void argument_refuse(const char *command, const char *argument, const char *const *flags);

/* The same for a word that is not in `names`: "there is no WHAT WORD; did you mean NAME?" */
void argument_refuse_word(const char *command, const char *what, const char *word,
                          const char *const *names);
