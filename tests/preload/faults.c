// SPDX-License-Identifier: Apache-2.0
/*
 * A disk that fails on command: preloaded into the daemon, it counts every call that changes files
 * below one directory (SQLite's own calls too) and does harm at one of them. Told by the
 * environment:
 *
 *     WHEELYARD_FAULT_DIR    the directory, absolute and without links; nothing else is touched
 *     WHEELYARD_FAULT_ONLY   a text: only paths below it that contain it count, if given
 *     WHEELYARD_FAULT_TRACE  a file that gets one line per step: number, call, path below the above
 *     WHEELYARD_FAULT_STEP   number of the step, from 1; 0 or nothing: only count
 *     WHEELYARD_FAULT_MODE   kill-before, kill-after, kill-torn (half of a write, then killed),
 *                            eio, enospc (one call fails), eio-on, enospc-on (all from there on)
 *     WHEELYARD_FAULT_OFF    a file; while it is there, eio-on and enospc-on do nothing
 *
 * Calls go to the kernel directly, never to libc: no lookup, no allocation, no lock, so that it may
 * be called from anywhere, before constructors and under sanitizers too. Names are bound by asm
 * labels because headers may map pwrite to pwrite64.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PATH_SIZE = 4096 };
enum kind { WRITES, FREES }; /* a full disk still lets one unlink and truncate */
enum { BEFORE = 1, AFTER = 2, TORN = 4, ERRORS = 8, STAYS = 16 };

static const struct mode {
    const char *name;
    int flags, error;
} modes[] = {
    {"kill-before", BEFORE, 0},
    {"kill-after", AFTER, 0},
    {"kill-torn", TORN, 0},
    {"eio", ERRORS, EIO},
    {"enospc", ERRORS, ENOSPC},
    {"eio-on", ERRORS | STAYS, EIO},
    {"enospc-on", ERRORS | STAYS, ENOSPC},
};

static char folder[PATH_SIZE];
static size_t folder_len; /* 0: not set up yet, or not wanted */
static const struct mode *mode;
static unsigned long fault_step;
static const char *off_path, *only;
static int trace_fd = -1;
static _Atomic unsigned long steps;

