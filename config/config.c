// SPDX-License-Identifier: Apache-2.0
/*
 * One config_load goes through these steps, and a mistake in one does not stop the next, so that
 * the user sees all mistakes at once:
 *
 * - find the file, parse the built-in text and the file;
 * - options, lowest source first: built-in, directories, file, environment, flags;
 * - origins and indexes, from one source as a whole;
 * - checks that need everything: cache_dir, ca_file, folders.
 *
 * Only a failed allocation or a text that is not TOML ends it early. The result is published when
 * no line was reported.
 */
#include "config/config.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/folder.h"
#include "base/near.h"
#include "base/str.h"
#include "base/toml.h"
#include "config/config_origins.h"
#include "config/config_policy.h"
#include "config/options.h"

enum { FILE_MAX_BYTES = 1 << 20 };

DEFINE_CLEANUP(struct toml_document, toml_free)

/* One run of config_load. */
struct load {
    const struct config_request *request;
    struct config *config;
    struct config_report report;
};

/* An empty variable counts as unset, because unit files and shells clear a variable that way. */
static const char *environment(const struct load *load, const char *name)
{
    const char *(*get)(const char *) = load->request->environment;
    const char *value = get ? get(name) : getenv(name);
    return value && *value ? value : NULL;
}

static void say(struct load *load, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct load *load, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    config_report_line(&load->report, format, args);
    va_end(args);
}

static void note_source(struct load *load, const struct option_row *option,
                        enum config_source source)
{
    load->config->sources[option - option_table] = source;
}

/* -------------------------------------------------------------------- files */

/* The TOML parser stops at its first error; nothing after it can be judged. */
static int parse(struct load *load, const char *text, size_t len, struct toml_document **ret)
{
    auto_free char *message = NULL;
    int line = 0;
    int r = toml_parse(text, len, ret, &message, &line);
    if (r == ERROR_CONFIG)
        say(load, "%s:%d: not TOML: %s", load->report.file, line, message);
    return r;
}

/* Suggests the known key with the nearest spelling. */
static void refuse_key(struct load *load, const struct toml_node *node, const char *key)
{
    struct near near = {.typed = key};
    near_offer(&near, "origin");
    near_offer(&near, "index");
    near_offer(&near, "channel");
    for (const char *const *known = config_policy_keys; *known; known++)
        near_offer(&near, *known);
    for (size_t i = 0; i < option_count; i++)
        near_offer(&near, option_table[i].key);
    config_complain_unknown(&load->report, node, key, near.best);
}

/* Reads the options of a document. A key that is neither an option nor `origin` or `index` is an
 * error. */
static int read_options(struct load *load, const struct toml_node *root, enum config_source source)
{
    const struct toml_node *node;
    const char *key, *why;
    for (size_t i = 0; (node = toml_at(root, i, &key)); i++) {
        const struct option_row *option = option_find(key);
        if (!option) {
            if (strcmp(key, "origin") != 0 && strcmp(key, "index") != 0 &&
                !config_policy_is_key(key))
                refuse_key(load, node, key);
            continue;
        }
        int r = option_set_node(option, node, load->config, &why);
        if (r < 0)
            return r;
        if (r == OPTION_WRONG)
            config_complain(&load->report, node, key, "%s", why);
        else
            note_source(load, option, source);
    }
    return 0;
}

/* Tries one path. After FILE_MISSING the caller tries the next one. */
static int read_file(struct load *load, const char *path, struct buf *text)
{
    buf_clear(text);
    int r = file_read_all(path, text);
    if (r < 0)
        say(load, "%s: cannot be read: %s", path, error_text(r));
    if (r)
        return r < 0 ? ERROR_CONFIG : r;
    load->config->file = strdup(path);
    return load->config->file ? 0 : ERROR_NO_MEMORY;
}

/* systemd may name several directories, separated by colons; the first is used. */
static char *join_first(const char *directories, const char *rest)
{
    return str_printf("%.*s%s", (int)strcspn(directories, ":"), directories, rest);
}

