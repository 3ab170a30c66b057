// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

#include "base/error.h"
#include "base/str.h"
#include "tests/cache/catalogue_stage.h"

/* ------------------------------------------------------------------ files */

static const struct catalogue_file bare = {.origin = "pypi", .path = "packages/x", .size = -1};

static int see_file(void *context, const struct catalogue_file *file)
{
    const struct catalogue_file *expected = context;
    assert_string_equal(file->origin, expected->origin);
    assert_string_equal(file->path, expected->path);
    assert_int_equal(file->size, expected->size);
    assert_same(file->etag, expected->etag);
    assert_same(file->blob, expected->blob);
    assert_int_equal(file->authoritative, expected->authoritative);
    assert_same(file->mirrors, expected->mirrors);
    assert_same(file->validator, expected->validator);
    assert_int_equal(file->last_used_s, expected->last_used_s);
    return 0;
}

static int count_file(void *context, const struct catalogue_file *file)
{
    (void)file;
    ++*(int *)context;
    return 0;
}

static int get_file(struct catalogue *c, const struct catalogue_file *expected)
{
    struct catalogue_file copy = *expected;
    return catalogue_get_file(c, expected->origin, expected->path, see_file, &copy);
}

static int count_files(struct catalogue *c, bool complete)
{
    int count = 0;
    assert_int_equal(catalogue_each_file(c, complete, count_file, &count), 0);
    return count;
}

static void files(void **state)
{
    (void)state;
    struct catalogue *c = open_catalogue("files");
    assert_int_equal(get_file(c, &full), CATALOGUE_MISSING);
    assert_int_equal(count_files(c, false), 0);
    assert_int_equal(catalogue_put_file(c, &full), 0);
    assert_int_equal(catalogue_put_file(c, &bare), 0);
    c = reopen(c, "files");
    assert_int_equal(get_file(c, &full), 0);
    assert_int_equal(get_file(c, &bare), 0);
    assert_int_equal(count_files(c, false), 2);
    assert_int_equal(count_files(c, true), 1);

    struct catalogue_file replaced = bare;
    replaced.size = 17;
    replaced.etag = "\"e\"";
    assert_int_equal(catalogue_put_file(c, &replaced), 0);
    assert_int_equal(get_file(c, &replaced), 0);
    assert_int_equal(count_files(c, false), 2);
    catalogue_close(c);
    catalogue_close(NULL);
}

static void touch_moves_time_forward_only(void **state)
{
    (void)state;
    struct catalogue *c = open_catalogue("touch");
    struct catalogue_file file = full;
    assert_int_equal(catalogue_put_file(c, &file), 0);
    assert_int_equal(catalogue_touch(c, file.origin, file.path, file.last_used_s - 5), 0);
    assert_int_equal(get_file(c, &file), 0);
    file.last_used_s += 60;
    assert_int_equal(catalogue_touch(c, file.origin, file.path, file.last_used_s), 0);
    assert_int_equal(get_file(c, &file), 0);
    assert_int_equal(catalogue_touch(c, "none", file.path, 1), 0);
    assert_int_equal(count_files(c, false), 1);
    catalogue_close(c);
}

/* ------------------------------------------------------------------ blobs */

static int see_blob(void *context, const char *sha256, int64_t size, int64_t allocated_bytes)
{
    ++*(int *)context;
    assert_string_equal(sha256, AAA);
    assert_int_equal(size, INT64_C(5) << 30);
    assert_int_equal(allocated_bytes, 4096);
    return 0;
}

static int count_blobs(struct catalogue *c)
{
    int count = 0;
    assert_int_equal(catalogue_each_blob(c, see_blob, &count), 0);
    return count;
}

