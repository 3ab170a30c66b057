// SPDX-License-Identifier: Apache-2.0
#include "engine/mirrors/links.h"
#include "engine/mirrors/origins.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/url.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* The shapes of the real mirrors: a flat one, two rewritten trees, the official site under two host
 * names; PyPI's official site with files on another host, and mirrors with files beside pages. */
static struct mirror pytorch_mirrors[] = {
    {.name = "aliyun",
     .layout = LAYOUT_FLAT,
     .index = "https://mirrors.aliyun.com/pytorch-wheels/{channel}/",
     .files = "https://mirrors.aliyun.com/pytorch-wheels/"},
    {.name = "nju",
     .layout = LAYOUT_SIMPLE,
     .index = "https://mirrors.nju.edu.cn/pytorch/whl/{channel}/{project}/",
     .files = "https://mirrors.nju.edu.cn/pytorch/whl/"},
    {.name = "sjtu",
     .layout = LAYOUT_SIMPLE,
     .index = "https://mirror.sjtu.edu.cn/pytorch-wheels/{channel}/{project}/",
     .files = "https://mirror.sjtu.edu.cn/pytorch-wheels/"},
    {.name = "official",
     .layout = LAYOUT_SIMPLE,
     .index = "https://download.pytorch.org/whl/{channel}/{project}/",
     .files = "https://download.pytorch.org/whl/"},
};

static struct mirror pypi_mirrors[] = {
    {.name = "tuna",
     .layout = LAYOUT_SIMPLE,
     .index = "https://pypi.tuna.tsinghua.edu.cn/simple/{project}/",
     .files = "https://pypi.tuna.tsinghua.edu.cn/"},
    {.name = "aliyun",
     .layout = LAYOUT_SIMPLE,
     .index = "https://mirrors.aliyun.com/pypi/simple/{project}/",
     .files = "https://mirrors.aliyun.com/pypi/"},
};

static struct owns_in pytorch_owns_in[] = {
    {.channel = "rocm*", .projects = (char *[]){"triton", "torchtext", "torchdata", NULL}},
    {.channel = "nightly/*", .projects = (char *[]){"triton", "torchtext", "torchdata", NULL}},
};

static char *no_strings[] = {NULL};
static char *pytorch_aliases[] = {"https://download-r2.pytorch.org/whl/", NULL};
static char *pytorch_channels[] = {"cpu", "cu*", "rocm*", "xpu", "nightly/*", NULL};
static char *pytorch_owns[] = {"torch",    "torchvision",     "torchaudio",     "torchcodec",
                               "torchao",  "torchrec",        "torchrec-*",     "fbgemm-gpu*",
                               "xformers", "pytorch-triton*", "torch-tensorrt", NULL};
static char *lab_owns[] = {"lab-*", NULL};

static struct origin list[] = {
    {.name = "pytorch",
     .canonical = "https://download.pytorch.org/whl/",
     .aliases = pytorch_aliases,
     .channels = pytorch_channels,
     .owns = pytorch_owns,
     .owns_in = pytorch_owns_in,
     .owns_in_count = 2,
     .mirrors = pytorch_mirrors,
     .mirror_count = COUNT(pytorch_mirrors)},
    {.name = "lab",
     .aliases = no_strings,
     .channels = no_strings,
     .owns = lab_owns,
     .mirrors = pypi_mirrors,
     .mirror_count = 0},
    {.name = "pypi",
     .canonical = "https://files.pythonhosted.org/",
     .aliases = no_strings,
     .channels = no_strings,
     .owns = no_strings,
     .mirrors = pypi_mirrors,
     .mirror_count = COUNT(pypi_mirrors)},
};

static struct named_index indexes[] = {
    {.name = "lab", .origins = (char *[]){"lab", "pypi", NULL}},
    {.name = "lab/deep", .origins = (char *[]){"lab", NULL}},
    {.name = "cu118", .origins = (char *[]){"lab", "pytorch", "pypi", NULL}},
};

