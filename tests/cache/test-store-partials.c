// SPDX-License-Identifier: Apache-2.0
/* Partials, of this run and of one before, and the maps that keep them. */
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "tests/cache/store_stage.h"

static void partials(void **state)
{
    (void)state;
    struct store *store = open_store("partials");
    auto_free char *one = NULL, *two = NULL;
    auto_close int first = -1, second = -1;
    char got[2], sha256[SHA256_HEX];
    begin(store, "1", &one, &first, sha256);
    begin(store, "2", &two, &second, sha256);
    assert_string_not_equal(one, two);
    assert_int_equal(scratch_count("partials/partials"), 2);
    store_discard(store, one);
    store_discard(store, one);
    assert_int_equal(file_read_at(first, got, 1, 0), 0);
    assert_int_equal(got[0], '1');
    store_close(store);

    /* What a killed daemon leaves, and others. */
    scratch_write("partials/partials/17", "bytes");
    scratch_write("partials/partials/17.json", "{}");
    scratch_write("partials/partials/18.map", "map");
    scratch_write("partials/partials/x", "bytes");
    scratch_write("partials/partials/x.map", "map");
    store = open_store("partials");
    assert_int_equal(scratch_count("partials/partials"), 0);
    assert_int_equal(scan(store).blobs, 0);
    store_close(store);
}

static int only_name(void *context, const char *name)
{
    char *to = context;
    assert_string_equal(to, "");
    str_copy(to, 16, name);
    return 0;
}

static void partials_with_maps(void **state)
{
    (void)state;
    struct store *store = open_store("maps");
    auto_free char *one = NULL, *two = NULL;
    auto_close int first = -1, second = -1, map = -1, again = -1, map_again = -1;
    char sha256[SHA256_HEX], name[16] = "", got[5];
    begin(store, "one", &one, &first, sha256);
    begin(store, "two", &two, &second, sha256);
    assert_int_equal(store_begin_map(store, one, 5, &map), 0);
    assert_int_equal(file_read_at(map, got, 5, 0), 0);
    assert_memory_equal(got, "\0\0\0\0\0", 5);
    assert_int_equal(file_write_at(map, "known", 5, 0), 0);
    assert_int_equal(store_reopen(store, two, &again, &map_again), STORE_MISSING);
    store_close(store);

    store = open_store("maps"); /* the one without a map is gone */
    assert_int_equal(scratch_count("maps/partials"), 2);
    assert_int_equal(store_each_partial(store, only_name, name), 0);
    assert_string_equal(name, one);
    assert_int_equal(store_reopen(store, name, &again, &map_again), 0);
    assert_int_equal(file_read_at(again, got, 3, 0), 0);
    assert_memory_equal(got, "one", 3);
    assert_int_equal(file_read_at(map_again, got, 5, 0), 0);
    assert_memory_equal(got, "known", 5);
    auto_free char *fresh = NULL;
    auto_close int third = -1;
    begin(store, "three", &fresh, &third, sha256); /* under another name */
    assert_string_not_equal(fresh, one);
    store_discard(store, fresh);
    store_discard(store, one);
    assert_int_equal(scratch_count("maps/partials"), 0);

    auto_free char *last = NULL;
    auto_close int fourth = -1, map_four = -1;
    begin(store, "four", &last, &fourth, sha256);
    assert_int_equal(store_begin_map(store, last, 5, &map_four), 0);
    assert_int_equal(store_commit(store, last, fourth, sha256, "{}", 2), 0);
    assert_int_equal(scratch_count("maps/partials"), 0); /* a blob needs no map */
    store_close(store);
}

struct names {
    int count;
    char last[64];
};

static int name_partial(void *context, const char *name)
{
    struct names *names = context;
    names->count++;
    str_copy(names->last, sizeof(names->last), name);
    return 0;
}

static struct names kept(struct store *store)
{
    struct names names = {0};
    assert_int_equal(store_each_partial(store, name_partial, &names), 0);
    return names;
}

