// SPDX-License-Identifier: Apache-2.0
/* Where values come from, what the built-in file says, and that what is shown reads back. */
#include "config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"
#include "config/options.h"
#include "config_stage.h"

static enum config_source source_of(const struct config *config, const char *key)
{
    return config->sources[option_find(key) - option_table];
}

/* ------------------------------------------------------------- the built-in */

static void built_in_stands_alone(void **state)
{
    (void)state;
    struct config_request request = {.file = stage_write("empty.conf", "")};
    struct config config;
    stage_set_variable("CACHE_DIRECTORY", "/c:/d");
    stage_load_fine(&request, &config);
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
    assert_int_equal(config.engine.connections_per_file, 2);
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
    stage_set_variable("HOME", "/home/x");
    struct config_request request = {.file = stage_write("empty.conf", "")};
    struct config config;
    stage_load_fine(&request, &config);
    const struct origin *pytorch = origins_find(&config.origins, "pytorch");
    const struct origin *pypi = origins_find(&config.origins, "pypi");
    assert_int_equal(config.origins.count, 2);
    assert_int_equal(pytorch->mirror_count, 4);
    assert_int_equal(pytorch->mirrors[0].layout, LAYOUT_FLAT);
    assert_int_equal(pytorch->mirrors[1].layout, LAYOUT_SIMPLE);
    assert_null(pytorch->mirrors[2].missing);
    assert_int_equal(pytorch->mirrors[0].utc_offset_s, 8 * 3600);
    assert_int_equal(pytorch->mirrors[2].utc_offset_s, MIRROR_NO_ZONE);
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
        const struct origin *owner = NULL;
        assert_int_equal(origins_owner(&view, cases[i].project, NULL, &owner), 0);
        assert_string_equal(owner->name, cases[i].owner);
    }
    config_release(&config);
}

/* --------------------------------------------------------------- priorities */

static void flags_over_environment_over_file(void **state)
{
    (void)state;
    struct config_request request = {
        .file = stage_write("a.conf", "max_size = \"1GB\"\nmin_free = \"2GB\"\nworkers = 3\n"
                                      "listen = [\"127.0.0.1:1\"]\ncache_dir = \"/file\"\n"),
    };
    char *argv[] = {(char *)"--max-size", (char *)"10GB", (char *)"--listen=127.0.0.1:2",
                    (char *)"--listen", (char *)"[::1]:3,127.0.0.1:4"};
    struct config config;
    assert_int_equal(config_parse_flags(COUNT(argv), argv, &request), 0);
    stage_set_variable("WHEELYARD_MAX_SIZE", "11GB");
    stage_set_variable("WHEELYARD_MIN_FREE", "12GB");
    stage_set_variable("WHEELYARD_LISTEN", "127.0.0.1:5");
    stage_set_variable("WHEELYARD_WORKERS", ""); /* empty is as good as unset */
    stage_set_variable("CACHE_DIRECTORY", "/systemd");
    stage_load_fine(&request, &config);
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
        "127.0.0.1:7", "/x",        "7GB",      "7GB",    "http://p.test:7",
        "a.test,b",    "/dev/null", "/x.netrc", "h.test", "10.7.0.0/16",
        "::1",         "7MB",       "77MB",     "7s",     "7s",
        "true",        "7s",        "7s",       "7",      "7",
        "7",           "/x.sock",   "/x.pub",   "7s",     "/x.audit",
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
        struct config_request by_flag = {.file = stage_write("empty.conf", "")};
        struct config_request by_variable = by_flag;
        struct config config;
        print_message("%s %s\n", flag, variable);
        stage_clear_variables(NULL);
        stage_set_variable("HOME", "/home/x");
        assert_int_equal(config_parse_flags(1, argv, &by_flag), 0);
        stage_load_fine(&by_flag, &config);
        assert_int_equal(config.sources[i], CONFIG_FLAG);
        char *first = stage_show(&config);
        config_release(&config);
        stage_set_variable(variable, values[i]);
        stage_load_fine(&by_variable, &config);
        assert_int_equal(config.sources[i], CONFIG_ENVIRONMENT);
        char *second = stage_show(&config);
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
    snprintf(xdg, sizeof xdg, "%s/xdg", stage_directory);
    snprintf(systemd, sizeof systemd, "%s/systemd:/nowhere", stage_directory);
    snprintf(home, sizeof home, "%s/home", stage_directory);
    stage_write("home/.config/wheelyard/wheelyard.conf", "workers = 1\n");
    stage_write("xdg/wheelyard/wheelyard.conf", "workers = 2\n");
    stage_write("systemd/wheelyard.conf", "workers = 3\n");
    str_copy(by_variable, sizeof by_variable, stage_write("variable.conf", "workers = 4\n"));
    struct config config;
    const struct {
        const char *name, *value;
    } steps[] = {{"HOME", home},
                 {"XDG_CONFIG_HOME", xdg},
                 {"CONFIGURATION_DIRECTORY", systemd},
                 {"WHEELYARD_CONFIG", by_variable}};
    for (size_t i = 0; i < COUNT(steps); i++) {
        struct config_request request = {0};
        stage_set_variable(steps[i].name, steps[i].value);
        stage_load_fine(&request, &config);
        assert_int_equal(config.workers, (int)i + 1);
        assert_non_null(config.file);
        config_release(&config);
    }
    struct config_request request = {.file = stage_write("flag.conf", "workers = 5\n")};
    stage_load_fine(&request, &config);
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
    assert_int_equal(stage_load(&request, &config, &errors), ERROR_CONFIG);
    assert_string_equal(errors, "/nonexistent/wheelyard.conf: there is no such file\n");
    free(errors);
    request.file = NULL;
    stage_set_variable("WHEELYARD_CONFIG", "/nonexistent/b.conf");
    assert_int_equal(stage_load(&request, &config, &errors), ERROR_CONFIG);
    assert_string_equal(errors, "/nonexistent/b.conf: there is no such file\n");
    free(errors);
    stage_clear_variables(NULL);
    stage_set_variable("XDG_CONFIG_HOME", "relative");
    stage_set_variable("CONFIGURATION_DIRECTORY", "/nonexistent");
    stage_set_variable("HOME", "/nonexistent");
    stage_load_fine(&request, &config);
    config_release(&config);
}

