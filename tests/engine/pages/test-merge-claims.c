// SPDX-License-Identifier: Apache-2.0
/* What mirrors claim of one project's files: what the page shows, what is remembered of it. */
#include "engine/claims/claims.h"
#include "tests/engine/pages/merge_stage.h"

#define NAME WHEEL("cu126/torch-2.0")

enum { DAY_S = 24 * 3600, NOW_S = 1000 * DAY_S };

static struct stage stage_now(void)
{
    struct stage s = stage_of("torch");
    s.input.now_s = NOW_S;
    return s;
}

static struct merge_claim row(const char *mirror, const char *digests, int days)
{
    return (struct merge_claim){.path = NAME,
                                .mirror = mirror,
                                .channel = "cu126",
                                .digests = digests,
                                .said_s = NOW_S - days * (int64_t)DAY_S};
}

static void remember_all(struct stage *s, const struct merge_claim *rows, size_t count)
{
    s->input.remembered = rows;
    s->input.remembered_count = count;
}

static void test_a_mirror_against_the_site(void **state)
{
    (void)state;
    auto_stage struct stage s = stage_now();
    add_page(&s, NJU, LINKS(NAME "#sha256=" D2));
    add_page(&s, OFFICIAL, LINKS(NAME "#sha256=" D1));
    stage_merge(&s);
    const struct merge_file *f = &s.merge.files[0];
    assert_string_equal(f->digests, SHA(D1));
    assert_true(f->shows_digest);
    assert_false(f->is_disputed);
    assert_string_equal(f->dispute, "official: " SHA(D1) " said 1972-09-27T00:00:00Z; nju: " SHA(
                                        D2) " said 1972-09-27T00:00:00Z");
    assert_int_equal(s.merge.news_count, 2); /* both words are remembered */
    assert_true(f->learns && !f->corrects);
}

/* Nobody of the site says anything: of two words neither is shown. */
static void test_mirrors_that_disagree(void **state)
{
    (void)state;
    auto_stage struct stage s = stage_now();
    add_page(&s, FLAT, LINKS(NAME "#sha256=" D1));
    add_page(&s, NJU, LINKS(NAME "#sha256=" D2));
    add_page(&s, OFFICIAL, LINKS(NAME));
    stage_merge(&s);
    assert_true(s.merge.files[0].is_disputed);
    assert_false(s.merge.files[0].shows_digest);
    assert_null(s.merge.files[0].digests);
    assert_non_null(strstr(s.merge.files[0].dispute, "nju: " SHA(D2)));
}

static void test_one_page_that_names_two(void **state)
{
    (void)state;
    auto_stage struct stage s = stage_now();
    add_page(&s, OFFICIAL, LINKS(NAME "#sha256=" D2, NAME "#sha256=" D1, NAME "#sha256=" D2));
    stage_merge(&s);
    assert_int_equal(s.merge.count, 1);
    assert_true(s.merge.files[0].is_disputed);
    assert_null(s.merge.files[0].digests);
    assert_int_equal(s.merge.news_count, 1);
    assert_string_equal(s.merge.news[0].digests, SHA(D1) " " SHA(D2));
}

static void test_other_algorithms_are_passed_on(void **state)
{
    static const char sha512[] = "sha512=" D1 D2;
    auto_buf struct buf html;
    (void)state;
    auto_stage struct stage s = stage_now();
    add_page(&s, OFFICIAL, LINKS(NAME "#sha512=" D1 D2 "&sha256=" D1));
    stage_merge(&s);
    assert_page(&s, "\"hashes\":{\"sha256\":\"" D1 "\",\"sha512\":\"" D1 D2 "\"}", NULL);
    buf_init(&html, 1 << 20);
    merge_write(&s.merge, "torch", PAGE_HTML, &html);
    assert_non_null(strstr(html.data, "#sha256=" D1 "\""));

    auto_stage struct stage other = stage_now();
    add_page(&other, OFFICIAL, LINKS(NAME "#sha512=" D1 D2));
    stage_merge(&other);
    assert_string_equal(other.merge.files[0].digests, sha512);
    assert_page(&other, "\"hashes\":{\"sha512\":\"" D1 D2 "\"}", "sha256");
}

