// SPDX-License-Identifier: Apache-2.0
#include "server/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "server/options.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Every test sees an environment and a directory of its own, never the machine's. */
static char directory[] = "/tmp/test-config-XXXXXX";
static struct {
    const char *name, *value;
} variables[8];
static size_t variable_count;

static const char *fake_environment(const char *name)
{
    for (size_t i = 0; i < variable_count; i++)
        if (strcmp(variables[i].name, name) == 0)
            return variables[i].value;
    return NULL;
}

static void set_variable(const char *name, const char *value)
{
    variables[variable_count].name = name;
    variables[variable_count++].value = value;
}

static int clear_variables(void **state)
{
    (void)state;
    variable_count = 0;
    return 0;
}

static int make_directory(void **state)
{
    (void)state;
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
    (void)state;
    char *command = str_printf("rm -r %s", directory);
    int r = command ? system(command) : -1;
    free(command);
    return r;
}

/* Writes a file below the directory and gives its path, good until the next but one call. */
static const char *write_file(const char *name, const char *text)
{
    static char paths[2][256];
    static unsigned turn;
    char *path = paths[turn++ % 2];
    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    assert_int_equal(file_make_directory(path, 0700), 0);
    *slash = '/';
    assert_int_equal(file_replace(path, text, strlen(text)), 0);
    return path;
}

/* Loads with what is complained of captured in ret_errors. */
static int load(struct config_request *request, struct config *ret, char **ret_errors)
{
    char *text = NULL;
    size_t len = 0;
    FILE *errors = open_memstream(&text, &len);
    request->environment = fake_environment;
    request->errors = errors;
    int r = config_load(request, ret);
    fclose(errors);
    *ret_errors = text;
    return r;
}

static void load_fine(struct config_request *request, struct config *ret)
{
    char *errors = NULL;
    int r = load(request, ret, &errors);
    if (r)
        fail_msg("%d: %s", r, errors);
    assert_string_equal(errors, "");
    free(errors);
}

static char *show(const struct config *config)
{
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    assert_int_equal(config_show(config, to), 0);
    fclose(to);
    return text;
}

static enum config_source source_of(const struct config *config, const char *key)
{
    return config->sources[option_find(key) - option_table];
}

/* ------------------------------------------------------------- the built-in */

static void built_in_stands_alone(void **state)
{
    (void)state;
    struct config_request request = {.file = write_file("empty.conf", "")};
    struct config config;
    set_variable("CACHE_DIRECTORY", "/c:/d");
    load_fine(&request, &config);
    assert_string_equal(config.listen[0], "127.0.0.1:8503");
    assert_string_equal(config.listen[1], "[::1]:8503");
    assert_null(config.listen[2]);
    assert_true(config.listen_is_default);
    assert_string_equal(config.engine.cache_dir, "/c");
    assert_true(config.engine.max_size == INT64_C(200000000000));
    assert_true(config.engine.min_free == INT64_C(5000000000));
    assert_int_equal(config.engine.page_refresh_ms, 600000);
    assert_int_equal(config.engine.listing_timeout_ms, 5000);
    assert_int_equal(config.engine.connections_per_mirror, 4);
    assert_int_equal(config.log_level, LOG_LEVEL_INFO);
    assert_null(config.engine.proxy);
    assert_null(config.hosts[0]);
    /* a status line within 10 s: connecting and falling silent together must fit */
    assert_true(config.engine.connect_timeout_ms + config.engine.stall_timeout_ms < 10000);
    config_release(&config);
}

