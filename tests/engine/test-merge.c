// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../index/data.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "engine/dates.h"
#include "engine/merge.h"

/* What several mirrors say of one project becomes one page: small pages for the rules, real ones
 * for the whole. */

#define D1 "1111111111111111111111111111111111111111111111111111111111111111"
#define D2 "2222222222222222222222222222222222222222222222222222222222222222"

static char *none[] = {NULL};
static char *aliases[] = {"https://download-r2.pytorch.org/whl/", NULL};
static struct mirror mirrors[] = {
    {.name = "flat",
     .layout = LAYOUT_FLAT,
     .index = "https://mirrors.aliyun.com/pytorch-wheels/{channel}/",
     .files = "https://mirrors.aliyun.com/pytorch-wheels/"},
    {.name = "official",
     .layout = LAYOUT_SIMPLE,
     .index = "https://download.pytorch.org/whl/{channel}/{project}/",
     .files = "https://download.pytorch.org/whl/"},
    {.name = "nju",
     .layout = LAYOUT_SIMPLE,
     .index = "https://mirrors.nju.edu.cn/pytorch/whl/{channel}/{project}/",
     .files = "https://mirrors.nju.edu.cn/pytorch/whl/"},
};
static const struct origin origin = {
    .name = "pytorch",
    .canonical = "https://download.pytorch.org/whl/",
    .aliases = aliases,
    .channels = none,
    .owns = none,
    .mirrors = mirrors,
    .mirror_count = 3,
};

enum { FLAT, OFFICIAL, NJU };

struct stage {
    struct merge_input input;
    struct listing *listings[MERGE_SOURCES];
    struct merge merge;
};

static void stage_begin(struct stage *s, const char *project)
{
    *s = (struct stage){.input = {.origin = &origin,
                                  .channel = "cu126",
                                  .project = project,
                                  .href_prefix = "../../../files/pytorch/"}};
}

static void add_bytes(struct stage *s, unsigned mirror, const char *url, const char *page,
                      size_t len)
{
    unsigned i = s->input.source_count++;
    assert_int_equal(listing_parse(page, len, url, &s->listings[i]), 0);
    s->input.sources[i].listing = s->listings[i];
    s->input.sources[i].mirror = mirror;
}

/* A page of links: "href" or "href attributes". */
static void add_page(struct stage *s, unsigned mirror, const char *const *links)
{
    auto_buf struct buf page;
    buf_init(&page, 1 << 20);
    buf_puts(&page, "<!DOCTYPE html><html><body>\n");
    for (; *links; links++) {
        const char *end = strchr(*links, ' ');
        int len = end ? (int)(end - *links) : (int)strlen(*links);
        buf_printf(&page, "<a href=\"%.*s\"%s>x</a><br>\n", len, *links, end ? end : "");
    }
    buf_puts(&page, "</body></html>\n");
    add_bytes(s, mirror, mirrors[mirror].files, page.data, page.len);
}

static void stage_merge(struct stage *s)
{
    assert_int_equal(merge_project(&s->input, &s->merge), 0);
}

static void stage_end(struct stage *s)
{
    merge_release(&s->merge);
    for (unsigned i = 0; i < s->input.source_count; i++)
        listing_free(s->listings[i]);
}

static const struct merge_file *file_at(const struct stage *s, const char *path)
{
    for (size_t i = 0; i < s->merge.count; i++)
        if (strcmp(s->merge.files[i].path, path) == 0)
            return &s->merge.files[i];
    return NULL;
}

#define LINKS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define WHEEL(path) path "-cp312-cp312-linux_x86_64.whl"

/* ------------------------------------------------------------------ rules */

static void test_union_by_path(void **state)
{
    struct stage s;
    (void)state;
    stage_begin(&s, "torch");
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
    assert_string_equal(f->sha256, D1);
    assert_string_equal(f->authority, "official");
    assert_string_equal(f->href, "../../../files/pytorch/" WHEEL("cu126/torch-2.1%2Bcu126"));
    stage_end(&s);
}

