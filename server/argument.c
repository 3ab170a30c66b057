// SPDX-License-Identifier: Apache-2.0
#include "server/argument.h"

#include <string.h>

const char *argument_value(int argc, char **argv, int *i, const char *name)
{
    size_t len = strlen(name);

    if (strncmp(argv[*i], name, len) != 0)
        return NULL;
    if (argv[*i][len] == '=')
        return argv[*i] + len + 1;
    return !argv[*i][len] && *i + 1 < argc ? argv[++*i] : NULL;
}
