// SPDX-License-Identifier: Apache-2.0
/* When files were made: whom a page believes, and what the mirrors are asked for. */
#include "base/clock.h"
#include "engine/pages/dates.h"
#include "tests/engine/pages/merge_stage.h"

#define DAY 86400
#define NOW (INT64_C(20000) * DAY) /* 2024-10-04 */

/* A row's date as by the mirror's clock on the wall, days from NOW, and its zone; what a mirror
 * said of the file, and when it was seen first and asked about: what the page says. */
static const struct dated {
    const char *what;
    double row_days; /* 0: no date */
    int utc_offset_s;
    double said_days; /* 0: nothing, or not asked */
    double first_days, asked_days;
    double days;
    enum date_source source;
    bool is_askable;
} dated[] = {
    {"the row", -10, 0, 0, -1, -1, -10, DATE_LISTING, false},
    {"the row, before what the file says", -10, 0, -20, -1, -1, -10, DATE_LISTING, false},
    {"a clock in the east", -10, 12 * 3600, 0, -1, -1, -10.5, DATE_LISTING, false},
    {"any clock: the latest", -10, MIRROR_NO_ZONE, 0, -1, -1, -9.5, DATE_LISTING, false},
    {"no later than it was seen", -10, MIRROR_NO_ZONE, 0, -9.75, -1, -9.75, DATE_LISTING, false},
    {"replaced since then", -2, 0, 0, -10, -1, -2, DATE_LISTING, false},
    {"any clock, replaced", -0.25, MIRROR_NO_ZONE, 0, -10, -1, 0, DATE_LISTING, true},
    {"a row in the future", 3, 0, -5, -1, -1, -5, DATE_LAST_MODIFIED, false},
    {"a row of the first days", -20000, 8 * 3600, -5, -1, -1, -5, DATE_LAST_MODIFIED, false},
    {"nothing but the file", 0, 0, -5, -1, -1, -5, DATE_LAST_MODIFIED, false},
    {"said to be of the future", 0, 0, 3, -1, -0.5, -1, DATE_FIRST_SEEN, false},
    {"said to be of the first days", 0, 0, -19999, -1, -0.5, -1, DATE_FIRST_SEEN, false},
    {"nothing said, asked today", 0, 0, 0, -3, -0.5, -3, DATE_FIRST_SEEN, false},
    {"nothing said, asked long ago", 0, 0, 0, -3, -2, -3, DATE_FIRST_SEEN, true},
    {"never asked", 0, 0, 0, -3, 0, -3, DATE_FIRST_SEEN, true},
    {"never seen", 0, 0, 0, 0, 0, 0, DATE_FIRST_SEEN, true},
};

static int64_t at(double days)
{
    return NOW + (int64_t)(days * DAY);
}

static void sight(struct stage *s, const struct merge_first_seen *first_seen)
{
    s->input.now_s = NOW;
    s->input.first_seen = first_seen;
    s->input.first_seen_count = 1;
}

static void test_dates(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(dated) / sizeof(dated[0]); i++) {
        const struct dated *d = &dated[i];
        const struct merge_first_seen s = {WHEEL("cu126/torch-2.0"), at(d->first_days),
                                           d->asked_days ? at(d->asked_days) : 0,
                                           d->said_days ? at(d->said_days) : -1, 1000};
        char expected[CLOCK_TEXT];
        auto_stage struct stage stage = stage_of("torch");
        sight(&stage, &s);
        stage.input.first_seen_count = d->first_days ? 1 : 0;
        add_page(&stage, FLAT, LINKS(WHEEL("cu126/torch-2.0")));
        if (d->row_days)
            stage.listings[0]->files[0].modified = at(d->row_days);
        mirrors[FLAT].utc_offset_s = d->utc_offset_s;
        stage_merge(&stage);
        mirrors[FLAT].utc_offset_s = 0;
        const struct merge_file *f = &stage.merge.files[0];
        clock_rfc3339(at(d->days), expected);
        if (strcmp(f->made_time, expected) != 0 || f->date_source != d->source ||
            f->is_askable != d->is_askable)
            fail_msg("%s: %s not %s, from %d, askable %d", d->what, f->made_time, expected,
                     f->date_source, f->is_askable);
        assert_int_equal(f->has_first_seen, d->first_days != 0);
        assert_int_equal(stage.merge.dates[d->source], 1);
    }
}

static void test_an_index_knows_better(void **state)
{
    const struct merge_first_seen s = {WHEEL("cu126/torch-2.0"), NOW - 9, NOW - 9, NOW - 99, 7};
    (void)state;
    auto_stage struct stage stage = stage_of("torch");
    sight(&stage, &s);
    add_page(&stage, FLAT, LINKS(WHEEL("cu126/torch-2.0")));
    add_page(&stage, NJU,
             LINKS(WHEEL("cu126/torch-2.0") " data-upload-time=\"2020-01-02T03:04:05Z\""));
    stage_merge(&stage);
    assert_int_equal(stage.merge.files[0].date_source, DATE_INDEX);
    assert_int_equal(stage.merge.files[0].size, 7);
    assert_page(&stage, "upload-time\":\"2020-01-02T03:04:05Z", "_upload-time-source");
}

/* A file that was changed after it was asked about is asked about again. */
static void test_what_was_said_of_another_file(void **state)
{
    const struct merge_first_seen s = {WHEEL("cu126/torch-2.0"), NOW - 9 * DAY, NOW - 8 * DAY, -1,
                                       7};
    (void)state;
    auto_stage struct stage stage = stage_of("torch");
    sight(&stage, &s);
    add_page(&stage, FLAT, LINKS(WHEEL("cu126/torch-2.0")));
    stage.listings[0]->files[0].modified = NOW - DAY;
    stage_merge(&stage);
    assert_int_equal(stage.merge.files[0].size, -1);
    assert_true(stage.merge.files[0].is_askable);
}

static void test_the_newest_are_asked_about_first(void **state)
{
    const struct merge_file *chosen[2];
    bool is_worth = false;
    (void)state;
    auto_stage struct stage s = stage_of("torch");
    s.input.now_s = NOW;
    add_page(&s, FLAT,
             LINKS(WHEEL("cu126/torch-2.9"), WHEEL("cu126/torch-2.10"), WHEEL("cu126/torch-2.8")));
    stage_merge(&s);
    assert_int_equal(dates_choose(&s.merge, 2, chosen, &is_worth), 2);
    assert_true(is_worth);
    assert_string_equal(chosen[0]->path, WHEEL("cu126/torch-2.10"));
    assert_string_equal(chosen[1]->path, WHEEL("cu126/torch-2.9"));
    for (size_t i = 0; i < s.merge.count; i++)
        s.merge.files[i].lacks_date = false;
    assert_int_equal(dates_choose(&s.merge, 2, chosen, &is_worth), 2);
    assert_false(is_worth); /* one would be without a size all the same */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_an_index_knows_better),
        cmocka_unit_test(test_what_was_said_of_another_file),
        cmocka_unit_test(test_the_newest_are_asked_about_first),
    };
    listing_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
