// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "tests/cache/store_stage.h"

static void commits_and_reads_back(void **state)
{
    (void)state;
    char sha256[SHA256_HEX], got[8] = "", path[256];
    struct store *store = open_store("plain/deep/dir");
    assert_string_equal(store_catalogue_path(store), "plain/deep/dir/catalogue.sqlite");
    assert_true(store_free_bytes(store) > 0);
    assert_int_equal(put(store, "wheel", sha256), 0);
    assert_int_equal(scratch_count("plain/deep/dir/partials"), 0);
    path_of("plain/deep/dir", sha256, ".json", path);
    assert_true(scratch_exists(path));

    auto_close int fd = -1;
    int64_t size = 0;
    assert_int_equal(store_open_blob(store, sha256, &fd, &size), 0);
    assert_int_equal(size, 5);
    assert_int_equal(file_read_at(fd, got, 5, 0), 0);
    assert_string_equal(got, "wheel");
    assert_int_equal(write(fd, "x", 1), -1);

    /* Removed under a reader: the reader goes on, nobody else finds it. */
    assert_int_equal(store_remove(store, sha256), 0);
    assert_int_equal(file_read_at(fd, got, 3, 2), 0);
    assert_memory_equal(got, "eel", 3);
    int other = -1;
    assert_int_equal(store_open_blob(store, sha256, &other, &size), STORE_MISSING);
    assert_int_equal(other, -1);
    assert_false(scratch_exists(path));
    assert_int_equal(store_remove(store, sha256), 0);
    store_close(store);
    store_close(NULL);
}

static void names_that_are_no_digest(void **state)
{
    (void)state;
    struct store *store = open_store("names");
    auto_free char *name = NULL;
    auto_close int fd = -1;
    char sha256[SHA256_HEX];
    int64_t size = -1;
    int blob = -1;
    begin(store, "x", &name, &fd, sha256);
    assert_int_equal(store_commit(store, name, fd, "../../../etc/passwd", "{}", 2), ERROR_CORRUPT);
    assert_int_equal(scratch_count("names/partials"), 0);
    assert_int_equal(store_open_blob(store, "../lock", &blob, &size), STORE_MISSING);
    assert_int_equal(store_remove(store, "../lock"), 0);
    assert_true(scratch_exists("names/lock"));
    store_close(store);
}

