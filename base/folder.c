// SPDX-License-Identifier: Apache-2.0
/*
 * Other users may rename, replace and link files while this code looks at them. So every check is
 * made on a descriptor, never on a name. A file is opened with O_PATH, /proc/self/fd tells where it
 * leads, and then the very same file is reopened for reading.
 *
 * A walk goes depth first with one open descriptor per level. It ends when all entries were seen,
 * at the first limit, or on lack of memory. A file that cannot be read is reported and skipped.
 */
#include "base/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"

enum { WALK_PATH_MAX = 16 << 10 };

/* ------------------------------------------------------------------- facts */

static int64_t in_ns(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The facts that tell whether a file has changed since it was read. */
static struct folder_file facts_of(const struct stat *st)
{
    return (struct folder_file){.size = st->st_size,
                                .modified_ns = in_ns(st->st_mtim),
                                .changed_ns = in_ns(st->st_ctim),
                                .inode = st->st_ino,
                                .device = st->st_dev,
                                .is_unlinked = st->st_nlink == 0};
}

/* On a descriptor, so the answer is about the file that will be read. */
int folder_stat(int fd, struct folder_file *ret)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return error_from_errno(errno);
    if (!S_ISREG(st.st_mode))
        return ERROR_IO;
    *ret = facts_of(&st);
    return 0;
}

/* Not the device: its number may change with a restart. */
bool folder_is_same(const struct folder_file *a, const struct folder_file *b)
{
    return a->inode == b->inode && a->size == b->size && a->modified_ns == b->modified_ns;
}

/* The time of the last write can be set back; the time of the last change cannot. But the latter
 * also changes when the last name goes, as it does when someone replaces the file. That alone is
 * harmless. */
bool folder_was_touched(int fd, const struct folder_file *then)
{
    struct folder_file now = {0};
    if (folder_stat(fd, &now) || !folder_is_same(&now, then))
        return true;
    return now.changed_ns != then->changed_ns && now.is_unlinked == then->is_unlinked;
}

/* ------------------------------------------------------------ inside or not */

/* The real path of an open descriptor. */
static bool place_of(int fd, char ret[PATH_MAX])
{
    char name[40];
    (void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    ssize_t len = readlink(name, ret, PATH_MAX - 1);
    if (len <= 0)
        return false;
    ret[len] = '\0';
    return true;
}

/* Compares real paths, so links on the way do not matter. */
static bool is_inside(const char *root, int fd)
{
    char place[PATH_MAX];
    size_t len = strlen(root);
    if (!place_of(fd, place) || strncmp(place, root, len) != 0)
        return false;
    return len == 1 || place[len] == '/' || !place[len];
}

/* Opens the same file for reading, after its kind was checked through O_PATH. */
static int reopen(int fd, int flags)
{
    char name[40];
    (void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    return open(name, O_RDONLY | O_CLOEXEC | flags);
}

/* Errors that mean "there is no such file" are an expected outcome. */
static int missing_or(int error)
{
    bool missing = error == ENOENT || error == ENOTDIR || error == ELOOP || error == ENAMETOOLONG;
    return missing ? FOLDER_MISSING : error_from_errno(error);
}

/* The path comes from a request, so it may contain links that lead anywhere; the real path decides.
 */
int folder_open(const char *root, const char *path, int *ret_fd, struct folder_file *ret)
{
    char top[PATH_MAX];
    auto_close int folder = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return missing_or(errno);
    auto_close int found = openat(folder, path, O_PATH | O_CLOEXEC);
    if (found < 0)
        return missing_or(errno);
    if (!place_of(folder, top) || !is_inside(top, found))
        return FOLDER_MISSING;
    struct folder_file facts;
    int r = folder_stat(found, &facts);
    if (r)
        return r;
    int fd = reopen(found, 0);
    if (fd < 0)
        return error_from_errno(errno);
    *ret_fd = fd;
    *ret = facts;
    return 0;
}

/* -------------------------------------------------------------------- walk */

/* One folder on the way down, to find loops. */
struct ancestor {
    dev_t device;
    ino_t inode;
};

/* One walk; it lives on the heap, because a path of 4 KiB does not belong on a small stack. */
struct walk {
    const struct folder_visitor *visitor;
    void *context;
    char root[PATH_MAX]; /* its real path */
    struct buf path;
    struct ancestor above[FOLDER_DEPTH_MOST];
    unsigned depth, files, folders;
};

static int walk_folder(struct walk *w, int fd);

static void trouble(struct walk *w, const char *what)
{
    w->visitor->trouble(w->context, w->path.data, what);
}

/* Counts every wanted file, so that a folder without end stops the walk. */
static int visit(struct walk *w, const struct stat *st)
{
    if (++w->files > FOLDER_FILES_MOST)
        return ERROR_TOO_BIG;
    struct folder_file file = facts_of(st);
    w->visitor->visit(w->context, w->path.data, &file);
    return 0;
}

/* Takes over the descriptor of a folder. A negative one failed to open, and errno says why. */
static int enter(struct walk *w, int fd)
{
    if (fd < 0) {
        if (errno != ENOENT) /* ENOENT: it was removed just now */
            trouble(w, strerror(errno));
        return 0;
    }
    if (w->depth < FOLDER_DEPTH_MOST)
        return walk_folder(w, fd);
    trouble(w, "too deep a folder");
    (void)close(fd);
    return 0;
}

/* A link is judged by its target. Links out of the folder are reported, because a user may wonder
 * why a file is not listed. */
static int take_link(struct walk *w, int parent, const char *name)
{
    struct stat st;
    bool wanted = w->visitor->wants(w->context, name);
    auto_close int fd = openat(parent, name, O_PATH | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        if (wanted)
            trouble(w,
                    errno == ELOOP ? "a link that leads in circles" : "a link that leads nowhere");
        return 0;
    }
    bool is_folder = S_ISDIR(st.st_mode);
    if (!is_folder && !wanted)
        return 0;
    if (!is_inside(w->root, fd)) {
        trouble(w, "a link that leads outside of the folder");
        return 0;
    }
    if (is_folder)
        return enter(w, reopen(fd, O_DIRECTORY));
    if (S_ISREG(st.st_mode))
        return visit(w, &st);
    trouble(w, "not a regular file");
    return 0;
}

/* The type in the directory entry saves a stat for most unwanted files. */
static int take_entry(struct walk *w, int parent, const struct dirent *entry)
{
    struct stat st;
    const char *name = entry->d_name;
    bool plain = entry->d_type == DT_REG || entry->d_type == DT_FIFO || entry->d_type == DT_SOCK ||
                 entry->d_type == DT_CHR || entry->d_type == DT_BLK;
    if (plain && !w->visitor->wants(w->context, name))
        return 0;
    if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno != ENOENT)
            trouble(w, strerror(errno));
        return 0;
    }
    if (S_ISLNK(st.st_mode))
        return take_link(w, parent, name);
    if (S_ISDIR(st.st_mode))
        return enter(w, openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!w->visitor->wants(w->context, name))
        return 0;
    if (S_ISREG(st.st_mode))
        return visit(w, &st);
    trouble(w, "not a regular file");
    return 0;
}

