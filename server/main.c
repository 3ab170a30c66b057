// SPDX-License-Identifier: Apache-2.0
/* The command line: which command is meant. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/command_cache.h"
#include "server/command_doctor.h"
#include "server/command_explain.h"
#include "server/command_setup.h"
#include "server/config.h"
#include "server/serve.h"

enum { EXIT_USAGE = 2 };

static const char usage[] =
    "wheelyard serve [flags]         run the daemon; --help lists the flags\n"
    "wheelyard config check [flags]  whether the configuration is right\n"
    "wheelyard config show [--default] [flags]\n"
    "                                the configuration in effect, or ours\n"
    "wheelyard cache COMMAND         what is kept: ls, info, rm, pin, unpin, gc, verify\n"
    "wheelyard wheels REQUIREMENT    which wheels there are: versions, platforms, Pythons\n"
    "wheelyard explain REQUIREMENT   which file fits a Python and a platform, or why none\n"
    "wheelyard setup CLIENT          the configuration of pip, uv, pixi, Poetry or PDM\n"
    "wheelyard doctor                checks daemon, mirrors, disk and clients\n"
    "wheelyard --version\n"
    "wheelyard --help\n";

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
    if (!strcmp(command, "setup"))
        return command_setup(argc - 2, argv + 2);
    if (!strcmp(command, "doctor"))
        return command_doctor(argc - 2, argv + 2);
    if (!strcmp(command, "--version")) {
        (void)puts("wheelyard " VERSION);
        return EXIT_SUCCESS;
    }
    if (!strcmp(command, "--help")) {
        (void)fputs(usage, stdout);
        return EXIT_SUCCESS;
    }
    if (*command)
        (void)fprintf(stderr, "wheelyard: there is no command %s\n", command);
    (void)fputs(usage, stderr);
    return EXIT_USAGE;
}
