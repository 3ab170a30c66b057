// SPDX-License-Identifier: Apache-2.0
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on
#include <stdio.h>
#include <string.h>

#include "fake_origins.h"
#include "server/route.h"

struct row {
    const char *target;
    enum route_kind kind;
    const char *a; /* index, origin or location */
    const char *b; /* project or path */
};

static const struct row rows[] = {
    {"/", ROUTE_HOME, NULL, NULL},
    {"/?x=1", ROUTE_HOME, NULL, NULL},
    {"/-/health", ROUTE_HEALTH, NULL, NULL},
    {"/-/ready", ROUTE_READY, NULL, NULL},
    {"/-/status", ROUTE_STATUS, NULL, NULL},
    {"/-/indexes", ROUTE_INDEXES, NULL, NULL},
    {"/-/claims/pytorch/cu126/torch-2.9.0%2Bcu126-cp313-cp313-win_amd64.whl", ROUTE_CLAIMS, NULL,
     NULL},
    {"/-/claims/pytorch", ROUTE_NONE, NULL, NULL},
    {"/-/claims/pytorch/", ROUTE_NONE, NULL, NULL},
    {"/-/claims/", ROUTE_NONE, NULL, NULL},
    {"/-/claims", ROUTE_NONE, NULL, NULL},
    {"/-/metrics", ROUTE_METRICS, NULL, NULL},
    {"/-/", ROUTE_NONE, NULL, NULL},
    {"/-", ROUTE_NONE, NULL, NULL},

    {"/simple/", ROUTE_PAGE, "", NULL},
    {"/simple/requests/", ROUTE_PAGE, "", "requests"},
    {"/cu126/simple/", ROUTE_PAGE, "cu126", NULL},
    {"/cu126/simple/torch/", ROUTE_PAGE, "cu126", "torch"},
    {"/cu126/simple/torch/?format=x", ROUTE_PAGE, "cu126", "torch"},
    {"/cu126/s%69mple/t%6Frch/", ROUTE_PAGE, "cu126", "torch"},
    {"/nightly/cu130/simple/torch/", ROUTE_PAGE, "nightly/cu130", "torch"},
    {"/lab/simple/torch/", ROUTE_PAGE, "lab", "torch"},
    {"/whl/cu126/", ROUTE_PAGE, "cu126", NULL},
    {"/whl/cu126/torch/", ROUTE_PAGE, "cu126", "torch"},
    {"/whl/nightly/cu130/torch/", ROUTE_PAGE, "nightly/cu130", "torch"},

    {"/cu126/flat/", ROUTE_PAGE, "cu126", NULL},
    {"/mirror/pypi.org/simple/", ROUTE_PAGE, "", NULL},
    {"/mirror/pypi.org/simple/requests/", ROUTE_PAGE, "", "requests"},
    {"/mirror/download.pytorch.org/whl/cu126/", ROUTE_PAGE, "cu126", NULL},
    {"/mirror/download.pytorch.org/whl/cu126/numpy/", ROUTE_PAGE, "cu126", "numpy"},
    {"/mirror/r2.example/whl/nightly/cu130/torch/", ROUTE_PAGE, "nightly/cu130", "torch"},

    {"/simple", ROUTE_MOVED, "simple/", NULL},
    {"/cu126/flat", ROUTE_MOVED, "flat/", NULL},
    {"/mirror/tuna.example/simple/requests/", ROUTE_PAGE, "", "requests"},
    {"/mirror/nju.example/whl/cu126/torch/", ROUTE_PAGE, "cu126", "torch"},
    {"/mirror/pypi.org/simple/A.b/?format=y", ROUTE_MOVED, "../a-b/?format=y", NULL},
    {"/mirror/pypi.org/simple/a", ROUTE_MOVED, "a/", NULL},
    {"/mirror/download.pytorch.org/whl/cu126", ROUTE_MOVED, "cu126/", NULL},
    {"/simple/requests", ROUTE_MOVED, "requests/", NULL},
    {"/cu126/simple", ROUTE_MOVED, "simple/", NULL},
    {"/cu126/simple/torch", ROUTE_MOVED, "torch/", NULL},
    {"/cu126/simple/Torch", ROUTE_MOVED, "torch/", NULL},
    {"/cu126/simple/Torch/", ROUTE_MOVED, "../torch/", NULL},
    {"/cu126/simple/fbgemm_gpu..x/?format=y", ROUTE_MOVED, "../fbgemm-gpu-x/?format=y", NULL},
    {"/whl/cu126", ROUTE_MOVED, "cu126/", NULL},
    {"/whl/nightly/cu130", ROUTE_MOVED, "cu130/", NULL},
    {"/whl/nightly/cu130/Torch/", ROUTE_MOVED, "../torch/", NULL},

    {"/files/pytorch/cu126/a%2Bb.whl", ROUTE_FILE, "pytorch", "cu126/a+b.whl"},
    {"/files/pytorch/cu126/a+b.whl", ROUTE_FILE, "pytorch", "cu126/a+b.whl"},
    {"/files/pypi/packages/aa/bb/x.whl.metadata", ROUTE_FILE, "pypi",
     "packages/aa/bb/x.whl.metadata"},
    {"/files/pytorch/simple/x.whl?y", ROUTE_FILE, "pytorch", "simple/x.whl"},
    {"/mirror/files.pythonhosted.org/packages/aa/x.whl.metadata", ROUTE_FILE, "pypi",
     "packages/aa/x.whl.metadata"},
    {"/mirror/download.pytorch.org/whl/cu126/torch-1%2Bcu126-py3-none-any.whl", ROUTE_FILE,
     "pytorch", "cu126/torch-1+cu126-py3-none-any.whl"},
    {"/mirror/r2.example/whl/torch-1-py3-none-any.whl", ROUTE_FILE, "pytorch",
     "torch-1-py3-none-any.whl"},
    {"/files/pytorch/", ROUTE_NONE, NULL, NULL},
    {"/files/pytorch", ROUTE_NONE, NULL, NULL},
    {"/files/pytorch/a/", ROUTE_NONE, NULL, NULL},
    {"/files/pytorch/a%5cb", ROUTE_NONE, NULL, NULL},
    {"/files/pytorch/%ff", ROUTE_NONE, NULL, NULL},

    {"/nosuch/simple/torch/", ROUTE_NO_INDEX, "nosuch", NULL},
    {"/nosuch/simple", ROUTE_NO_INDEX, "nosuch", NULL},
    {"/no/such/flat/", ROUTE_NO_INDEX, "no/such", NULL},
    {"/whl/torch/", ROUTE_NO_INDEX, "torch", NULL},
    {"/whl/gpu/torch/", ROUTE_NO_INDEX, "gpu", NULL},
    {"/nosuch/", ROUTE_NONE, NULL, NULL},
    {"/nosuch/simplex/", ROUTE_NONE, NULL, NULL},
    {"/favicon.ico", ROUTE_NONE, NULL, NULL},

    {"/cu126/", ROUTE_MOVED, "simple/", NULL},
    {"/cu126", ROUTE_MOVED, "cu126/simple/", NULL},
    {"/nightly/cu130?format=y", ROUTE_MOVED, "cu130/simple/?format=y", NULL},
    {"/lab/", ROUTE_MOVED, "simple/", NULL},
    {"/cu126/torch", ROUTE_MOVED, "simple/torch/", NULL},
    {"/cu126/Torch/", ROUTE_MOVED, "../simple/torch/", NULL},
    {"/cu126/simplex/", ROUTE_MOVED, "../simple/simplex/", NULL},
    {"/cu126/torch/x", ROUTE_NONE, NULL, NULL},
    {"/cu126/to+rch/", ROUTE_NONE, NULL, NULL},
    {"/cu126/flat/x", ROUTE_NONE, NULL, NULL},
    {"/flat/", ROUTE_NONE, NULL, NULL},
    {"/mirror/tuna.example/packages/aa/x.whl", ROUTE_FILE, "pypi", "packages/aa/x.whl"},
    {"/mirror/flat.example/w/cu126/x-1-py3-none-any.whl", ROUTE_FILE, "pytorch",
     "cu126/x-1-py3-none-any.whl"},
    {"/mirror/flat.example/w/cu126/", ROUTE_NONE, NULL, NULL},
    {"/mirror/pypi.org/", ROUTE_NONE, NULL, NULL},
    {"/mirror/pypi.org/pypi/torch/json", ROUTE_NONE, NULL, NULL},
    {"/mirror/evil.example/simple/torch/", ROUTE_NONE, NULL, NULL},
    {"/mirror/download.pytorch.org/whl/", ROUTE_NONE, NULL, NULL},
    {"/mirror/download.pytorch.org/whl/torch/", ROUTE_NONE, NULL, NULL},
    {"/mirror/download.pytorch.org/whl/cu%f0/", ROUTE_NONE, NULL, NULL},
    {"/mirror/download.pytorch.org/whl/nightly/simple/", ROUTE_NONE, NULL, NULL},
    {"/mirror/download.pytorch.org.evil.example/whl/cu126/", ROUTE_NONE, NULL, NULL},
    {"/mirror/", ROUTE_NONE, NULL, NULL},
    {"/mirror", ROUTE_NONE, NULL, NULL},
    {"/cu126/simple/torch/x", ROUTE_NONE, NULL, NULL},
    {"/cu126/simple//torch/", ROUTE_NONE, NULL, NULL},
    {"/cu126/simple/-torch/", ROUTE_NONE, NULL, NULL},
    {"/cu126/simple/to+rch/", ROUTE_NONE, NULL, NULL},
    {"/simple/%C3%A4/", ROUTE_NONE, NULL, NULL},
    {"//evil.example/simple/", ROUTE_NONE, NULL, NULL},

    {"", ROUTE_MALFORMED, NULL, NULL},
    {"*", ROUTE_MALFORMED, NULL, NULL},
    {"foo", ROUTE_MALFORMED, NULL, NULL},
    {"http://localhost/simple/", ROUTE_MALFORMED, NULL, NULL},
    {"/a%00b", ROUTE_MALFORMED, NULL, NULL},
    {"/a%2fb", ROUTE_MALFORMED, NULL, NULL},
    {"/a%2Fb", ROUTE_MALFORMED, NULL, NULL},
    {"/files/pytorch/a%2f", ROUTE_MALFORMED, NULL, NULL},
    {"/a%zz", ROUTE_MALFORMED, NULL, NULL},
    {"/a%2", ROUTE_MALFORMED, NULL, NULL},
    {"/a%", ROUTE_MALFORMED, NULL, NULL},
    {"/a%0ab", ROUTE_MALFORMED, NULL, NULL},
    {"/a\x01", ROUTE_MALFORMED, NULL, NULL},
    {"/a?b\x7f", ROUTE_MALFORMED, NULL, NULL},
    {"/simple/#x", ROUTE_MALFORMED, NULL, NULL},
    {"/../../etc/passwd", ROUTE_MALFORMED, NULL, NULL},
    {"/files/pytorch/%2e%2e/x", ROUTE_MALFORMED, NULL, NULL},
    {"/files/pytorch/.", ROUTE_MALFORMED, NULL, NULL},
    {"/files/pytorch/./x", ROUTE_MALFORMED, NULL, NULL},
};

