// SPDX-License-Identifier: Apache-2.0
/* What addresses of sites are at a wheelyard, and back. */
#include "engine/mirrors/addresses.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/fake_origins.h"

#define US "http://h:1"

static const char *const ours[] = {US, "http://wheels.lab/sub", NULL};
static const struct addresses all = {.origins = &fake_origins, .base = US, .ours = ours};

struct row {
    enum address_role role;
    const char *site, *here; /* NULL: none */
};

static const struct row rows[] = {
    {ADDRESS_FILE, "https://files.pythonhosted.org/packages/aa/x-1.tar.gz?a=b",
     US "/files/pypi/packages/aa/x-1.tar.gz?a=b"},
    {ADDRESS_FILE, "https://download.pytorch.org/whl/cu126/torch-2%2Bcu126-py3-none-any.whl",
     US "/files/pytorch/cu126/torch-2%2Bcu126-py3-none-any.whl"},
    {ADDRESS_FILE, "https://r2.example/whl/cu126/torch-2+cu126-py3-none-any.whl",
     US "/mirror/r2.example/whl/cu126/torch-2+cu126-py3-none-any.whl"},
    {ADDRESS_FILE, "https://tuna.example/packages/aa/x-1.tar.gz",
     US "/mirror/tuna.example/packages/aa/x-1.tar.gz"},
    {ADDRESS_FILE, "https://flat.example/w/cpu/x-1-py3-none-any.whl",
     US "/mirror/flat.example/w/cpu/x-1-py3-none-any.whl"},
    {ADDRESS_FILE, "http://parent.example:8503/files/pytorch/cpu/x-1-py3-none-any.whl",
     US "/mirror/parent.example:8503/files/pytorch/cpu/x-1-py3-none-any.whl"},
    {ADDRESS_INDEX, "https://pypi.org/simple", US "/simple"},
    {ADDRESS_INDEX, "https://pypi.org/simple/", US "/simple/"},
    {ADDRESS_INDEX, "https://download.pytorch.org/whl/nightly/cu130", US "/whl/nightly/cu130"},
    {ADDRESS_INDEX, "https://r2.example/whl/cu126/", US "/mirror/r2.example/whl/cu126/"},
    {ADDRESS_INDEX, "https://nju.example/whl/cu126", US "/mirror/nju.example/whl/cu126"},
    {ADDRESS_INDEX, "https://tuna.example/simple", US "/mirror/tuna.example/simple"},
    /* elsewhere, or nothing that the daemon has */
    {ADDRESS_FILE, "http://files.pythonhosted.org/packages/aa/x-1.tar.gz", NULL},
    {ADDRESS_FILE, "https://files.pythonhosted.org.evil.example/x-1.tar.gz", NULL},
    {ADDRESS_FILE, "https://user@files.pythonhosted.org/x-1.tar.gz", NULL},
    {ADDRESS_FILE, "https://files.pythonhosted.org/a/../x-1.tar.gz", NULL},
    {ADDRESS_FILE, "https://files.pythonhosted.org/a%2Fx-1.tar.gz", NULL},
    {ADDRESS_FILE, "https://files.pythonhosted.org/", NULL},
    {ADDRESS_FILE, "https://files.pythonhosted.org/x-1.tar.gz#sha256=1", NULL},
    {ADDRESS_FILE, "https://pypi.org/simple/x-1.tar.gz", NULL},
    {ADDRESS_FILE, "ssh://files.pythonhosted.org/x-1.tar.gz", NULL},
    {ADDRESS_INDEX, "https://download.pytorch.org/whl", NULL},
    {ADDRESS_INDEX, "https://download.pytorch.org/whl/torch_stable.html", NULL},
    {ADDRESS_INDEX, "https://flat.example/w/cu126/", NULL},
    {ADDRESS_INDEX, "http://parent.example:8503/cpu", NULL},
    {ADDRESS_FILE, "http://parent.example:8503/cpu/x-1-py3-none-any.whl", NULL},
    {ADDRESS_INDEX, "https://pypi.org/simple?x", NULL},
    {ADDRESS_INDEX, "https://pypi.org/simple//", NULL},
    {ADDRESS_INDEX, "https://index.example/simple", NULL},
};

static void there_and_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *row = &rows[i];
        const char *why = NULL;
        auto_buf struct buf there;
        auto_buf struct buf back;

        buf_init(&there, 4096);
        buf_init(&back, 4096);
        int r = addresses_to_ours(&all, row->site, row->role, &there, &why);
        if (r != (row->here ? 0 : ADDRESSES_NONE))
            fail_msg("%s: %d, %s", row->site, r, there.data);
        if (!row->here) {
            assert_non_null(why);
            continue;
        }
        assert_string_equal(there.data, row->here);
        assert_int_equal(addresses_to_official(&all, there.data, row->role, NULL, &back, &why), 0);
        assert_string_equal(back.data, row->site);
    }
}

/* An index of ours, for a project or for none. */
static const struct {
    const char *here, *project, *site;
} indexes[] = {
    {US "/cu126/simple", "torch", "https://download.pytorch.org/whl/cu126"},
    {US "/cu126/simple/", "numpy", "https://pypi.org/simple/"},
    {US "/cu126/simple", NULL, "https://download.pytorch.org/whl/cu126"},
    {US "/lab/simple", "numpy", "https://pypi.org/simple"},
    {US "/whl/cpu", "numpy", "https://download.pytorch.org/whl/cpu"},
    {"http://wheels.lab/sub/simple", NULL, "https://pypi.org/simple"},
    {"http://wheels.lab/simple", NULL, "http://wheels.lab/simple"}, /* not ours */
    {"https://else.example/simple", NULL, "https://else.example/simple"},
    {US "/cu126/flat/", NULL, NULL},
    {US "/nope/simple", NULL, NULL},
    {US "/mirror/else.example/simple", NULL, NULL},
    {US "/", NULL, NULL},
};

static void indexes_of_ours(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof indexes / sizeof *indexes; i++) {
        const char *why = NULL;
        auto_buf struct buf to;

        buf_init(&to, 4096);
        int r = addresses_to_official(&all, indexes[i].here, ADDRESS_INDEX, indexes[i].project, &to,
                                      &why);
        assert_int_equal(r, indexes[i].site ? 0 : ADDRESSES_NONE);
        if (indexes[i].site)
            assert_string_equal(to.data, indexes[i].site);
        else
            assert_non_null(why);
    }
}

static void files_of_ours(void **state)
{
    const char *why = NULL;
    auto_buf struct buf to;

    (void)state;
    buf_init(&to, 4096);
    assert_int_equal(addresses_to_ours(&all, "http://wheels.lab/sub/files/pypi/a/x.whl",
                                       ADDRESS_FILE, &to, &why),
                     0);
    assert_string_equal(to.data, US "/files/pypi/a/x.whl");
    buf_clear(&to);
    assert_int_equal(
        addresses_to_official(&all, US "/files/nope/x.whl", ADDRESS_FILE, NULL, &to, &why),
        ADDRESSES_NONE);
    assert_int_equal(
        addresses_to_official(&all, US "/files/pypi/../x.whl", ADDRESS_FILE, NULL, &to, &why),
        ADDRESSES_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(indexes_of_ours),
        cmocka_unit_test(files_of_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
