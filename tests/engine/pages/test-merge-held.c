// SPDX-License-Identifier: Apache-2.0
/* What we hold stays on its page when no mirror lists it any more. */
#include "tests/engine/pages/merge_stage.h"

/* A held file and what its listing said when it was last seen. */
struct kept {
    struct listed_file listed;
    struct merge_held held;
};

static void keep(struct stage *s, struct kept *k, const char *path, const char *digests, bool seen)
{
    *k =
        (struct kept){.listed = {.name = strrchr((char *)path, '/') ? strrchr((char *)path, '/') + 1
                                                                    : (char *)path,
                                 .kind = FILE_WHEEL,
                                 .project = "torch",
                                 .version = "2.0",
                                 .digests = (char *)digests,
                                 .size = 5,
                                 .about_size = -1,
                                 .modified = DATE_UNKNOWN}};
    k->held = (struct merge_held){.path = path, .listed = seen ? &k->listed : NULL};
    s->input.held = &k->held;
    s->input.held_count = 1;
    s->input.is_heard = true;
}

static void test_what_we_hold_stays(void **state)
{
    struct kept k;
    struct page_file f;
    (void)state;
    auto_stage struct stage s = stage_of("torch");
    add_page(&s, OFFICIAL, LINKS("cu126/torch-2.0-cp311-none-any.whl#sha256=" D1));
    keep(&s, &k, WHEEL("cu126/torch-2.0"), SHA(D2), true);
    stage_merge(&s);
    assert_int_equal(s.merge.count, 2);
    merge_file_view(&s.merge, &s.merge.files[1], &f);
    assert_true(f.is_delisted);
    assert_string_equal(f.digests, SHA(D2));
    assert_int_equal(f.size, 5);
    assert_int_equal(f.mirrors, 0);
    assert_true(f.has_metadata); /* its bytes are here */
    assert_string_equal(f.href, "../../../files/pytorch/" WHEEL("cu126/torch-2.0"));
    assert_int_equal(s.merge.files[1].held, 1);
    assert_false(s.merge.files[1].learns);
}

static void test_without_its_digest_the_release_shows_none(void **state)
{
    struct kept k;
    (void)state;
    auto_stage struct stage s = stage_of("torch");
    add_page(&s, OFFICIAL, LINKS("cu126/torch-2.0-cp311-none-any.whl#sha256=" D1));
    keep(&s, &k, WHEEL("cu126/torch-2.0"), NULL, true);
    stage_merge(&s);
    assert_false(s.merge.files[0].shows_digest);
    assert_false(s.merge.files[1].shows_digest);
}

static void test_what_is_listed_is_not_delisted(void **state)
{
    struct kept k;
    (void)state;
    auto_stage struct stage s = stage_of("torch");
    add_page(&s, FLAT, LINKS(WHEEL("cu126/torch-2.0")));
    keep(&s, &k, WHEEL("cu126/torch-2.0"), SHA(D2), true);
    stage_merge(&s);
    assert_int_equal(s.merge.count, 1);
    assert_int_equal(s.merge.files[0].held, 1);
    assert_false(s.merge.files[0].is_kept);
    assert_null(s.merge.files[0].digests);
}

/* A name stands once: what is listed goes before what we hold. Nor is shown what was never seen. */
static void test_what_is_held_gives_way(void **state)
{
    for (int seen = 0; seen < 2; seen++) {
        struct kept k;
        (void)state;
        auto_stage struct stage s = stage_of("torch");
        add_page(&s, FLAT, LINKS(seen ? WHEEL("torch-2.0") : WHEEL("cu126/torch-2.1")));
        keep(&s, &k, WHEEL("cu126/torch-2.0"), D2, seen);
        stage_merge(&s);
        assert_int_equal(s.merge.count, 1);
        assert_int_equal(s.merge.files[0].held, 0);
    }
}

static void test_nothing_is_called_delisted_before_all_have_spoken(void **state)
{
    for (int before = 0; before < 2; before++) {
        struct kept k;
        (void)state;
        auto_stage struct stage s = stage_of("torch");
        keep(&s, &k, WHEEL("cu126/torch-2.0"), SHA(D2), true);
        s.input.is_heard = false;
        k.held.is_delisted = before;
        stage_merge(&s);
        assert_int_equal(s.merge.count, 1);
        assert_true(s.merge.files[0].is_kept);
        assert_int_equal(s.merge.files[0].is_delisted, before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_we_hold_stays),
        cmocka_unit_test(test_without_its_digest_the_release_shows_none),
        cmocka_unit_test(test_what_is_listed_is_not_delisted),
        cmocka_unit_test(test_what_is_held_gives_way),
        cmocka_unit_test(test_nothing_is_called_delisted_before_all_have_spoken),
    };
    listing_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
