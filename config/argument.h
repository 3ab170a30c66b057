// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Arguments of commands. '_' in the name of a flag is taken for '-'. Pure but for what is said. */
#include <stdbool.h>

bool argument_is(const char *argument, const char *name);

/* The value of the flag argv[*i], if that is `name`: of `--name=value`, or of `--name value`, and
 * then *i moves on to it. NULL when it is another flag, or the value is missing. */
const char *argument_value(int argc, char **argv, int *i, const char *name);

/* Says on standard error what is wrong with an argument that a command could not take: a flag of
 * `flags` (NULL-terminated) has no value, any other is unknown and may be meant for one of them. */
void argument_refuse(const char *command, const char *argument, const char *const *flags);

/* The same of a word that is none of `names`: "there is no WHAT WORD; did you mean NAME?" */
void argument_refuse_word(const char *command, const char *what, const char *word,
                          const char *const *names);
