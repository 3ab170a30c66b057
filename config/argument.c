// SPDX-License-Identifier: Apache-2.0
/*
 * Every command reads its own arguments; these functions give them one spelling and one kind of
 * error. A mistyped flag never counts as anything else: the command ends with exit code 2.
 */
#include "config/argument.h"

#include <stdio.h>
#include <string.h>

#include "base/near.h"

enum { FLAG_BYTES = NEAR_BYTES_MAX + 1 };

/* How many bytes of `argument` are `name`; 0 when it begins with something else. */
static size_t name_length(const char *argument, const char *name)
{
    size_t i = 0;

    for (; name[i]; i++)
        if (argument[i] != name[i] && !(name[i] == '-' && i > 1 && argument[i] == '_'))
            return 0;
    return i;
}

bool argument_is(const char *argument, const char *name)
{
    size_t len = name_length(argument, name);

    return len && !argument[len];
}

/* An empty value after '=' is a value; a missing word is not. */
const char *argument_value(int argc, char **argv, int *i, const char *name)
{
    size_t len = name_length(argv[*i], name);

    if (!len)
        return NULL;
    if (argv[*i][len] == '=')
        return argv[*i] + len + 1;
    return !argv[*i][len] && *i + 1 < argc ? argv[++*i] : NULL;
}

void argument_refuse(const char *command, const char *argument, const char *const *flags)
{
    char name[FLAG_BYTES];

    (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(argument, "="), argument);
    for (const char *const *flag = flags; *flag; flag++)
        if (argument_is(name, *flag)) {
            bool has_value = strchr(argument, '=') != NULL;

            (void)fprintf(stderr, "wheelyard %s: %s: %s\n", command, argument,
                          has_value ? "takes no value" : "its value is missing");
            return;
        }
    const char *meant = near_find(name, flags);
    (void)fprintf(stderr, "wheelyard %s: %s: %s%s%s%s\n", command, argument,
                  argument[0] == '-' ? "unknown flag" : "unexpected argument",
                  meant ? "; did you mean " : "", meant ? meant : "", meant ? "?" : "");
}

void argument_refuse_word(const char *command, const char *what, const char *word,
                          const char *const *names)
{
    const char *meant = near_find(word, names);

    (void)fprintf(stderr, "wheelyard%s%s: there is no %s %s%s%s%s\n", *command ? " " : "", command,
                  what, word, meant ? "; did you mean " : "", meant ? meant : "", meant ? "?" : "");
}