static void test_plus_is_one_file_however_written(void **state)
{
    struct stage s;
    (void)state;
    stage_begin(&s, "torch");
    add_page(&s, FLAT, LINKS(WHEEL("cu126/torch-2.0+cu126")));
    add_page(&s, OFFICIAL, LINKS(WHEEL("cu126/torch-2.0%2Bcu126")));
    add_page(&s, NJU, LINKS(WHEEL("cu126/torch-2.0%2bcu126")));
    stage_merge(&s);
    assert_int_equal(s.merge.count, 1);
    assert_int_equal(s.merge.files[0].mirrors, 7);
    stage_end(&s);
}

static void test_other_projects_of_a_flat_page_are_left_out(void **state)
{
    struct stage s;
    (void)state;
    stage_begin(&s, "torch");
    add_page(&s, FLAT, LINKS(WHEEL("cu126/torchvision-0.1"), WHEEL("cu126/torch-2.0")));
    stage_merge(&s);
    assert_int_equal(s.merge.count, 1);
    stage_end(&s);
}

static void test_the_channels_own_folder_wins(void **state)
{
    const char *own = WHEEL("cu126/torch-2.0"), *other = WHEEL("torch-2.0");
    for (int first = 0; first < 2; first++) {
        struct stage s;
        (void)state;
        stage_begin(&s, "torch");
        add_page(&s, OFFICIAL, LINKS(first ? own : other, first ? other : own));
        add_page(&s, NJU, LINKS(other, own));
        stage_merge(&s);
        assert_int_equal(s.merge.count, 1);
        assert_string_equal(s.merge.files[0].path, own);
        stage_end(&s);
    }
}

static void test_digests_for_all_of_a_release_or_for_none(void **state)
{
    struct stage s;
    (void)state;
    stage_begin(&s, "torch");
    add_page(&s, OFFICIAL,
             LINKS(WHEEL("cu126/torch-2.0") "#sha256=" D1, "cu126/torch-2.0-cp311-none-any.whl",
                   WHEEL("cu126/torch-2.1") "#sha256=" D2));
    stage_merge(&s);
    const struct merge_file *half = file_at(&s, WHEEL("cu126/torch-2.0"));
    const struct merge_file *whole = file_at(&s, WHEEL("cu126/torch-2.1"));
    assert_false(half->shows_digest);
    assert_string_equal(half->sha256, D1); /* not shown, but known */
    assert_true(half->is_new);
    assert_true(whole->shows_digest);
    stage_end(&s);
}

static void test_a_remembered_digest_completes_a_release(void **state)
{
    struct stage s;
    struct merge_digest known = {
        .path = "cu126/torch-2.0-cp311-none-any.whl", .sha256 = D2, .authority = "official"};
    (void)state;
    stage_begin(&s, "torch");
    s.input.remembered = &known;
    s.input.remembered_count = 1;
    add_page(&s, OFFICIAL,
             LINKS(WHEEL("cu126/torch-2.0") "#sha256=" D1, "cu126/torch-2.0-cp311-none-any.whl"));
    stage_merge(&s);
    const struct merge_file *f = file_at(&s, known.path);
    assert_true(f->shows_digest);
    assert_false(f->is_new);
    assert_string_equal(f->sha256, D2);
    stage_end(&s);
}

static void test_authorities_that_disagree(void **state)
{
    struct stage s;
    (void)state;
    stage_begin(&s, "torch");
    add_page(&s, OFFICIAL, LINKS(WHEEL("cu126/torch-2.0") "#sha256=" D1));
    add_page(&s, NJU, LINKS(WHEEL("cu126/torch-2.0") "#sha256=" D2));
    stage_merge(&s);
    assert_true(s.merge.files[0].disputed);
    assert_false(s.merge.files[0].shows_digest);
    stage_end(&s);
}

static void test_what_was_remembered_counts_in_a_dispute(void **state)
{
    struct stage s;
    struct merge_digest known = {
        .path = WHEEL("cu126/torch-2.0"), .sha256 = D2, .authority = "official"};
    (void)state;
    stage_begin(&s, "torch");
    s.input.remembered = &known;
    s.input.remembered_count = 1;
    add_page(&s, OFFICIAL, LINKS(WHEEL("cu126/torch-2.0") "#sha256=" D1));
    stage_merge(&s);
    assert_true(s.merge.files[0].disputed);
    assert_false(s.merge.files[0].shows_digest);
    stage_end(&s);
}

/* ------------------------------------------------------------------ what is held */