static void built_in_mirrors_and_owners(void **state)
{
    (void)state;
    struct config_request request = {.file = write_file("empty.conf", "")};
    struct config config;
    load_fine(&request, &config);
    const struct origin *pytorch = origins_find(&config.origins, "pytorch");
    const struct origin *pypi = origins_find(&config.origins, "pypi");
    assert_int_equal(config.origins.count, 2);
    assert_int_equal(pytorch->mirror_count, 4);
    assert_int_equal(pytorch->mirrors[0].layout, LAYOUT_FLAT);
    assert_int_equal(pytorch->mirrors[1].layout, LAYOUT_SIMPLE);
    assert_null(pytorch->mirrors[2].missing);
    assert_int_equal(pytorch->mirrors[3].missing[0], 403);
    assert_int_equal(pytorch->mirrors[3].missing[1], 404);
    assert_int_equal(pytorch->mirrors[3].missing[2], 0);
    assert_int_equal(pypi->mirror_count, 3);
    static const struct {
        const char *index, *project, *owner;
    } cases[] = {
        {"cu126", "torch", "pytorch"},
        {"cu126", "torchvision", "pytorch"},
        {"cpu", "fbgemm-gpu-cpu", "pytorch"},
        {"rocm6.4", "triton-rocm", "pytorch"},
        {"xpu", "pytorch-triton-xpu", "pytorch"},
        {"cu126", "triton", "pypi"},
        {"cpu", "triton", "pypi"},
        {"xpu", "triton", "pypi"},
        {"cu126", "torchtext", "pypi"},
        {"cu126", "torchdata", "pypi"},
        {"rocm6.4", "triton", "pytorch"},
        {"nightly/cu130", "triton", "pytorch"},
        {"nightly/cu130", "torchdata", "pytorch"},
        {"cu126", "nvidia-cudnn-cu12", "pypi"},
        {"cu126", "requests", "pypi"},
        {"cu126", "torchmetrics", "pypi"},
        {"", "torch", "pypi"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct index_view view;
        print_message("%s %s\n", cases[i].index, cases[i].project);
        assert_int_equal(origins_index(&config.origins, cases[i].index, &view), 0);
        assert_string_equal(origins_owner(&view, cases[i].project)->name, cases[i].owner);
    }
    config_release(&config);
}

/* --------------------------------------------------------------- priorities */

static void flags_over_environment_over_file(void **state)
{
    (void)state;
    struct config_request request = {
        .file = write_file("a.conf", "max_size = \"1GB\"\nmin_free = \"2GB\"\nworkers = 3\n"
                                     "listen = [\"127.0.0.1:1\"]\ncache_dir = \"/file\"\n"),
    };
    char *argv[] = {(char *)"--max-size", (char *)"10GB", (char *)"--listen=127.0.0.1:2",
                    (char *)"--listen", (char *)"[::1]:3,127.0.0.1:4"};
    struct config config;
    assert_int_equal(config_parse_flags(COUNT(argv), argv, &request), 0);
    set_variable("WHEELYARD_MAX_SIZE", "11GB");
    set_variable("WHEELYARD_MIN_FREE", "12GB");
    set_variable("WHEELYARD_LISTEN", "127.0.0.1:5");
    set_variable("WHEELYARD_WORKERS", ""); /* empty is as good as unset */
    set_variable("CACHE_DIRECTORY", "/systemd");
    load_fine(&request, &config);
    assert_true(config.engine.max_size == INT64_C(10000000000));
    assert_true(config.engine.min_free == INT64_C(12000000000));
    assert_int_equal(config.workers, 3);
    assert_string_equal(config.engine.cache_dir, "/file");
    assert_string_equal(config.listen[0], "127.0.0.1:2");
    assert_string_equal(config.listen[1], "[::1]:3");
    assert_string_equal(config.listen[2], "127.0.0.1:4");
    assert_null(config.listen[3]);
    assert_false(config.listen_is_default);
    assert_int_equal(source_of(&config, "max_size"), CONFIG_FLAG);
    assert_int_equal(source_of(&config, "min_free"), CONFIG_ENVIRONMENT);
    assert_int_equal(source_of(&config, "workers"), CONFIG_FILE);
    assert_int_equal(source_of(&config, "page_memory"), CONFIG_BUILT_IN);
    config_release(&config);
}

static void every_option_has_a_flag_and_a_variable(void **state)
{
    (void)state;
    static const char *const values[] = {
        "127.0.0.1:7", "/x",        "7GB",    "7GB", "http://p.test:7",
        "a.test,b",    "/dev/null", "h.test", "7MB", "7s",
        "7s",          "7s",        "7s",     "7",   "7",
        "debug"};
    assert_int_equal(COUNT(values), option_count);
    for (size_t i = 0; i < option_count; i++) {
        char flag[64], variable[64] = "WHEELYARD_";
        snprintf(flag, sizeof flag, "--%s=%s", option_table[i].key, values[i]);
        for (char *s = flag; *s != '='; s++)
            *s = *s == '_' ? '-' : *s;
        size_t len = strlen(variable);
        for (const char *s = option_table[i].key; *s; s++)
            variable[len++] = (char)(*s >= 'a' && *s <= 'z' ? *s - 32 : *s);
        char *argv[] = {flag};
        struct config_request by_flag = {.file = write_file("empty.conf", "")};
        struct config_request by_variable = by_flag;
        struct config config;
        print_message("%s %s\n", flag, variable);
        clear_variables(NULL);
        set_variable("HOME", "/home/x");
        assert_int_equal(config_parse_flags(1, argv, &by_flag), 0);
        load_fine(&by_flag, &config);
        assert_int_equal(config.sources[i], CONFIG_FLAG);
        char *first = show(&config);
        config_release(&config);
        set_variable(variable, values[i]);
        load_fine(&by_variable, &config);
        assert_int_equal(config.sources[i], CONFIG_ENVIRONMENT);
        char *second = show(&config);
        config_release(&config);
        /* the same but for what is said about where it came from */
        char *mark = strstr(first, "# flag"), *other = strstr(second, "# environment");
        assert_non_null(mark);
        assert_non_null(other);
        assert_int_equal(mark - first, other - second);
        assert_memory_equal(first, second, (size_t)(mark - first));
        assert_string_equal(mark + strlen("# flag"), other + strlen("# environment"));
        free(first);
        free(second);
    }
}

static void files_are_looked_for_in_order(void **state)
{
    (void)state;
    char xdg[64], systemd[64], home[64], by_variable[64];
    snprintf(xdg, sizeof xdg, "%s/xdg", directory);
    snprintf(systemd, sizeof systemd, "%s/systemd:/nowhere", directory);
    snprintf(home, sizeof home, "%s/home", directory);
    write_file("home/.config/wheelyard/wheelyard.conf", "workers = 1\n");
    write_file("xdg/wheelyard/wheelyard.conf", "workers = 2\n");
    write_file("systemd/wheelyard.conf", "workers = 3\n");
    str_copy(by_variable, sizeof by_variable, write_file("variable.conf", "workers = 4\n"));
    struct config config;
    const struct {
        const char *name, *value;
    } steps[] = {{"HOME", home},
                 {"XDG_CONFIG_HOME", xdg},
                 {"CONFIGURATION_DIRECTORY", systemd},
                 {"WHEELYARD_CONFIG", by_variable}};
    for (size_t i = 0; i < COUNT(steps); i++) {
        struct config_request request = {0};
        set_variable(steps[i].name, steps[i].value);
        load_fine(&request, &config);
        assert_int_equal(config.workers, (int)i + 1);
        assert_non_null(config.file);
        config_release(&config);
    }
    struct config_request request = {.file = write_file("flag.conf", "workers = 5\n")};
    load_fine(&request, &config);
    assert_int_equal(config.workers, 5);
    assert_string_equal(config.file, request.file);
    config_release(&config);
}

/* Relative XDG paths do not count, and a missing file is only wrong when it was named. */
static void a_named_file_must_exist(void **state)
{
    (void)state;
    struct config config;
    char *errors = NULL;
    struct config_request request = {.file = "/nonexistent/wheelyard.conf"};
    assert_int_equal(load(&request, &config, &errors), ERROR_CONFIG);
    assert_string_equal(errors, "/nonexistent/wheelyard.conf: there is no such file\n");
    free(errors);
    request.file = NULL;
    set_variable("WHEELYARD_CONFIG", "/nonexistent/b.conf");
    assert_int_equal(load(&request, &config, &errors), ERROR_CONFIG);
    assert_string_equal(errors, "/nonexistent/b.conf: there is no such file\n");
    free(errors);
    clear_variables(NULL);
    set_variable("XDG_CONFIG_HOME", "relative");
    set_variable("CONFIGURATION_DIRECTORY", "/nonexistent");
    set_variable("HOME", "/nonexistent");
    load_fine(&request, &config);
    config_release(&config);
}

static void a_place_for_the_cache(void **state)
{
    (void)state;
    struct config config;
    struct config_request request = {.file = write_file("empty.conf", "")};
    char *errors = NULL;
    if (geteuid() == 0) {
        set_variable("HOME", "/root");
        load_fine(&request, &config);
        assert_string_equal(config.engine.cache_dir, "/var/cache/wheelyard");
        config_release(&config);
        return;
    }
    assert_int_equal(load(&request, &config, &errors), ERROR_CONFIG);
    free(errors);
    set_variable("HOME", "/home/x");
    load_fine(&request, &config);
    assert_string_equal(config.engine.cache_dir, "/home/x/.cache/wheelyard");
    config_release(&config);
    set_variable("XDG_CACHE_HOME", "/xdg");
    load_fine(&request, &config);
    assert_string_equal(config.engine.cache_dir, "/xdg/wheelyard");
    config_release(&config);
}

static void relative_paths_only_on_the_command_line(void **state)
{
    (void)state;
    struct config config;
    struct config_request request = {.file = write_file("empty.conf", "")};
    char *argv[] = {(char *)"--cache-dir", (char *)"here"};
    char *here = getcwd(NULL, 0), *want = str_printf("%s/here", here);
    assert_int_equal(config_parse_flags(2, argv, &request), 0);
    load_fine(&request, &config);
    assert_string_equal(config.engine.cache_dir, want);
    config_release(&config);
    free(here);
    free(want);
}

/* ------------------------------------------------------------------ origins */

#define MIRROR(prefix)                                                                             \
    "[[" prefix ".mirror]]\nname = \"m\"\nlayout = \"simple\"\n"                                   \
    "index = \"http://127.0.0.1:9/{project}/\"\nfiles = \"http://127.0.0.1:9/f/\"\n"

static void naming_an_origin_replaces_them_all(void **state)
{
    (void)state;
    struct config config;
    struct config_request request = {
        .file = write_file("a.conf", "[origin.lab]\n" MIRROR("origin.lab"))};
    load_fine(&request, &config);
    assert_int_equal(config.origins.count, 1);
    assert_non_null(origins_find(&config.origins, "lab"));
    assert_true(config.engine.max_size == INT64_C(200000000000)); /* options stay */
    config_release(&config);
}

static void naming_none_keeps_them(void **state)
{
    (void)state;
    struct config config;
    struct config_request request = {
        .file = write_file("a.conf", "workers = 1\n[index.mine]\norigins = [\"pypi\"]\n")};
    struct index_view view;
    load_fine(&request, &config);
    assert_int_equal(config.origins.count, 2);
    assert_int_equal(origins_index(&config.origins, "mine", &view), 0);
    assert_string_equal(view.origins[0]->name, "pypi");
    config_release(&config);
}

/* ----------------------------------------------------------------- complaints */

#define PYTORCH "[origin.a]\nchannels = [\"cpu\"]\n[[origin.a.mirror]]\nname = \"m\"\n"

static const struct {
    const char *text, *complaint; /* the complaint without `file:` */
} wrong_files[] = {
    {"max_sizes = \"1GB\"\n", "1: max_sizes: unknown key\n"},
    {"\n\nmax_size = true\n", "3: max_size: not a size such as"},
    {"max_size = \"200 gigabytes\"\n", "1: max_size: not a size"},
    {"max_size = -1\n", "1: max_size: must not be negative\n"},
    {"max_size = \"99999999999TB\"\n", "1: max_size: not a size"},
    {"max_size = \"\"\n", "1: max_size: not a size"},
    {"max_size = 0\n", "1: max_size: too small\n"},
    {"max_size = 1.5\n", "1: max_size: not a size"},
    {"page_refresh = 5\n", "1: page_refresh: not a duration"},
    {"page_refresh = \"5\"\n", "1: page_refresh: not a duration"},
    {"page_refresh = \"5 weeks\"\n", "1: page_refresh: not a duration"},
    {"page_refresh = \"300d\"\n", "1: page_refresh: too large\n"},
    {"listing_timeout = \"0s\"\n", "1: listing_timeout: too small\n"},
    {"workers = \"4\"\n", "1: workers: not a whole number\n"},
    {"workers = 1000\n", "1: workers: too large\n"},
    {"connections_per_mirror = 0\n", "1: connections_per_mirror: too small\n"},
    {"listen = \"127.0.0.1:1\"\n", "1: listen: must be a list of strings\n"},
    {"listen = []\n", "1: listen: must not be empty\n"},
    {"listen = [1]\n", "1: listen: must be a list of strings\n"},
    {"listen = [\"localhost\"]\n", "1: listen: not an address and port"},
    {"listen = [\"127.0.0.1:70000\"]\n", "1: listen: not an address and port"},
    {"log_level = \"loud\"\n", "1: log_level: not one of error, warning, info, debug\n"},
    {"cache_dir = \"cache\"\n", "1: cache_dir: not an absolute path\n"},
    {"cache_dir = 1\n", "1: cache_dir: must be a string\n"},
    {"proxy = \"127.0.0.1:7890\"\n", "1: proxy: not a proxy such as"},
    {"hosts = [\"a.test:80\"]\n", "1: hosts: not a host name (without port)\n"},
    {"x = \n", "1: not TOML: "},
    {"workers = 1\nworkers = 2\n", "2: not TOML: "},
    {"origin = 1\n", "1: origin: must be a table\n"},
    {"[origin.A]\n" MIRROR("origin.A"), "1: origin.A: not a name"},
    {"[origin.a]\n", "1: origin.a.mirror: needs at least one mirror"},
    {"[origin.a]\nurl = 1\n" MIRROR("origin.a"), "2: origin.a.url: unknown key\n"},
    {"[origin.a]\ncanonical = \"ftp://x/\"\n" MIRROR("origin.a"),
     "2: origin.a.canonical: not an http:// or https:// URL\n"},
    {"[origin.a]\ncanonical = \"http://x\"\n" MIRROR("origin.a"),
     "2: origin.a.canonical: must end in '/'\n"},
    {"[origin.a]\naliases = [\n  \"http://x/\",\n  \"x\"]\n" MIRROR("origin.a"),
     "4: origin.a.aliases: \"x\": not an http:// or https:// URL\n"},
    {"[origin.a]\nowns = [\"Torch\"]\n" MIRROR("origin.a"),
     "2: origin.a.owns: \"Torch\": not a normalised project name"},
    {"[origin.a]\nowns = \"listed\"\n" MIRROR("origin.a"),
     "2: origin.a.owns: \"listed\" is not supported yet"},
    {"[origin.a]\ndirectory = \"/srv\"\n",
     "2: origin.a.directory: directory origins are not supported yet\n"},
    {"[origin.a]\nowns = \"torch\"\n" MIRROR("origin.a"),
     "2: origin.a.owns: must be a list of strings\n"},
    {"[origin.a]\nowns_in = { cpu = [\"x\"] }\n" MIRROR("origin.a"),
     "2: origin.a.owns_in: the origin has no channels\n"},
    {"[origin.a]\nchannels = [\"whl\"]\n" MIRROR("origin.a"),
     "2: origin.a.channels: \"whl\": not a channel or pattern"},
    {PYTORCH "layout = \"flat\"\nindex = \"http://x/\"\nfiles = \"http://x/\"\n",
     "6: origin.a.mirror.m.index: lacks {channel}"},
    {PYTORCH "layout = \"simple\"\nindex = \"http://x/{channel}/\"\nfiles = \"http://x/\"\n",
     "6: origin.a.mirror.m.index: lacks {project}"},
    {PYTORCH
     "layout = \"flat\"\nindex = \"http://x/{channel}/{project}/\"\nfiles = \"http://x/\"\n",
     "6: origin.a.mirror.m.index: has {project}"},
    {PYTORCH "layout = \"flat\"\nindex = \"http://x/{channel}/{who}/\"\nfiles = \"http://x/\"\n",
     "6: origin.a.mirror.m.index: only {channel} and {project}"},
    {PYTORCH
     "layout = \"flat\"\nindex = \"http://x/{channel}/{channel}/\"\nfiles = \"http://x/\"\n",
     "6: origin.a.mirror.m.index: only {channel} and {project}"},
    {PYTORCH "layout = \"flat\"\nindex = \"x/{channel}/\"\nfiles = \"http://x/\"\n",
     "6: origin.a.mirror.m.index: not an http:// or https:// URL\n"},
    {PYTORCH
     "layout = \"tree\"\nindex = \"http://x/{channel}/{project}/\"\nfiles = \"http://x/\"\n",
     "5: origin.a.mirror.m.layout: must be \"flat\" or \"simple\"\n"},
    {PYTORCH "layout = \"flat\"\nindex = \"http://x/{channel}/\"\n",
     "3: origin.a.mirror.m.files: is missing\n"},
    {PYTORCH "layout = \"flat\"\nindex = \"http://x/{channel}/\"\nfiles = \"http://x/\"\n"
             "missing = [200]\n",
     "8: origin.a.mirror.m.missing: must be a list of statuses"},
    {"[origin.a]\n" MIRROR("origin.a") MIRROR("origin.a"),
     "8: origin.a.mirror.m.name: another mirror has this name\n"},
    {"[origin.a]\nmirror = [1]\n", "2: origin.a.mirror.?: must be a table\n"},
    {"[origin.pypi]\n" MIRROR("origin.pypi") "[index.files]\norigins = [\"pypi\"]\n",
     "7: index.files: not a name of an index"},
    {"[index.\"simple/x\"]\norigins = [\"pypi\"]\n", "1: index.simple/x: not a name of an index"},
    {"[index.lab]\norigins = [\"lab\"]\n",
     "2: index.lab.origins: \"lab\": there is no origin of this name\n"},
    {"[index.lab]\norigins = [\"pytorch\", \"pypi\"]\n",
     "2: index.lab.origins: \"pytorch\": an origin with channels can only"},
    {"[index.cpu]\norigins = [\"pypi\", \"pytorch\"]\n",
     "2: index.cpu.origins: \"pypi\": without `owns` it answers for every name"},
    {"[index.cpu]\norigins = [\"pytorch\", \"pypi\", \"pypi\"]\n",
     "2: index.cpu.origins: \"pypi\": without `owns`"},
    {"[index.lab]\n", "1: index.lab.origins: must be a list of at least one origin\n"},
    {"[index.lab]\nowns = []\norigins = [\"pypi\"]\n", "2: index.lab.owns: unknown key\n"},
};

static void wrong_files_are_refused_by_line_and_key(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(wrong_files); i++) {
        struct config config;
        char *errors = NULL;
        struct config_request request = {.file = write_file("wrong.conf", wrong_files[i].text)};
        char *want = str_printf("%s:%s", request.file, wrong_files[i].complaint);
        set_variable("HOME", "/home/x");
        int r = load(&request, &config, &errors);
        if (r != ERROR_CONFIG || !str_starts(errors, want))
            fail_msg("\n%s\ngives %d and\n%s\nnot\n%s", wrong_files[i].text, r, errors, want);
        free(want);
        free(errors);
        clear_variables(NULL);
    }
}