static const char *first_of(const struct route *route)
{
    switch (route->kind) {
    case ROUTE_PAGE:
    case ROUTE_NO_INDEX:
        return route->index;
    case ROUTE_FILE:
        return route->origin;
    case ROUTE_MOVED:
        return route->location;
    default:
        return NULL;
    }
}

static bool same(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

static void every_target_has_its_route(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        struct route route;
        assert_int_equal(route_parse(&fake_origins, row->target, &route), 0);
        const char *b = route.kind == ROUTE_FILE ? route.path : route.project;
        if (route.kind == ROUTE_MOVED)
            b = NULL;
        if (route.kind != row->kind || !same(first_of(&route), row->a) || !same(b, row->b))
            fail_msg("%s: kind %d, %s, %s", row->target, (int)route.kind,
                     first_of(&route) ? first_of(&route) : "-", b ? b : "-");
        if (route.kind == ROUTE_NONE || route.kind == ROUTE_MALFORMED)
            assert_non_null(route.why);
        route_release(&route);
    }
}

static void format_comes_from_the_query(void **state)
{
    static const struct {
        const char *target;
        const char *format;
    } formats[] = {
        {"/simple/a/?format=application/vnd.pypi.simple.v1+json",
         "application/vnd.pypi.simple.v1+json"},
        {"/simple/a/?format=application%2Fvnd.pypi.simple.v1%2Bjson",
         "application/vnd.pypi.simple.v1+json"},
        {"/simple/a/?x=1&format=text/html&format=b", "text/html"},
        {"/simple/a/?format=", ""},
        {"/simple/a/?format=%zz", ""},
        {"/simple/a/?xformat=a", NULL},
        {"/simple/a/", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        struct route route;
        assert_int_equal(route_parse(&fake_origins, formats[i].target, &route), 0);
        if (!same(route.format, formats[i].format))
            fail_msg("%s: %s", formats[i].target, route.format ? route.format : "-");
        route_release(&route);
    }
}

static void long_targets_are_told_apart(void **state)
{
    char target[ROUTE_TARGET_MAX + 2];
    struct route route;
    (void)state;
    memset(target, 'a', sizeof(target));
    target[0] = '/';
    target[ROUTE_TARGET_MAX] = '\0';
    assert_int_equal(route_parse(&fake_origins, target, &route), 0);
    assert_int_equal(route.kind, ROUTE_NONE);
    route_release(&route);
    target[ROUTE_TARGET_MAX] = 'a';
    target[ROUTE_TARGET_MAX + 1] = '\0';
    assert_int_equal(route_parse(&fake_origins, target, &route), 0);
    assert_int_equal(route.kind, ROUTE_TOO_LONG);
    route_release(&route);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_target_has_its_route),
        cmocka_unit_test(format_comes_from_the_query),
        cmocka_unit_test(long_targets_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