static void a_place_for_the_cache(void **state)
{
    (void)state;
    struct config config;
    struct config_request request = {.file = stage_write("empty.conf", "")};
    char *errors = NULL;
    if (geteuid() == 0) {
        stage_set_variable("HOME", "/root");
        stage_load_fine(&request, &config);
        assert_string_equal(config.engine.cache_dir, "/var/cache/wheelyard");
        config_release(&config);
        return;
    }
    assert_int_equal(stage_load(&request, &config, &errors), ERROR_CONFIG);
    free(errors);
    stage_set_variable("HOME", "/home/x");
    stage_load_fine(&request, &config);
    assert_string_equal(config.engine.cache_dir, "/home/x/.cache/wheelyard");
    config_release(&config);
    stage_set_variable("XDG_CACHE_HOME", "/xdg");
    stage_load_fine(&request, &config);
    assert_string_equal(config.engine.cache_dir, "/xdg/wheelyard");
    config_release(&config);
}

static void relative_paths_only_on_the_command_line(void **state)
{
    (void)state;
    struct config config;
    struct config_request request = {.file = stage_write("empty.conf", "")};
    char *argv[] = {(char *)"--cache-dir", (char *)"here"};
    char *here = getcwd(NULL, 0), *want = str_printf("%s/here", here);
    assert_int_equal(config_parse_flags(2, argv, &request), 0);
    stage_load_fine(&request, &config);
    assert_string_equal(config.engine.cache_dir, want);
    config_release(&config);
    free(here);
    free(want);
}

/* ------------------------------------------------------------------ origins */

static void naming_an_origin_replaces_them_all(void **state)
{
    (void)state;
    stage_set_variable("HOME", "/home/x");
    struct config config;
    struct config_request request = {
        .file = stage_write("a.conf", "[origin.lab]\n" MIRROR("origin.lab"))};
    stage_load_fine(&request, &config);
    assert_int_equal(config.origins.count, 1);
    assert_non_null(origins_find(&config.origins, "lab"));
    assert_true(config.engine.max_size == INT64_C(200000000000)); /* options stay */
    config_release(&config);
}

