// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/slab.h"

enum { COUNT = 3 };

static void tell(void *context)
{
    ++*(int *)context;
}

static void fill_and_drain(struct slab_pool *pool, struct slab *taken[COUNT])
{
    for (int i = 0; i < COUNT; i++) {
        taken[i] = slab_get(pool, 0, 0);
        assert_non_null(taken[i]);
        assert_int_equal(taken[i]->len, 0);
        memset(taken[i]->data, i, SLAB_BYTES);
        taken[i]->len = SLAB_BYTES;
    }
}

static void blocks_are_distinct_and_finite(void **state)
{
    (void)state;
    struct slab_pool *pool = NULL;
    struct slab *taken[COUNT];
    assert_int_equal(slab_pool_new(COUNT, &pool), 0);
    fill_and_drain(pool, taken);
    assert_null(slab_get(pool, 0, 0));
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(taken[i]->data[0], i);
        assert_int_equal(taken[i]->data[SLAB_BYTES - 1], i);
        slab_put(taken[i]);
    }
    slab_put(NULL);
    fill_and_drain(pool, taken); /* what came back can be had again */
    for (int i = 0; i < COUNT; i++)
        slab_put(taken[i]);
    slab_pool_free(pool);
    slab_pool_free(NULL);
}

static void tells_once_after_a_refusal(void **state)
{
    (void)state;
    struct slab_pool *pool = NULL;
    struct slab *taken[COUNT];
    int told = 0;
    assert_int_equal(slab_pool_new(COUNT, &pool), 0);
    slab_pool_observe(pool, tell, &told);
    fill_and_drain(pool, taken);
    slab_put(taken[0]);
    assert_int_equal(told, 0); /* nobody was refused */
    taken[0] = slab_get(pool, 0, 0);
    assert_null(slab_get(pool, 0, 0));
    assert_null(slab_get(pool, 0, 0));
    slab_put(taken[0]);
    slab_put(taken[1]);
    assert_int_equal(told, 1);
    slab_put(taken[2]);
    slab_pool_free(pool);
}

static void a_share_leaves_some_for_others(void **state)
{
    (void)state;
    struct slab_pool *pool = NULL;
    struct slab *taken[8] = {0};
    int told = 0;
    assert_int_equal(slab_pool_new(8, &pool), 0);
    slab_pool_observe(pool, tell, &told);
    for (int i = 0; i < 4; i++)
        assert_non_null(taken[i] = slab_get(pool, 1, 0));
    assert_null(slab_get(pool, 1, 0)); /* as many as are free */
    for (int i = 4; i < 6; i++)
        assert_non_null(taken[i] = slab_get(pool, 2, 0));
    assert_null(slab_get(pool, 2, 0));
    slab_put(taken[0]); /* the refused are told, and who holds less may go on */
    assert_int_equal(told, 1);
    assert_null(slab_get(pool, 1, 0));
    assert_non_null(taken[0] = slab_get(pool, 2, 0));
    for (unsigned i = 6; i < 8; i++) /* the last one is had by who has none */
        assert_non_null(taken[i] = slab_get(pool, i, 0));
    assert_null(slab_get(pool, 8, 0));
    for (int i = 0; i < 8; i++)
        slab_put(taken[i]);
    slab_pool_free(pool);
}

/* Many files of one mirror leave as much to the others as one file does. */
static void a_mirror_has_its_share_too(void **state)
{
    struct slab_pool *pool;
    struct slab *taken[8] = {NULL};
    (void)state;
    assert_int_equal(slab_pool_new(8, &pool), 0);
    for (uint64_t i = 0; i < 4; i++)
        assert_non_null(taken[i] = slab_get(pool, 1 + i, 7));
    assert_null(slab_get(pool, 9, 7));
    assert_non_null(taken[4] = slab_get(pool, 10, 8));
    assert_non_null(taken[5] = slab_get(pool, 11, 8));
    assert_null(slab_get(pool, 12, 8));
    assert_non_null(taken[6] = slab_get(pool, 13, 9));
    assert_int_equal(slab_pool_taken(pool), 7);
    for (unsigned i = 0; i < 8; i++)
        slab_put(taken[i]);
    assert_int_equal(slab_pool_taken(pool), 0);
    slab_pool_free(pool);
}

/* A file that is stored slowly does not use up its mirror's part: a page of that mirror comes. */
static void a_file_leaves_some_to_its_mirror(void **state)
{
    struct slab_pool *pool;
    struct slab *taken[12] = {NULL};
    unsigned count = 0;
    (void)state;
    assert_int_equal(slab_pool_new(12, &pool), 0);
    while ((taken[count] = slab_get(pool, 1, 7)))
        count++;
    assert_int_equal(count, 4);
    assert_non_null(taken[count++] = slab_get(pool, 0, 7)); /* a page */
    assert_non_null(taken[count++] = slab_get(pool, 2, 7)); /* another file */
    assert_null(slab_get(pool, 1, 7));
    for (unsigned i = 0; i < count; i++)
        slab_put(taken[i]);
    slab_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_distinct_and_finite),
        cmocka_unit_test(a_mirror_has_its_share_too),
        cmocka_unit_test(a_file_leaves_some_to_its_mirror),
        cmocka_unit_test(a_share_leaves_some_for_others),
        cmocka_unit_test(tells_once_after_a_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
