// SPDX-License-Identifier: Apache-2.0
/* What is known of a project's files: said, made, shown, seen. */
#include "tests/cache/catalogue_stage.h"

static int see_claim(void *context, const struct catalogue_claim *claim)
{
    const struct catalogue_claim **expected = context;
    const struct catalogue_claim *e = (*expected)++;
    assert_string_equal(claim->origin, e->origin);
    assert_string_equal(claim->path, e->path);
    assert_string_equal(claim->mirror, e->mirror);
    assert_string_equal(claim->project, e->project);
    assert_string_equal(claim->channel, e->channel);
    assert_same(claim->digests, e->digests);
    assert_same(claim->metadata, e->metadata);
    assert_int_equal(claim->said_s, e->said_s);
    assert_int_equal(claim->is_withdrawn, e->is_withdrawn);
    return 0;
}

/* The last word of each mirror is what is kept; by path and mirror. */
static void claims(void **state)
{
    (void)state;
    const struct catalogue_claim put[] = {
        {"o", "b.whl", "nju", "torch", "cu126", "sha256=" AAA, NULL, 5, false},
        {"o", "b.whl", "a", "torch", "cu126", "md5=x", "sha256=" BBB, 7, false},
        {"o", "a.whl", "nju", "torch", "", NULL, "sha256=" AAA, 7, false},
        {"o", "b.whl", "nju", "torch", "cpu", "sha256=" BBB, NULL, 9, true},
        {"o", "c.whl", "nju", "vision", "", "sha256=" AAA, NULL, 7, false},
    };
    const struct catalogue_claim expected[] = {put[2], put[1], put[3]}, *next = expected;
    struct catalogue *c = open_catalogue("claims");
    for (size_t i = 0; i < sizeof(put) / sizeof(put[0]); i++)
        assert_int_equal(catalogue_put_claim(c, &put[i]), 0);
    c = reopen(c, "claims");
    assert_int_equal(catalogue_each_claim(c, "o", "torch", see_claim, &next), 0);
    assert_ptr_equal(next, expected + 3);
    next = expected + 1;
    assert_int_equal(catalogue_each_claim_of(c, "o", "b.whl", see_claim, &next), 0);
    assert_ptr_equal(next, expected + 3);
    assert_int_equal(catalogue_each_claim(c, "p", "torch", see_claim, NULL), 0);
    assert_int_equal(catalogue_each_claim_of(c, "o", "d.whl", see_claim, NULL), 0);
    catalogue_close(c);
}

static int see_metadata(void *context, const struct catalogue_metadata *m)
{
    const struct catalogue_metadata *expected = context;
    assert_string_equal(m->path, expected->path);
    assert_string_equal(m->project, expected->project);
    assert_same(m->sha256, expected->sha256);
    assert_same(m->requires_python, expected->requires_python);
    assert_same(m->problem, expected->problem);
    assert_same(m->mirrors, expected->mirrors);
    assert_string_equal(m->etag, expected->etag);
    assert_int_equal(m->made_s, expected->made_s);
    assert_int_equal(m->body_len, expected->body_len);
    if (m->body_len)
        assert_memory_equal(m->body, expected->body, m->body_len);
    return 0;
}

static int count_metadata(void *context, const struct catalogue_metadata *m)
{
    assert_int_equal(m->body_len, 0);
    ++*(int *)context;
    return 0;
}

