// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Arguments of commands. Pure. */

/* The value of the flag argv[*i], if that is `name`: of `--name=value`, or of `--name value`, and
 * then *i moves on to it. NULL when it is another flag, or the value is missing. */
const char *argument_value(int argc, char **argv, int *i, const char *name);
