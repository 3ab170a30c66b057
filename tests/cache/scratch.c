// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "tests/cache/scratch.h"

static char dir[] = "/tmp/test-cache-XXXXXX";

int scratch_enter(void **state)
{
    (void)state;
    return mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static int forget(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

int scratch_leave(void **state)
{
    (void)state;
    return chdir("/") == 0 ? nftw(dir, forget, 32, FTW_DEPTH | FTW_PHYS) : -1;
}

bool scratch_mount(const char *name, int64_t size_bytes)
{
    static bool private;
    char options[64];
    (void)snprintf(options, sizeof(options), "size=%lld,mode=0755", (long long)size_bytes);
    if ((!private &&
         (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)) ||
        (mkdir(name, 0755) < 0 && errno != EEXIST) ||
        mount("tmpfs", name, "tmpfs", 0, options) < 0) {
        print_message("no file system of our own here: %s\n", strerror(errno));
        return false;
    }
    private = true;
    return true;
}

bool scratch_make_read_only(const char *name)
{
    return mount(NULL, name, NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0;
}

void scratch_unmount(const char *name)
{
    assert_int_equal(umount2(name, MNT_DETACH), 0);
}

void scratch_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    (void)close(fd);
}

bool scratch_exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static int walk(const char *path, const char *prefix, char *ret)
{
    DIR *stream = opendir(path);
    const struct dirent *entry;
    int count = 0;
    if (!stream)
        return -1;
    while ((entry = readdir(stream))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            !str_starts(entry->d_name, prefix))
            continue;
        count++;
        if (ret)
            str_copy(ret, 256, entry->d_name);
    }
    (void)closedir(stream);
    return count;
}

int scratch_count(const char *path)
{
    return walk(path, "", NULL);
}

bool scratch_find(const char *directory, const char *prefix, char *ret)
{
    return walk(directory, prefix, ret) == 1;
}