static void a_dropped_blob_leaves_every_file(void **state)
{
    (void)state;
    struct catalogue *c = open_catalogue("blobs");
    struct catalogue_file second = full, third = full;
    second.path = "cpu/other";
    third.path = "cpu/third";
    third.blob = BBB;
    assert_int_equal(catalogue_put_file(c, &full), 0);
    assert_int_equal(catalogue_put_file(c, &second), 0);
    assert_int_equal(catalogue_put_file(c, &third), 0);
    assert_int_equal(catalogue_put_blob(c, AAA, 1, 1), 0);
    assert_int_equal(catalogue_put_blob(c, AAA, INT64_C(5) << 30, 4096), 0);
    assert_int_equal(count_blobs(c), 1);

    assert_int_equal(catalogue_begin(c), 0); /* inside somebody's transaction it goes with it */
    assert_int_equal(catalogue_drop_blob(c, AAA), 0);
    assert_int_equal(count_files(c, true), 1);
    catalogue_rollback(c);
    assert_int_equal(count_files(c, true), 3);
    assert_int_equal(count_blobs(c), 1);

    assert_int_equal(catalogue_drop_blob(c, AAA), 0);
    assert_int_equal(catalogue_drop_blob(c, AAA), 0);
    c = reopen(c, "blobs");
    assert_int_equal(count_blobs(c), 0);
    assert_int_equal(count_files(c, true), 1);
    assert_int_equal(get_file(c, &third), 0);
    second.blob = NULL; /* all else about it is still known */
    assert_int_equal(get_file(c, &second), 0);
    catalogue_close(c);
}

/* ------------------------------------------------------------------ listings, blame */

static const char body[] = "\x1f\x8b\0\xff\0binary";
static const struct catalogue_listing page = {
    "pytorch",  "aliyun", "https://m/cu126/", "https://m/pytorch-wheels/cu126/", "\"e\"", NULL, 200,
    1700000000, body,     sizeof(body)};

static int see_listing(void *context, const struct catalogue_listing *listing)
{
    const struct catalogue_listing *expected = context;
    assert_string_equal(listing->origin, expected->origin);
    assert_string_equal(listing->mirror, expected->mirror);
    assert_string_equal(listing->page, expected->page);
    assert_string_equal(listing->url, expected->url);
    assert_same(listing->etag, expected->etag);
    assert_same(listing->last_modified, expected->last_modified);
    assert_int_equal(listing->status, expected->status);
    assert_int_equal(listing->fetched_s, expected->fetched_s);
    assert_int_equal(listing->body_len, expected->body_len);
    if (expected->body_len)
        assert_memory_equal(listing->body, expected->body, expected->body_len);
    return 0;
}

static int get_listing(struct catalogue *c, const struct catalogue_listing *expected)
{
    struct catalogue_listing copy = *expected;
    return catalogue_get_listing(c, expected->origin, expected->mirror, expected->page, see_listing,
                                 &copy);
}

static void listings(void **state)
{
    (void)state;
    struct catalogue *c = open_catalogue("listings");
    struct catalogue_listing now = page, none = page;
    none.mirror = "nju"; /* says 404, with no body at all */
    none.status = 404;
    none.body = NULL;
    none.body_len = 0;
    int64_t newest_s = -1;
    assert_int_equal(catalogue_newest_listing(c, &newest_s), 0);
    assert_int_equal(newest_s, 0);
    assert_int_equal(get_listing(c, &page), CATALOGUE_MISSING);
    assert_int_equal(catalogue_put_listing(c, &page), 0);
    assert_int_equal(catalogue_put_listing(c, &none), 0);
    c = reopen(c, "listings");
    assert_int_equal(get_listing(c, &page), 0);
    assert_int_equal(get_listing(c, &none), 0);

    now.fetched_s += 600;
    assert_int_equal(catalogue_confirm_listing(c, now.origin, now.mirror, now.page, now.fetched_s),
                     0);
    assert_int_equal(get_listing(c, &now), 0);
    assert_int_equal(catalogue_confirm_listing(c, "x", "y", "z", 1), 0);
    assert_int_equal(catalogue_newest_listing(c, &newest_s), 0);
    assert_int_equal(newest_s, now.fetched_s);
    now.body = "shorter";
    now.body_len = 7;
    now.etag = NULL;
    assert_int_equal(catalogue_put_listing(c, &now), 0);
    assert_int_equal(get_listing(c, &now), 0);
    catalogue_close(c);
}

struct blamed {
    int rows;
    int64_t last_s;
    bool with_validator;
};

