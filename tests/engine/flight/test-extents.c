// SPDX-License-Identifier: Apache-2.0
/* Extents against a model: one bool per byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "engine/flight/extents.h"

enum { BYTES = 96, ROUNDS = 300, ADDS = 25 };

static unsigned seed = 12345;

static int64_t draw(int below)
{
    seed = seed * 1103515245u + 12345u;
    return (int64_t)(seed >> 16) % below;
}

static int64_t model_end(const bool *model, int64_t at)
{
    while (at < BYTES && model[at])
        at++;
    return at;
}

static void check_missing(const struct extents *set, const bool *model, int64_t from, int64_t to)
{
    struct extent run = {-1, -1};
    int64_t start = model_end(model, from), end = start;
    while (end < to && !model[end])
        end++;
    assert_int_equal(extents_missing(set, from, to, &run), start < to);
    if (start < to) {
        assert_int_equal(run.from, start);
        assert_int_equal(run.to, end);
    } else {
        assert_int_equal(run.from, -1);
    }
}

static void check(const struct extents *set, const bool *model)
{
    int64_t total = 0;
    for (int at = 0; at < BYTES; at++) {
        total += model[at];
        assert_int_equal(extents_end(set, at), model_end(model, at));
        for (int to = at; to <= BYTES; to += 7)
            check_missing(set, model, at, to);
    }
    assert_int_equal(extents_total(set), total);
    for (size_t i = 0; i < set->count; i++) {
        assert_true(set->list[i].from < set->list[i].to);
        assert_true(i == 0 ||
                    set->list[i - 1].to < set->list[i].from); /* merged where they touch */
    }
}

static void like_an_array_of_bytes(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct extents set = {0};
        bool model[BYTES + 1] = {0};
        for (int n = 0; n < ADDS; n++) {
            int64_t from = draw(BYTES), to = from + draw(round % 2 ? 4 : 20);
            if (to > BYTES)
                to = BYTES;
            assert_int_equal(extents_add(&set, from, to), 0);
            memset(model + from, 1, (size_t)(to - from));
            check(&set, model);
        }
        extents_release(&set);
    }
}

static void empty_ones_and_large_ones(void **state)
{
    (void)state;
    struct extents set = {0};
    struct extent run;
    assert_int_equal(extents_add(&set, 5, 5), 0);
    assert_int_equal(set.count, 0);
    assert_false(extents_missing(&set, 7, 7, &run));
    assert_int_equal(extents_add(&set, (int64_t)1 << 40, INT64_MAX), 0);
    assert_true(extents_missing(&set, 0, INT64_MAX, &run));
    assert_int_equal(run.to, (int64_t)1 << 40);
    assert_int_equal(extents_end(&set, (int64_t)1 << 41), INT64_MAX);
    extents_release(&set);
    assert_int_equal(extents_total(&set), 0);
    assert_int_equal(extents_add(&set, 0, 1), 0); /* usable again */
    extents_release(&set);
}

static void widened(void **state)
{
    (void)state;
    struct extents set = {0};
    struct extent run = {70, 75};
    assert_int_equal(extents_add(&set, 5, 35), 0);
    assert_int_equal(extents_add(&set, 42, 75), 0);
    extents_widen(&set, 10, &run);
    assert_true(run.from == 70 && run.to == 75); /* 75 is missing */
    run = (struct extent){52, 55};
    extents_widen(&set, 10, &run);
    assert_true(run.from == 50 && run.to == 60);
    run = (struct extent){42, 45};
    extents_widen(&set, 10, &run);
    assert_true(run.from == 42 && run.to == 50); /* 41 is missing */
    run = (struct extent){12, 18};
    extents_widen(&set, 10, &run);
    assert_true(run.from == 10 && run.to == 20);
    extents_release(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(like_an_array_of_bytes),
        cmocka_unit_test(empty_ones_and_large_ones),
        cmocka_unit_test(widened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