/* The next page of the same mirror takes the place of what was remembered, and is learned. */
static void test_a_corrected_page(void **state)
{
    (void)state;
    const struct merge_claim rows[] = {row("nju", SHA(D2), 1), row("official", SHA(D2), 0)};
    auto_stage struct stage s = stage_now();
    remember_all(&s, rows, 2);
    add_page(&s, NJU, LINKS(NAME "#sha256=" D2));
    add_page(&s, OFFICIAL, LINKS(NAME "#sha256=" D1));
    stage_merge(&s);
    assert_string_equal(s.merge.files[0].digests, SHA(D1));
    assert_true(s.merge.files[0].learns && s.merge.files[0].corrects);
    assert_int_equal(s.merge.news_count, 2);
    assert_string_equal(s.merge.news[0].mirror, "official");
    assert_string_equal(s.merge.news[0].digests, SHA(D1));
    assert_string_equal(s.merge.news[1].mirror, "nju"); /* its date is a day old */
}

/* Pages that say the same every ten minutes are no reason to write. */
static void test_the_same_again_is_not_written(void **state)
{
    (void)state;
    const struct merge_claim rows[] = {row("official", SHA(D1), 0)};
    auto_stage struct stage s = stage_now();
    s.input.now_s += 3600;
    remember_all(&s, rows, 1);
    add_page(&s, OFFICIAL, LINKS(NAME "#sha256=" D1));
    stage_merge(&s);
    assert_int_equal(s.merge.news_count, 0);
    assert_false(s.merge.files[0].learns);
    assert_true(s.merge.files[0].shows_digest);
}

/* A page that names no digest any more: what it named is remembered, as long as nobody else does.
 */
static void test_a_digest_that_is_taken_back(void **state)
{
    (void)state;
    const struct merge_claim rows[] = {row("official", SHA(D1), 0)};
    auto_stage struct stage alone = stage_now(), other = stage_now();
    remember_all(&alone, rows, 1);
    add_page(&alone, OFFICIAL, LINKS(NAME));
    stage_merge(&alone);
    assert_string_equal(alone.merge.files[0].digests, SHA(D1));
    assert_false(alone.merge.files[0].learns);
    assert_int_equal(alone.merge.news_count, 1);
    assert_true(alone.merge.news[0].is_withdrawn);
    assert_string_equal(alone.merge.news[0].digests, SHA(D1));

    remember_all(&other, rows, 1);
    add_page(&other, OFFICIAL, LINKS(NAME));
    add_page(&other, NJU, LINKS(NAME "#sha256=" D2));
    stage_merge(&other);
    assert_string_equal(other.merge.files[0].digests, SHA(D2));
    assert_null(other.merge.files[0].dispute);
    assert_true(other.merge.files[0].learns);
}

/* A mirror cannot unsay what the site says of another channel's file by listing it in its own. */
static void test_another_channels_page_takes_nothing_back(void **state)
{
    (void)state;
    struct merge_claim rows[] = {row("official", SHA(D1), 0)};
    rows[0].channel = "cpu";
    auto_stage struct stage s = stage_now();
    remember_all(&s, rows, 1);
    add_page(&s, OFFICIAL, LINKS(WHEEL("cu126/torch-2.1")));
    add_page(&s, NJU, LINKS(NAME "#sha256=" D2));
    stage_merge(&s);
    const struct merge_file *f = file_at(&s, NAME);
    assert_string_equal(f->digests, SHA(D1));
    assert_non_null(f->dispute);
    assert_int_equal(s.merge.news_count, 1);
    assert_string_equal(s.merge.news[0].mirror, "nju");
}

