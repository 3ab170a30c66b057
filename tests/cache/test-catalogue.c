// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/error.h"
#include "base/str.h"
#include "cache/catalogue.h"
#include "tests/cache/scratch.h"

#define AAA "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define BBB "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static struct catalogue *open_catalogue(const char *path)
{
    struct catalogue *c = NULL;
    assert_int_equal(catalogue_open(path, &c), 0);
    return c;
}

/* Closed and opened: what the next run will see. */
static struct catalogue *reopen(struct catalogue *c, const char *path)
{
    catalogue_close(c);
    return open_catalogue(path);
}

/* NULL equals NULL alone. */
static void assert_same(const char *a, const char *b)
{
    assert_int_equal(!a, !b);
    if (a)
        assert_string_equal(a, b);
}

/* ------------------------------------------------------------------ files */

static const struct catalogue_file full = {
    .origin = "pytorch",
    .path = "cu126/torch-2.9.0+cu126-cp312-cp312-linux_x86_64.whl",
    .size = INT64_C(3) << 32,
    .etag = "\"sha256-aaa\"",
    .blob = AAA,
    .authoritative = true,
    .mirrors = "aliyun,nju",
    .validator = "\"5f-1\"",
    .last_used_s = 1700000000,
};
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

/* ------------------------------------------------------------------ digests */

static int see_digest(void *context, const struct catalogue_digest *digest)
{
    const struct catalogue_digest *expected = context;
    assert_string_equal(digest->origin, expected->origin);
    assert_string_equal(digest->path, expected->path);
    assert_string_equal(digest->project, expected->project);
    assert_same(digest->sha256, expected->sha256);
    assert_same(digest->metadata_sha256, expected->metadata_sha256);
    assert_string_equal(digest->authority, expected->authority);
    assert_int_equal(digest->disputed, expected->disputed);
    return 0;
}

static int count_digest(void *context, const struct catalogue_digest *digest)
{
    (void)digest;
    ++*(int *)context;
    return 0;
}

struct saying {
    const char *authority, *sha256, *metadata_sha256;
    bool disputed;
};

static const struct {
    const char *name;
    struct saying first, second, result;
} stories[] = {
    {"agree", {"a", AAA, BBB, 0}, {"b", AAA, BBB, 0}, {"a", AAA, BBB, 0}},
    {"contradict", {"a", AAA, NULL, 0}, {"b", BBB, NULL, 0}, {"a", AAA, NULL, 1}},
    {"contradict itself", {"a", AAA, NULL, 0}, {"a", BBB, NULL, 0}, {"a", AAA, NULL, 1}},
    {"forget", {"a", AAA, BBB, 0}, {"a", NULL, NULL, 0}, {"a", AAA, BBB, 0}},
    {"learn", {"a", NULL, NULL, 0}, {"b", AAA, BBB, 0}, {"b", AAA, BBB, 0}},
    {"add metadata", {"a", AAA, NULL, 0}, {"b", AAA, BBB, 0}, {"a", AAA, BBB, 0}},
    {"metadata alone", {"a", NULL, BBB, 0}, {"b", AAA, NULL, 0}, {"b", AAA, BBB, 0}},
    {"metadata contradict", {"a", AAA, AAA, 0}, {"b", AAA, BBB, 0}, {"a", AAA, NULL, 0}},
    {"told it is disputed", {"a", AAA, NULL, 0}, {"b", AAA, NULL, 1}, {"a", AAA, NULL, 1}},
    {"never undisputed", {"a", AAA, NULL, 1}, {"a", AAA, NULL, 0}, {"a", AAA, NULL, 1}},
};

static struct catalogue_digest digest_of(const char *path, const struct saying *s)
{
    return (struct catalogue_digest){"pytorch",          path,         "torch",    s->sha256,
                                     s->metadata_sha256, s->authority, s->disputed};
}

static void digests(void **state)
{
    (void)state;
    struct catalogue *c = open_catalogue("digests");
    size_t n = sizeof(stories) / sizeof(stories[0]);
    int count = 0;
    for (size_t i = 0; i < n; i++) {
        struct catalogue_digest first = digest_of(stories[i].name, &stories[i].first);
        struct catalogue_digest second = digest_of(stories[i].name, &stories[i].second);
        assert_int_equal(catalogue_put_digest(c, &first), 0);
        assert_int_equal(catalogue_put_digest(c, &second), 0);
        assert_int_equal(catalogue_put_digest(c, &second), 0); /* the next day the same */
    }
    c = reopen(c, "digests");
    for (size_t i = 0; i < n; i++) {
        struct catalogue_digest result = digest_of(stories[i].name, &stories[i].result);
        print_message("  %s\n", stories[i].name);
        assert_int_equal(catalogue_get_digest(c, "pytorch", stories[i].name, see_digest, &result),
                         0);
    }
    assert_int_equal(catalogue_get_digest(c, "pypi", "agree", see_digest, NULL), CATALOGUE_MISSING);
    assert_int_equal(catalogue_each_digest(c, "pytorch", "torch", count_digest, &count), 0);
    assert_int_equal(count, n);
    assert_int_equal(catalogue_each_digest(c, "pypi", "torch", count_digest, &count), 0);
    assert_int_equal(count, n);
    catalogue_close(c);
}