static const struct origins all = {
    .list = list, .count = COUNT(list), .indexes = indexes, .index_count = COUNT(indexes)};
static const struct origins unnamed = {.list = list, .count = COUNT(list)};

static const char *names(const struct index_view *view)
{
    static char text[128];
    text[0] = '\0';
    for (size_t i = 0; i < view->count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i ? "," : "",
                 view->origins[i]->name);
    return text;
}

static void an_index_name_means_its_origins(void **state)
{
    (void)state;
    static const struct {
        const char *index, *origins, *channel;
    } cases[] = {
        {"", "pypi", NULL},
        {"cpu", "pytorch,pypi", "cpu"},
        {"cu126", "pytorch,pypi", "cu126"},
        {"cu132", "pytorch,pypi", "cu132"},
        {"rocm6.4", "pytorch,pypi", "rocm6.4"},
        {"xpu", "pytorch,pypi", "xpu"},
        {"nightly/cu130", "pytorch,pypi", "nightly/cu130"},
        {"lab", "lab,pypi", NULL},
        {"lab/deep", "lab", NULL},
        {"cu118", "lab,pytorch,pypi", "cu118"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct index_view view;
        print_message("%s\n", cases[i].index);
        assert_int_equal(origins_index(&all, cases[i].index, &view), 0);
        assert_string_equal(names(&view), cases[i].origins);
        if (cases[i].channel)
            assert_string_equal(view.channel, cases[i].channel);
        else
            assert_null(view.channel);
    }
}

static void other_names_mean_nothing(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "cpux",         "tpu",    "nightly", "nightly/cu130/x", "cu126/torch",
        "files",        "whl",    "whl/x",   "mirror",          "-",
        "simple",       "cu126/", "/cpu",    "nightly/simple",  "cu,",
        "nightly/.",    "cu 1",   "cu%31",   "cu\xc3\xa9",      "lab/",
        "nightly/flat",
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct index_view view = {.count = 77};
        print_message("%s\n", cases[i]);
        assert_int_equal(origins_index(&all, cases[i], &view), ORIGINS_NO_INDEX);
        assert_int_equal(view.count, 77);
    }
    char longest[200] = "cu";
    memset(longest + 2, '1', 126);
    struct index_view view;
    assert_int_equal(origins_index(&all, longest, &view), 0);
    longest[128] = '1';
    assert_int_equal(origins_index(&all, longest, &view), ORIGINS_NO_INDEX);
}

/* A star that matches anything must not take the server's own paths. */
static void reserved_names_are_no_channels(void **state)
{
    (void)state;
    char *anything[] = {"*", "*/*", NULL};
    struct origin greedy = {
        .name = "greedy", .aliases = no_strings, .channels = anything, .owns = no_strings};
    struct origins origins = {.list = &greedy, .count = 1};
    static const char *const reserved[] = {"files",  "whl",    "mirror",   "simple",
                                           "-",      "flat",   "whl/cpu",  "files/x",
                                           "x/flat", "-/live", "x/simple", "mirror/x"};
    struct index_view view;
    assert_int_equal(origins_index(&origins, "filesystem", &view), 0);
    assert_int_equal(origins_index(&origins, "x/files", &view), 0);
    for (size_t i = 0; i < COUNT(reserved); i++) {
        print_message("%s\n", reserved[i]);
        assert_int_equal(origins_index(&origins, reserved[i], &view), ORIGINS_NO_INDEX);
    }
}

static void the_rest_may_be_missing_or_open(void **state)
{
    (void)state;
    struct origin plain[] = {list[0], list[1], list[1]};
    struct origins origins = {.list = plain, .count = 1};
    struct index_view view;
    assert_int_equal(origins_index(&origins, "cpu", &view), 0);
    assert_string_equal(names(&view), "pytorch");
    assert_int_equal(origins_index(&origins, "", &view), ORIGINS_NO_INDEX);
    origins.count = 2; /* one without channels: it answers for the rest whatever its name */
    assert_int_equal(origins_index(&origins, "", &view), 0);
    assert_string_equal(names(&view), "lab");
    plain[2].name = "lab2"; /* two of them, none called pypi: nobody */
    origins.count = 3;
    assert_int_equal(origins_index(&origins, "", &view), ORIGINS_NO_INDEX);
    assert_int_equal(origins_index(&origins, "cpu", &view), 0);
    assert_string_equal(names(&view), "pytorch");
}