static int see_blame(void *context, const char *origin, const char *path, const char *mirror,
                     const char *validator, int64_t when_s)
{
    struct blamed *blamed = context;
    assert_string_equal(origin, "pytorch");
    assert_string_equal(path, "w.whl");
    assert_true(str_starts(mirror, "m"));
    blamed->rows++;
    blamed->last_s = when_s;
    blamed->with_validator = blamed->with_validator || validator;
    return 0;
}

static void blame(void **state)
{
    (void)state;
    struct catalogue *c = open_catalogue("blame");
    struct blamed blamed = {0};
    assert_int_equal(catalogue_put_blame(c, "pytorch", "w.whl", "m1", "\"old\"", 10), 0);
    assert_int_equal(catalogue_put_blame(c, "pytorch", "w.whl", "m1", NULL, 20), 0);
    c = reopen(c, "blame");
    assert_int_equal(catalogue_each_blame(c, see_blame, &blamed), 0);
    assert_int_equal(blamed.rows, 1);
    assert_int_equal(blamed.last_s, 20);
    assert_false(blamed.with_validator);
    assert_int_equal(catalogue_put_blame(c, "pytorch", "w.whl", "m2", "\"v\"", 30), 0);
    assert_int_equal(catalogue_each_blame(c, see_blame, &blamed), 0);
    assert_int_equal(blamed.rows, 3);
    assert_true(blamed.with_validator);
    catalogue_close(c);
}

/* ------------------------------------------------------------------ marks */

struct marks {
    int rows, pins;
    int64_t last_s;
};

static int see_mark(void *context, const char *sha256, bool pinned, int64_t verified_s)
{
    struct marks *marks = context;
    assert_true(*sha256 == 'a' || *sha256 == 'b');
    marks->rows++;
    marks->pins += pinned;
    marks->last_s = verified_s;
    return 0;
}

static void a_pin_outlives_its_blob(void **state)
{
    (void)state;
    struct catalogue *c = open_catalogue("marks");
    struct marks marks = {0};
    assert_int_equal(catalogue_put_mark(c, "a", false, 10), 0);
    assert_int_equal(catalogue_put_mark(c, "b", false, 20), 0);
    assert_int_equal(catalogue_put_mark(c, "b", true, 30), 0);
    c = reopen(c, "marks");
    assert_int_equal(catalogue_each_mark(c, see_mark, &marks), 0);
    assert_int_equal(marks.rows, 2);
    assert_int_equal(marks.pins, 1);
    assert_int_equal(catalogue_drop_blob(c, "a"), 0);
    assert_int_equal(catalogue_drop_blob(c, "b"), 0);
    marks = (struct marks){0};
    assert_int_equal(catalogue_each_mark(c, see_mark, &marks), 0);
    assert_int_equal(marks.rows, 1);
    assert_int_equal(marks.pins, 1);
    assert_int_equal(marks.last_s, 30);
    catalogue_close(c);
}

/* ------------------------------------------------------------------ sets */

static int see_member(void *context, const struct catalogue_member *m)
{
    char *to = context;
    size_t len = strlen(to);
    (void)snprintf(to + len, 512 - len, "%s:%s/%s:%d ", m->set, m->origin, m->path, (int)m->size);
    return 0;
}

static int see_set(void *context, const struct catalogue_set *s)
{
    char *to = context;
    size_t len = strlen(to);
    (void)snprintf(to + len, 512 - len, "%s %d %d %d %d;", s->name, (int)s->files, (int)s->bytes,
                   (int)s->held, (int)s->held_bytes);
    return 0;
}

static int see_set_blob(void *context, const char *sha256)
{
    assert_string_equal(sha256, AAA);
    ++*(int *)context;
    return 0;
}

static void assert_members(struct catalogue *c, const char *set, const char *expected)
{
    char seen[512] = "";
    assert_int_equal(catalogue_each_member(c, set, see_member, seen), 0);
    assert_string_equal(seen, expected);
}

