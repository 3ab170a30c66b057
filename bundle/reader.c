// SPDX-License-Identifier: Apache-2.0
/*
 * Opening a set of bundles. What was given goes through three steps:
 *
 *     look at each path: parts, manifests, folders -> judge each manifest that was seen
 * (reader_judge)
 *     -> when all are known, give each part its bundle and number (reader_attach)
 */
#include "bundle/reader.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "bundle/reader_private.h"
#include "bundle/tar.h"

DEFINE_CLEANUP(struct reader, reader_free)

int reader_problem(struct reader *reader, const char *format, ...)
{
    va_list args;
    char *text = NULL;
    if (reader->problem_count == READER_PROBLEMS_MAX)
        return 0;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    char **grown = realloc(reader->problems, (reader->problem_count + 1) * sizeof(*grown));
    if (grown)
        reader->problems = grown;
    if (!text || !grown) {
        free(text);
        return ERROR_NO_MEMORY;
    }
    grown[reader->problem_count++] = text;
    return 0;
}

/* --------------------------------------------------------------------- life */

static void release_bundle(struct reader_bundle *bundle)
{
    for (size_t i = 0; bundle->parts && i < bundle->manifest->part_count; i++) {
        free(bundle->parts[i].copies);
        free(bundle->parts[i].damage);
    }
    free(bundle->parts);
    free(bundle->pieces);
    free(bundle->found);
    free(bundle->path);
    free(bundle->why);
    manifest_free(bundle->manifest);
}

static void free_source(struct reader_source *source)
{
    if (source)
        free(source->path);
    free(source);
}

DEFINE_CLEANUP(struct reader_source, free_source)

void reader_free(struct reader *reader)
{
    if (!reader)
        return;
    for (size_t i = 0; i < reader->bundle_count; i++)
        release_bundle(&reader->bundles[i]);
    for (size_t i = 0; i < reader->source_count; i++)
        free_source(reader->sources[i]);
    for (size_t i = 0; i < reader->problem_count; i++)
        free(reader->problems[i]);
    free(reader->bundles);
    free(reader->sources);
    free(reader->problems);
    free(reader->block);
    free(reader);
}

static int open_regular(const char *path, struct stat *st, int *ret_fd)
{
    auto_close int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, st) < 0)
        return error_from_errno(errno);
    if (!S_ISREG(st->st_mode))
        return ERROR_NOT_FILE;
    *ret_fd = fd;
    fd = -1;
    return 0;
}

int reader_source_open(const struct reader_source *source, int *ret_fd)
{
    struct stat st;
    auto_close int fd = -1;
    if (open_regular(source->path, &st, &fd) || st.st_dev != source->device ||
        st.st_ino != source->inode || st.st_size != source->size)
        return ERROR_IO;
    *ret_fd = fd;
    fd = -1;
    return 0;
}

/* ------------------------------------------------------------------- sources */

static int add_source(struct reader *reader, const char *path, const struct stat *st,
                      struct reader_source **ret)
{
    if (reader->source_count == READER_SOURCES_MAX)
        return ERROR_TOO_BIG;
    AUTO(free_source) struct reader_source *source = calloc(1, sizeof(*source));
    void *grown =
        realloc(reader->sources, (reader->source_count + 1) * sizeof(struct reader_source *));
    if (grown)
        reader->sources = grown;
    if (!source || !grown)
        return ERROR_NO_MEMORY;
    source->path = strdup(path);
    if (!source->path)
        return ERROR_NO_MEMORY;
    source->size = st->st_size;
    source->device = st->st_dev;
    source->inode = st->st_ino;
    source->is_folder = S_ISDIR(st->st_mode);
    reader->sources[reader->source_count++] = source;
    *ret = source;
    source = NULL;
    return 0;
}

static bool is_known(const struct reader *reader, const struct stat *st)
{
    for (size_t i = 0; i < reader->source_count; i++)
        if (reader->sources[i]->device == st->st_dev && reader->sources[i]->inode == st->st_ino)
            return true;
    return false;
}

/* Whether zeros stand there. */
static bool is_padding(int fd, int64_t at, int64_t len)
{
    static const char zeros[TAR_BLOCK];
    char found[TAR_BLOCK];
    return len == 0 || (file_read_at(fd, found, (size_t)len, at) == 0 &&
                        memcmp(found, zeros, (size_t)len) == 0);
}

/* A member of the head: its bytes are appended; head->payload_at moves behind it. */
static int read_head_member(int fd, int64_t size, const char *name, struct buf *to,
                            struct reader_head *head)
{
    char block[TAR_BLOCK];
    int64_t len, modified_s, at = head->payload_at;
    if (at + TAR_BLOCK > size)
        return READER_NO_HEAD;
    int r = file_read_at(fd, block, sizeof(block), at);
    if (r)
        return r;
    at += TAR_BLOCK;
    if (!tar_header_read(block, name, &len, &modified_s) || len > (int64_t)to->max ||
        at + len > size)
        return READER_NO_HEAD;
    char *room = buf_reserve(to, (size_t)len + 1);
    if (!room)
        return to->error;
    r = file_read_at(fd, room, (size_t)len, at);
    if (r)
        return r;
    to->len += (size_t)len;
    to->data[to->len] = '\0';
    at += len;
    head->is_odd |= !is_padding(fd, at, tar_padding(len)) ||
                    (head->payload_at && modified_s != head->modified_s);
    head->modified_s = modified_s;
    head->payload_at = at + tar_padding(len);
    return 0;
}

