// SPDX-License-Identifier: Apache-2.0
/* `wheelyard config`: checks the configuration, or prints the one in force. Both use config_load,
 * so they see exactly what the daemon would see. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "config/argument.h"
#include "config/config.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static int usage(FILE *to, int code)
{
    (void)fputs(
        "usage: wheelyard config check [FILE] [FLAGS]\n"
        "       wheelyard config show [--default] [FILE] [FLAGS]\n\n"
        "check  reads the configuration and prints every mistake on a line of its own:\n"
        "       file:line: key: what is wrong. It warns of folders of wheels that it cannot read.\n"
        "       FILE is the same as --config FILE.\n"
        "show   prints the configuration in force, and where each value came from. The output is\n"
        "       a configuration file. --default prints the built-in file, to start from.\n\n",
        to);
    config_usage(to);
    (void)fputs("\nExit: 0 right or shown, 1 not shown, 2 wrong configuration or usage.\n", to);
    return code;
}

/* Output that did not reach its file is a failure, for instance on a full disk. */
static int finish(int r)
{
    return r || fflush(stdout) ? EXIT_FAILED : EXIT_DONE;
}

/* `show --default` needs no configuration and works even with a broken one. */
int command_config(int argc, char **argv)
{
    static const char *const commands[] = {"check", "show", NULL};
    const char *command = argc > 0 ? argv[0] : "";
    bool show = strcmp(command, "show") == 0;
    if (strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0)
        return usage(stdout, EXIT_DONE);
    if (!show && strcmp(command, "check") != 0) {
        if (*command)
            argument_refuse_word("config", "command", command, commands);
        return usage(stderr, EXIT_USAGE);
    }
    if (show && argc == 2 && strcmp(argv[1], "--default") == 0)
        return finish(fputs(config_default_text, stdout) < 0);

    struct config_request request = {.takes_file = true};
    int r = config_parse_flags(argc - 1, argv + 1, &request);
    if (r == CONFIG_HELP)
        return usage(stdout, EXIT_DONE);
    if (r)
        return EXIT_USAGE;
    request.looks_at_folders = !show;
    struct config config;
    r = config_load(&request, &config);
    if (r == ERROR_CONFIG)
        return EXIT_USAGE;
    if (r) {
        (void)fprintf(stderr, "wheelyard: %s\n", error_text(r));
        return EXIT_FAILED;
    }
    r = show ? config_show(&config, stdout) : 0;
    config_release(&config);
    return finish(r);
}
