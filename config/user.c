// SPDX-License-Identifier: Apache-2.0
/*
 * The search rules of the XDG base directory specification, as pip and uv follow them. An empty
 * variable counts as unset, and a relative $XDG_CONFIG_HOME is ignored.
 */
#include "config/user.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"

const char *user_environment(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}

char *user_in_home(const char *rest)
{
    const char *home = user_environment("HOME");

    return home ? str_printf("%s/%s", home, rest) : NULL;
}

/* A relative $XDG_CONFIG_HOME is invalid by its specification. */
char *user_in_config_home(const char *rest)
{
    const char *xdg = user_environment("XDG_CONFIG_HOME");
    auto_free char *below = str_printf(".config/%s", rest);

    if (xdg && *xdg == '/')
        return str_printf("%s/%s", xdg, rest);
    return below ? user_in_home(below) : NULL;
}

void user_each_config_dir(const char *rest, void (*visit)(void *context, const char *path),
                          void *context)
{
    const char *given = user_environment("XDG_CONFIG_DIRS");
    auto_free char *dirs = str_dup(given ? given : "/etc/xdg");
    char *left = dirs;

    for (char *dir; left && (dir = strsep(&left, ":"));) {
        auto_free char *path = *dir ? str_printf("%s/%s", dir, rest) : NULL;

        if (path)
            visit(context, path);
    }
}

/* An empty element of $PATH means the current folder, which does not count here. */
bool user_has_program(const char *name)
{
    const char *given = user_environment("PATH");
    auto_free char *path = str_dup(given ? given : "");
    char *rest = path;

    for (char *dir; (dir = strsep(&rest, ":"));) {
        auto_free char *file = str_printf("%s/%s", dir, name);

        if (file && *dir && access(file, X_OK) == 0)
            return true;
    }
    return false;
}