static void a_set_outlives_its_blobs(void **state)
{
    (void)state;
    static const struct catalogue_member members[] = {{"lab", "pypi", "z", 5},
                                                      {"lab", "pypi", "a", -1},
                                                      {"office", "pypi", "a", 7},
                                                      {"lab", "pypi", "z", -1}};
    const struct catalogue_file held = {
        .origin = "pypi", .path = "a", .size = 9, .blob = AAA, .etag = "x"};
    struct catalogue *c = open_catalogue("sets");
    char sets[512] = "";
    int blobs = 0;
    for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
        assert_int_equal(catalogue_put_member(c, &members[i]), 0);
    assert_int_equal(catalogue_put_file(c, &held), 0);
    c = reopen(c, "sets");
    assert_members(c, "lab", "lab:pypi/a:-1 lab:pypi/z:5 ");
    assert_members(c, NULL, "lab:pypi/a:-1 lab:pypi/z:5 office:pypi/a:7 ");
    assert_int_equal(catalogue_each_set(c, see_set, sets), 0);
    assert_string_equal(sets, "lab 2 14 1 9;office 1 9 1 9;");
    assert_int_equal(catalogue_each_set_blob(c, see_set_blob, &blobs), 0);
    assert_int_equal(blobs, 1);
    assert_int_equal(catalogue_drop_blob(c, AAA), 0);
    assert_int_equal(catalogue_drop_set(c, "lab"), 0);
    assert_members(c, NULL, "office:pypi/a:7 ");
    *sets = '\0';
    assert_int_equal(catalogue_each_set(c, see_set, sets), 0);
    assert_string_equal(sets, "office 1 7 0 0;");
    catalogue_close(c);
}

/* ------------------------------------------------------------------ evidence */

struct evidence {
    int rows, levels;
};

static int see_evidence(void *context, const char *sha256, int level, const char *why)
{
    struct evidence *seen = context;
    assert_same(why, strcmp(sha256, "a") == 0 ? NULL : "damaged");
    seen->rows++;
    seen->levels += level;
    return 0;
}

static void what_was_refuted_outlives_its_blob(void **state)
{
    (void)state;
    struct catalogue *c = open_catalogue("evidence");
    struct evidence seen = {0};
    assert_int_equal(catalogue_put_evidence(c, "a", 2, false, NULL), 0);
    assert_int_equal(catalogue_put_evidence(c, "b", 2, false, NULL), 0);
    assert_int_equal(catalogue_put_evidence(c, "b", 6, true, "damaged"), 0);
    c = reopen(c, "evidence");
    assert_int_equal(catalogue_each_evidence(c, see_evidence, &seen), 0);
    assert_int_equal(seen.rows, 2);
    assert_int_equal(seen.levels, 8);
    assert_int_equal(catalogue_drop_blob(c, "a"), 0);
    assert_int_equal(catalogue_drop_blob(c, "b"), 0);
    seen = (struct evidence){0};
    assert_int_equal(catalogue_each_evidence(c, see_evidence, &seen), 0);
    assert_int_equal(seen.rows, 1);
    assert_int_equal(seen.levels, 6);
    catalogue_close(c);
}

/* ------------------------------------------------------------------ failures */

static void several_changes_as_one(void **state)
{
    (void)state;
    struct catalogue *c = open_catalogue("transaction");
    assert_int_equal(catalogue_begin(c), 0);
    assert_int_equal(catalogue_put_file(c, &full), 0);
    assert_int_equal(catalogue_put_blob(c, AAA, 1, 1), 0);
    catalogue_rollback(c);
    assert_int_equal(count_files(c, false), 0);
    assert_int_equal(catalogue_begin(c), 0);
    assert_int_equal(catalogue_put_file(c, &full), 0);
    assert_int_equal(catalogue_put_file(c, &bare), 0);
    assert_int_equal(catalogue_commit(c), 0);
    assert_int_equal(count_files(c, false), 2);
    catalogue_close(c);
}

static void a_reset_is_told(void **state)
{
    (void)state;
    struct catalogue *c = open_catalogue("reset");
    char aside[256];
    assert_int_equal(catalogue_put_file(c, &full), 0);
    catalogue_close(c);
    scratch_write("reset", "overwritten by something that is no database");
    assert_int_equal(catalogue_open("reset", &c), CATALOGUE_RESET);
    assert_true(scratch_find(".", "reset.corrupt-", aside));
    assert_int_equal(count_files(c, false), 0);
    assert_int_equal(catalogue_put_file(c, &full), 0);
    c = reopen(c, "reset");
    assert_int_equal(get_file(c, &full), 0);
    catalogue_close(c);
}

