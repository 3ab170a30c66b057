// SPDX-License-Identifier: Apache-2.0
/*
 * /proc/net/tcp gives the inodes of listening sockets, and /proc/PID/fd the sockets of each
 * process. The result is only for an error message, so every failure on the way just gives no name.
 * /
 */
#include "base/port.h"

#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { INODES_MAX = 16, LISTENING = 0x0a, NAME_BYTES = 320, LINE_BYTES = 512 };

/* The inodes of the sockets that listen on the port; one program may have several. */
struct inodes {
    unsigned long list[INODES_MAX];
    size_t count;
};

/* Columns of proc(5): local address and port, state, inode. */
static void collect(const char *table, int port, struct inodes *to)
{
    char line[LINE_BYTES];
    FILE *file = fopen(table, "re");

    while (file && fgets(line, sizeof line, file)) {
        unsigned at, state;
        unsigned long inode;

        if (sscanf(line,
                   "%*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*x:%*x %*x:%*x %*x %*u %*d %lu",
                   &at, &state, &inode) == 3 &&
            at == (unsigned)port && state == LISTENING && to->count < INODES_MAX)
            to->list[to->count++] = inode;
    }
    if (file)
        (void)fclose(file);
}

/* A descriptor of a socket is a link to "socket:[INODE]". */
static bool is_one_of(const struct inodes *inodes, const char *link)
{
    unsigned long inode;

    if (sscanf(link, "socket:[%lu]", &inode) != 1)
        return false;
    for (size_t i = 0; i < inodes->count; i++)
        if (inodes->list[i] == inode)
            return true;
    return false;
}

/* Only root may read the descriptors of other users' processes. */
static bool process_has(const char *pid, const struct inodes *inodes)
{
    char path[NAME_BYTES], link[NAME_BYTES];
    bool found = false;

    (void)snprintf(path, sizeof path, "/proc/%s/fd", pid);
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && !found && (entry = readdir(dir));) {
        ssize_t len = readlinkat(dirfd(dir), entry->d_name, link, sizeof link - 1);

        if (len <= 0)
            continue;
        link[len] = '\0';
        found = is_one_of(inodes, link);
    }
    if (dir)
        (void)closedir(dir);
    return found;
}

/* /proc/PID/comm needs no right to read. */
static void name_of(const char *pid, char *ret, size_t size)
{
    char path[NAME_BYTES], name[NAME_BYTES] = "";

    (void)snprintf(path, sizeof path, "/proc/%s/comm", pid);
    FILE *file = fopen(path, "re");
    if (file && fgets(name, sizeof name, file))
        name[strcspn(name, "\n")] = '\0';
    if (file)
        (void)fclose(file);
    (void)snprintf(ret, size, "%s, pid %s", name, pid);
}

/* Both tables, because one program may listen on IPv4 and another on IPv6; the first one found is
 * named. */
void port_holder(int port, char *ret, size_t size)
{
    struct inodes inodes = {.count = 0};
    bool found = false;

    *ret = '\0';
    collect("/proc/net/tcp", port, &inodes);
    collect("/proc/net/tcp6", port, &inodes);
    DIR *proc = inodes.count ? opendir("/proc") : NULL;
    for (struct dirent *entry; proc && !found && (entry = readdir(proc));) {
        if (!isdigit((unsigned char)*entry->d_name) || !process_has(entry->d_name, &inodes))
            continue;
        name_of(entry->d_name, ret, size);
        found = true;
    }
    if (proc)
        (void)closedir(proc);
}
