// SPDX-License-Identifier: Apache-2.0
/* What is refused, and in which words. */
#include "config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/str.h"
#include "config_stage.h"

/* ----------------------------------------------------------------- complaints */

#define PYTORCH "[origin.a]\nchannels = [\"cpu\"]\n[[origin.a.mirror]]\nname = \"m\"\n"

static const struct {
    const char *text, *complaint; /* the complaint without `file:` */
} wrong_files[] = {
    {"max_sizes = \"1GB\"\n", "1: max_sizes: unknown key; did you mean max_size?\n"},
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
    {"bundle_key = \"key.pub\"\n",
     "1: bundle_key: not minisign's public key (a line that begins with RW), nor an absolute path "
     "of its file\n"},
    {"bundle_key = \"RWRSlcWWAwbS5+GWbWGPtNrD\"\n",
     "1: bundle_key: not minisign's public key (a line that begins with RW), nor an absolute path "
     "of its file\n"},
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
    {"[origin.a]\n[[origin.a.mirror]]\nname = \"m\"\nparent = \"lan:8503\"\n",
     "4: origin.a.mirror.m.parent: not an http:// or https:// URL\n"},
    {"[origin.a]\nowns = \"listed\"\n[[origin.a.mirror]]\nname = \"m\"\nparent = \"http://x\"\n",
     "3: origin.a.mirror.m.index: is missing\n"},
    {"[origin.a]\ndirectory = 1\n", "2: origin.a.directory: must be a string\n"},
    {"[origin.a]\ndirectory = \"\"\n", "2: origin.a.directory: must not be empty\n"},
    {"[origin.a]\ndirectory = \"/srv\"\ncanonical = \"http://x/\"\n",
     "3: origin.a.canonical: has no meaning beside `directory`"},
    {"[origin.a]\ndirectory = \"/srv\"\nchannels = [\"cpu\"]\n",
     "3: origin.a.channels: has no meaning beside `directory`"},
    {"[origin.a]\ndirectory = \"/srv\"\n" MIRROR("origin.a"),
     "3: origin.a.mirror: has no meaning beside `directory`"},
    {"[origin.a]\nowns = \"torch\"\n" MIRROR("origin.a"),
     "2: origin.a.owns: must be \"listed\", or a list of names and patterns\n"},
    {"[origin.a]\nowns = 1\n" MIRROR("origin.a"), "2: origin.a.owns: must be a list of strings\n"},
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
    {PYTORCH "layout = \"flat\"\nindex = \"http://x/{channel}/\"\nfiles = \"http://x/\"\n"
             "time_zone = \"+8:000\"\n",
     "8: origin.a.mirror.m.time_zone: must be an offset from UTC"},
    {PYTORCH "layout = \"flat\"\nindex = \"http://x/{channel}/\"\nfiles = \"http://x/\"\n"
             "time_zone = \"+15:00\"\n",
     "8: origin.a.mirror.m.time_zone: must be an offset from UTC"},
    {PYTORCH "layout = \"flat\"\nindex = \"http://x/{channel}/\"\nfiles = \"http://x/\"\n"
             "links = [\"http://y\"]\n",
     "8: origin.a.mirror.m.links: \"http://y\": must end in '/'"},
    {PYTORCH "layout = \"flat\"\nindex = \"http://x/{channel}/\"\nfiles = \"http://x/\"\n"
             "redirects = [\"store.lab\"]\n",
     "8: origin.a.mirror.m.redirects: \"store.lab\": not a host and port"},
    {PYTORCH "layout = \"flat\"\nindex = \"http://x/{channel}/\"\nfiles = \"http://x/\"\n"
             "redirects = [\"http://store.lab:9000\"]\n",
     "8: origin.a.mirror.m.redirects: \"http://store.lab:9000\": not a host and port"},
    {PYTORCH "layout = \"flat\"\nindex = \"http://x/{channel}/\"\nfiles = \"http://x/\"\n"
             "redirects = \"store.lab:9000\"\n",
     "8: origin.a.mirror.m.redirects: must be a list"},
    {"[origin.a]\n" MIRROR("origin.a") MIRROR("origin.a"),
     "8: origin.a.mirror.m.name: another mirror has this name\n"},
    {"[origin.a]\nmirror = [1]\n", "2: origin.a.mirror.?: must be a table\n"},
    {"[origin.pypi]\n" MIRROR("origin.pypi") "[index.files]\norigins = [\"pypi\"]\n",
     "7: index.files: not a name of an index"},
    {"[index.\"simple/x\"]\norigins = [\"pypi\"]\n", "1: index.simple/x: not a name of an index"},
    {"[index.lab]\norigins = [\"lab\"]\n",
     "2: index.lab.origins: \"lab\": there is no origin of this name: a file that names any "
     "origin replaces the built-in ones\n"},
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
        struct config_request request = {.file = stage_write("wrong.conf", wrong_files[i].text)};
        char *want = str_printf("%s:%s", request.file, wrong_files[i].complaint);
        stage_set_variable("HOME", "/home/x");
        int r = stage_load(&request, &config, &errors);
        if (r != ERROR_CONFIG || !str_starts(errors, want))
            fail_msg("\n%s\ngives %d and\n%s\nnot\n%s", wrong_files[i].text, r, errors, want);
        free(want);
        free(errors);
        stage_clear_variables(NULL);
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
        .file = stage_write("wrong.conf", "max_size = 1\nworkerz = 1\nmin_free = \"x\"\n"
                                          "[origin.a]\nowns = [\"A\", \"b\", \"C\"]\n"
                                          "[[origin.a.mirror]]\nname = \"m\"\n"),
    };
    char *argv[] = {(char *)"--workers=many"};
    assert_int_equal(config_parse_flags(1, argv, &request), 0);
    stage_set_variable("WHEELYARD_PAGE_REFRESH", "soon");
    stage_set_variable("HOME", "/home/x");
    assert_int_equal(stage_load(&request, &config, &errors), ERROR_CONFIG);
    print_message("%s", errors);
    static const char *const parts[] = {
        ":2: workerz: unknown key; did you mean workers?\n",
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
    struct config_request request = {.file = stage_write("wrong.conf", text)};
    stage_set_variable("HOME", "/home/x");
    assert_int_equal(stage_load(&request, &config, &errors), ERROR_CONFIG);
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
        {"--max-sizes=1", "--max-sizes=1: unknown flag; did you mean --max-size?\n"},
        {"--max+size=1", "--max+size=1: unknown flag; did you mean --max-size?\n"},
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

#define TEST(function) cmocka_unit_test_setup(function, stage_clear_variables)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(wrong_files_are_refused_by_line_and_key),
        TEST(everything_wrong_is_reported_at_once),
        TEST(a_channel_belongs_to_one_origin),
        TEST(wrong_flags_are_refused),
    };
    return cmocka_run_group_tests(tests, stage_make, stage_remove);
}