static size_t count_lines(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static void everything_wrong_is_reported_at_once(void **state)
{
    (void)state;
    struct config config;
    char *errors = NULL;
    struct config_request request = {
        .file = write_file("wrong.conf", "max_size = 1\nworkerz = 1\nmin_free = \"x\"\n"
                                         "[origin.a]\nowns = [\"A\", \"b\", \"C\"]\n"
                                         "[[origin.a.mirror]]\nname = \"m\"\n"),
    };
    char *argv[] = {(char *)"--workers=many"};
    assert_int_equal(config_parse_flags(1, argv, &request), 0);
    set_variable("WHEELYARD_PAGE_REFRESH", "soon");
    set_variable("HOME", "/home/x");
    assert_int_equal(load(&request, &config, &errors), ERROR_CONFIG);
    print_message("%s", errors);
    static const char *const parts[] = {
        ":2: workerz: unknown key\n",
        ":3: min_free: not a size",
        "environment: WHEELYARD_PAGE_REFRESH: not a duration",
        "--workers: not a whole number\n",
        ":5: origin.a.owns: \"A\": not a normalised",
        ":5: origin.a.owns: \"C\": not a normalised",
        ":6: origin.a.mirror.m.layout: is missing\n",
        ":6: origin.a.mirror.m.files: is missing\n",
        ":6: origin.a.mirror.m.index: is missing\n",
    };
    for (size_t i = 0; i < COUNT(parts); i++)
        assert_non_null(strstr(errors, parts[i]));
    assert_int_equal(count_lines(errors), COUNT(parts));
    free(errors);
}

static void a_channel_belongs_to_one_origin(void **state)
{
    (void)state;
    static const char mirror[] = "[[origin.%c.mirror]]\nname = \"m\"\nlayout = \"flat\"\n"
                                 "index = \"http://x/{channel}/\"\nfiles = \"http://x/\"\n";
    char text[1024];
    int n = snprintf(text, sizeof text, "[origin.a]\nchannels = [\"cpu\"]\n");
    n += snprintf(text + n, sizeof text - (size_t)n, mirror, 'a');
    n += snprintf(text + n, sizeof text - (size_t)n, "[origin.b]\nchannels = [\"xpu\", \"cpu\"]\n");
    snprintf(text + n, sizeof text - (size_t)n, mirror, 'b');
    struct config config;
    char *errors = NULL;
    struct config_request request = {.file = write_file("wrong.conf", text)};
    set_variable("HOME", "/home/x");
    assert_int_equal(load(&request, &config, &errors), ERROR_CONFIG);
    assert_non_null(
        strstr(errors, ":9: origin.b.channels: \"cpu\" is a channel of origin a already\n"));
    free(errors);
}

static void wrong_flags_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *flag, *complaint;
    } cases[] = {
        {"--max-sizes=1", "--max-sizes=1: unknown flag\n"},
        {"--max_size=1", "--max_size=1: unknown flag\n"},
        {"--max-size", "--max-size: needs a value\n"},
        {"--config", "--config: needs a value\n"},
        {"serve", "serve: unexpected argument\n"},
        {"", ": unexpected argument\n"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *text = NULL;
        size_t len = 0;
        struct config_request request = {.errors = open_memstream(&text, &len)};
        char *argv[] = {(char *)cases[i].flag};
        assert_int_equal(config_parse_flags(1, argv, &request), ERROR_CONFIG);
        fclose(request.errors);
        assert_string_equal(text, cases[i].complaint);
        free(text);
    }
    struct config_request request = {0};
    char *help[] = {(char *)"--workers=1", (char *)"--help"};
    assert_int_equal(config_parse_flags(2, help, &request), CONFIG_HELP);
}