static void the_longest_index_at_the_start_of_a_path(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        size_t len;
    } cases[] = {
        {"cu126/simple/torch/", 5},
        {"cu126", 5},
        {"cu126/", 5},
        {"nightly/cu130/simple/torch/", 13},
        {"nightly/cu130", 13},
        {"nightly/simple/torch/", 0},
        {"simple/torch/", 0},
        {"lab/simple/", 3},
        {"lab/deep/simple/", 8},
        {"lab/deeper/simple/", 3},
        {"cpux/simple/", 0},
        {"", 0},
        {"/cpu/", 0},
        {"files/cpu/x.whl", 0},
        {"cu126/torch/", 5},
        {"nightly/cu130/torch/", 13},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        print_message("%s\n", cases[i].path);
        assert_int_equal(origins_index_length(&all, cases[i].path), cases[i].len);
    }
}

static void one_owner_for_every_name(void **state)
{
    (void)state;
    static const struct {
        const char *index, *project, *owner;
    } cases[] = {
        {"cu126", "torch", "pytorch"},
        {"cu126", "torchvision", "pytorch"},
        {"cu126", "torchaudio", "pytorch"},
        {"cu126", "torchcodec", "pytorch"},
        {"cu126", "torchao", "pytorch"},
        {"cu126", "torchrec-cpu", "pytorch"},
        {"cu126", "fbgemm-gpu", "pytorch"},
        {"cu126", "fbgemm-gpu-genai", "pytorch"},
        {"cu126", "pytorch-triton-rocm", "pytorch"},
        {"cu126", "torch-tensorrt", "pytorch"},
        {"cu126", "xformers", "pytorch"},
        {"cu126", "torchmetrics", "pypi"},
        {"cu126", "pytorch-lightning", "pypi"},
        {"cu126", "nvidia-cublas-cu12", "pypi"},
        {"cu126", "requests", "pypi"},
        {"cu126", "triton", "pypi"},
        {"cpu", "triton", "pypi"},
        {"xpu", "triton", "pypi"},
        {"cu126", "torchtext", "pypi"},
        {"cpu", "torchdata", "pypi"},
        {"rocm6.4", "triton", "pytorch"},
        {"rocm6.4", "torchtext", "pytorch"},
        {"nightly/cu130", "triton", "pytorch"},
        {"nightly/cpu", "torchdata", "pytorch"},
        {"nightly/cpu", "jinja2", "pypi"},
        {"", "torch", "pypi"},
        {"", "triton", "pypi"},
        {"lab", "lab-tool", "lab"},
        {"lab", "torch", "pypi"},
        {"lab/deep", "lab-tool", "lab"},
        {"lab/deep", "torch", NULL},
        {"cu118", "lab-tool", "lab"},
        {"cu118", "torch", "pytorch"},
        {"cu118", "lab", "pypi"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct index_view view;
        print_message("%s %s\n", cases[i].index, cases[i].project);
        assert_int_equal(origins_index(&all, cases[i].index, &view), 0);
        const struct origin *owner = NULL;
        assert_int_equal(origins_owner(&view, cases[i].project, NULL, &owner), 0);
        if (cases[i].owner)
            assert_string_equal(owner->name, cases[i].owner);
        else
            assert_null(owner);
    }
}

/* An origin that owns only what its owns_in says does not answer for the rest. */
static void without_a_rest_foreign_names_have_no_owner(void **state)
{
    (void)state;
    struct origin only = list[0];
    only.owns = no_strings;
    struct origins origins = {.list = &only, .count = 1};
    struct index_view view;
    assert_int_equal(origins_index(&origins, "rocm6.4", &view), 0);
    const struct origin *owner = NULL;
    assert_int_equal(origins_owner(&view, "triton", NULL, &owner), 0);
    assert_ptr_equal(owner, &only);
    assert_int_equal(origins_owner(&view, "requests", NULL, &owner), 0);
    assert_null(owner);
}

static enum listed is_numpy(void *context, const struct origin *origin, const char *channel,
                            const char *project)
{
    assert_string_equal(origin->name, "lab");
    assert_null(channel);
    if (!*(const bool *)context)
        return LISTED_UNKNOWN;
    return strcmp(project, "numpy") == 0 ? LISTED_YES : LISTED_NO;
}

/* While it is not known what an origin lists only who claims a name answers for it. */
static void what_is_listed_is_owned_and_never_guessed(void **state)
{
    (void)state;
    char *patterns[] = {"first-*", NULL}, *behind[] = {"torch", NULL};
    struct origin front = list[1], lab = list[1], later = list[1], rest = list[2];
    front.name = "front", front.owns = patterns;
    lab.name = "lab", lab.owns = no_strings, lab.owns_listed = true;
    later.name = "later", later.owns = behind;
    struct index_view view = {.origins = {&front, &lab, &later, &rest}, .count = 4};
    bool known = true;
    const struct lister lister = {is_numpy, &known};
    const struct {
        const char *project;
        const struct origin *owner;
        int unknown; /* what is said while the listing is not known */
    } cases[] = {
        {"first-tool", &front, 0},
        {"numpy", &lab, ORIGINS_NO_ANSWER},
        {"torch", &later, 0},
        {"requests", &rest, ORIGINS_NO_ANSWER},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct origin *owner = NULL;
        known = true;
        assert_int_equal(origins_owner(&view, cases[i].project, &lister, &owner), 0);
        assert_ptr_equal(owner, cases[i].owner);
        known = false;
        assert_int_equal(origins_owner(&view, cases[i].project, &lister, &owner), cases[i].unknown);
        assert_ptr_equal(owner, cases[i].unknown ? &lab : cases[i].owner);
        assert_int_equal(origins_owner(&view, cases[i].project, NULL, &owner), cases[i].unknown);
    }
    assert_false(origin_owns_rest(&lab));
    assert_true(origin_owns_rest(&rest));
}

static void owning_is_asked_by_channel(void **state)
{
    (void)state;
    assert_true(origin_owns(&list[0], "cu126", "torch"));
    assert_true(origin_owns(&list[0], NULL, "torch"));
    assert_false(origin_owns(&list[0], NULL, "triton"));
    assert_true(origin_owns(&list[0], "rocm6.4", "triton"));
    assert_false(origin_owns(&list[0], "rocm6.4/x", "triton"));
    assert_false(origin_owns(&list[2], NULL, "requests")); /* by default, not by pattern */
}

static int map_url(const struct origin *origin, const char *url, char **ret_path)
{
    struct links *links;
    char *place = NULL;
    assert_int_equal(links_new(origin, 0, url, url, &links), 0);
    int r = links_read(links, url, ret_path, &place);
    links_free(links);
    free(place);
    return r;
}

static void every_spelling_of_a_file_is_one_key(void **state)
{
    (void)state;
    static const char wheel[] = "cu126/torch-2.9.0+cu126-cp312-cp312-linux_x86_64.whl";
    static const char *const spellings[] = {
        "https://download.pytorch.org/whl/cu126/torch-2.9.0%2Bcu126-cp312-cp312-linux_x86_64.whl",
        "https://download.pytorch.org/whl/cu126/torch-2.9.0%2bcu126-cp312-cp312-linux_x86_64.whl",
        "http://download.pytorch.org/whl/cu126/torch-2.9.0%2Bcu126-cp312-cp312-linux_x86_64.whl",
        "https://download-r2.pytorch.org/whl/cu126/"
        "torch-2.9.0%2Bcu126-cp312-cp312-linux_x86_64.whl#sha256=00",
        "https://mirrors.nju.edu.cn/pytorch/whl/cu126/"
        "torch-2.9.0%2Bcu126-cp312-cp312-linux_x86_64.whl",
        "https://mirror.sjtu.edu.cn/pytorch-wheels/cu126/"
        "torch-2.9.0+cu126-cp312-cp312-linux_x86_64.whl#sha256=00",
        "https://mirrors.aliyun.com/pytorch-wheels/cu126/"
        "torch-2.9.0+cu126-cp312-cp312-linux_x86_64.whl?x=y",
    };
    for (size_t i = 0; i < COUNT(spellings); i++) {
        char *path = NULL;
        print_message("%s\n", spellings[i]);
        assert_int_equal(map_url(&list[0], spellings[i], &path), 0);
        assert_string_equal(path, wheel);
        free(path);
    }
}

/* As pages write links: relative to the page's URL, as the resolver leaves them. */
static void links_of_pages_map_after_resolving(void **state)
{
    (void)state;
    static const struct {
        size_t origin;
        const char *page, *href, *path;
    } cases[] = {
        {2, "https://pypi.tuna.tsinghua.edu.cn/simple/six/",
         "../../packages/b7/ce/149a00dd/six-1.17.0-py2.py3-none-any.whl#sha256=00",
         "packages/b7/ce/149a00dd/six-1.17.0-py2.py3-none-any.whl"},
        {2, "https://mirrors.aliyun.com/pypi/simple/six/",
         "../../packages/b7/ce/149a00dd/six-1.17.0.tar.gz",
         "packages/b7/ce/149a00dd/six-1.17.0.tar.gz"},
        {2, "https://pypi.org/simple/six/",
         "https://files.pythonhosted.org/packages/b7/ce/149a00dd/six-1.17.0.tar.gz",
         "packages/b7/ce/149a00dd/six-1.17.0.tar.gz"},
        {0, "https://download.pytorch.org/whl/cu126/jinja2/",
         "/whl/jinja2-3.1.6-py3-none-any.whl#sha256=00", "jinja2-3.1.6-py3-none-any.whl"},
        {0, "https://mirrors.nju.edu.cn/pytorch/whl/cu126/torch/",
         "/pytorch/whl/cu126/torch-2.9.0%2Bcu126-x.whl", "cu126/torch-2.9.0+cu126-x.whl"},
        {0, "https://mirrors.aliyun.com/pytorch-wheels/cu126/", "torch-2.9.0+cu126-x.whl",
         "cu126/torch-2.9.0+cu126-x.whl"},
        {0, "https://download.pytorch.org/whl/cpu/torch/",
         "https://files.pythonhosted.org/packages/aa/numpy-1.0.tar.gz", NULL},
        {0, "https://download.pytorch.org/whl/cpu/torch/",
         "https://pypi.nvidia.com/nvidia-nccl-cu12/nvidia_nccl_cu12-2.27.5-x.whl", NULL},
        {0, "https://mirrors.aliyun.com/pypi/simple/six/", "../../packages/b7/six-1.17.0.tar.gz",
         NULL},
        {0, "https://download.pytorch.org/whl/cpu/",
         "https://download.pytorch.org.evil.example/whl/x", NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *url = NULL, *path = NULL;
        print_message("%s %s\n", cases[i].page, cases[i].href);
        assert_int_equal(url_resolve(cases[i].page, cases[i].href, &url), 0);
        assert_int_equal(map_url(&list[cases[i].origin], url, &path),
                         cases[i].path ? 0 : URL_ELSEWHERE);
        if (cases[i].path)
            assert_string_equal(path, cases[i].path);
        free(path);
        free(url);
    }
}

/* A mirror inside another one's prefix: the longer prefix names the file. */
static void the_longest_prefix_wins(void **state)
{
    (void)state;
    struct mirror nested[] = {
        {.name = "outer", .index = "http://m.test/", .files = "http://m.test/"},
        {.name = "inner", .index = "http://m.test/a/", .files = "http://m.test/a/"},
    };
    char *path = NULL;
    for (int swapped = 0; swapped < 2; swapped++) {
        struct origin origin = list[1];
        struct mirror order[] = {nested[swapped], nested[!swapped]};
        origin.mirrors = order;
        origin.mirror_count = 2;
        assert_int_equal(map_url(&origin, "http://m.test/a/b/x.whl", &path), 0);
        assert_string_equal(path, "b/x.whl");
        free(path);
        assert_int_equal(map_url(&origin, "http://m.test/b/x.whl", &path), 0);
        assert_string_equal(path, "b/x.whl");
        free(path);
    }
}

static void what_is_no_key_is_refused(void **state)
{
    (void)state;
    char *path = (char *)"untouched";
    static const char *const cases[] = {
        "https://download.pytorch.org/whl/cu126/%2e%2e/%2e%2e/etc/passwd%00",
        "https://download.pytorch.org/whl/cu126/a%5cb.whl",
        "https://download.pytorch.org/whl/cu126/a%0ab.whl",
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        print_message("%s\n", cases[i]);
        assert_int_not_equal(map_url(&list[0], cases[i], &path), 0);
        assert_string_equal(path, "untouched");
    }
}

static void urls_of_pages_and_files(void **state)
{
    (void)state;
    static const struct {
        size_t mirror;
        const char *channel, *project, *url;
    } pages[] = {
        {0, "cu126", "torch", "https://mirrors.aliyun.com/pytorch-wheels/cu126/"},
        {0, "nightly/cu130", NULL, "https://mirrors.aliyun.com/pytorch-wheels/nightly/cu130/"},
        {1, "rocm6.4", "torch", "https://mirrors.nju.edu.cn/pytorch/whl/rocm6.4/torch/"},
    };
    for (size_t i = 0; i < COUNT(pages); i++) {
        char *url =
            mirror_page_url(&pytorch_mirrors[pages[i].mirror], pages[i].channel, pages[i].project);
        assert_string_equal(url, pages[i].url);
        free(url);
    }
    char *url = mirror_page_url(&pypi_mirrors[0], NULL, "six");
    assert_string_equal(url, "https://pypi.tuna.tsinghua.edu.cn/simple/six/");
    free(url);
    url = mirror_file_url(&pytorch_mirrors[1], "cu126/torch-2.9.0+cu126 #?%.whl");
    assert_string_equal(
        url, "https://mirrors.nju.edu.cn/pytorch/whl/cu126/torch-2.9.0%2Bcu126%20%23%3F%25.whl");
    /* and back: prefix to prefix, reversibly */
    char *path = NULL;
    assert_int_equal(map_url(&list[0], url, &path), 0);
    assert_string_equal(path, "cu126/torch-2.9.0+cu126 #?%.whl");
    free(path);
    free(url);
}

static void origins_are_found_by_name(void **state)
{
    (void)state;
    assert_ptr_equal(origins_find(&unnamed, "lab"), &list[1]);
    assert_null(origins_find(&unnamed, "LAB"));
    struct origins none = {0};
    assert_null(origins_find(&none, "lab"));
    origins_release(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_index_name_means_its_origins),
        cmocka_unit_test(other_names_mean_nothing),
        cmocka_unit_test(reserved_names_are_no_channels),
        cmocka_unit_test(the_rest_may_be_missing_or_open),
        cmocka_unit_test(the_longest_index_at_the_start_of_a_path),
        cmocka_unit_test(one_owner_for_every_name),
        cmocka_unit_test(without_a_rest_foreign_names_have_no_owner),
        cmocka_unit_test(what_is_listed_is_owned_and_never_guessed),
        cmocka_unit_test(owning_is_asked_by_channel),
        cmocka_unit_test(every_spelling_of_a_file_is_one_key),
        cmocka_unit_test(links_of_pages_map_after_resolving),
        cmocka_unit_test(the_longest_prefix_wins),
        cmocka_unit_test(what_is_no_key_is_refused),
        cmocka_unit_test(urls_of_pages_and_files),
        cmocka_unit_test(origins_are_found_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