/* Metadata digests that once contradicted each other stay unknown, whoever is heard again. */
static void contradicted_metadata_stays_away(void **state)
{
    (void)state;
    struct catalogue *c = open_catalogue("metadata");
    static const char *const said[] = {AAA, BBB, AAA, AAA};
    for (size_t i = 0; i < 4; i++) {
        struct catalogue_digest d = {"o", "p", "torch", AAA, said[i], "a", false};
        assert_int_equal(catalogue_put_digest(c, &d), 0);
    }
    struct catalogue_digest result = {"o", "p", "torch", AAA, NULL, "a", false};
    assert_int_equal(catalogue_get_digest(c, "o", "p", see_digest, &result), 0);
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

/* ------------------------------------------------------------------ metadata */

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

/* ------------------------------------------------------------------ showings */

static int see_showing(void *context, const struct catalogue_showing *s)
{
    const struct catalogue_showing *expected = context;
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

static int count_showing(void *context, const struct catalogue_showing *s)
{
    (void)s;
    ++*(int *)context;
    return 0;
}

static void a_showing_is_the_last_but_for_its_first_time(void **state)
{
    (void)state;
    int count = 0;
    struct catalogue_showing s = {.origin = "pytorch",
                                  .project = "torch",
                                  .path = "cu126/a.whl",
                                  .channel = "cu126",
                                  .requires_python = ">=3.9",
                                  .upload_time = "2025-01-02T03:04:59Z",
                                  .upload_time_source = "listing",
                                  .first_s = 1700000000};
    struct catalogue *c = open_catalogue("showings");
    assert_int_equal(catalogue_put_showing(c, &s), 0);
    s.requires_python = s.upload_time = s.upload_time_source = NULL;
    s.yanked = true;
    s.yanked_reason = "broken";
    s.first_s = 1800000000;
    s.delisted_s = 1800000001;
    assert_int_equal(catalogue_put_showing(c, &s), 0);
    s.first_s = 1700000000;
    c = reopen(c, "showings");
    assert_int_equal(catalogue_each_showing(c, "pytorch", "torch", see_showing, &s), 0);
    struct catalogue_showing other = s;
    other.channel = "";
    assert_int_equal(catalogue_put_showing(c, &other), 0);
    other.project = "torchvision";
    assert_int_equal(catalogue_put_showing(c, &other), 0);
    assert_int_equal(catalogue_each_showing(c, "pytorch", "torch", count_showing, &count), 0);
    assert_int_equal(count, 2);
    assert_int_equal(catalogue_each_showing(c, "pypi", "torch", count_showing, &count), 0);
    assert_int_equal(count, 2);
    assert_int_equal(catalogue_each_showing(c, NULL, NULL, count_showing, &count), 0);
    assert_int_equal(count, 5);
    catalogue_close(c);
}

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

static struct catalogue_sighting sighting_of(const char *path, int64_t first_s, int64_t asked_s,
                                             int64_t modified_s, int64_t size)
{
    return (struct catalogue_sighting){"pytorch", path,       "torch", first_s,
                                       asked_s,   modified_s, size};
}

static int see_sighting(void *context, const struct catalogue_sighting *s)
{
    const struct catalogue_sighting **expected = context;
    const struct catalogue_sighting *e = (*expected)++;
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
    const struct catalogue_sighting put[] = {
        sighting_of("c.whl", 10, 0, -1, -1),  sighting_of("a.whl", 20, 0, -1, -1),
        sighting_of("a.whl", 30, 30, 5, 100), sighting_of("a.whl", 40, 40, -1, 200),
        sighting_of("b.whl", 50, 50, 7, 100), sighting_of("b.whl", 5, 0, -1, -1),
    };
    const struct catalogue_sighting expected[] = {sighting_of("a.whl", 20, 40, 5, 200),
                                                  sighting_of("b.whl", 5, 50, 7, 300),
                                                  sighting_of("c.whl", 10, 0, -1, -1)};
    const struct catalogue_sighting *next = expected;
    for (size_t i = 0; i < sizeof(put) / sizeof(put[0]); i++)
        assert_int_equal(catalogue_put_sighting(c, &put[i]), 0);
    struct catalogue_file file = {.origin = "pytorch", .path = "b.whl", .size = 300};
    assert_int_equal(catalogue_put_file(c, &file), 0);
    file = (struct catalogue_file){.origin = "pytorch", .path = "a.whl", .size = -1};
    assert_int_equal(catalogue_put_file(c, &file), 0);
    file = (struct catalogue_file){.origin = "pytorch", .path = "c.whl", .size = 500};
    assert_int_equal(catalogue_put_file(c, &file), 0);
    c = reopen(c, "sightings");
    assert_int_equal(catalogue_each_sighting(c, "pytorch", "torch", see_sighting, &next), 0);
    assert_ptr_equal(next, expected + 3);
    assert_int_equal(catalogue_each_sighting(c, "pytorch", "triton", see_sighting, &next), 0);
    assert_ptr_equal(next, expected + 3);
    catalogue_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files),
        cmocka_unit_test(touch_moves_time_forward_only),
        cmocka_unit_test(a_dropped_blob_leaves_every_file),
        cmocka_unit_test(digests),
        cmocka_unit_test(contradicted_metadata_stays_away),
        cmocka_unit_test(listings),
        cmocka_unit_test(blame),
        cmocka_unit_test(a_pin_outlives_its_blob),
        cmocka_unit_test(metadata_of_the_file_of_today),
        cmocka_unit_test(ranges_are_the_last_answer),
        cmocka_unit_test(a_showing_is_the_last_but_for_its_first_time),
        cmocka_unit_test(files_in_folders_are_remembered),
        cmocka_unit_test(sightings),
        cmocka_unit_test(several_changes_as_one),
        cmocka_unit_test(a_reset_is_told),
        cmocka_unit_test(a_failing_disk_changes_nothing),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