/* One path buffer serves the whole walk; each level cuts it back to its own length. */
static int take_entries(struct walk *w, DIR *folder)
{
    size_t len = w->path.len;
    const struct dirent *entry;
    int r = 0;
    while (r == 0 && (errno = 0, entry = readdir(folder))) {
        if (entry->d_name[0] == '.')
            continue;
        if (len)
            buf_putc(&w->path, '/');
        buf_puts(&w->path, entry->d_name);
        r = w->path.error ? w->path.error : take_entry(w, dirfd(folder), entry);
        w->path.len = len;
        w->path.data[len] = '\0';
    }
    if (r == 0 && errno)
        trouble(w, strerror(errno));
    return r;
}

/* Takes over the descriptor. The list of ancestors finds loops that links make. */
static int walk_folder(struct walk *w, int fd)
{
    struct stat st;
    bool again = fstat(fd, &st) < 0;
    for (unsigned i = 0; i < w->depth && !again; i++)
        again = w->above[i].device == st.st_dev && w->above[i].inode == st.st_ino;
    DIR *folder = again ? NULL : fdopendir(fd);
    if (!folder) {
        (void)close(fd);
        return again ? 0 : ERROR_NO_MEMORY;
    }
    w->above[w->depth++] = (struct ancestor){st.st_dev, st.st_ino};
    int r = ++w->folders > FOLDER_FOLDERS_MOST ? ERROR_TOO_BIG : take_entries(w, folder);
    w->depth--;
    (void)closedir(folder);
    return r;
}

int folder_walk(const char *root, const struct folder_visitor *visitor, void *context,
                const char **ret_why)
{
    auto_free struct walk *w = calloc(1, sizeof(*w));
    if (!w)
        return ERROR_NO_MEMORY;
    w->visitor = visitor;
    w->context = context;
    int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || !place_of(fd, w->root)) {
        *ret_why = strerror(errno);
        if (fd >= 0)
            (void)close(fd);
        return FOLDER_MISSING;
    }
    buf_init(&w->path, WALK_PATH_MAX);
    buf_puts(&w->path, "");
    int r = walk_folder(w, fd);
    buf_release(&w->path);
    return r;
}

/* faccessat with AT_EACCESS checks the effective user, which the daemon runs as. */
const char *folder_refuses(const char *root)
{
    auto_close int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool may = fd >= 0 && faccessat(fd, ".", X_OK, AT_EACCESS) == 0;
    return may ? NULL : strerror(errno);
}