/* $XDG_<name> when it is absolute, as its specification demands; otherwise below $HOME. NULL
 * without a home. */
static char *xdg_path(const struct load *load, const char *variable, const char *below_home,
                      const char *rest)
{
    const char *directory = environment(load, variable), *home = environment(load, "HOME");
    if (directory && directory[0] == '/')
        return str_printf("%s%s", directory, rest);
    return home ? str_printf("%s%s%s", home, below_home, rest) : NULL;
}

/* A file that the user named must exist. The default paths may be empty. */
static int find_file(struct load *load, struct buf *text)
{
    const char *named =
        load->request->file ? load->request->file : environment(load, "WHEELYARD_CONFIG");
    if (named) {
        int r = read_file(load, named, text);
        if (r == FILE_MISSING)
            say(load, "%s: there is no such file", named);
        return r == FILE_MISSING ? ERROR_CONFIG : r;
    }
    const char *systemd = environment(load, "CONFIGURATION_DIRECTORY");
    auto_free char *first = systemd ? join_first(systemd, "/wheelyard.conf") : NULL;
    auto_free char *user =
        xdg_path(load, "XDG_CONFIG_HOME", "/.config", "/wheelyard/wheelyard.conf");
    const char *places[] = {first, user, "/etc/wheelyard/wheelyard.conf"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        int r = places[i] ? read_file(load, places[i], text) : FILE_MISSING;
        if (r != FILE_MISSING)
            return r;
    }
    return FILE_MISSING;
}

/* --------------------------------------------------------- above the file */

/* By user: systemd's directory, root's, or the user's own cache. */
static int set_cache_directory(struct load *load)
{
    const char *systemd = environment(load, "CACHE_DIRECTORY"), *why;
    auto_free char *directory = systemd ? join_first(systemd, "")
                                : geteuid() == 0
                                    ? strdup("/var/cache/wheelyard")
                                    : xdg_path(load, "XDG_CACHE_HOME", "/.cache", "/wheelyard");
    const struct option_row *option = option_find("cache_dir");
    if (!directory)
        return 0; /* check_whole reports it when no other source names one */
    note_source(load, option, CONFIG_DIRECTORIES);
    int r = option_set_text(option, directory, load->config, &why);
    if (r == OPTION_WRONG)
        say(load, "environment: CACHE_DIRECTORY: %s", why);
    return r < 0 ? r : 0;
}

/* A credential that systemd was told to load for us. */
static int set_credentials(struct load *load)
{
    const char *directory = environment(load, "CREDENTIALS_DIRECTORY"), *why;
    auto_free char *file = directory ? str_printf("%s/credentials", directory) : NULL;
    const struct option_row *option = option_find("credentials");
    if (!file || access(file, F_OK))
        return 0;
    note_source(load, option, CONFIG_DIRECTORIES);
    int r = option_set_text(option, file, load->config, &why);
    if (r == OPTION_WRONG)
        say(load, "environment: CREDENTIALS_DIRECTORY: %s", why);
    return r < 0 ? r : 0;
}

/* WHEELYARD_<KEY> exists for every row of the table, so a new option needs no code here. */
static int read_environment(struct load *load)
{
    for (size_t i = 0; i < option_count; i++) {
        char name[64] = "WHEELYARD_";
        size_t len = strlen(name);
        for (const char *s = option_table[i].key; *s; s++)
            name[len++] = (char)toupper((unsigned char)*s);
        const char *value = environment(load, name), *why;
        if (!value)
            continue;
        int r = option_set_text(&option_table[i], value, load->config, &why);
        if (r < 0)
            return r;
        if (r == OPTION_WRONG)
            say(load, "environment: %s: %s", name, why);
        else
            note_source(load, &option_table[i], CONFIG_ENVIRONMENT);
    }
    return 0;
}

/* --max-size for max_size. */
static void flag_name(const char *key, char *to, size_t size)
{
    (void)snprintf(to, size, "--%s", key);
    for (char *s = to + 2; *s; s++)
        if (*s == '_')
            *s = '-';
}