static void test_the_site_is_silent_for_a_week(void **state)
{
    (void)state;
    const struct merge_claim rows[] = {row("official", SHA(D1), 8)};
    auto_stage struct stage s = stage_now(), week = stage_now();
    remember_all(&s, rows, 1);
    add_page(&s, NJU, LINKS(NAME "#sha256=" D2));
    stage_merge(&s);
    assert_string_equal(s.merge.files[0].digests, SHA(D2));
    /* Its last good page, as it is stored, is as old as it is. */
    add_page(&week, OFFICIAL, LINKS(NAME "#sha256=" D1));
    week.input.sources[0].said_s -= 8 * (int64_t)DAY_S;
    add_page(&week, NJU, LINKS(NAME "#sha256=" D2));
    stage_merge(&week);
    assert_string_equal(week.merge.files[0].digests, SHA(D2));
}

static void test_a_mirror_that_is_none_any_more(void **state)
{
    (void)state;
    const struct merge_claim rows[] = {row("gone", SHA(D1), 0)};
    auto_stage struct stage alone = stage_now(), other = stage_now();
    remember_all(&alone, rows, 1);
    add_page(&alone, OFFICIAL, LINKS(NAME));
    stage_merge(&alone);
    assert_string_equal(alone.merge.files[0].digests, SHA(D1));
    remember_all(&other, rows, 1);
    add_page(&other, NJU, LINKS(NAME "#sha256=" D2));
    stage_merge(&other);
    assert_string_equal(other.merge.files[0].digests, SHA(D2));
    assert_null(other.merge.files[0].dispute);
}

#define CORE(digest) " data-core-metadata=\"sha256=" digest "\""

static void test_metadata_of_the_site(void **state)
{
    (void)state;
    auto_stage struct stage s = stage_now();
    add_page(&s, NJU, LINKS(NAME "#sha256=" D1 CORE(D2)));
    add_page(&s, OFFICIAL, LINKS(NAME "#sha256=" D1 CORE(D1)));
    stage_merge(&s);
    assert_string_equal(s.merge.files[0].said_metadata, SHA(D1));
    assert_page(&s, "\"core-metadata\":{\"sha256\":\"" D1 "\"}", NULL);
}

/* On a list of many files each is judged by its own rows. */
static void test_many_files_and_rows(void **state)
{
    enum { FILES = 500 };
    char *links[FILES + 1] = {NULL};
    char *paths[FILES];
    struct merge_claim rows[2 * FILES];
    (void)state;
    auto_stage struct stage s = stage_now();
    for (int i = 0; i < FILES; i++) {
        paths[i] = str_printf("cu126/torch-2.%04d-py3-none-any.whl", i);
        links[i] = str_printf("%s#sha256=%064d", paths[i], i);
        rows[2 * i] = row("nju", SHA(D2), 0);
        rows[2 * i + 1] = row("official", SHA(D1), 0);
        rows[2 * i].path = rows[2 * i + 1].path = paths[i];
    }
    remember_all(&s, rows, 2 * FILES);
    add_page(&s, OFFICIAL, (const char *const *)links);
    stage_merge(&s);
    assert_int_equal(s.merge.count, FILES);
    for (int i = 0; i < FILES; i++) {
        auto_free char *digests = str_printf("sha256=%064d", i);
        assert_string_equal(s.merge.files[i].digests, digests);
        assert_non_null(s.merge.files[i].dispute);
        free(links[i]);
        free(paths[i]);
        s.merge.files[i].digests = s.merge.files[i].dispute = NULL;
    }
    assert_int_equal(s.merge.news_count, FILES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_mirror_against_the_site),
        cmocka_unit_test(test_mirrors_that_disagree),
        cmocka_unit_test(test_one_page_that_names_two),
        cmocka_unit_test(test_other_algorithms_are_passed_on),
        cmocka_unit_test(test_a_corrected_page),
        cmocka_unit_test(test_the_same_again_is_not_written),
        cmocka_unit_test(test_a_digest_that_is_taken_back),
        cmocka_unit_test(test_another_channels_page_takes_nothing_back),
        cmocka_unit_test(test_the_site_is_silent_for_a_week),
        cmocka_unit_test(test_a_mirror_that_is_none_any_more),
        cmocka_unit_test(test_metadata_of_the_site),
        cmocka_unit_test(test_many_files_and_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
