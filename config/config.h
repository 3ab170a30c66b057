// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The configuration: flags, environment, file and directories become one struct that never changes
 * afterwards. The table of options (config/options.h) drives all of it: flags, names in the
 * environment, keys in the file, `--help` and `config show`.
 *
 *     struct config_request request = {0};
 *     r = config_parse_flags(argc, argv, &request);      CONFIG_HELP: config_usage(stdout), exit 0
 *     r = config_load(&request, &config);                ERROR_CONFIG: already reported, exit 2
 *     ... config.engine, config.origins, config.listen ...
 *     config_release(&config);
 *
 * A value comes from the first of these that has one:
 *
 *     1. the flag (`--max-size 50GB`; a list is a flag given several times, or with commas);
 *     2. WHEELYARD_<KEY> (WHEELYARD_MAX_SIZE; lists with commas or spaces; empty counts as unset);
 *     3. the file;
 *     4. for cache_dir: $CACHE_DIRECTORY (systemd), for root /var/cache/wheelyard, else
 *        $XDG_CACHE_HOME/wheelyard, else $HOME/.cache/wheelyard;
 *     5. the built-in configuration (config/default.toml).
 *
 * The file is the first of: --config; $WHEELYARD_CONFIG (both must exist);
 * $CONFIGURATION_DIRECTORY/wheelyard.conf (systemd); $XDG_CONFIG_HOME/wheelyard/wheelyard.conf or
 * $HOME/.config/wheelyard/wheelyard.conf; /etc/wheelyard/wheelyard.conf. Without any file the
 * built-in configuration is used alone. A file that names any origin replaces the built-in origins
 * and indexes; a file that names none keeps them.
 *
 * Every mistake is reported on a line of its own: `file:line: key: what is wrong`, `environment:
 * WHEELYARD_X: ...`, or `--x: ...`. Main thread.
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

enum { CONFIG_FLAGS_MAX = 64, CONFIG_OPTIONS_MAX = 48 };

struct config_flag {
    const char *key; /* as in the file: max_size */
    const char *value;
};

/* The strings are borrowed and must live until config_load returns. All zero is a valid request. */
struct config_request {
    const char *file; /* --config, or NULL */
    struct config_flag flags[CONFIG_FLAGS_MAX];
    size_t flag_count;
    const char *(*environment)(const char *name); /* NULL: getenv */
    FILE *errors;                                 /* NULL: stderr */
    /* Also reports folders that are missing. A missing folder of an origin is only a warning,
     * because the daemon starts and looks again. A cache_dir that cannot be created is an error. */
    bool looks_at_folders;
    bool takes_file; /* an argument that is not a flag names the file, as after --config */
};

struct config {
    /* Everything that the engine needs except `origins`, `user_agent` and `instance`, which the
     * caller sets. Its strings belong to this struct. */
    struct engine_options engine;
    struct origins origins;
    char **listen;          /* "ADDR:PORT", "[ADDR6]:PORT"; NULL-terminated, never empty */
    bool listen_is_default; /* then an address that the machine lacks is only a warning */
    char **hosts;           /* further Host values accepted, lower case; NULL-terminated */
    char **allow_clients;   /* networks that may ask; NULL-terminated; empty: all */
    char **trusted_proxies; /* networks whose Forwarded headers count; NULL-terminated */
    const char *socket;     /* the control socket; NULL: the usual paths */
    const char *bundle_key; /* public key that bundles must be signed with: its line, or the path of
                               its file; or NULL */
    const char *audit_log;  /* file of the audit log; or NULL */
    int workers;            /* HTTP workers per address; 0: one per core */
    enum log_level log_level;

    char *file;                                     /* the file that was read, or NULL */
    enum config_source sources[CONFIG_OPTIONS_MAX]; /* by place in the table of options */
};

/* Reads `--key value`, `--key=value` and `--config FILE` from argv[0] to argv[argc - 1] (without
 * program or command name). `--max_size` equals `--max-size`. CONFIG_HELP (> 0) at --help.
 * ERROR_CONFIG after a message: unknown flag, missing value, or an argument that is not a flag. */
enum { CONFIG_HELP = 1 };
int config_parse_flags(int argc, char **argv, struct config_request *request);

/* ERROR_CONFIG (every mistake was reported), ERROR_NO_MEMORY. */
int config_load(const struct config_request *request, struct config *ret);
/* The same for commands that work without a configuration. Mistakes become a text, which may be
 * NULL (free() it). `file` is --config, or NULL. */
int config_load_quietly(const char *file, struct config *ret, char **ret_errors);
void config_release(struct config *config);

/* Splits a valid `listen` value: host without brackets ("" for all addresses), port 0..65535.
 * ERROR_CONFIG when it is not valid. */
enum { CONFIG_HOST_SIZE = 256 };
int config_split_listen(const char *text, char ret_host[CONFIG_HOST_SIZE], int *ret_port);

/* Writes the effective configuration as TOML that config_load reads back to the same. A comment
 * after every option names its source. */
int config_show(const struct config *config, FILE *to);
/* The built-in configuration, verbatim. */
extern const char config_default_text[];

/* Prints the flags, one line each, from the table, and the other places for their values. */
void config_usage(FILE *to);

/* `wheelyard config check|show [--default] [flags]`; argv[0] is "check" or "show". Returns the exit
 * code: 0 or 2. */
int command_config(int argc, char **argv);