/* ------------------------------------------------------------- values, listen */

static void sizes_and_durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t bytes;
    } sizes[] = {{"1", 1},
                 {"4096B", 4096},
                 {"5 KiB", 5120},
                 {"3kB", 3000},
                 {"3KB", 3000},
                 {"7MiB", 7 << 20},
                 {"200GB", INT64_C(200000000000)},
                 {"5GiB", INT64_C(5) << 30},
                 {"2TiB", INT64_C(2) << 40},
                 {"9223372036854775807", INT64_MAX}};
    static const struct {
        const char *text;
        int ms;
    } durations[] = {
        {"250ms", 250}, {"5s", 5000}, {"10min", 600000}, {"2 h", 7200000}, {"7d", 604800000}};
    struct config config = {.workers = 0};
    const char *why;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        print_message("%s\n", sizes[i].text);
        assert_int_equal(option_set_text(option_find("max_size"), sizes[i].text, &config, &why), 0);
        assert_true(config.engine.max_size == sizes[i].bytes);
    }
    for (size_t i = 0; i < COUNT(durations); i++) {
        print_message("%s\n", durations[i].text);
        assert_int_equal(
            option_set_text(option_find("page_refresh"), durations[i].text, &config, &why), 0);
        assert_int_equal(config.engine.page_refresh_ms, durations[i].ms);
    }
    static const char *const not_sizes[] = {
        "",          "GB",    "-1",  "1gb",  "1 GB ",
        "1  GB",     "1.5GB", "0x1", "1GBs", "9223372036854775808",
        "10000000TB"};
    for (size_t i = 0; i < COUNT(not_sizes); i++) {
        print_message("%s\n", not_sizes[i]);
        assert_int_equal(option_set_text(option_find("max_size"), not_sizes[i], &config, &why),
                         OPTION_WRONG);
    }
    assert_true(config.engine.max_size == INT64_MAX); /* untouched by what was refused */
}