static void a_second_opener_is_refused(void **state)
{
    (void)state;
    struct store *first = open_store("lock"), *second = NULL;
    auto_free char *name = NULL;
    auto_close int fd = -1;
    char sha256[SHA256_HEX];
    int status = 0;
    begin(first, "going on", &name, &fd, sha256);
    assert_int_equal(store_open("lock", &second), ERROR_IN_USE);
    assert_null(second);
    assert_int_equal(scratch_count("lock/partials"), 1); /* it has not swept ours away */

    pid_t child = fork();
    if (child == 0)
        _exit(store_open("lock", &second) == ERROR_IN_USE ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    store_close(first);
    store_close(open_store("lock"));
}

static void the_same_digest_twice(void **state)
{
    (void)state;
    struct store *store = open_store("twice");
    char sha256[SHA256_HEX], path[256];
    struct stat before, after;
    auto_free char *name = NULL;
    auto_close int fd = -1;
    assert_int_equal(put(store, "same", sha256), 0);
    path_of("twice", sha256, "", path);
    assert_int_equal(stat(path, &before), 0);

    begin(store, "same", &name, &fd, sha256);
    assert_int_equal(store_commit(store, name, fd, sha256, "{\"a\":2}", 7), 0);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(scratch_count("twice/partials"), 0);
    struct seen seen = scan(store);
    assert_int_equal(seen.blobs, 1);
    assert_int_equal(seen.with_sidecar, 0); /* the newer sidecar is there */

    /* One that a broken disk has cut is no reason to throw good bytes away. */
    assert_int_equal(truncate(path, 1), 0);
    assert_int_equal(put(store, "same", sha256), 0);
    assert_int_equal(scan(store).bytes, 4);
    store_close(store);
}

/* ------------------------------------------------------------------ commits that fail */

enum obstacle { BAD_FD, LARGE_SIDECAR, NO_FAN_OUT, NO_SIDECAR, NO_BLOB, OBSTACLES };

static int commit_against(struct store *store, enum obstacle obstacle, const char *path,
                          const char *name, int fd, const char *sha256)
{
    char parent[256];
    static char large[STORE_SIDECAR_MAX + 1];
    (void)snprintf(parent, sizeof(parent), "fail/blobs/%.2s", sha256);
    switch (obstacle) {
    case BAD_FD:
        return store_commit(store, name, -1, sha256, sidecar, strlen(sidecar));
    case LARGE_SIDECAR:
        return store_commit(store, name, fd, sha256, large, sizeof(large));
    case NO_FAN_OUT:
        scratch_write(parent, "a file where a directory belongs");
        break;
    case NO_SIDECAR:
    case NO_BLOB:
    case OBSTACLES:
        (void)mkdir(parent, 0755);
        assert_int_equal(mkdir(path, 0755), 0);
        break;
    }
    int r = store_commit(store, name, fd, sha256, sidecar, strlen(sidecar));
    assert_int_equal(remove(obstacle == NO_FAN_OUT ? parent : path), 0);
    return r;
}

static void a_failed_commit_leaves_nothing(void **state)
{
    (void)state;
    struct store *store = open_store("fail");
    for (enum obstacle obstacle = BAD_FD; obstacle < OBSTACLES; obstacle++) {
        auto_free char *name = NULL;
        auto_close int fd = -1;
        char text[16], got[16] = "", sha256[SHA256_HEX], path[256];
        (void)snprintf(text, sizeof(text), "obstacle %d", (int)obstacle);
        begin(store, text, &name, &fd, sha256);
        path_of("fail", sha256, obstacle == NO_SIDECAR ? ".json" : "", path);
        int r = commit_against(store, obstacle, path, name, fd, sha256);
        assert_int_equal(r, obstacle == LARGE_SIDECAR ? ERROR_TOO_BIG : ERROR_IO);
        assert_int_equal(scratch_count("fail/partials"), 0);
        path_of("fail", sha256, "", path);
        assert_false(scratch_exists(path));
        path_of("fail", sha256, ".json", path);
        assert_false(scratch_exists(path));
        assert_int_equal(file_read_at(fd, got, strlen(text), 0), 0);
        assert_string_equal(got, text);

        assert_int_equal(put(store, text, sha256), 0); /* out of the way, it works */
    }
    assert_int_equal(scan(store).with_sidecar, OBSTACLES);
    store_close(store);
}

static void fill_up(const char *path)
{
    static const char block[4096];
    auto_close int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    while (write(fd, block, sizeof(block)) > 0)
        continue;
}

static void a_full_disk(void **state)
{
    (void)state;
    if (!scratch_mount("full", 1 << 20))
        skip();
    struct store *store = open_store("full/cache");
    auto_free char *name = NULL;
    auto_close int fd = -1;
    char sha256[SHA256_HEX], kept[SHA256_HEX];
    assert_int_equal(put(store, "kept", kept), 0);
    begin(store, "late", &name, &fd, sha256);
    assert_int_equal(store_reserve(store, fd, 2 << 20, 0), ERROR_NO_SPACE);
    fill_up("full/ballast");
    int map = -1;
    assert_int_equal(store_begin_map(store, name, 64 << 10, &map), ERROR_NO_SPACE);
    assert_int_equal(map, -1);
    assert_int_equal(scratch_count("full/cache/partials"), 1);
    assert_int_equal(store_free_bytes(store), 0);
    assert_int_equal(file_write_at(fd, "x", 1, 8192), ERROR_NO_SPACE);
    assert_int_equal(store_commit(store, name, fd, sha256, sidecar, strlen(sidecar)),
                     ERROR_NO_SPACE); /* its sidecar has no room */
    assert_int_equal(scratch_count("full/cache/partials"), 0);
    assert_int_equal(scan(store).blobs, 1);
    assert_int_equal(store_remove(store, kept), 0); /* making room works on a full disk */
    assert_int_equal(put(store, "again", sha256), 0);
    store_close(store);
    scratch_unmount("full");
}

static void a_read_only_disk(void **state)
{
    (void)state;
    struct store *store = NULL;
    if (!scratch_mount("ro", 1 << 20))
        skip();
    store_close(open_store("ro/cache"));
    assert_true(scratch_make_read_only("ro"));
    assert_int_equal(store_open("ro/cache", &store), ERROR_READ_ONLY);
    assert_int_equal(store_open("ro/other", &store), ERROR_READ_ONLY);
    assert_null(store);
    scratch_unmount("ro");
}

/* ------------------------------------------------------------------ scans */

static void junk_is_swept(void **state)
{
    (void)state;
    struct store *store = open_store("junk");
    char sha256[SHA256_HEX], bare[SHA256_HEX], path[256], parent[256];
    assert_int_equal(put(store, "good", sha256), 0);
    assert_int_equal(put(store, "bare", bare), 0);
    path_of("junk", bare, ".json", path);
    assert_int_equal(unlink(path), 0);

    scratch_write("junk/blobs/stray", "x");
    assert_int_equal(mkdir("junk/blobs/lost+found", 0755), 0);
    assert_int_equal(mkdir("junk/blobs/zz", 0755), 0);
    (void)mkdir("junk/blobs/00", 0755);
    scratch_write("junk/blobs/00/short", "x");
    path_of("junk", sha256, ".json.new", path);
    scratch_write(path, "x");
    path_of("junk", sha256, "0", path);
    scratch_write(path, "x");
    (void)snprintf(path, sizeof(path), "junk/blobs/00/%s", sha256); /* in the wrong drawer */
    scratch_write(path, "good");
    memset(bare, '0', 64); /* a sidecar whose blob never came, a link, a directory */
    path_of("junk", bare, ".json", path);
    scratch_write(path, "{}");
    bare[63] = '1';
    path_of("junk", bare, "", path);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    bare[63] = '2';
    path_of("junk", bare, "", path);
    assert_int_equal(mkdir(path, 0755), 0);

    struct seen seen = scan(store);
    assert_int_equal(seen.blobs, 2);
    assert_int_equal(seen.with_sidecar, 1);
    assert_int_equal(seen.bytes, 8);
    assert_true(seen.allocated_bytes % 512 == 0);
    assert_false(scratch_exists("junk/blobs/stray"));
    assert_true(scratch_exists("junk/blobs/lost+found"));
    assert_int_equal(scratch_count("junk/blobs/00"), 1); /* the directory alone */
    (void)snprintf(parent, sizeof(parent), "junk/blobs/%.2s", sha256);
    assert_int_equal(scratch_count(parent), 2);

    seen = (struct seen){.answer = ERROR_STOPPING};
    assert_int_equal(store_scan(store, see, &seen), ERROR_STOPPING);
    assert_int_equal(seen.blobs, 1);
    store_close(store);
}

static void sidecars_that_are_no_text(void **state)
{
    (void)state;
    struct store *store = open_store("text");
    char sha256[SHA256_HEX], path[256];
    assert_int_equal(put(store, "a", sha256), 0);
    path_of("text", sha256, ".json", path);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "", 1, 3), 1); /* a NUL amid it */
    (void)close(fd);
    assert_int_equal(scan(store).with_sidecar, 0);
    assert_int_equal(truncate(path, STORE_SIDECAR_MAX + 1), 0);
    assert_int_equal(scan(store).with_sidecar, 0);
    assert_int_equal(scan(store).blobs, 1);
    store_close(store);
}