/* A limit on file size is the failing disk that every machine has. */
static void a_failing_disk_changes_nothing(void **state)
{
    (void)state;
    static char large[300000];
    struct catalogue *c = open_catalogue("limit");
    struct catalogue_listing big = page;
    struct rlimit old, tight;
    big.body = large;
    big.body_len = sizeof(large);
    assert_int_equal(catalogue_put_listing(c, &page), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    tight = old;
    tight.rlim_cur = 150000;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    int alone = catalogue_put_listing(c, &big);
    int began = catalogue_begin(c);
    int first = catalogue_put_file(c, &full);
    (void)catalogue_put_listing(c, &big);
    int committed = catalogue_commit(c);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);

    assert_int_equal(alone, ERROR_IO);
    assert_int_equal(began, 0);
    assert_int_equal(first, 0);
    assert_int_equal(committed, ERROR_IO);
    assert_int_equal(get_listing(c, &page), 0);
    assert_int_equal(count_files(c, false), 0);
    assert_int_equal(catalogue_put_listing(c, &big), 0);
    c = reopen(c, "limit");
    assert_int_equal(get_listing(c, &big), 0);
    catalogue_close(c);
}

/* ------------------------------------------------------------------ folders, ranges */

static int see_local(void *context, const struct catalogue_local *l)
{
    bool first = strcmp(l->path, "a.whl") == 0;
    assert_string_equal(l->origin, "lab");
    assert_int_equal(l->size, first ? INT64_C(1) << 40 : 2);
    assert_int_equal(l->modified_ns, first ? INT64_C(1795000000123456789) : 3);
    assert_int_equal(l->inode, first ? -1 : 4);
    assert_string_equal(l->sha256, first ? "aa" : "bb");
    assert_string_equal(l->metadata_sha256 ? l->metadata_sha256 : "-", first ? "-" : "cc");
    assert_string_equal(l->requires_python ? l->requires_python : "-", first ? "-" : ">=3.9");
    assert_string_equal(l->problem ? l->problem : "-", first ? "-" : "odd");
    assert_string_equal(l->etag ? l->etag : "-", first ? "-" : "\"e\"");
    ++*(int *)context;
    return 0;
}

static void files_in_folders_are_remembered(void **state)
{
    (void)state;
    int count = 0;
    struct catalogue *c = open_catalogue("local");
    struct catalogue_local l = {.origin = "lab",
                                .path = "a.whl",
                                .size = INT64_C(1) << 40,
                                .modified_ns = INT64_C(1795000000123456789),
                                .inode = -1,
                                .sha256 = "aa"};
    assert_int_equal(catalogue_put_local(c, &l), 0);
    l = (struct catalogue_local){"lab", "b.whl", 1, 1, 1, "x", NULL, NULL, NULL, NULL};
    assert_int_equal(catalogue_put_local(c, &l), 0);
    l = (struct catalogue_local){"lab", "b.whl", 2, 3, 4, "bb", "cc", ">=3.9", "odd", "\"e\""};
    assert_int_equal(catalogue_put_local(c, &l), 0);
    l.path = "gone.whl";
    assert_int_equal(catalogue_put_local(c, &l), 0);
    l.origin = "other";
    assert_int_equal(catalogue_put_local(c, &l), 0);
    assert_int_equal(catalogue_drop_local(c, "lab", "gone.whl"), 0);
    assert_int_equal(catalogue_drop_local(c, "lab", "gone.whl"), 0);
    c = reopen(c, "local");
    assert_int_equal(catalogue_each_local(c, "lab", see_local, &count), 0);
    assert_int_equal(count, 2);
    catalogue_close(c);
}

struct seen_place {
    int count;
    char url[64];
};