/* What was made of a wheel counts as long as the wheel is not known to be another one. */
static void metadata_of_the_file_of_today(void **state)
{
    (void)state;
    struct catalogue_metadata made = {.origin = full.origin,
                                      .path = full.path,
                                      .project = "torch",
                                      .sha256 = AAA,
                                      .requires_python = ">=3.10",
                                      .mirrors = "aliyun",
                                      .etag = full.etag,
                                      .made_s = 1700000001,
                                      .body = "Name: torch\0",
                                      .body_len = 12};
    struct catalogue_metadata wrong = {.origin = full.origin,
                                       .path = "b.whl",
                                       .project = "torch",
                                       .problem = "no zip archive",
                                       .etag = "\"b\""};
    int count = 0;
    struct catalogue *c = open_catalogue("metadata");
    assert_int_equal(catalogue_put_metadata(c, &made), 0);
    assert_int_equal(catalogue_put_metadata(c, &wrong), 0);
    c = reopen(c, "metadata");
    assert_int_equal(catalogue_get_metadata(c, made.origin, made.path, see_metadata, &made), 0);
    assert_int_equal(catalogue_get_metadata(c, made.origin, "b.whl", see_metadata, &wrong), 0);
    assert_int_equal(catalogue_put_file(c, &full), 0); /* the very wheel */
    assert_int_equal(catalogue_each_metadata(c, made.origin, "torch", count_metadata, &count), 0);
    assert_int_equal(count, 2);
    struct catalogue_file other = full;
    other.etag = "\"another\"";
    assert_int_equal(catalogue_put_file(c, &other), 0);
    assert_int_equal(catalogue_get_metadata(c, made.origin, made.path, see_metadata, &made),
                     CATALOGUE_MISSING);
    count = 0;
    assert_int_equal(catalogue_each_metadata(c, made.origin, "torch", count_metadata, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(catalogue_drop_metadata(c, made.origin, "b.whl"), 0);
    assert_int_equal(catalogue_get_metadata(c, made.origin, "b.whl", see_metadata, &wrong),
                     CATALOGUE_MISSING);
    catalogue_close(c);
}

static int see_listed(void *context, const struct catalogue_listed *s)
{
    const struct catalogue_listed *expected = context;
    assert_string_equal(s->origin, expected->origin);
    assert_string_equal(s->project, expected->project);
    assert_string_equal(s->path, expected->path);
    assert_string_equal(s->channel, expected->channel);
    assert_same(s->requires_python, expected->requires_python);
    assert_same(s->upload_time, expected->upload_time);
    assert_same(s->upload_time_source, expected->upload_time_source);
    assert_int_equal(s->yanked, expected->yanked);
    assert_same(s->yanked_reason, expected->yanked_reason);
    assert_int_equal(s->first_s, expected->first_s);
    assert_int_equal(s->delisted_s, expected->delisted_s);
    return 0;
}

static int count_listed(void *context, const struct catalogue_listed *s)
{
    (void)s;
    ++*(int *)context;
    return 0;
}

static void a_showing_is_the_last_but_for_its_first_time(void **state)
{
    (void)state;
    int count = 0;
    struct catalogue_listed s = {.origin = "pytorch",
                                 .project = "torch",
                                 .path = "cu126/a.whl",
                                 .channel = "cu126",
                                 .requires_python = ">=3.9",
                                 .upload_time = "2025-01-02T03:04:59Z",
                                 .upload_time_source = "listing",
                                 .first_s = 1700000000};
    struct catalogue *c = open_catalogue("showings");
    assert_int_equal(catalogue_put_listed(c, &s), 0);
    s.requires_python = s.upload_time = s.upload_time_source = NULL;
    s.yanked = true;
    s.yanked_reason = "broken";
    s.first_s = 1800000000;
    s.delisted_s = 1800000001;
    assert_int_equal(catalogue_put_listed(c, &s), 0);
    s.first_s = 1700000000;
    c = reopen(c, "showings");
    assert_int_equal(catalogue_each_listed(c, "pytorch", "torch", see_listed, &s), 0);
    struct catalogue_listed other = s;
    other.channel = "";
    assert_int_equal(catalogue_put_listed(c, &other), 0);
    other.project = "torchvision";
    assert_int_equal(catalogue_put_listed(c, &other), 0);
    assert_int_equal(catalogue_each_listed(c, "pytorch", "torch", count_listed, &count), 0);
    assert_int_equal(count, 2);
    assert_int_equal(catalogue_each_listed(c, "pypi", "torch", count_listed, &count), 0);
    assert_int_equal(count, 2);
    assert_int_equal(catalogue_each_listed(c, NULL, NULL, count_listed, &count), 0);
    assert_int_equal(count, 5);
    catalogue_close(c);
}

static struct catalogue_first_seen first_seen_of(const char *path, int64_t first_s, int64_t asked_s,
                                                 int64_t modified_s, int64_t size)
{
    return (struct catalogue_first_seen){"pytorch", path,       "torch", first_s,
                                         asked_s,   modified_s, size};
}

static int see_first_seen(void *context, const struct catalogue_first_seen *s)
{
    const struct catalogue_first_seen **expected = context;
    const struct catalogue_first_seen *e = (*expected)++;
    assert_string_equal(s->path, e->path);
    assert_string_equal(s->project, "torch");
    assert_int_equal(s->first_s, e->first_s);
    assert_int_equal(s->asked_s, e->asked_s);
    assert_int_equal(s->modified_s, e->modified_s);
    assert_int_equal(s->size, e->size);
    return 0;
}

/* The earliest sight stays, a later answer counts, and what it leaves out stays; a size that the
 * file turned out to have goes before what was said. */
static void sightings(void **state)
{
    (void)state;
    struct catalogue *c = open_catalogue("sightings");
    const struct catalogue_first_seen put[] = {
        first_seen_of("c.whl", 10, 0, -1, -1),  first_seen_of("a.whl", 20, 0, -1, -1),
        first_seen_of("a.whl", 30, 30, 5, 100), first_seen_of("a.whl", 40, 40, -1, 200),
        first_seen_of("b.whl", 50, 50, 7, 100), first_seen_of("b.whl", 5, 0, -1, -1),
    };
    const struct catalogue_first_seen expected[] = {first_seen_of("a.whl", 20, 40, 5, 200),
                                                    first_seen_of("b.whl", 5, 50, 7, 300),
                                                    first_seen_of("c.whl", 10, 0, -1, -1)};
    const struct catalogue_first_seen *next = expected;
    for (size_t i = 0; i < sizeof(put) / sizeof(put[0]); i++)
        assert_int_equal(catalogue_put_first_seen(c, &put[i]), 0);
    struct catalogue_file file = {.origin = "pytorch", .path = "b.whl", .size = 300};
    assert_int_equal(catalogue_put_file(c, &file), 0);
    file = (struct catalogue_file){.origin = "pytorch", .path = "a.whl", .size = -1};
    assert_int_equal(catalogue_put_file(c, &file), 0);
    file = (struct catalogue_file){.origin = "pytorch", .path = "c.whl", .size = 500};
    assert_int_equal(catalogue_put_file(c, &file), 0);
    c = reopen(c, "sightings");
    assert_int_equal(catalogue_each_first_seen(c, "pytorch", "torch", see_first_seen, &next), 0);
    assert_ptr_equal(next, expected + 3);
    assert_int_equal(catalogue_each_first_seen(c, "pytorch", "triton", see_first_seen, &next), 0);
    assert_ptr_equal(next, expected + 3);
    catalogue_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claims),
        cmocka_unit_test(metadata_of_the_file_of_today),
        cmocka_unit_test(a_showing_is_the_last_but_for_its_first_time),
        cmocka_unit_test(sightings),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
