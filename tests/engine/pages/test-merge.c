// SPDX-License-Identifier: Apache-2.0
/* What several mirrors say of one project becomes one page: small pages for the rules, real ones
 * for the whole. */
#include "tests/engine/pages/merge_stage.h"
#include "tests/index/data.h"

/* ------------------------------------------------------------------ rules */

static void test_union_by_path(void **state)
{
    (void)state;
    auto_stage struct stage s = stage_of("torch");
    add_page(&s, FLAT, LINKS(WHEEL("cu126/torch-2.0%2Bcu126"), WHEEL("cu126/torch-2.1%2Bcu126")));
    add_page(&s, OFFICIAL,
             LINKS(WHEEL("cu126/torch-2.1%2Bcu126") "#sha256=" D1,
                   WHEEL("cu126/torch-2.2%2Bcu126") "#sha256=" D2));
    stage_merge(&s);
    assert_int_equal(s.merge.count, 3);
    assert_int_equal(s.merge.mirrors, 3);
    const struct merge_file *f = file_at(&s, WHEEL("cu126/torch-2.1+cu126"));
    assert_non_null(f);
    assert_int_equal(f->mirrors, 3);
    assert_string_equal(f->digests, SHA(D1));
    assert_string_equal(f->href, "../../../files/pytorch/" WHEEL("cu126/torch-2.1%2Bcu126"));
}

static void test_plus_is_one_file_however_written(void **state)
{
    (void)state;
    auto_stage struct stage s = stage_of("torch");
    add_page(&s, FLAT, LINKS(WHEEL("cu126/torch-2.0+cu126")));
    add_page(&s, OFFICIAL, LINKS(WHEEL("cu126/torch-2.0%2Bcu126")));
    add_page(&s, NJU, LINKS(WHEEL("cu126/torch-2.0%2bcu126")));
    stage_merge(&s);
    assert_int_equal(s.merge.count, 1);
    assert_int_equal(s.merge.files[0].mirrors, 7);
}

static void test_other_projects_of_a_flat_page_are_left_out(void **state)
{
    (void)state;
    auto_stage struct stage s = stage_of("torch");
    add_page(&s, FLAT, LINKS(WHEEL("cu126/torchvision-0.1"), WHEEL("cu126/torch-2.0")));
    stage_merge(&s);
    assert_int_equal(s.merge.count, 1);
}

static void test_the_channels_own_folder_wins(void **state)
{
    const char *own = WHEEL("cu126/torch-2.0"), *other = WHEEL("torch-2.0");
    for (int first = 0; first < 2; first++) {
        (void)state;
        auto_stage struct stage s = stage_of("torch");
        add_page(&s, OFFICIAL, LINKS(first ? own : other, first ? other : own));
        add_page(&s, NJU, LINKS(other, own));
        stage_merge(&s);
        assert_int_equal(s.merge.count, 1);
        assert_string_equal(s.merge.files[0].path, own);
    }
}

static void test_digests_for_all_of_a_release_or_for_none(void **state)
{
    (void)state;
    auto_stage struct stage s = stage_of("torch");
    add_page(&s, OFFICIAL,
             LINKS(WHEEL("cu126/torch-2.0") "#sha256=" D1, "cu126/torch-2.0-cp311-none-any.whl",
                   WHEEL("cu126/torch-2.1") "#sha256=" D2));
    stage_merge(&s);
    const struct merge_file *half = file_at(&s, WHEEL("cu126/torch-2.0"));
    const struct merge_file *whole = file_at(&s, WHEEL("cu126/torch-2.1"));
    assert_false(half->shows_digest);
    assert_string_equal(half->digests, SHA(D1)); /* not shown, but known */
    assert_true(half->learns);
    assert_int_equal(s.merge.news_count, 2);
    assert_string_equal(s.merge.news[0].mirror, "official");
    assert_true(whole->shows_digest);
}

static void test_a_remembered_digest_completes_a_release(void **state)
{
    struct merge_claim known = {.path = "cu126/torch-2.0-cp311-none-any.whl",
                                .mirror = "nju",
                                .channel = "cu126",
                                .digests = SHA(D2)};
    (void)state;
    auto_stage struct stage s = stage_of("torch");
    remember(&s, &known);
    add_page(&s, OFFICIAL,
             LINKS(WHEEL("cu126/torch-2.0") "#sha256=" D1, "cu126/torch-2.0-cp311-none-any.whl"));
    stage_merge(&s);
    const struct merge_file *f = file_at(&s, known.path);
    assert_true(f->shows_digest);
    assert_false(f->learns);
    assert_string_equal(f->digests, SHA(D2));
}

static void test_one_name_alone(void **state)
{
    (void)state;
    auto_stage struct stage s = stage_of("torch");
    s.input.name = WHEEL("torch-2.1");
    add_page(&s, FLAT, LINKS(WHEEL("cu126/torch-2.0"), WHEEL("cu126/torch-2.1")));
    stage_merge(&s);
    assert_int_equal(s.merge.count, 1);
    assert_string_equal(s.merge.files[0].path, WHEEL("cu126/torch-2.1"));
}

