// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The configuration: from flags, environment, file and directories to one struct that never changes
 * again. The table of options (config/options.h) drives all of it: flags, names in the environment,
 * keys in the file, `--help` and `config show`.
 *
 *     struct config_request request = {0};
 *     r = config_parse_flags(argc, argv, &request);      CONFIG_HELP: config_usage(stdout), exit 0
 *     r = config_load(&request, &config);                ERROR_CONFIG: all is said, exit 2
 *     ... config.engine, config.origins, config.listen ...
 *     config_release(&config);
 *
 * Where a value comes from, the first that has one:
 *   1. the flag (`--max-size 50GB`; a list is a flag given several times, or with commas);
 *   2. WHEELYARD_<KEY> (WHEELYARD_MAX_SIZE; lists with commas or spaces; empty counts as unset);
 *   3. the file;
 *   4. for cache_dir: $CACHE_DIRECTORY (systemd), for root /var/cache/wheelyard, else
 *      $XDG_CACHE_HOME/wheelyard, else $HOME/.cache/wheelyard;
 *   5. the built-in configuration (config/default.toml).
 *
 * The file is the first of: --config; $WHEELYARD_CONFIG (both must exist);
 * $CONFIGURATION_DIRECTORY/wheelyard.conf (systemd); $XDG_CONFIG_HOME/wheelyard/wheelyard.conf or
 * $HOME/.config/wheelyard/wheelyard.conf; /etc/wheelyard/wheelyard.conf. With none of them the
 * built-in configuration stands alone. A file that names any origin replaces the built-in origins
 * and indexes; one that names none keeps them.
 *
 * Everything that is wrong is reported, one line each: `file:line: key: what is wrong`, or
 * `environment: WHEELYARD_X: ...`, or `--x: ...`. Main thread.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/log.h"
#include "engine/engine.h"
#include "engine/mirrors/origins.h"

/* Where a value came from. */
enum config_source {
    CONFIG_BUILT_IN,
    CONFIG_DIRECTORIES, /* systemd's, XDG's, or root's */
    CONFIG_FILE,
    CONFIG_ENVIRONMENT,
    CONFIG_FLAG
};

enum { CONFIG_FLAGS_MAX = 64, CONFIG_OPTIONS_MAX = 24 };

struct config_flag {
    const char *key; /* as in the file: max_size */
    const char *value;
};

/* Borrowed strings: they must live until config_load returns. All zero is a valid request. */
struct config_request {
    const char *file; /* --config, or NULL */
    struct config_flag flags[CONFIG_FLAGS_MAX];
    size_t flag_count;
    const char *(*environment)(const char *name); /* NULL: getenv */
    FILE *errors;                                 /* NULL: stderr */
    /* Also says which folders are not there. That of an origin is no error: a daemon starts, and
     * looks again. A cache_dir that cannot be made is one. */
    bool looks_at_folders;
    bool takes_file; /* an argument that is no flag is the file, as after --config */
};

struct config {
    /* Everything the engine wants but `origins`, `user_agent` and `instance`, which the caller
     * sets; its strings belong to this struct. */
    struct engine_options engine;
    struct origins origins;
    char **listen;          /* "ADDR:PORT", "[ADDR6]:PORT"; NULL-terminated, never empty */
    bool listen_is_default; /* then an address missing on the machine is only a warning */
    char **hosts;           /* further Host values accepted, lower case; NULL-terminated */
    const char *socket;     /* of the commands; NULL: the usual places */
    const char *bundle_key; /* that bundles must be signed with: its line, or the path of its file;
                               or NULL */
    int workers;            /* HTTP workers per address; 0: one per core */
    enum log_level log_level;

    char *file;                                     /* the file that was read, or NULL */
    enum config_source sources[CONFIG_OPTIONS_MAX]; /* by place in the table of options */
};

/*
 * Reads `--key value`, `--key=value` and `--config FILE` from argv[0] to argv[argc - 1] (no program
 * or command name). `--max_size` is `--max-size`. CONFIG_HELP (> 0) at --help. ERROR_CONFIG after
 * saying what is wrong: unknown flag, missing value, anything that is no flag.
 */
enum { CONFIG_HELP = 1 };
int config_parse_flags(int argc, char **argv, struct config_request *request);

/* ERROR_CONFIG (everything wrong was reported), ERROR_NO_MEMORY. */
int config_load(const struct config_request *request, struct config *ret);
/* The same for commands that can go on without: what is wrong becomes a text, which may be NULL
 * (free() it). `file` is --config, or NULL. */
int config_load_quietly(const char *file, struct config *ret, char **ret_errors);
void config_release(struct config *config);

/* Splits an accepted `listen` value: host without brackets ("" for all addresses), port 0..65535.
 * ERROR_CONFIG when it is none. */
enum { CONFIG_HOST_SIZE = 256 };
int config_split_listen(const char *text, char ret_host[CONFIG_HOST_SIZE], int *ret_port);

/* The effective configuration as TOML that config_load reads back to the same; a comment behind
 * every option says where it came from. */
int config_show(const struct config *config, FILE *to);
/* The built-in configuration, verbatim. */
extern const char config_default_text[];

/* The flags, one line each, from the table, and where else their values can stand. */
void config_usage(FILE *to);

/* `wheelyard config check|show [--default] [flags]`; argv[0] is "check" or "show". Gives the exit
 * code: 0, 2. */
int command_config(int argc, char **argv);
