// SPDX-License-Identifier: Apache-2.0
#include "cli/bundle_reading.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "cli/percent.h"
#include "config/argument.h"
#include "config/config.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* ---------------------------------------------------------------- arguments */

static bool take_flag(struct bundle_arguments *a, int argc, char **argv, int *i)
{
    const char *value;
    if (argument_is(argv[*i], "--json"))
        a->as_json = true;
    else if (argument_is(argv[*i], "--unsigned"))
        a->takes_unsigned = true;
    else if ((value = argument_value(argc, argv, i, "--key")))
        a->key = value;
    else if ((value = argument_value(argc, argv, i, "--config")))
        a->config = value;
    else if (a->takes_socket && (value = argument_value(argc, argv, i, "--socket")))
        a->socket = value;
    else
        return false;
    return true;
}

int bundle_parse(struct bundle_arguments *a, int argc, char **argv)
{
    static const char *const flags[] = {"--key",    "--unsigned", "--json", "--config",
                                        "--socket", "--help",     NULL};
    static const char *const flags_without_socket[] = {"--key",    "--unsigned", "--json",
                                                       "--config", "--help",     NULL};
    bool only_paths = false;
    a->paths = (const char **)argv;
    for (int i = 0; i < argc; i++) {
        bool is_help = strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0;
        if (is_help && !only_paths)
            return fputs(a->usage, stdout) < 0 || fflush(stdout) ? EXIT_FAILED : EXIT_DONE;
        if (only_paths || argv[i][0] != '-')
            a->paths[a->path_count++] = argv[i];
        else if (strcmp(argv[i], "--") == 0)
            only_paths = true;
        else if (!take_flag(a, argc, argv, &i)) {
            argument_refuse(a->command, argv[i], a->takes_socket ? flags : flags_without_socket);
            return EXIT_USAGE;
        }
    }
    if (a->path_count)
        return BUNDLE_GO_ON;
    (void)fputs(a->usage, stderr);
    return EXIT_USAGE;
}

/* --------------------------------------------------------------------- key */

static int refuse(const char *command, const char *what, const char *why)
{
    (void)fprintf(stderr, "wheelyard %s: %s: %s\n", command, what, why);
    return EXIT_USAGE;
}

/* A key's one line, or the file that holds it. */
static int read_key(const char *command, const char *key, struct minisign_public *ret)
{
    const char *why = "";
    auto_buf struct buf text;
    buf_init(&text, MINISIGN_FILE_MAX);
    if (minisign_public_read(key, strlen(key), ret, &why) == 0)
        return BUNDLE_GO_ON;
    int r = file_read_all(key, &text);
    if (r == FILE_MISSING)
        return refuse(command, key, "there is no such file, and it is no public key of minisign");
    if (r)
        return refuse(command, key, error_text(r));
    r = minisign_public_read(text.data, text.len, ret, &why);
    return r ? refuse(command, key, why) : BUNDLE_GO_ON;
}

int bundle_find_key(const char *command, const char *key, const char *config_file,
                    struct minisign_public *ret, bool *ret_has)
{
    struct config config;
    auto_free char *errors = NULL;
    *ret_has = true;
    if (key)
        return read_key(command, key, ret);
    int r = config_load_quietly(config_file, &config, &errors);
    *ret_has = r == 0 && config.bundle_key;
    if (r && !config_file)
        return BUNDLE_GO_ON;
    if (r) {
        (void)fputs(errors ? errors : error_text(r), stderr);
        return EXIT_USAGE;
    }
    int code = config.bundle_key ? read_key(command, config.bundle_key, ret) : BUNDLE_GO_ON;
    config_release(&config);
    return code;
}

/* ------------------------------------------------------------------- check */

static bool show_progress(void *context, int64_t done, int64_t total)
{
    percent_show(context, done, total);
    return true;
}

int bundle_check(struct reader *reader)
{
    struct percent percent;
    struct reader_watch watch = {.progress = show_progress, .context = &percent};
    percent_begin(&percent);
    int r = reader_check(reader, &watch);
    percent_end(&percent);
    return r;
}

bool bundle_is_trusted(const struct reader_bundle *bundle, bool takes_unsigned)
{
    return bundle->trust == READER_SIGNED ||
           (takes_unsigned && (bundle->trust == READER_UNSIGNED || bundle->trust == READER_NO_KEY));
}