static void naming_none_keeps_them(void **state)
{
    (void)state;
    stage_set_variable("HOME", "/home/x");
    struct config config;
    struct config_request request = {
        .file = stage_write("a.conf", "workers = 1\n[index.mine]\norigins = [\"pypi\"]\n")};
    struct index_view view;
    stage_load_fine(&request, &config);
    assert_int_equal(config.origins.count, 2);
    assert_int_equal(origins_index(&config.origins, "mine", &view), 0);
    assert_string_equal(view.origins[0]->name, "pypi");
    config_release(&config);
    request.file = stage_write("a.conf", "[origin]\n"); /* a table without a name in it */
    stage_load_fine(&request, &config);
    assert_int_equal(config.origins.count, 2);
    config_release(&config);
}

static void a_parent_is_where_its_address_says(void **state)
{
    (void)state;
    stage_set_variable("HOME", "/home/x");
    struct config config;
    struct config_request request = {
        .file = stage_write("a.conf", "[origin.a]\nchannels = [\"cu*\"]\nowns = [\"torch\"]\n"
                                      "[[origin.a.mirror]]\nname = \"m\"\n"
                                      "parent = \"http://lan:1/x/\"\n"
                                      "[origin.b]\n[[origin.b.mirror]]\nname = \"m\"\n"
                                      "parent = \"http://lan:1\"\n")};
    stage_load_fine(&request, &config);
    const struct mirror *a = config.origins.list[0].mirrors, *b = config.origins.list[1].mirrors;
    assert_int_equal(a->layout, LAYOUT_SIMPLE);
    assert_string_equal(a->parent, "http://lan:1/x");
    assert_string_equal(a->index, "http://lan:1/x/{channel}/simple/{project}/");
    assert_string_equal(a->files, "http://lan:1/x/files/a/");
    assert_string_equal(b->index, "http://lan:1/simple/{project}/");
    assert_string_equal(b->files, "http://lan:1/files/b/");
    config_release(&config);
}

