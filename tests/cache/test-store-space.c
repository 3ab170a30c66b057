// SPDX-License-Identifier: Apache-2.0
/* What a store takes of the disk and gives back, and what it puts aside. */
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "tests/cache/store_stage.h"

/* ------------------------------------------------------------------ reserving */

static int64_t allocated(int fd)
{
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    return (int64_t)st.st_blocks * 512;
}

static void gives_reserved_space_back(void **state)
{
    (void)state;
    enum { MIB = 1 << 20 };
    struct store *store = open_store("back");
    auto_free char *name = NULL;
    auto_close int fd = -1;
    char got[2];
    int64_t size = 4 * MIB + 100;
    const struct store_span missing[] = {{1, 2 * MIB + 10}, {2 * MIB + 11, size}};
    assert_int_equal(store_begin(store, &name, &fd), 0);
    assert_int_equal(store_reserve(store, fd, size, 0), 0);
    assert_true(allocated(fd) >= size);
    assert_int_equal(file_write_at(fd, "a", 1, 0), 0);
    assert_int_equal(file_write_at(fd, "b", 1, 2 * MIB + 10), 0);
    assert_int_equal(fsync(fd), 0);
    assert_int_equal(store_unreserve(fd, size, missing, 2), 0);
    assert_true(allocated(fd) < MIB);
    assert_int_equal(file_read_at(fd, got, 1, 0), 0);
    assert_int_equal(got[0], 'a');
    assert_int_equal(file_read_at(fd, got, 1, 2 * MIB + 10), 0);
    assert_int_equal(got[0], 'b');
    assert_int_equal(file_read_at(fd, got, 1, size - 1), 0); /* the size is the whole one */
    assert_int_equal(store_reserve(store, fd, size, 0), 0);  /* and it can be had again */
    assert_true(allocated(fd) >= size);
    store_close(store);
}

static void reserves(void **state)
{
    (void)state;
    struct store *store = open_store("reserve");
    auto_free char *name = NULL;
    auto_close int fd = -1;
    struct stat st;
    assert_int_equal(store_begin(store, &name, &fd), 0);
    assert_int_equal(store_reserve(store, fd, 0, 0), 0);
    assert_int_equal(store_reserve(store, fd, 1 << 20, 0), 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, 0);
    assert_int_equal(store_reserve(store, fd, INT64_C(1) << 60, 0), ERROR_NO_SPACE);
    store_close(store);
}

static void keeps_so_much_free(void **state)
{
    (void)state;
    enum { MIB = 1 << 20 };
    if (!scratch_mount("floor", 16 * MIB))
        skip();
    struct store *store = open_store("floor/cache");
    auto_free char *name = NULL;
    auto_close int fd = -1;
    assert_int_equal(store_begin(store, &name, &fd), 0);
    assert_int_equal(store_reserve(store, fd, 8 * MIB, 10 * MIB), ERROR_MIN_FREE);
    assert_int_equal(allocated(fd), 0);
    assert_int_equal(store_reserve(store, fd, 8 * MIB, 4 * MIB), 0);
    assert_int_equal(allocated(fd), 8 * MIB);
    assert_int_equal(store_reserve(store, fd, 8 * MIB, 10 * MIB), 0); /* nothing more is taken */
    store_close(store);
    scratch_unmount("floor");
}

/* ------------------------------------------------------------------ sidecars */

static void a_sidecar_is_replaced(void **state)
{
    (void)state;
    static char large[STORE_SIDECAR_MAX + 1];
    static const char fresh[] = "{\"pinned\":true}";
    struct store *store = open_store("sidecar");
    char sha256[SHA256_HEX];
    assert_int_equal(put(store, "bytes", sha256), 0);
    assert_int_equal(store_put_sidecar(store, sha256, fresh, strlen(fresh)), 0);
    assert_string_equal(scan(store).sidecar, fresh);
    assert_int_equal(store_put_sidecar(store, sha256, large, sizeof(large)), ERROR_TOO_BIG);
    assert_int_equal(store_put_sidecar(store, "../lock", fresh, strlen(fresh)), STORE_MISSING);
    assert_int_equal(store_remove(store, sha256), 0);
    assert_int_equal(store_put_sidecar(store, sha256, fresh, strlen(fresh)), STORE_MISSING);
    assert_int_equal(scratch_count("sidecar/partials"), 0);
    assert_int_equal(scan(store).blobs, 0);
    store_close(store);
}

/* ------------------------------------------------------------------ quarantine */

static void the_newest_stay_in_quarantine(void **state)
{
    (void)state;
    struct store *store = open_store("aside");
    char sha256[SHA256_HEX], path[256], first[256] = "", text[8];
    for (int i = 0; i < STORE_QUARANTINE_MOST + 2; i++) {
        (void)snprintf(text, sizeof(text), "bad %d", i);
        assert_int_equal(put(store, text, sha256), 0);
        assert_int_equal(store_quarantine(store, sha256), 0);
        (void)snprintf(path, sizeof(path), "aside/quarantine/%s", sha256);
        assert_true(scratch_exists(path));
        if (!first[0])
            (void)snprintf(first, sizeof(first), "%s", path);
        (void)snprintf(path, sizeof(path), "aside/blobs/%.2s", sha256);
        assert_int_equal(scratch_count(path), 0); /* neither blob nor sidecar */
    }
    assert_int_equal(scratch_count("aside/quarantine"), STORE_QUARANTINE_MOST);
    assert_false(scratch_exists(first));
    assert_int_equal(store_quarantine(store, sha256), STORE_MISSING);
    store_trim_quarantine(store, 0);
    assert_int_equal(scratch_count("aside/quarantine"), 0);
    store_close(store);
}

/* What cannot be put aside does not stay under its name either. */
static void no_place_for_quarantine(void **state)
{
    (void)state;
    struct store *store = open_store("nowhere");
    char sha256[SHA256_HEX], path[256];
    assert_int_equal(put(store, "bad", sha256), 0);
    scratch_write("nowhere/quarantine", "a file where a directory belongs");
    assert_int_equal(store_quarantine(store, sha256), STORE_MISSING);
    (void)snprintf(path, sizeof(path), "nowhere/blobs/%.2s", sha256);
    assert_int_equal(scratch_count(path), 0);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_reserved_space_back),
        cmocka_unit_test(reserves),
        cmocka_unit_test(keeps_so_much_free),
        cmocka_unit_test(a_sidecar_is_replaced),
        cmocka_unit_test(the_newest_stay_in_quarantine),
        cmocka_unit_test(no_place_for_quarantine),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