int reader_head_read(int fd, int64_t size, struct buf *text, struct buf *signature,
                     struct reader_head *ret)
{
    struct reader_head head = {.payload_at = 0};
    int r = read_head_member(fd, size, layout_manifest_name, text, &head);
    if (r)
        return r;
    r = read_head_member(fd, size, layout_signature_name, signature, &head);
    if (r && r != READER_NO_HEAD)
        return r;
    *ret = head;
    return 0;
}

static int look_at_part(struct reader *reader, const char *path, int fd, const struct stat *st)
{
    auto_buf struct buf text;
    auto_buf struct buf signature;
    struct reader_source *source;
    enum reader_trust trust = READER_UNSIGNED;
    buf_init(&text, MANIFEST_MAX_BYTES);
    buf_init(&signature, MINISIGN_FILE_MAX);
    if (is_known(reader, st))
        return 0;
    int r = add_source(reader, path, st, &source);
    if (r)
        return r;
    r = reader_head_read(fd, st->st_size, &text, &signature, &source->head);
    if (r == READER_NO_HEAD || r == ERROR_IO)
        return 0; /* reader_attach says so, unless it is known by its name */
    if (r == 0)
        r = sha256_of(text.data, text.len, source->sha256);
    if (r == 0)
        r = reader_judge(reader, path, &text, &signature, &trust);
    if (r)
        return r;
    source->has_head = true;
    source->payload_at = source->head.payload_at;
    source->has_signature = signature.len > 0;
    source->trust = trust;
    return 0;
}

/* PATH.minisig, where there is one. */
static int look_at_manifest(struct reader *reader, const char *path, int fd)
{
    auto_buf struct buf text;
    auto_buf struct buf signature;
    auto_free char *beside = str_printf("%s.minisig", path);
    enum reader_trust trust;
    buf_init(&text, MANIFEST_MAX_BYTES);
    buf_init(&signature, MINISIGN_FILE_MAX);
    if (!beside)
        return ERROR_NO_MEMORY;
    int r = file_read_to_end(fd, &text);
    if (r == 0)
        r = file_read_all(beside, &signature);
    if (r == FILE_MISSING)
        r = 0;
    if (r && r != ERROR_NO_MEMORY)
        return reader_problem(reader, "%s: %s", path, error_text(r));
    return r ? r : reader_judge(reader, path, &text, &signature, &trust);
}

static int look_at_file(struct reader *reader, const char *path)
{
    struct stat st;
    auto_close int fd = -1;
    int r = open_regular(path, &st, &fd);
    if (r)
        return reader_problem(reader, "%s: %s", path, error_text(r));
    return str_ends(path, ".json") ? look_at_manifest(reader, path, fd)
                                   : look_at_part(reader, path, fd, &st);
}

/* Parts and manifests that lie in a folder itself; `files` makes it a tree. */
static int look_at_entry(struct reader *reader, const char *folder, const char *name, bool *is_tree)
{
    auto_free char *path = str_printf("%s/%s", folder, name);
    if (!path)
        return ERROR_NO_MEMORY;
    if (strcmp(name, "files") == 0)
        *is_tree = true;
    if (strcmp(name, layout_manifest_name) == 0 || (str_ends(name, ".tar") && *name != '.'))
        return look_at_file(reader, path);
    return 0;
}

static void close_dir(DIR **dir)
{
    if (*dir)
        (void)closedir(*dir);
}

static int look_at_folder(struct reader *reader, const char *path, const struct stat *st)
{
    __attribute__((cleanup(close_dir))) DIR *dir = opendir(path);
    struct reader_source *source;
    const struct dirent *entry;
    bool is_tree = false;
    int r = 0;
    if (!dir)
        return reader_problem(reader, "%s: %s", path, strerror(errno));
    while (r == 0 && (entry = readdir(dir)))
        r = look_at_entry(reader, path, entry->d_name, &is_tree);
    if (r == 0 && is_tree && !is_known(reader, st))
        r = add_source(reader, path, st, &source);
    return r;
}

static int look_at(struct reader *reader, const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return reader_problem(reader, "%s: %s", path, strerror(errno));
    return S_ISDIR(st.st_mode) ? look_at_folder(reader, path, &st) : look_at_file(reader, path);
}

int reader_open(const struct reader_options *options, const char *const *paths, size_t count,
                struct reader **ret)
{
    AUTO(reader_free) struct reader *reader = calloc(1, sizeof(*reader));
    if (!reader)
        return ERROR_NO_MEMORY;
    reader->options = *options;
    reader->block = malloc(READER_BLOCK);
    int r = reader->block ? 0 : ERROR_NO_MEMORY;
    for (size_t i = 0; r == 0 && i < count; i++)
        r = look_at(reader, paths[i]);
    if (r == 0)
        r = reader_attach(reader);
    if (r)
        return r;
    *ret = reader;
    reader = NULL;
    return 0;
}