static void test_links_elsewhere_are_dropped(void **state)
{
    (void)state;
    auto_stage struct stage s = stage_of("torch");
    add_page(&s, OFFICIAL,
             LINKS("https://evil.example/whl/" WHEEL("cu126/torch-2.0"),
                   "https://download-r2.pytorch.org/whl/" WHEEL("cu126/torch-2.1")));
    stage_merge(&s);
    assert_int_equal(s.listings[0]->elsewhere, 1);
    assert_string_equal(s.listings[0]->elsewhere_hosts, "\"https://evil.example/\"");
    assert_int_equal(s.merge.count, 1);
    assert_string_equal(s.merge.files[0].path, WHEEL("cu126/torch-2.1"));
}

static void test_a_project_without_files_is_one(void **state)
{
    static const char page[] =
        "{\"meta\":{\"api-version\":\"1.4\"},\"name\":\"torch\",\"files\":[],"
        "\"project-status\":{\"status\":\"quarantined\"}}";
    (void)state;
    auto_stage struct stage s = stage_of("torch");
    add_bytes(&s, OFFICIAL, mirrors[OFFICIAL].files, page, sizeof(page) - 1);
    stage_merge(&s);
    assert_int_equal(s.merge.count, 0);
    assert_int_equal(s.merge.mirrors, 1 << OFFICIAL);
    assert_string_equal(s.merge.project_status, "quarantined");
}

static void test_a_flat_page_without_the_project_does_not_list_it(void **state)
{
    (void)state;
    auto_stage struct stage s = stage_of("torch");
    add_page(&s, FLAT, LINKS(WHEEL("cu126/torchvision-0.1")));
    stage_merge(&s);
    assert_int_equal(s.merge.mirrors, 0);
}

static void test_yanked_by_whoever_says_so(void **state)
{
    auto_buf struct buf page;
    (void)state;
    auto_stage struct stage s = stage_of("torch");
    add_page(&s, FLAT, LINKS(WHEEL("cu126/torch-2.0")));
    add_page(&s, OFFICIAL, LINKS(WHEEL("cu126/torch-2.0") " data-yanked=\"broken\""));
    stage_merge(&s);
    buf_init(&page, 1 << 20);
    merge_write(&s.merge, "torch", PAGE_HTML, &page);
    assert_int_equal(page.error, 0);
    buf_putc(&page, '\0');
    assert_non_null(strstr(page.data, "data-yanked=\"broken\""));
}

/* -------------------------------------------------------------- metadata */

#define CORE(digest) " data-core-metadata=\"sha256=" digest "\""

static void test_metadata_hash_of_a_later_mirror(void **state)
{
    (void)state;
    auto_stage struct stage s = stage_of("torch");
    add_page(&s, FLAT, LINKS(WHEEL("cu126/torch-2.0") " data-core-metadata=\"true\""));
    add_page(&s, OFFICIAL, LINKS(WHEEL("cu126/torch-2.0") CORE(D1)));
    stage_merge(&s);
    assert_true(s.merge.files[0].has_metadata);
    assert_string_equal(s.merge.files[0].said_metadata, SHA(D1));
    assert_true(s.merge.files[0].learns_metadata); /* without a digest of the file */
    assert_int_equal(s.merge.news_count, 1);
}

static void test_metadata_hashes_that_disagree(void **state)
{
    (void)state;
    auto_stage struct stage s = stage_of("torch");
    add_page(&s, FLAT, LINKS(WHEEL("cu126/torch-2.0") CORE(D1)));
    add_page(&s, NJU, LINKS(WHEEL("cu126/torch-2.0") CORE(D2)));
    stage_merge(&s);
    assert_true(s.merge.files[0].has_metadata);
    assert_null(s.merge.files[0].said_metadata);
}

static void test_metadata_is_promised_where_it_can_be_made(void **state)
{
    (void)state;
    auto_stage struct stage as_listed = stage_of("torch"), read = stage_of("torch");
    add_page(&as_listed, FLAT, LINKS(WHEEL("cu126/torch-2.0")));
    stage_merge(&as_listed);
    const struct merge *merge = &as_listed.merge;
    assert_false(merge->files[0].has_metadata);
    assert_string_equal(merge->bare, merge->files[0].path); /* worth a question to the mirror */
    assert_int_equal(merge->bare_mirrors, 1 << FLAT);

    read.input.makes_metadata = true;
    add_page(&read, FLAT, LINKS(WHEEL("cu126/torch-2.0")));
    stage_merge(&read);
    assert_page(&read, "\"core-metadata\":true", NULL);
    assert_non_null(read.merge.bare);           /* asked again, when the answer is old */
    assert_int_equal(read.merge.news_count, 0); /* nobody has said anything */
}