/* pyg's cu126 beside PyTorch's: an index that names both asks both. */
static void a_channel_is_shared_where_an_index_says_so(void **state)
{
    (void)state;
    stage_set_variable("HOME", "/home/x");
    struct config config;
    struct config_request request = {
        .file = stage_write("a.conf", "[origin.a]\nchannels = [\"cu*\"]\nowns = [\"torch\"]\n"
                                      "[[origin.a.mirror]]\nname = \"m\"\nparent = \"http://lan\"\n"
                                      "[origin.b]\nchannels = [\"cu*\"]\nowns = \"listed\"\n"
                                      "[[origin.b.mirror]]\nname = \"m\"\nparent = \"http://lan\"\n"
                                      "[index.cu126]\norigins = [\"a\", \"b\"]\n")};
    struct index_view view;
    stage_load_fine(&request, &config);
    assert_int_equal(origins_index(&config.origins, "cu126", &view), 0);
    assert_int_equal(view.count, 2);
    assert_string_equal(view.channel, "cu126");
    assert_true(view.origins[1]->owns_listed);
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

static void a_folder_is_meant_from_where_the_file_is(void **state)
{
    (void)state;
    static const char *const paths[][3] = {{"/srv/wheels//", "", "/srv/wheels"},
                                           {"/", "", "/"},
                                           {"wheels", stage_directory, "/wheels"},
                                           {"../w/", stage_directory, "/../w"}};
    stage_set_variable("HOME", "/home/x");
    for (size_t i = 0; i < COUNT(paths); i++) {
        char text[128], expected[256];
        struct config config;
        snprintf(text, sizeof text, "[origin.lab]\ndirectory = \"%s\"\n", paths[i][0]);
        snprintf(expected, sizeof expected, "%s%s", paths[i][1], paths[i][2]);
        struct config_request request = {.file = stage_write("folder.conf", text)};
        stage_load_fine(&request, &config);
        const struct origin *lab = &config.origins.list[0];
        assert_string_equal(lab->directory, expected);
        assert_int_equal(lab->mirror_count, 1);
        assert_int_equal(lab->mirrors[0].layout, LAYOUT_DIRECTORY);
        config_release(&config);
    }
}

static const char *const shown[] = {
    "",
    "cache_dir = \"/a \\\"b\\\" \\\\ \\u0001 \\u00e4\"\nmax_size = 12345\npage_refresh = \"90s\"\n"
    "min_free = 0\nhosts = [\"A.test\", \"b\"]\nproxy = \"http://127.0.0.1:1\"\n"
    "no_proxy = \"a,b\"\nca_file = \"/dev/null\"\nlog_level = \"debug\"\nworkers = 2\n"
    "bundle_key = \"RWRSlcWWAwbS5+GWbWGPtNrD/lQoz3S7h337jDkdKqcb7X65mz/N474c\"\n",
    "[origin.\"a.b\"]\nchannels = [\"x/*\"]\nowns_in = { \"x/y\" = [\"p\", \"q-*\"], \"x/z\" = [] "
    "}\n"
    "aliases = [\"http://h/\"]\n[[origin.\"a.b\".mirror]]\nname = \"m\"\nlayout = \"flat\"\n"
    "index = \"http://x/{channel}/\"\nfiles = \"http://x/\"\nmissing = [404, 403]\n"
    "time_zone = \"-03:30\"\nlinks = [\"https://archive.test/\", \"http://h/x/\"]\n"
    "redirects = [\"store.lab:9000\", \"[fd00::1]:443\"]\n"
    "[origin.pypi]\n" MIRROR("origin.pypi") "[index.\"x/y\"]\norigins = [\"a.b\", \"pypi\"]\n",
    "[origin.a]\nchannels = [\"cu*\"]\nowns = \"listed\"\n"
    "[[origin.a.mirror]]\nname = \"m\"\nparent = \"http://lan:1/x/\"\n"
    "[origin.b]\nowns = \"listed\"\n[[origin.b.mirror]]\nname = \"m\"\nparent = \"http://lan:1\"\n"
    "layout = \"flat\"\nindex = \"http://lan:1/b/flat/\"\n",
    ("[origin.lab]\ndirectory = \"/srv/wheels\"\nowns = [\"a\"]\n"
     "[index.lab]\norigins = [\"lab\"]\n"),
};

static void what_is_shown_reads_back_the_same(void **state)
{
    (void)state;
    stage_set_variable("HOME", "/home/x");
    for (size_t i = 0; i < COUNT(shown); i++) {
        struct config config;
        struct config_request request = {.file = stage_write("shown.conf", shown[i])};
        stage_load_fine(&request, &config);
        char *first = stage_show(&config);
        config_release(&config);
        request.file = stage_write("again.conf", first);
        stage_load_fine(&request, &config);
        char *second = stage_show(&config);
        config_release(&config);
        char *a = without_sources(first), *b = without_sources(second);
        assert_non_null(a);
        assert_true(strlen(a) > 500 || i >= 2);
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
    stage_set_variable("HOME", "/home/x");
    for (size_t i = 0; i < option_count; i++) {
        char plain[64], commented[64];
        snprintf(plain, sizeof plain, "\n%s ", option_table[i].key);
        snprintf(commented, sizeof commented, "\n# %s ", option_table[i].key);
        print_message("%s\n", option_table[i].key);
        assert_true(strstr(config_default_text, plain) || strstr(config_default_text, commented));
    }
    struct config config;
    struct config_request request = {.file = stage_write("copy.conf", config_default_text)};
    stage_load_fine(&request, &config);
    assert_int_equal(source_of(&config, "listen"), CONFIG_FILE);
    assert_false(config.listen_is_default);
    config_release(&config);
}

#define TEST(function) cmocka_unit_test_setup(function, stage_clear_variables)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(built_in_stands_alone),
        TEST(a_parent_is_where_its_address_says),
        TEST(a_channel_is_shared_where_an_index_says_so),
        TEST(built_in_mirrors_and_owners),
        TEST(flags_over_environment_over_file),
        TEST(every_option_has_a_flag_and_a_variable),
        TEST(files_are_looked_for_in_order),
        TEST(a_named_file_must_exist),
        TEST(a_place_for_the_cache),
        TEST(relative_paths_only_on_the_command_line),
        TEST(naming_an_origin_replaces_them_all),
        TEST(naming_none_keeps_them),
        TEST(a_folder_is_meant_from_where_the_file_is),
        TEST(what_is_shown_reads_back_the_same),
        TEST(the_built_in_file_names_every_option),
    };
    return cmocka_run_group_tests(tests, stage_make, stage_remove);
}