/* The first flag of a list replaces the value of lower sources; further flags add to it. */
static int set_flag(struct load *load, const struct option_row *option, const char *value,
                    const char **ret_why)
{
    bool again = load->config->sources[option - option_table] == CONFIG_FLAG;
    if (again && option->type == OPTION_LIST)
        return option_append_text(option, value, load->config, ret_why);
    if (option->type != OPTION_PATH || *value == '/' || !*value)
        return option_set_text(option, value, load->config, ret_why);
    /* Relative paths on the command line are relative to the working directory. */
    auto_free char *here = getcwd(NULL, 0);
    auto_free char *path = here ? str_printf("%s/%s", here, value) : NULL;
    return path ? option_set_text(option, path, load->config, ret_why) : ERROR_NO_MEMORY;
}

/* Flags are checked last, so their messages name the flag and not the key. */
static int read_flags(struct load *load)
{
    for (size_t i = 0; i < load->request->flag_count; i++) {
        const struct config_flag *flag = &load->request->flags[i];
        const struct option_row *option = option_find(flag->key);
        const char *why;
        char name[64];
        flag_name(flag->key, name, sizeof name);
        if (!option) {
            say(load, "%s: unknown flag", name);
            continue;
        }
        int r = set_flag(load, option, flag->value, &why);
        if (r < 0)
            return r;
        if (r == OPTION_WRONG)
            say(load, "%s: %s", name, why);
        else
            note_source(load, option, CONFIG_FLAG);
    }
    return 0;
}

/* --------------------------------------------------------------------- load */

/* Other users' commands read the same configuration, but need not read this file. systemd lets the
 * service read its copy by an access list, which shows as a right of the group. */