__attribute__((constructor)) static void set_up(void)
{
    const char *dir = getenv("WHEELYARD_FAULT_DIR"), *trace = getenv("WHEELYARD_FAULT_TRACE");
    const char *step = getenv("WHEELYARD_FAULT_STEP"), *name = getenv("WHEELYARD_FAULT_MODE");
    off_path = getenv("WHEELYARD_FAULT_OFF");
    only = getenv("WHEELYARD_FAULT_ONLY");
    fault_step = step ? strtoul(step, NULL, 10) : 0;
    for (size_t i = 0; name && i < sizeof(modes) / sizeof(modes[0]); i++)
        if (strcmp(name, modes[i].name) == 0)
            mode = &modes[i];
    if (fault_step > 0 && !mode)
        abort(); /* a test that harms nothing would pass */
    if (trace)
        trace_fd = (int)syscall(SYS_openat, AT_FDCWD, trace,
                                O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (dir && strlen(dir) < sizeof(folder)) {
        memcpy(folder, dir, strlen(dir) + 1);
        folder_len = strlen(dir);
    }
}

/* ------------------------------------------------------------------ which file */

static bool path_of_fd(int fd, char *ret)
{
    char link[40];
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    long n = syscall(SYS_readlink, link, ret, PATH_SIZE - 1);
    ret[n > 0 ? n : 0] = '\0';
    return n > 0;
}

static void path_at(int directory, const char *name, char *ret)
{
    char start[PATH_SIZE] = "";
    if (name[0] != '/' && directory != AT_FDCWD)
        (void)path_of_fd(directory, start);
    if (start[0])
        (void)snprintf(ret, PATH_SIZE, "%s/%.1024s", start, name);
    else
        (void)snprintf(ret, PATH_SIZE, "%s", name);
}

static bool is_watched(const char *path)
{
    return folder_len > 0 && strncmp(path, folder, folder_len) == 0 &&
           (path[folder_len] == '/' || path[folder_len] == '\0') &&
           (!only || strstr(path + folder_len, only));
}

/* ------------------------------------------------------------------ steps */

static void die(void)
{
    for (;;)
        (void)syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
}

static void trace(unsigned long n, const char *call, const char *path)
{
    char line[PATH_SIZE + 64];
    const char *below = path + folder_len;
    int len = snprintf(line, sizeof(line), "%lu %s %s\n", n, call, *below ? below + 1 : ".");
    if (trace_fd >= 0)
        (void)syscall(SYS_write, trace_fd, line, (size_t)len);
}

static bool fails(unsigned long n, enum kind kind)
{
    if (!mode || !(mode->flags & ERRORS) || (kind == FREES && mode->error == ENOSPC))
        return false;
    if (!(mode->flags & STAYS))
        return n == fault_step;
    return n >= fault_step && !(off_path && syscall(SYS_access, off_path, F_OK) == 0);
}

struct call {
    const char *name;
    enum kind kind;
    long number, arguments[5];
};

static long invoke(const struct call *c)
{
    const long *a = c->arguments;
    return syscall(c->number, a[0], a[1], a[2], a[3], a[4]);
}

/* One call on a path: done, refused, or the last one. */
static long run(const char *path, struct call c)
{
    int saved = errno;
    if (!is_watched(path)) {
        errno = saved;
        return invoke(&c);
    }
    unsigned long n = atomic_fetch_add(&steps, 1) + 1;
    bool is_here = fault_step > 0 && n == fault_step;
    trace(n, c.name, path);
    if (fault_step > 0 && fails(n, c.kind)) {
        errno = mode->error;
        return -1;
    }
    if (is_here && (mode->flags & TORN) && (c.number == SYS_pwrite64 || c.number == SYS_write)) {
        c.arguments[2] /= 2;
        (void)invoke(&c);
    }
    if (is_here && (mode->flags & (BEFORE | TORN)))
        die();
    errno = saved;
    long r = invoke(&c);
    if (is_here && (mode->flags & AFTER))
        die();
    return r;
}

static long run_fd(int fd, struct call c)
{
    char path[PATH_SIZE];
    int saved = errno;
    if (folder_len == 0 || !path_of_fd(fd, path))
        path[0] = '\0';
    errno = saved;
    return run(path, c);
}

static long run_at(int directory, const char *name, struct call c)
{
    char path[PATH_SIZE];
    int saved = errno;
    path_at(directory, name, path);
    errno = saved;
    return run(path, c);
}

#define CALL(name, kind, number, ...)                                                              \
    (struct call)                                                                                  \
    {                                                                                              \
        name, kind, number,                                                                        \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

/* ------------------------------------------------------------------ what is wrapped */

/* faults_<name> under the name(s) that programs call. */
#define NAMED(symbol) __asm__(symbol) __attribute__((visibility("default")))

ssize_t faults_pwrite(int fd, const void *from, size_t len, long offset) NAMED("pwrite");
ssize_t faults_pwrite(int fd, const void *from, size_t len, long offset)
{
    return run_fd(fd, CALL("pwrite", WRITES, SYS_pwrite64, fd, (long)from, (long)len, offset));
}
ssize_t faults_pwrite64(int fd, const void *from, size_t len, long offset) NAMED("pwrite64");
ssize_t faults_pwrite64(int fd, const void *from, size_t len, long offset)
{
    return faults_pwrite(fd, from, len, offset);
}

ssize_t faults_write(int fd, const void *from, size_t len) NAMED("write");
ssize_t faults_write(int fd, const void *from, size_t len)
{
    return run_fd(fd, CALL("write", WRITES, SYS_write, fd, (long)from, (long)len));
}

int faults_fsync(int fd) NAMED("fsync");
int faults_fsync(int fd)
{
    return (int)run_fd(fd, CALL("fsync", WRITES, SYS_fsync, fd));
}

int faults_fdatasync(int fd) NAMED("fdatasync");
int faults_fdatasync(int fd)
{
    return (int)run_fd(fd, CALL("fdatasync", WRITES, SYS_fdatasync, fd));
}

int faults_sync_range(int fd, long offset, long len, unsigned flags) NAMED("sync_file_range");
int faults_sync_range(int fd, long offset, long len, unsigned flags)
{
    return (int)run_fd(
        fd, CALL("sync_file_range", WRITES, SYS_sync_file_range, fd, offset, len, flags));
}

int faults_ftruncate(int fd, long size) NAMED("ftruncate");
int faults_ftruncate(int fd, long size)
{
    return (int)run_fd(fd, CALL("ftruncate", FREES, SYS_ftruncate, fd, size));
}
int faults_ftruncate64(int fd, long size) NAMED("ftruncate64");
int faults_ftruncate64(int fd, long size)
{
    return faults_ftruncate(fd, size);
}

int faults_fallocate(int fd, int how, long offset, long len) NAMED("fallocate");
int faults_fallocate(int fd, int how, long offset, long len)
{
    return (int)run_fd(fd, CALL("fallocate", WRITES, SYS_fallocate, fd, how, offset, len));
}
int faults_fallocate64(int fd, int how, long offset, long len) NAMED("fallocate64");
int faults_fallocate64(int fd, int how, long offset, long len)
{
    return faults_fallocate(fd, how, offset, len);
}

/* A rename counts where it goes to: that is what becomes visible. */
int faults_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
    NAMED("renameat2");
int faults_renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    return (int)run_at(
        to_dir, to,
        CALL("rename", WRITES, SYS_renameat2, from_dir, (long)from, to_dir, (long)to, flags));
}
int faults_renameat(int from_dir, const char *from, int to_dir, const char *to) NAMED("renameat");
int faults_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    return faults_renameat2(from_dir, from, to_dir, to, 0);
}
int faults_rename(const char *from, const char *to) NAMED("rename");
int faults_rename(const char *from, const char *to)
{
    return faults_renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int faults_unlinkat(int directory, const char *name, int flags) NAMED("unlinkat");
int faults_unlinkat(int directory, const char *name, int flags)
{
    return (int)run_at(directory, name,
                       CALL("unlink", FREES, SYS_unlinkat, directory, (long)name, flags));
}
int faults_unlink(const char *name) NAMED("unlink");
int faults_unlink(const char *name)
{
    return faults_unlinkat(AT_FDCWD, name, 0);
}

int faults_mkdirat(int directory, const char *name, mode_t rights) NAMED("mkdirat");
int faults_mkdirat(int directory, const char *name, mode_t rights)
{
    return (int)run_at(directory, name,
                       CALL("mkdir", WRITES, SYS_mkdirat, directory, (long)name, rights));
}
int faults_mkdir(const char *name, mode_t rights) NAMED("mkdir");
int faults_mkdir(const char *name, mode_t rights)
{
    return faults_mkdirat(AT_FDCWD, name, rights);
}

/* Opening is a step when it may make or empty a file. */
static int open_at(int directory, const char *name, int flags, mode_t rights)
{
    struct call c = CALL("open", WRITES, SYS_openat, directory, (long)name, flags, rights);
    if (!(flags & (O_CREAT | O_TRUNC)))
        return (int)invoke(&c);
    return (int)run_at(directory, name, c);
}

static mode_t rights_of(int flags, va_list arguments)
{
    bool given = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
    return given ? va_arg(arguments, mode_t) : 0;
}

#define OPEN(symbol, ...)                                                                          \
    int faults_##symbol(__VA_ARGS__, int flags, ...) NAMED(#symbol);                               \
    int faults_##symbol(__VA_ARGS__, int flags, ...)

#define RIGHTS(ret)                                                                                \
    va_list arguments;                                                                             \
    va_start(arguments, flags);                                                                    \
    mode_t ret = rights_of(flags, arguments);                                                      \
    va_end(arguments)

OPEN(open, const char *name)
{
    RIGHTS(rights);
    return open_at(AT_FDCWD, name, flags, rights);
}
OPEN(open64, const char *name)
{
    RIGHTS(rights);
    return open_at(AT_FDCWD, name, flags, rights);
}
OPEN(openat, int directory, const char *name)
{
    RIGHTS(rights);
    return open_at(directory, name, flags, rights);
}
OPEN(openat64, int directory, const char *name)
{
    RIGHTS(rights);
    return open_at(directory, name, flags, rights);
}