static void addresses_to_listen_on(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host;
        int port;
    } fine[] = {{"127.0.0.1:8503", "127.0.0.1", 8503},
                {"0.0.0.0:0", "0.0.0.0", 0},
                {"[::1]:65535", "::1", 65535},
                {"[::]:80", "::", 80},
                {"localhost:80", "127.0.0.1", 80}};
    char host[CONFIG_HOST_SIZE] = "untouched";
    int port = -1;
    static const char *const wrong[] = {
        "",          ":80",          "127.0.0.1",     "127.0.0.1:",     "127.0.0.1:65536",
        "::1:80",    "[::1]",        "[::1:80",       "[127.0.0.1]:80", "[]:80",
        "a.test:80", "127.0.0.1:8x", "127.0.0.1: 80", "1.2.3:80",       "127.0.0.1:-1"};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        print_message("%s\n", wrong[i]);
        assert_int_equal(config_split_listen(wrong[i], host, &port), ERROR_CONFIG);
        assert_string_equal(host, "untouched");
        assert_int_equal(port, -1);
    }
    for (size_t i = 0; i < COUNT(fine); i++) {
        print_message("%s\n", fine[i].text);
        assert_int_equal(config_split_listen(fine[i].text, host, &port), 0);
        assert_string_equal(host, fine[i].host);
        assert_int_equal(port, fine[i].port);
    }
}

