// SPDX-License-Identifier: Apache-2.0
/* The command line: runs the command that is named. Each command is a function of its own file,
 * which parses the rest of the arguments and returns the exit code. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command_add.h"
#include "cli/command_cache.h"
#include "cli/command_doctor.h"
#include "cli/command_explain.h"
#include "cli/command_export.h"
#include "cli/command_import.h"
#include "cli/command_indexes.h"
#include "cli/command_prefetch.h"
#include "cli/command_relock.h"
#include "cli/command_setup.h"
#include "cli/command_status.h"
#include "cli/command_verify.h"
#include "cli/commit.h"
#include "config/argument.h"
#include "config/config.h"
#include "server/serve.h"

enum { EXIT_USAGE = 2 };

static const char usage[] =
    "usage: wheelyard COMMAND ...\n\n"
    "Python package indexes over mirrors of PyTorch and PyPI, with a cache.\n\n"
    "  serve [FLAGS]          run the daemon\n"
    "  config check [FILE]    find mistakes in the configuration\n"
    "  config show [FLAGS]    print the configuration in force; with --default the built-in one\n"
    "  cache COMMAND          show or change what is kept: ls, info, rm, pin, unpin, gc, verify\n"
    "  add FILE...            put wheels that you have downloaded by hand into the cache\n"
    "  indexes                list indexes and channels\n"
    "  wheels REQUIREMENT     list wheels: versions, platforms, Pythons\n"
    "  explain REQUIREMENT    say which file fits a Python and a platform, or why none does\n"
    "  relock LOCK            rewrite the addresses in a lock file: ours, or the official ones\n"
    "  setup CLIENT           print or write the configuration of pip, uv, pixi, Poetry, PDM, "
    "pipenv\n"
    "  status                 show the running daemon on one screen; --watch: again and again\n"
    "  health                 say by the exit status whether the daemon can serve\n"
    "  doctor                 check daemon, mirrors, disk and clients, and say what to do\n"
    "  prefetch LOCK...       fetch the files of lock files into the cache\n"
    "  export --all -o DIR    write a bundle of what is kept, for machines without a network\n"
    "  import PATH...         put the files of bundles into the cache\n"
    "  verify PATH...         check a bundle that came by disk or stick; needs no daemon\n\n"
    "`wheelyard COMMAND --help`, `man wheelyard` and `man wheelyard.conf` say more.\n"
    "`wheelyard --version` prints the version.\n";

static const char *const commands[] = {
    "add",   "serve",  "config", "cache",  "wheels", "explain", "indexes", "prefetch", "relock",
    "setup", "doctor", "export", "import", "verify", "status",  "health",  NULL};

/* Exit codes are those of the commands; an unknown command is a usage error. */
int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";
    if (!strcmp(command, "serve"))
        return command_serve(argc - 2, argv + 2);
    if (!strcmp(command, "config"))
        return command_config(argc - 2, argv + 2);
    if (!strcmp(command, "add"))
        return command_add(argc - 2, argv + 2);
    if (!strcmp(command, "cache"))
        return command_cache(argc - 2, argv + 2);
    if (!strcmp(command, "wheels"))
        return command_wheels(argc - 2, argv + 2);
    if (!strcmp(command, "explain"))
        return command_explain(argc - 2, argv + 2);
    if (!strcmp(command, "indexes"))
        return command_indexes(argc - 2, argv + 2);
    if (!strcmp(command, "relock"))
        return command_relock(argc - 2, argv + 2);
    if (!strcmp(command, "setup"))
        return command_setup(argc - 2, argv + 2);
    if (!strcmp(command, "status"))
        return command_status(argc - 2, argv + 2);
    if (!strcmp(command, "health"))
        return command_health(argc - 2, argv + 2);
    if (!strcmp(command, "doctor"))
        return command_doctor(argc - 2, argv + 2);
    if (!strcmp(command, "prefetch"))
        return command_prefetch(argc - 2, argv + 2);
    if (!strcmp(command, "import"))
        return command_import(argc - 2, argv + 2);
    if (!strcmp(command, "export"))
        return command_export(argc - 2, argv + 2);
    if (!strcmp(command, "verify"))
        return command_verify(argc - 2, argv + 2);
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
