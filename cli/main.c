// SPDX-License-Identifier: Apache-2.0
/* The command line: runs the command that is named. Each command is a function of its own file,
 * which parses the rest of the arguments and returns the exit code. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command_cache.h"
#include "cli/command_doctor.h"
#include "cli/command_explain.h"
#include "cli/command_indexes.h"
#include "cli/command_setup.h"
#include "cli/commit.h"
#include "config/argument.h"
#include "config/config.h"
#include "server/serve.h"

enum { EXIT_USAGE = 2 };

static const char usage[] =
    "usage: wheelyard COMMAND ...\n\n"
    "Python package indexes over mirrors of PyTorch and PyPI, with a cache.\n\n"
    "  serve [FLAGS]          run the daemon\n"
    "  config check [FILE]    say what is wrong with the configuration\n"
    "  config show [FLAGS]    print the configuration in force; with --default the built-in one\n"
    "  cache COMMAND          what is kept: ls, info, rm, pin, unpin, gc, verify\n"
    "  indexes                which indexes and channels there are\n"
    "  wheels REQUIREMENT     which wheels there are: versions, platforms, Pythons\n"
    "  explain REQUIREMENT    which file fits a Python and a platform, or why none does\n"
    "  setup CLIENT           the configuration of pip, uv, pixi, Poetry or PDM\n"
    "  doctor                 check daemon, mirrors, disk and clients, and say what to do\n\n"
    "wheelyard COMMAND --help says more, as do `man wheelyard` and `man wheelyard.conf`;\n"
    "wheelyard --version says which one this is.\n";

static const char *const commands[] = {"serve",   "config", "cache",  "wheels", "explain",
                                       "indexes", "setup",  "doctor", NULL};

/* Exit codes are those of the commands; an unknown command is a usage error. */
int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";
    if (!strcmp(command, "serve"))
        return command_serve(argc - 2, argv + 2);
    if (!strcmp(command, "config"))
        return command_config(argc - 2, argv + 2);
    if (!strcmp(command, "cache"))
        return command_cache(argc - 2, argv + 2);
    if (!strcmp(command, "wheels"))
        return command_wheels(argc - 2, argv + 2);
    if (!strcmp(command, "explain"))
        return command_explain(argc - 2, argv + 2);
    if (!strcmp(command, "indexes"))
        return command_indexes(argc - 2, argv + 2);
    if (!strcmp(command, "setup"))
        return command_setup(argc - 2, argv + 2);
    if (!strcmp(command, "doctor"))
        return command_doctor(argc - 2, argv + 2);
    if (!strcmp(command, "--version")) {
        (void)puts("wheelyard " VERSION);
        if (strcmp(COMMIT, "unknown") != 0)
            (void)puts("commit " COMMIT);
        (void)puts("built with " LIBRARIES);
        return EXIT_SUCCESS;
    }
    if (!strcmp(command, "help") || !strcmp(command, "--help") || !strcmp(command, "-h")) {
        (void)fputs(usage, stdout);
        return EXIT_SUCCESS;
    }
    if (*command)
        argument_refuse_word("", "command", command, commands);
    (void)fputs(usage, stderr);
    return EXIT_USAGE;
}