static void proxies(void **state)
{
    (void)state;
    struct config config = {.workers = 0};
    const char *why;
    static const char *const fine[] = {"http://127.0.0.1:7890", "https://user:pw@p.test",
                                       "socks5h://127.0.0.1:1080"};
    static const char *const wrong[] = {"",        "127.0.0.1:7890", "ftp://x",
                                        "http://", "http:// x",      "socks://x"};
    for (size_t i = 0; i < COUNT(fine); i++)
        assert_int_equal(option_set_text(option_find("proxy"), fine[i], &config, &why), 0);
    for (size_t i = 0; i < COUNT(wrong); i++) {
        print_message("%s\n", wrong[i]);
        assert_int_equal(option_set_text(option_find("proxy"), wrong[i], &config, &why),
                         OPTION_WRONG);
    }
    assert_string_equal(config.engine.proxy, fine[2]);
    config_release(&config);
}

/* --------------------------------------------------------------------- show */

/* The text without comments behind values and without the first line: what must not change. */
static char *without_sources(const char *text)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    for (const char *line = text; *line;) {
        size_t len = strcspn(line, "\n") + 1;
        const char *comment = memmem(line, len, " # ", 3);
        if (*line != '#' || strstr(line, "is not set") == line + 2)
            buf_add(&b, line, comment ? (size_t)(comment - line) : len);
        if (comment)
            buf_putc(&b, '\n');
        line += len;
    }
    return buf_take(&b, NULL);
}