static void ten_thousand_blobs(void **state)
{
    (void)state;
    enum { BLOBS = 10000 };
    struct store *store = open_store("many");
    for (int i = 0; i < BLOBS; i++) {
        char sha256[SHA256_HEX], path[256];
        assert_int_equal(sha256_of(&i, sizeof(i), sha256), 0);
        (void)snprintf(path, sizeof(path), "many/blobs/%.2s", sha256);
        (void)mkdir(path, 0755);
        path_of("many", sha256, "", path);
        scratch_write(path, "x");
        path_of("many", sha256, ".json", path);
        scratch_write(path, sidecar);
    }
    clock_t start = clock(); /* of our CPU: a disk that stands still is no news */
    struct seen seen = scan(store);
    long took_ms = (clock() - start) * 1000 / CLOCKS_PER_SEC;
    print_message("%d blobs scanned in %ld ms\n", BLOBS, took_ms);
    assert_int_equal(seen.blobs, BLOBS);
    assert_int_equal(seen.with_sidecar, BLOBS);
    assert_true(took_ms < 5000); /* about 80 on a quiet machine */
    store_close(store);
}

/* ------------------------------------------------------------------ threads */

enum { ROUNDS = 20 };

static void *commit_and_remove(void *context)
{
    struct store *store = context;
    char sha256[SHA256_HEX];
    size_t failures = 0;
    for (int i = 0; i < ROUNDS; i++) {
        auto_free char *name = NULL;
        auto_close int fd = -1, blob = -1;
        int64_t size;
        failures += store_begin(store, &name, &fd) != 0 || file_write_at(fd, "shared", 6, 0) != 0 ||
                    sha256_of("shared", 6, sha256) != 0 ||
                    store_commit(store, name, fd, sha256, sidecar, strlen(sidecar)) != 0;
        int r = store_open_blob(store, sha256, &blob, &size); /* another may have removed it */
        failures += r != STORE_MISSING && (r != 0 || size != 6);
        if (i % 3 == 0)
            failures += store_remove(store, sha256) != 0;
    }
    return (void *)failures;
}

static void threads_share_a_digest(void **state)
{
    (void)state;
    struct store *store = open_store("threads");
    pthread_t thread[3];
    char sha256[SHA256_HEX];
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, commit_and_remove, store), 0);
    for (size_t i = 0; i < 3; i++) {
        void *failures = NULL;
        (void)pthread_join(thread[i], &failures);
        assert_null(failures);
    }
    assert_int_equal(scratch_count("threads/partials"), 0);
    assert_int_equal(put(store, "shared", sha256), 0);
    assert_int_equal(scan(store).with_sidecar, 1); /* never a blob without its sidecar */
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commits_and_reads_back),
        cmocka_unit_test(names_that_are_no_digest),
        cmocka_unit_test(a_second_opener_is_refused),
        cmocka_unit_test(the_same_digest_twice),
        cmocka_unit_test(a_failed_commit_leaves_nothing),
        cmocka_unit_test(a_full_disk),
        cmocka_unit_test(a_read_only_disk),
        cmocka_unit_test(junk_is_swept),
        cmocka_unit_test(sidecars_that_are_no_text),
        cmocka_unit_test(ten_thousand_blobs),
        cmocka_unit_test(threads_share_a_digest),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