static int see_place(void *context, const struct catalogue_place *place)
{
    struct seen_place *seen = context;
    assert_string_equal(place->path, "a/x.whl");
    (void)snprintf(seen->url, sizeof(seen->url), "%s %s", place->mirror, place->url);
    seen->count++;
    return 0;
}

/* A page's places go with the page, and only they do. */
static void places_are_those_of_the_newest_page(void **state)
{
    (void)state;
    struct catalogue *c = open_catalogue("places");
    struct catalogue_place one = {"pypi", "a/x.whl", "m", "http://m/p/", "http://m/a/x.whl?1"};
    struct catalogue_place other = {"pypi", "a/x.whl", "n", "http://n/p/", "http://n/a/x.whl?2"};
    assert_int_equal(catalogue_put_place(c, &one), 0);
    assert_int_equal(catalogue_put_place(c, &other), 0);
    c = reopen(c, "places");
    struct seen_place seen = {0};
    assert_int_equal(catalogue_each_place(c, "pypi", "a/x.whl", see_place, &seen), 0);
    assert_int_equal(seen.count, 2);
    assert_int_equal(catalogue_drop_places(c, "pypi", "m", "http://m/p/"), 0);
    assert_int_equal(catalogue_drop_places(c, "pypi", "m", "http://m/never/"), 0);
    seen = (struct seen_place){0};
    assert_int_equal(catalogue_each_place(c, "pypi", "a/x.whl", see_place, &seen), 0);
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.url, "n http://n/a/x.whl?2");
    assert_int_equal(catalogue_each_place(c, "pypi", "a/y.whl", see_place, &seen), 0);
    assert_int_equal(seen.count, 1);
    catalogue_close(c);
}

static int see_ranges(void *context, const char *files, bool honoured, int64_t when_s)
{
    assert_string_equal(files, "https://mirror.example/whl/");
    assert_true(honoured);
    assert_int_equal(when_s, 2);
    ++*(int *)context;
    return 0;
}

static void ranges_are_the_last_answer(void **state)
{
    (void)state;
    int count = 0;
    struct catalogue *c = open_catalogue("ranges");
    assert_int_equal(catalogue_put_ranges(c, "https://mirror.example/whl/", false, 1), 0);
    assert_int_equal(catalogue_put_ranges(c, "https://mirror.example/whl/", true, 2), 0);
    c = reopen(c, "ranges");
    assert_int_equal(catalogue_each_ranges(c, see_ranges, &count), 0);
    assert_int_equal(count, 1);
    catalogue_close(c);
}

static int see_channel(void *context, const char *origin, const char *name, int64_t listed_s)
{
    assert_string_equal(origin, "pytorch");
    assert_string_equal(name, "nightly/cu130");
    assert_int_equal(listed_s, 2);
    ++*(int *)context;
    return 0;
}

static void channels_are_remembered_with_the_last_date(void **state)
{
    (void)state;
    int count = 0;
    struct catalogue *c = open_catalogue("channels");
    assert_int_equal(catalogue_put_channel(c, "pytorch", "nightly/cu130", 1), 0);
    assert_int_equal(catalogue_put_channel(c, "pytorch", "nightly/cu130", 2), 0);
    c = reopen(c, "channels");
    assert_int_equal(catalogue_each_channel(c, see_channel, &count), 0);
    assert_int_equal(count, 1);
    catalogue_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files),
        cmocka_unit_test(touch_moves_time_forward_only),
        cmocka_unit_test(a_dropped_blob_leaves_every_file),
        cmocka_unit_test(listings),
        cmocka_unit_test(blame),
        cmocka_unit_test(a_pin_outlives_its_blob),
        cmocka_unit_test(a_set_outlives_its_blobs),
        cmocka_unit_test(what_was_refuted_outlives_its_blob),
        cmocka_unit_test(channels_are_remembered_with_the_last_date),
        cmocka_unit_test(places_are_those_of_the_newest_page),
        cmocka_unit_test(ranges_are_the_last_answer),
        cmocka_unit_test(files_in_folders_are_remembered),
        cmocka_unit_test(several_changes_as_one),
        cmocka_unit_test(a_reset_is_told),
        cmocka_unit_test(a_failing_disk_changes_nothing),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