static const char *const shown[] = {
    "",
    "cache_dir = \"/a \\\"b\\\" \\\\ \\u0001 \\u00e4\"\nmax_size = 12345\npage_refresh = \"90s\"\n"
    "min_free = 0\nhosts = [\"A.test\", \"b\"]\nproxy = \"http://127.0.0.1:1\"\n"
    "no_proxy = \"a,b\"\nca_file = \"/dev/null\"\nlog_level = \"debug\"\nworkers = 2\n",
    "[origin.\"a.b\"]\nchannels = [\"x/*\"]\nowns_in = { \"x/y\" = [\"p\", \"q-*\"], \"x/z\" = [] "
    "}\n"
    "aliases = [\"http://h/\"]\n[[origin.\"a.b\".mirror]]\nname = \"m\"\nlayout = \"flat\"\n"
    "index = \"http://x/{channel}/\"\nfiles = \"http://x/\"\nmissing = [404, 403]\n"
    "[origin.pypi]\n" MIRROR("origin.pypi") "[index.\"x/y\"]\norigins = [\"a.b\", \"pypi\"]\n",
};

static void what_is_shown_reads_back_the_same(void **state)
{
    (void)state;
    set_variable("HOME", "/home/x");
    for (size_t i = 0; i < COUNT(shown); i++) {
        struct config config;
        struct config_request request = {.file = write_file("shown.conf", shown[i])};
        load_fine(&request, &config);
        char *first = show(&config);
        config_release(&config);
        request.file = write_file("again.conf", first);
        load_fine(&request, &config);
        char *second = show(&config);
        config_release(&config);
        char *a = without_sources(first), *b = without_sources(second);
        assert_non_null(a);
        assert_true(strlen(a) > 500 || i == 2);
        assert_string_equal(a, b);
        free(a);
        free(b);
        free(first);
        free(second);
    }
}

