// SPDX-License-Identifier: Apache-2.0
/*
 * Barriers inside the daemon: preloaded, it stops a thread at one of these points for as long as
 * <WHEELYARD_GATES>/<point> exists, and writes a line with the point's name to
 * <WHEELYARD_GATES>/log when a thread has stopped there.
 *
 *     suspend    a worker is about to suspend its connection; it holds the waitlist's lock
 *     resume     somebody is about to resume one; holds it, too
 *     queue      a worker queues the reply it has made: the file was chosen, no byte read
 *     write      a lane writes to a partial
 *     sync       a lane brings a partial to the disk, as before it is kept
 *     read       a lane reads from a blob or a partial: a cold block, or bytes to hash
 *     unlisten   a listening socket is about to leave an epoll set, on a thread that waits on one
 *     unlisten-elsewhere   the same on any other thread
 *
 * While <point>.trace exists, whoever comes by is noted, too, as "<point> by".
 *
 * <point>.only holds a text: only files whose path contains it are stopped at write, sync and read.
 * The next sync of such a file fails when <WHEELYARD_GATES>/sync.fails is there, which goes: a
 * kernel, too, says once that it lost what was written. While <WHEELYARD_GATES>/cold exists nothing
 * is in memory: reads that may not wait get EAGAIN.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { PATH_SIZE = 4096 };

static const char *folder;

__attribute__((constructor)) static void set_up(void)
{
    folder = getenv("WHEELYARD_GATES");
}

static bool is_there(const char *name)
{
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    return folder && access(path, F_OK) == 0;
}

/* Whether it was there. */
static bool take(const char *name)
{
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    return folder && unlink(path) == 0;
}

/* Directly to the kernel: `write` may be wrapped by another preloaded library. */
static void note(const char *point)
{
    char line[80], path[PATH_SIZE];
    (void)snprintf(path, sizeof(path), "%s/log", folder);
    int fd =
        (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    int len = snprintf(line, sizeof(line), "%s\n", point);
    (void)syscall(SYS_write, fd, line, (size_t)len);
    (void)syscall(SYS_close, fd);
}

static void gate(const char *point)
{
    int saved = errno;
    char name[80];
    (void)snprintf(name, sizeof(name), "%s.trace", point);
    if (is_there(name)) {
        (void)snprintf(name, sizeof(name), "%s by", point);
        note(name);
    }
    if (is_there(point)) {
        note(point);
        while (is_there(point))
            (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    errno = saved;
}

static bool is_stopped_file(const char *point, int fd)
{
    char name[PATH_SIZE], link[40], path[PATH_SIZE] = "", only[256] = "";
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    if (readlink(link, path, sizeof(path) - 1) < 0)
        return false;
    (void)snprintf(name, sizeof(name), "%s/%s.only", folder, point);
    int file = open(name, O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
        (void)!read(file, only, sizeof(only) - 1);
        (void)close(file);
    }
    bool is_ours = strstr(path, "/partials/") || strstr(path, "/blobs/");
    return is_ours && strstr(path, only);
}

static void gate_file(const char *point, int fd)
{
    int saved = errno;
    if (is_there(point) && is_stopped_file(point, fd))
        gate(point);
    errno = saved;
}

/* ------------------------------------------------------------------ what is wrapped */

#define REAL(name) ((__typeof__(&(name)))(uintptr_t)dlsym(RTLD_NEXT, #name))
#define VISIBLE __attribute__((visibility("default")))

VISIBLE void MHD_suspend_connection(struct MHD_Connection *connection)
{
    gate("suspend");
    REAL(MHD_suspend_connection)(connection);
}

VISIBLE void MHD_resume_connection(struct MHD_Connection *connection)
{
    gate("resume");
    REAL(MHD_resume_connection)(connection);
}

VISIBLE enum MHD_Result MHD_queue_response(struct MHD_Connection *connection, unsigned status,
                                           struct MHD_Response *response)
{
    gate("queue");
    return REAL(MHD_queue_response)(connection, status, response);
}

/* Bound by asm labels because headers may map pwrite to pwrite64. */
#define NAMED(symbol) __asm__(symbol) VISIBLE

ssize_t gates_pwrite(int fd, const void *from, size_t len, long offset) NAMED("pwrite");
ssize_t gates_pwrite(int fd, const void *from, size_t len, long offset)
{
    gate_file("write", fd);
    return syscall(SYS_pwrite64, fd, from, len, offset);
}
ssize_t gates_pwrite64(int fd, const void *from, size_t len, long offset) NAMED("pwrite64");
ssize_t gates_pwrite64(int fd, const void *from, size_t len, long offset)
{
    return gates_pwrite(fd, from, len, offset);
}

int gates_fdatasync(int fd) NAMED("fdatasync");
int gates_fdatasync(int fd)
{
    gate_file("sync", fd);
    if (is_stopped_file("sync", fd) && take("sync.fails")) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

ssize_t gates_pread(int fd, void *to, size_t len, long offset) NAMED("pread");
ssize_t gates_pread(int fd, void *to, size_t len, long offset)
{
    gate_file("read", fd);
    return syscall(SYS_pread64, fd, to, len, offset);
}
ssize_t gates_pread64(int fd, void *to, size_t len, long offset) NAMED("pread64");
ssize_t gates_pread64(int fd, void *to, size_t len, long offset)
{
    return gates_pread(fd, to, len, offset);
}

ssize_t gates_preadv2(int fd, const struct iovec *to, int count, long offset, int flags)
    NAMED("preadv2");
ssize_t gates_preadv2(int fd, const struct iovec *to, int count, long offset, int flags)
{
    if ((flags & RWF_NOWAIT) && is_there("cold")) {
        errno = EAGAIN;
        return -1;
    }
    return syscall(SYS_preadv2, fd, to, count, offset, 0L, flags);
}
ssize_t gates_preadv64v2(int fd, const struct iovec *to, int count, long offset, int flags)
    NAMED("preadv64v2");
ssize_t gates_preadv64v2(int fd, const struct iovec *to, int count, long offset, int flags)
{
    return gates_preadv2(fd, to, count, offset, flags);
}

int gates_mincore(void *from, size_t len, unsigned char *ret) NAMED("mincore");
int gates_mincore(void *from, size_t len, unsigned char *ret)
{
    int r = (int)syscall(SYS_mincore, from, len, ret);
    if (r == 0 && is_there("cold"))
        memset(ret, 0, (len + 4095) / 4096);
    return r;
}

static _Thread_local bool waits_here;

int gates_epoll_wait(int set, struct epoll_event *ret, int most, int timeout_ms)
    NAMED("epoll_wait");
int gates_epoll_wait(int set, struct epoll_event *ret, int most, int timeout_ms)
{
    waits_here = true;
    return (int)syscall(SYS_epoll_pwait, set, ret, most, timeout_ms, NULL, 8L);
}

int gates_epoll_ctl(int set, int what, int fd, struct epoll_event *event) NAMED("epoll_ctl");
int gates_epoll_ctl(int set, int what, int fd, struct epoll_event *event)
{
    int listens = 0;
    socklen_t len = sizeof(listens);
    if (what == EPOLL_CTL_DEL)
        (void)getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len);
    if (listens)
        gate(waits_here ? "unlisten" : "unlisten-elsewhere");
    return (int)syscall(SYS_epoll_ctl, set, what, fd, event);
}