static void begin_mapped(struct store *store, char **ret_name, int *ret_fd)
{
    char sha256[SHA256_HEX];
    auto_close int map = -1;
    begin(store, "half", ret_name, ret_fd, sha256);
    assert_int_equal(store_begin_map(store, *ret_name, 8192, &map), 0);
    assert_int_equal(file_write_at(map, "m", 1, 8191), 0);
    assert_int_equal(store_sync_names(store), 0);
}

static void partials_with_a_map_stay(void **state)
{
    (void)state;
    struct store *store = open_store("stay");
    auto_free char *name = NULL, *other = NULL;
    auto_close int fd = -1, map = -1, other_fd = -1;
    char got[8] = "", path[256];
    begin_mapped(store, &name, &fd);
    assert_int_equal(kept(store).count, 0); /* it is of this run */
    (void)close(fd);
    store_close(store);
    scratch_write("stay/partials/99.map", "of nothing");
    scratch_write("stay/partials/98", "bare");
    scratch_write("stay/partials/98.json", "{}");
    scratch_write("stay/partials/x", "stray");
    scratch_write("stay/partials/x.map", "stray");
    assert_int_equal(mkdir("stay/partials/97", 0755), 0);
    scratch_write("stay/partials/97.map", "of a directory");

    store = open_store("stay");
    assert_int_equal(scratch_count("stay/partials"), 3); /* the directory is not ours to remove */
    struct names names = kept(store);
    assert_int_equal(names.count, 1);
    assert_string_equal(names.last, name);
    assert_int_equal(store_reopen(store, name, &fd, &map), 0);
    assert_int_equal(file_read_at(fd, got, 4, 0), 0);
    assert_string_equal(got, "half");
    assert_int_equal(file_write_at(fd, "more", 4, 4), 0);
    assert_int_equal(file_read_at(map, got, 1, 8191), 0);
    assert_int_equal(got[0], 'm');
    begin_mapped(store, &other, &other_fd); /* under a name of its own */
    assert_string_not_equal(other, name);
    assert_int_equal(kept(store).count, 1);

    store_discard(store, name);
    assert_int_equal(kept(store).count, 0);
    (void)snprintf(path, sizeof(path), "stay/partials/%s.map", name);
    assert_false(scratch_exists(path));
    assert_int_equal(store_reopen(store, name, &fd, &map), STORE_MISSING);
    assert_int_equal(store_reopen(store, "../lock", &fd, &map), STORE_MISSING);
    store_close(store);
}

static void a_commit_takes_the_map_away(void **state)
{
    (void)state;
    struct store *store = open_store("spent");
    auto_free char *name = NULL, *failed = NULL;
    auto_close int fd = -1, failed_fd = -1;
    char sha256[SHA256_HEX];
    begin_mapped(store, &name, &fd);
    assert_int_equal(sha256_of("half", 4, sha256), 0);
    assert_int_equal(store_commit(store, name, fd, sha256, sidecar, strlen(sidecar)), 0);
    assert_int_equal(scratch_count("spent/partials"), 0);
    begin_mapped(store, &failed, &failed_fd);
    assert_int_equal(store_commit(store, failed, failed_fd, "no digest", "{}", 2), ERROR_CORRUPT);
    assert_int_equal(scratch_count("spent/partials"), 0);
    store_close(store);
}

static void maps_that_cannot_be(void **state)
{
    (void)state;
    struct store *store = open_store("cannot");
    auto_free char *name = NULL;
    auto_close int fd = -1;
    char path[256];
    int again = -1, map = -1;
    begin_mapped(store, &name, &fd);
    (void)snprintf(path, sizeof(path), "cannot/partials/%s.map", name);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(store_reopen(store, name, &again, &map), ERROR_CORRUPT);
    assert_int_equal(truncate(path, (off_t)STORE_MAP_MAX + 1), 0);
    assert_int_equal(store_reopen(store, name, &again, &map), ERROR_CORRUPT);
    assert_int_equal(again, -1);
    assert_int_equal(map, -1);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partials),
        cmocka_unit_test(partials_with_maps),
        cmocka_unit_test(partials_with_a_map_stay),
        cmocka_unit_test(a_commit_takes_the_map_away),
        cmocka_unit_test(maps_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