/* The commented lines of the built-in file are what people uncomment: they must be right too. */
static void the_built_in_file_names_every_option(void **state)
{
    (void)state;
    for (size_t i = 0; i < option_count; i++) {
        char plain[64], commented[64];
        snprintf(plain, sizeof plain, "\n%s ", option_table[i].key);
        snprintf(commented, sizeof commented, "\n# %s ", option_table[i].key);
        print_message("%s\n", option_table[i].key);
        assert_true(strstr(config_default_text, plain) || strstr(config_default_text, commented));
    }
    struct config config;
    struct config_request request = {.file = write_file("copy.conf", config_default_text)};
    load_fine(&request, &config);
    assert_int_equal(source_of(&config, "listen"), CONFIG_FILE);
    assert_false(config.listen_is_default);
    config_release(&config);
}

#define TEST(function) cmocka_unit_test_setup(function, clear_variables)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(built_in_stands_alone),
        TEST(built_in_mirrors_and_owners),
        TEST(flags_over_environment_over_file),
        TEST(every_option_has_a_flag_and_a_variable),
        TEST(files_are_looked_for_in_order),
        TEST(a_named_file_must_exist),
        TEST(a_place_for_the_cache),
        TEST(relative_paths_only_on_the_command_line),
        TEST(naming_an_origin_replaces_them_all),
        TEST(naming_none_keeps_them),
        TEST(wrong_files_are_refused_by_line_and_key),
        TEST(everything_wrong_is_reported_at_once),
        TEST(a_channel_belongs_to_one_origin),
        TEST(wrong_flags_are_refused),
        TEST(sizes_and_durations),
        TEST(addresses_to_listen_on),
        TEST(proxies),
        TEST(what_is_shown_reads_back_the_same),
        TEST(the_built_in_file_names_every_option),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