/* A held file and what its listing said when it was last seen. */
struct kept {
    struct listed_file listed;
    struct merge_held held;
};

static void keep(struct stage *s, struct kept *k, const char *path, const char *sha256, bool seen)
{
    *k =
        (struct kept){.listed = {.name = strrchr(path, '/') ? strrchr(path, '/') + 1 : (char *)path,
                                 .kind = FILE_WHEEL,
                                 .project = "torch",
                                 .version = "2.0",
                                 .sha256 = (char *)sha256,
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
    struct stage s;
    struct kept k;
    struct page_file f;
    (void)state;
    stage_begin(&s, "torch");
    add_page(&s, OFFICIAL, LINKS("cu126/torch-2.0-cp311-none-any.whl#sha256=" D1));
    keep(&s, &k, WHEEL("cu126/torch-2.0"), D2, true);
    stage_merge(&s);
    assert_int_equal(s.merge.count, 2);
    merge_file_view(&s.merge, &s.merge.files[1], &f);
    assert_true(f.is_delisted);
    assert_string_equal(f.sha256, D2);
    assert_int_equal(f.size, 5);
    assert_int_equal(f.mirrors, 0);
    assert_true(f.has_metadata); /* its bytes are here */
    assert_string_equal(f.href, "../../../files/pytorch/" WHEEL("cu126/torch-2.0"));
    assert_int_equal(s.merge.files[1].held, 1);
    assert_false(s.merge.files[1].is_new);
    stage_end(&s);
}

static void test_without_its_digest_the_release_shows_none(void **state)
{
    struct stage s;
    struct kept k;
    (void)state;
    stage_begin(&s, "torch");
    add_page(&s, OFFICIAL, LINKS("cu126/torch-2.0-cp311-none-any.whl#sha256=" D1));
    keep(&s, &k, WHEEL("cu126/torch-2.0"), NULL, true);
    stage_merge(&s);
    assert_false(s.merge.files[0].shows_digest);
    assert_false(s.merge.files[1].shows_digest);
    stage_end(&s);
}

static void test_what_is_listed_is_not_delisted(void **state)
{
    struct stage s;
    struct kept k;
    (void)state;
    stage_begin(&s, "torch");
    add_page(&s, FLAT, LINKS(WHEEL("cu126/torch-2.0")));
    keep(&s, &k, WHEEL("cu126/torch-2.0"), D2, true);
    stage_merge(&s);
    assert_int_equal(s.merge.count, 1);
    assert_int_equal(s.merge.files[0].held, 1);
    assert_false(s.merge.files[0].is_kept);
    assert_null(s.merge.files[0].sha256);
    stage_end(&s);
}

/* A name stands once: what is listed goes before what we hold. Nor is shown what was never seen. */
static void test_what_is_held_gives_way(void **state)
{
    for (int seen = 0; seen < 2; seen++) {
        struct stage s;
        struct kept k;
        (void)state;
        stage_begin(&s, "torch");
        add_page(&s, FLAT, LINKS(seen ? WHEEL("torch-2.0") : WHEEL("cu126/torch-2.1")));
        keep(&s, &k, WHEEL("cu126/torch-2.0"), D2, seen);
        stage_merge(&s);
        assert_int_equal(s.merge.count, 1);
        assert_int_equal(s.merge.files[0].held, 0);
        stage_end(&s);
    }
}

static void test_nothing_is_called_delisted_before_all_have_spoken(void **state)
{
    for (int before = 0; before < 2; before++) {
        struct stage s;
        struct kept k;
        (void)state;
        stage_begin(&s, "torch");
        keep(&s, &k, WHEEL("cu126/torch-2.0"), D2, true);
        s.input.is_heard = false;
        k.held.is_delisted = before;
        stage_merge(&s);
        assert_int_equal(s.merge.count, 1);
        assert_true(s.merge.files[0].is_kept);
        assert_int_equal(s.merge.files[0].is_delisted, before);
        stage_end(&s);
    }
}

static void test_one_name_alone(void **state)
{
    struct stage s;
    (void)state;
    stage_begin(&s, "torch");
    s.input.name = WHEEL("torch-2.1");
    add_page(&s, FLAT, LINKS(WHEEL("cu126/torch-2.0"), WHEEL("cu126/torch-2.1")));
    stage_merge(&s);
    assert_int_equal(s.merge.count, 1);
    assert_string_equal(s.merge.files[0].path, WHEEL("cu126/torch-2.1"));
    stage_end(&s);
}

static void test_links_elsewhere_are_dropped(void **state)
{
    struct stage s;
    (void)state;
    stage_begin(&s, "torch");
    add_page(&s, OFFICIAL,
             LINKS("https://evil.example/whl/" WHEEL("cu126/torch-2.0"),
                   "https://download-r2.pytorch.org/whl/" WHEEL("cu126/torch-2.1")));
    stage_merge(&s);
    assert_int_equal(s.merge.dropped, 1);
    assert_int_equal(s.merge.count, 1);
    assert_string_equal(s.merge.files[0].path, WHEEL("cu126/torch-2.1"));
    stage_end(&s);
}

static void test_a_project_without_files_is_one(void **state)
{
    struct stage s;
    static const char page[] =
        "{\"meta\":{\"api-version\":\"1.4\"},\"name\":\"torch\",\"files\":[],"
        "\"project-status\":{\"status\":\"quarantined\"}}";
    (void)state;
    stage_begin(&s, "torch");
    add_bytes(&s, OFFICIAL, mirrors[OFFICIAL].files, page, sizeof(page) - 1);
    stage_merge(&s);
    assert_int_equal(s.merge.count, 0);
    assert_int_equal(s.merge.mirrors, 1 << OFFICIAL);
    assert_string_equal(s.merge.project_status, "quarantined");
    stage_end(&s);
}

static void test_a_flat_page_without_the_project_does_not_list_it(void **state)
{
    struct stage s;
    (void)state;
    stage_begin(&s, "torch");
    add_page(&s, FLAT, LINKS(WHEEL("cu126/torchvision-0.1")));
    stage_merge(&s);
    assert_int_equal(s.merge.mirrors, 0);
    stage_end(&s);
}

static void test_yanked_by_whoever_says_so(void **state)
{
    struct stage s;
    auto_buf struct buf page;
    (void)state;
    stage_begin(&s, "torch");
    add_page(&s, FLAT, LINKS(WHEEL("cu126/torch-2.0")));
    add_page(&s, OFFICIAL, LINKS(WHEEL("cu126/torch-2.0") " data-yanked=\"broken\""));
    stage_merge(&s);
    buf_init(&page, 1 << 20);
    merge_write(&s.merge, "torch", PAGE_HTML, &page);
    assert_int_equal(page.error, 0);
    buf_putc(&page, '\0');
    assert_non_null(strstr(page.data, "data-yanked=\"broken\""));
    stage_end(&s);
}

/* -------------------------------------------------------------- metadata */

#define CORE(digest) " data-core-metadata=\"sha256=" digest "\""

static void test_metadata_hash_of_a_later_mirror(void **state)
{
    struct stage s;
    (void)state;
    stage_begin(&s, "torch");
    add_page(&s, FLAT, LINKS(WHEEL("cu126/torch-2.0") " data-core-metadata=\"true\""));
    add_page(&s, OFFICIAL, LINKS(WHEEL("cu126/torch-2.0") CORE(D1)));
    stage_merge(&s);
    assert_true(s.merge.files[0].has_metadata);
    assert_string_equal(s.merge.files[0].metadata_sha256, D1);
    assert_true(s.merge.files[0].is_new); /* to be remembered, without a digest of the file */
    stage_end(&s);
}

static void test_metadata_hashes_that_disagree(void **state)
{
    struct stage s;
    (void)state;
    stage_begin(&s, "torch");
    add_page(&s, FLAT, LINKS(WHEEL("cu126/torch-2.0") CORE(D1)));
    add_page(&s, OFFICIAL, LINKS(WHEEL("cu126/torch-2.0") CORE(D2)));
    add_page(&s, NJU, LINKS(WHEEL("cu126/torch-2.0") CORE(D2)));
    stage_merge(&s);
    assert_true(s.merge.files[0].has_metadata);
    assert_null(s.merge.files[0].metadata_sha256);
    stage_end(&s);
}

/* What a page would say: the JSON one, as text. */
static void assert_page(const struct stage *s, const char *has, const char *has_not)
{
    auto_buf struct buf page;
    buf_init(&page, 1 << 20);
    merge_write(&s->merge, "torch", PAGE_JSON, &page);
    assert_int_equal(page.error, 0);
    assert_non_null(strstr(page.data, has));
    if (has_not)
        assert_null(strstr(page.data, has_not));
}

static void test_metadata_is_promised_where_it_can_be_made(void **state)
{
    struct stage s;
    (void)state;
    stage_begin(&s, "torch");
    add_page(&s, FLAT, LINKS(WHEEL("cu126/torch-2.0")));
    stage_merge(&s);
    assert_false(s.merge.files[0].has_metadata);
    assert_string_equal(s.merge.bare, s.merge.files[0].path); /* worth a question to the mirror */
    assert_int_equal(s.merge.bare_mirrors, 1 << FLAT);
    stage_end(&s);

    stage_begin(&s, "torch");
    s.input.makes_metadata = true;
    add_page(&s, FLAT, LINKS(WHEEL("cu126/torch-2.0")));
    stage_merge(&s);
    assert_page(&s, "\"core-metadata\":true", NULL);
    assert_null(s.merge.bare);
    assert_false(s.merge.files[0].is_new); /* no authority has said anything */
    stage_end(&s);
}

/* What was read out of a wheel: its own digest unless an authority names one; no promise where it
 * cannot be read. */
static void test_what_was_made_of_a_wheel(void **state)
{
    static const char path[] = "cu126/torch-2.0-cp312-cp312-linux_x86_64.whl";
    struct merge_made made = {path, D1, ">=3.10"};
    struct merge_digest said = {.path = path, .metadata_sha256 = D2, .authority = "nju"};
    struct stage s;
    (void)state;
    stage_begin(&s, "torch");
    s.input.made = &made;
    s.input.made_count = 1;
    add_page(&s, FLAT, LINKS(WHEEL("cu126/torch-2.0")));
    stage_merge(&s);
    assert_string_equal(s.merge.files[0].path, path);
    assert_page(&s, "\"core-metadata\":{\"sha256\":\"" D1 "\"}", NULL);
    assert_page(&s, "\"requires-python\":\">=3.10\"", NULL);
    assert_null(s.merge.files[0].metadata_sha256); /* which would be remembered as an authority's */
    stage_end(&s);

    stage_begin(&s, "torch");
    s.input.made = &made;
    s.input.made_count = 1;
    s.input.remembered = &said;
    s.input.remembered_count = 1;
    add_page(&s, FLAT, LINKS(WHEEL("cu126/torch-2.0")));
    stage_merge(&s);
    assert_page(&s, D2, D1);
    stage_end(&s);

    made.sha256 = NULL;
    stage_begin(&s, "torch");
    s.input.made = &made;
    s.input.made_count = 1;
    s.input.makes_metadata = true;
    add_page(&s, FLAT, LINKS(WHEEL("cu126/torch-2.0")));
    stage_merge(&s);
    assert_page(&s, "torch-2.0", "core-metadata");
    stage_end(&s);
}

/* ------------------------------------------------------------------ dates */

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

static void test_dates(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(dated) / sizeof(dated[0]); i++) {
        const struct dated *d = &dated[i];
        const struct merge_sighting s = {WHEEL("cu126/torch-2.0"), at(d->first_days),
                                         d->asked_days ? at(d->asked_days) : 0,
                                         d->said_days ? at(d->said_days) : -1, 1000};
        struct stage stage;
        char expected[CLOCK_TEXT];
        stage_begin(&stage, "torch");
        stage.input.now_s = NOW;
        stage.input.sightings = &s;
        stage.input.sighting_count = d->first_days ? 1 : 0;
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
        assert_int_equal(f->is_sighted, d->first_days != 0);
        assert_int_equal(stage.merge.dates[d->source], 1);
        stage_end(&stage);
    }
}

static void test_an_index_knows_better(void **state)
{
    const struct merge_sighting s = {WHEEL("cu126/torch-2.0"), NOW - 9, NOW - 9, NOW - 99, 7};
    struct stage stage;
    (void)state;
    stage_begin(&stage, "torch");
    stage.input.now_s = NOW;
    stage.input.sightings = &s;
    stage.input.sighting_count = 1;
    add_page(&stage, FLAT, LINKS(WHEEL("cu126/torch-2.0")));
    add_page(&stage, NJU,
             LINKS(WHEEL("cu126/torch-2.0") " data-upload-time=\"2020-01-02T03:04:05Z\""));
    stage_merge(&stage);
    assert_int_equal(stage.merge.files[0].date_source, DATE_INDEX);
    assert_int_equal(stage.merge.files[0].size, 7);
    assert_page(&stage, "upload-time\":\"2020-01-02T03:04:05Z", "_upload-time-source");
    stage_end(&stage);
}

/* A file that was changed after it was asked about is asked about again. */
static void test_what_was_said_of_another_file(void **state)
{
    const struct merge_sighting s = {WHEEL("cu126/torch-2.0"), NOW - 9 * DAY, NOW - 8 * DAY, -1, 7};
    struct stage stage;
    (void)state;
    stage_begin(&stage, "torch");
    stage.input.now_s = NOW;
    stage.input.sightings = &s;
    stage.input.sighting_count = 1;
    add_page(&stage, FLAT, LINKS(WHEEL("cu126/torch-2.0")));
    stage.listings[0]->files[0].modified = NOW - DAY;
    stage_merge(&stage);
    assert_int_equal(stage.merge.files[0].size, -1);
    assert_true(stage.merge.files[0].is_askable);
    stage_end(&stage);
}

static void test_the_newest_are_asked_about_first(void **state)
{
    const struct merge_file *chosen[2];
    bool is_worth = false;
    struct stage s;
    (void)state;
    stage_begin(&s, "torch");
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
    stage_end(&s);
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
        struct stage alone, all;
        stage_begin(&alone, project);
        if (!add_real(&alone, OFFICIAL, live_url, live))
            skip();
        stage_merge(&alone);
        assert_true(alone.merge.count > 20);

        stage_begin(&all, project);
        assert_true(add_real(&all, FLAT, "https://mirrors.aliyun.com/pytorch-wheels/cu126/",
                             "derived/aliyun/pytorch-wheels/cu126/index.html"));
        assert_true(add_real(&all, OFFICIAL, live_url, live));
        assert_true(add_real(&all, NJU, nju_url, nju));
        stage_merge(&all);
        assert_int_equal(all.merge.mirrors, 7);
        assert_int_equal(all.merge.dropped, 0);
        for (size_t i = 0; i < alone.merge.count; i++) {
            const struct merge_file *said = &alone.merge.files[i];
            const struct merge_file *f = file_at(&all, said->path);
            assert_non_null(f);
            assert_false(f->disputed);
            assert_true(!said->sha256 == !f->sha256);
            if (f->sha256)
                assert_string_equal(f->sha256, said->sha256);
        }
        assert_int_equal(all.merge.count, alone.merge.count);
        stage_end(&all);
        stage_end(&alone);
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
        cmocka_unit_test(test_authorities_that_disagree),
        cmocka_unit_test(test_what_was_remembered_counts_in_a_dispute),
        cmocka_unit_test(test_what_we_hold_stays),
        cmocka_unit_test(test_without_its_digest_the_release_shows_none),
        cmocka_unit_test(test_what_is_listed_is_not_delisted),
        cmocka_unit_test(test_what_is_held_gives_way),
        cmocka_unit_test(test_nothing_is_called_delisted_before_all_have_spoken),
        cmocka_unit_test(test_one_name_alone),
        cmocka_unit_test(test_links_elsewhere_are_dropped),
        cmocka_unit_test(test_a_project_without_files_is_one),
        cmocka_unit_test(test_a_flat_page_without_the_project_does_not_list_it),
        cmocka_unit_test(test_yanked_by_whoever_says_so),
        cmocka_unit_test(test_metadata_hash_of_a_later_mirror),
        cmocka_unit_test(test_metadata_hashes_that_disagree),
        cmocka_unit_test(test_metadata_is_promised_where_it_can_be_made),
        cmocka_unit_test(test_what_was_made_of_a_wheel),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_an_index_knows_better),
        cmocka_unit_test(test_what_was_said_of_another_file),
        cmocka_unit_test(test_the_newest_are_asked_about_first),
        cmocka_unit_test(test_real_mirrors_agree),
    };
    listing_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