static struct stage stage_with(const struct merge_made *made)
{
    struct stage s = stage_of("torch");
    s.input.made = made;
    s.input.made_count = 1;
    add_page(&s, FLAT, LINKS(WHEEL("cu126/torch-2.0")));
    return s;
}

/* What was read out of a wheel: its own digest unless an authority names one; no promise where it
 * cannot be read. */
static void test_what_was_made_of_a_wheel(void **state)
{
    static const char path[] = WHEEL("cu126/torch-2.0");
    const struct merge_made made = {path, SHA(D1), ">=3.10"}, unreadable = {path, NULL, ">=3.10"};
    const struct merge_claim said = {
        .path = path, .mirror = "nju", .channel = "", .metadata = SHA(D2)};
    (void)state;
    auto_stage struct stage alone = stage_with(&made);
    stage_merge(&alone);
    assert_string_equal(alone.merge.files[0].path, path);
    assert_page(&alone, "\"core-metadata\":{\"sha256\":\"" D1 "\"}", NULL);
    assert_page(&alone, "\"requires-python\":\">=3.10\"", NULL);
    assert_null(alone.merge.files[0].said_metadata);

    auto_stage struct stage vouched = stage_with(&made);
    remember(&vouched, &said);
    stage_merge(&vouched);
    assert_page(&vouched, D2, D1);

    auto_stage struct stage broken = stage_with(&unreadable);
    broken.input.makes_metadata = true;
    stage_merge(&broken);
    assert_page(&broken, "torch-2.0", "core-metadata");
}

/* -------------------------------------------------------------- real pages */

static bool add_real(struct stage *s, unsigned mirror, const char *url, const char *path)
{
    auto_buf struct buf page;
    if (!data_read(path, &page))
        return false;
    add_bytes(s, mirror, url, page.data, page.len);
    return true;
}

/* The files that the official page lists, its digests, and everybody as a source. */
static void test_real_mirrors_agree(void **state)
{
    static const char *const projects[] = {"torch", "torchvision", "torchaudio"};
    (void)state;
    for (size_t p = 0; p < 3; p++) {
        const char *project = projects[p];
        auto_free char *live = str_printf("derived/official-live/whl/cu126/%s/index.html", project);
        auto_free char *nju = str_printf("derived/nju/pytorch/whl/cu126/%s/index.html", project);
        auto_free char *live_url =
            str_printf("https://download.pytorch.org/whl/cu126/%s/", project);
        auto_free char *nju_url =
            str_printf("https://mirrors.nju.edu.cn/pytorch/whl/cu126/%s/", project);
        auto_stage struct stage alone = stage_of(project), all = stage_of(project);
        if (!add_real(&alone, OFFICIAL, live_url, live))
            skip();
        stage_merge(&alone);
        assert_true(alone.merge.count > 20);

        assert_true(add_real(&all, FLAT, "https://mirrors.aliyun.com/pytorch-wheels/cu126/",
                             "derived/aliyun/pytorch-wheels/cu126/index.html"));
        assert_true(add_real(&all, OFFICIAL, live_url, live));
        assert_true(add_real(&all, NJU, nju_url, nju));
        stage_merge(&all);
        assert_int_equal(all.merge.mirrors, 7);
        for (unsigned i = 0; i < 3; i++)
            assert_int_equal(all.listings[i]->elsewhere, 0);
        for (size_t i = 0; i < alone.merge.count; i++) {
            const struct merge_file *said = &alone.merge.files[i];
            const struct merge_file *f = file_at(&all, said->path);
            assert_non_null(f);
            assert_null(f->dispute);
            assert_true(!said->digests == !f->digests);
            if (f->digests)
                assert_string_equal(f->digests, said->digests);
        }
        assert_int_equal(all.merge.count, alone.merge.count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_union_by_path),
        cmocka_unit_test(test_plus_is_one_file_however_written),
        cmocka_unit_test(test_other_projects_of_a_flat_page_are_left_out),
        cmocka_unit_test(test_the_channels_own_folder_wins),
        cmocka_unit_test(test_digests_for_all_of_a_release_or_for_none),
        cmocka_unit_test(test_a_remembered_digest_completes_a_release),
        cmocka_unit_test(test_one_name_alone),
        cmocka_unit_test(test_links_elsewhere_are_dropped),
        cmocka_unit_test(test_a_project_without_files_is_one),
        cmocka_unit_test(test_a_flat_page_without_the_project_does_not_list_it),
        cmocka_unit_test(test_yanked_by_whoever_says_so),
        cmocka_unit_test(test_metadata_hash_of_a_later_mirror),
        cmocka_unit_test(test_metadata_hashes_that_disagree),
        cmocka_unit_test(test_metadata_is_promised_where_it_can_be_made),
        cmocka_unit_test(test_what_was_made_of_a_wheel),
        cmocka_unit_test(test_real_mirrors_agree),
    };
    listing_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