static void check_credentials(struct load *load)
{
    const char *file = load->config->engine.credentials;
    bool is_systemds =
        load->config->sources[option_find("credentials") - option_table] == CONFIG_DIRECTORIES;
    mode_t others = is_systemds ? S_IRWXO : S_IRWXG | S_IRWXO;
    struct stat st;
    if (!file)
        return;
    if (stat(file, &st)) {
        if (load->request->looks_at_folders)
            say(load, "%s: credentials: %s", file, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        say(load, "%s: credentials: not a file", file);
    } else if (st.st_mode & others) {
        say(load, "%s: credentials: others may read it; chmod 600 it", file);
    }
}

/* Checks that need the values of all sources. */
static void check_whole(struct load *load)
{
    struct config *config = load->config;
    if (!config->engine.cache_dir)
        say(load, "cache_dir: not set, and without $HOME there is no place for it");
    if (config->engine.ca_file && access(config->engine.ca_file, R_OK))
        say(load, "%s: ca_file: cannot be read", config->engine.ca_file);
    check_credentials(load);
    for (char **host = config->hosts; host && *host; host++)
        for (char *s = *host; *s; s++)
            *s = (char)tolower((unsigned char)*s);
    config->listen_is_default =
        config->sources[option_find("listen") - option_table] == CONFIG_BUILT_IN;
}

/* Reports a problem of cache_dir at the place that named it, as an error or only as a warning. */
static void say_cache_dir(struct load *load, const struct toml_node *file, bool is_error,
                          const char *what)
{
    unsigned errors = load->report.count;
    switch (load->config->sources[option_find("cache_dir") - option_table]) {
    case CONFIG_FILE:
        config_complain(&load->report, toml_get(file, "cache_dir"), "cache_dir", "%s", what);
        break;
    case CONFIG_ENVIRONMENT:
        say(load, "environment: WHEELYARD_CACHE_DIR: %s", what);
        break;
    case CONFIG_FLAG:
        say(load, "--cache-dir: %s", what);
        break;
    case CONFIG_BUILT_IN:
    case CONFIG_DIRECTORIES:
        say(load, "cache_dir: %s", what);
        break;
    }
    if (!is_error)
        load->report.count = errors;
}

/* The user of `config check` may not be the daemon's user, to whom the folder belongs. */
static void look_at_cache_dir(struct load *load, const struct toml_node *file)
{
    const char *dir = load->config->engine.cache_dir;
    auto_free char *at = NULL;
    struct stat st;
    int error = dir ? file_may_make(dir, &at) : 0;
    if (!error)
        return;
    bool is_there = at && strcmp(at, dir) == 0;
    bool is_others = is_there && error == EACCES && stat(at, &st) == 0 && st.st_uid != geteuid();
    auto_free char *what =
        is_others
            ? str_printf("warning: %s belongs to another user; this one cannot write there", dir)
        : is_there ? str_printf("%s cannot be written: %s", dir, strerror(error))
                   : str_printf("%s cannot be made in %s: %s", dir, at ? at : "/", strerror(error));
    say_cache_dir(load, file, !is_others, what ? what : strerror(error));
}

/* Folders of wheels appear and vanish with mounts, so the daemon starts without them. */
static void look_at_origins(struct load *load, const struct toml_node *file)
{
    const struct origins *origins = &load->config->origins;
    unsigned errors = load->report.count;
    for (size_t i = 0; i < origins->count; i++) {
        const struct origin *origin = &origins->list[i];
        const struct toml_node *table = toml_get(toml_get(file, "origin"), origin->name);
        const char *why = origin->directory ? folder_refuses(origin->directory) : NULL;
        auto_free char *key = why ? str_printf("origin.%s.directory", origin->name) : NULL;
        if (key)
            config_complain(&load->report, toml_get(table, "directory"), key,
                            "warning: %s: %s; its names get a 503 until it can be read",
                            origin->directory, why);
    }
    load->report.count = errors;
}

/* Lowest source first, so that each source overwrites the ones before it. */
static int load_places(struct load *load, const struct toml_node *built_in,
                       const struct toml_node *file)
{
    load->report.file = "built-in";
    int r = read_options(load, built_in, CONFIG_BUILT_IN);
    if (r == 0)
        r = set_cache_directory(load);
    if (r == 0)
        r = set_credentials(load);
    load->report.file = load->config->file;
    if (r == 0)
        r = read_options(load, file, CONFIG_FILE);
    if (r == 0)
        r = read_environment(load);
    if (r == 0)
        r = read_flags(load);
    if (r)
        return r;
    /* Origins come from one source as a whole. A mirror added to a set that the author of the file
     * does not see could own names without the author's knowledge. */
    const struct toml_node *theirs = toml_get(file, "origin");
    if (toml_type(theirs) == TOML_TABLE &&
        !toml_count(theirs)) /* an empty table keeps the built-in origins */
        theirs = NULL;
    const struct toml_node *indexes = toml_get(file, "index");
    return config_read_origins(theirs ? theirs : toml_get(built_in, "origin"),
                               theirs || indexes ? indexes : toml_get(built_in, "index"), file,
                               &load->report, &load->config->origins);
}

/* The built-in text is parsed like a file, so that a test sees the same defaults as a user. */
static int load_all(struct load *load)
{
    AUTO(toml_free) struct toml_document *built_in = NULL;
    AUTO(toml_free) struct toml_document *file = NULL;
    auto_buf struct buf text;
    buf_init(&text, FILE_MAX_BYTES);
    load->report.file = "built-in";
    int r = parse(load, config_default_text, strlen(config_default_text), &built_in);
    if (r)
        return r;
    r = find_file(load, &text);
    if (r < 0)
        return r;
    load->report.file = load->config->file;
    if (r != FILE_MISSING && (r = parse(load, text.data, text.len, &file)))
        return r;
    r = load_places(load, toml_root(built_in), file ? toml_root(file) : NULL);
    if (r)
        return r;
    check_whole(load);
    if (load->request->looks_at_folders) {
        look_at_origins(load, file ? toml_root(file) : NULL);
        look_at_cache_dir(load, file ? toml_root(file) : NULL);
    }
    if (load->report.count > REPORT_LINES_MAX)
        (void)fprintf(load->report.to, "%s: %u more of them\n",
                      load->report.file ? load->report.file : "built-in",
                      load->report.count - REPORT_LINES_MAX);
    return load->report.count ? ERROR_CONFIG : 0;
}

/* The errors go to a stream, so that reload and doctor can collect them. */
int config_load(const struct config_request *request, struct config *ret)
{
    struct config config = {.log_level = LOG_LEVEL_INFO};
    struct load load = {.request = request, .config = &config};
    load.report.to = request->errors ? request->errors : stderr;
    int r = load_all(&load);
    if (r) {
        config_release(&config);
        return r;
    }
    *ret = config;
    return 0;
}

/* For `doctor`: a wrong configuration is one of the things that it reports. */
int config_load_quietly(const char *file, struct config *ret, char **ret_errors)
{
    char *text = NULL;
    size_t len = 0;
    FILE *errors = open_memstream(&text, &len);
    struct config_request request = {.file = file, .errors = errors};
    if (!errors)
        return ERROR_NO_MEMORY;
    int r = config_load(&request, ret);
    (void)fclose(errors);
    *ret_errors = text;
    return r;
}

void config_release(struct config *config)
{
    for (size_t i = 0; i < option_count; i++)
        option_release(&option_table[i], config);
    origins_release(&config->origins);
    free(config->file);
    config->file = NULL;
}

/* -------------------------------------------------------------------- flags */

static int refuse(const struct config_request *request, const char *flag, const char *what)
{
    (void)fprintf(request->errors ? request->errors : stderr, "%s: %s\n", flag, what);
    return ERROR_CONFIG;
}

/* Finds the option of `--max-size=5GB`, whose key is max_size; `--max_size` also names it. */
static const struct option_row *find_flag(const char *flag, size_t len)
{
    for (size_t i = 0; i < option_count; i++) {
        const char *key = option_table[i].key;
        if (len != strlen("--") + strlen(key) || !str_starts(flag, "--"))
            continue;
        const char *typed = flag + strlen("--");
        while (*key && (*typed == *key || (*typed == '-' && *key == '_'))) {
            typed++;
            key++;
        }
        if (!*key)
            return &option_table[i];
    }
    return NULL;
}

/* Suggests the flag with the nearest spelling. */
static int refuse_argument(const struct config_request *request, const char *argument, size_t len)
{
    char typed[64], names[CONFIG_OPTIONS_MAX][64];
    struct near near = {.typed = typed};
    (void)snprintf(typed, sizeof typed, "%.*s", (int)len, argument);
    near_offer(&near, "--config");
    for (size_t i = 0; i < option_count; i++) {
        flag_name(option_table[i].key, names[i], sizeof names[i]);
        near_offer(&near, names[i]);
    }
    const char *best = *argument == '-' ? near.best : NULL;
    auto_free char *what =
        str_printf("%s%s%s%s", *argument == '-' ? "unknown flag" : "unexpected argument",
                   best ? "; did you mean " : "", best ? best : "", best ? "?" : "");
    return refuse(request, argument, what ? what : "unknown flag");
}

/* Values are only collected here; config_load checks them together with all others. */
int config_parse_flags(int argc, char **argv, struct config_request *request)
{
    for (int i = 0; i < argc; i++) {
        const char *flag = argv[i];
        if (strcmp(flag, "--help") == 0 || strcmp(flag, "-h") == 0)
            return CONFIG_HELP;
        size_t len = strcspn(flag, "=");
        if (request->takes_file && !request->file && flag[0] != '-') {
            request->file = flag;
            continue;
        }
        bool is_file = len == strlen("--config") && str_starts(flag, "--config");
        const struct option_row *option = find_flag(flag, len);
        if (!option && !is_file)
            return refuse_argument(request, flag, len);
        bool is_bool = option && option->type == OPTION_BOOL;
        const char *value = flag[len]      ? flag + len + 1
                            : is_bool      ? "true"
                            : i + 1 < argc ? argv[++i]
                                           : NULL;
        if (!value)
            return refuse(request, flag, "needs a value");
        if (is_file) {
            request->file = value;
        } else if (request->flag_count == CONFIG_FLAGS_MAX) {
            return refuse(request, flag, "too many flags");
        } else {
            request->flags[request->flag_count++] = (struct config_flag){option->key, value};
        }
    }
    return 0;
}

/* ------------------------------------------------------------------- listen */

/* Addresses only, and localhost: a name could resolve to something else later. */
int config_split_listen(const char *text, char ret_host[CONFIG_HOST_SIZE], int *ret_port)
{
    const char *colon = strrchr(text, ':');
    char host[CONFIG_HOST_SIZE];
    struct in6_addr address;
    if (!colon || colon == text || (size_t)(colon - text) >= sizeof host)
        return ERROR_CONFIG;
    const char *digits = colon + 1;
    size_t count = strspn(digits, "0123456789");
    if (count < 1 || count > 5 || digits[count] || strtol(digits, NULL, 10) > 65535)
        return ERROR_CONFIG;
    bool brackets = text[0] == '[' && colon[-1] == ']' && colon - text > 2;
    size_t len = (size_t)(colon - text) - (brackets ? 2 : 0);
    memcpy(host, text + brackets, len);
    host[len] = '\0';
    if (!brackets && strcmp(host, "localhost") == 0)
        str_copy(host, sizeof host, "127.0.0.1");
    /* No other names: a name may mean another address at the next start. */
    if (inet_pton(brackets ? AF_INET6 : AF_INET, host, &address) != 1)
        return ERROR_CONFIG;
    memcpy(ret_host, host, sizeof host);
    *ret_port = (int)strtol(digits, NULL, 10);
    return 0;
}

/* --------------------------------------------------------------------- show */

static const char *source_text(enum config_source source)
{
    switch (source) {
    case CONFIG_BUILT_IN:
        return "built-in";
    case CONFIG_DIRECTORIES:
        return "directories";
    case CONFIG_FILE:
        return "file";
    case CONFIG_ENVIRONMENT:
        return "environment";
    case CONFIG_FLAG:
        return "flag";
    }
    return "";
}

/* The text is built whole first, so that a failure prints no half of a configuration. */
int config_show(const struct config *config, FILE *to)
{
    auto_buf struct buf text;
    buf_init(&text, 4 * FILE_MAX_BYTES);
    buf_printf(&text, "# file: %s\n", config->file ? config->file : "none, the built-in one");
    for (size_t i = 0; i < option_count; i++) {
        auto_buf struct buf value;
        buf_init(&value, FILE_MAX_BYTES);
        option_write(&option_table[i], config, &value);
        if (value.len)
            buf_printf(&text, "%s = %s # %s\n", option_table[i].key, value.data,
                       source_text(config->sources[i]));
        else
            buf_printf(&text, "# %s is not set\n", option_table[i].key);
    }
    config_write_origins(&config->origins, &text);
    if (text.error)
        return text.error;
    return fwrite(text.data, 1, text.len, to) == text.len && fflush(to) == 0 ? 0 : ERROR_IO;
}

/* From the table, like everything about options. */
void config_usage(FILE *to)
{
    (void)fprintf(to, "  %-32s %s\n", "--config FILE", "configuration file to read");
    for (size_t i = 0; i < option_count; i++) {
        char name[64], flag[96];
        flag_name(option_table[i].key, name, sizeof name);
        const char *argument = option_table[i].argument;
        (void)snprintf(flag, sizeof flag, "%s%s%s", name, *argument ? " " : "", argument);
        (void)fprintf(to, "  %-32s %s\n", flag, option_table[i].help);
    }
    (void)fputs(
        "\nSizes are written 200GB, 5GiB; times 250ms, 5s, 10min, 30d. The flag --max-size is the\n"
        "key max_size in the file and WHEELYARD_MAX_SIZE in the environment. All keys are so:\n"
        "`man wheelyard.conf`.\n",
        to);
}
