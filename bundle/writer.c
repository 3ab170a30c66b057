// SPDX-License-Identifier: Apache-2.0
/*
 * Writing a bundle. A run goes through these steps, and any of them may end it:
 *
 *     sort the rows -> decide what is carried -> measure the pages -> lay out the parts
 *     -> hash the pieces of files that are cut -> write and sign the manifest (in memory)
 *     -> mark the folder -> write part after part -> write manifest and signature -> unmark
 */
#include "bundle/writer.h"

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
#include "bundle/tar.h"
#include "bundle/writer_private.h"

/* After so many bytes the kernel is told to begin writing them. */
#define WRITE_BEHIND (INT64_C(64) << 20)

DEFINE_CLEANUP(struct sha256, sha256_free)
DEFINE_CLEANUP(struct writer, writer_free)

int writer_fail(struct writer *w, int error, const char *format, ...)
{
    va_list args;
    char *why = NULL;
    va_start(args, format);
    if (vasprintf(&why, format, args) < 0)
        why = NULL;
    va_end(args);
    free(w->why);
    w->why = why;
    return error;
}

const char *writer_why(const struct writer *w)
{
    return w->why ? w->why : "";
}

/* --------------------------------------------------------------- life and rows */

int writer_new(const struct writer_options *options, struct writer **ret)
{
    AUTO(writer_free) struct writer *w = calloc(1, sizeof(*w));
    if (!w)
        return ERROR_NO_MEMORY;
    w->options = options;
    w->folder = w->marker = w->part = -1;
    buf_init(&w->text, MANIFEST_MAX_BYTES);
    buf_init(&w->signature, MINISIGN_FILE_MAX);
    buf_init(&w->page, SITE_PAGE_MAX);
    w->manifest = calloc(1, sizeof(*w->manifest));
    w->block = malloc(WRITER_BLOCK);
    if (!w->manifest || !w->block)
        return ERROR_NO_MEMORY;
    *ret = w;
    w = NULL;
    return 0;
}

static void close_if_open(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

void writer_free(struct writer *w)
{
    if (!w)
        return;
    site_free(w->site);
    manifest_free(w->manifest);
    buf_release(&w->text);
    buf_release(&w->signature);
    buf_release(&w->page);
    close_if_open(&w->part);
    close_if_open(&w->marker);
    close_if_open(&w->folder);
    free(w->block);
    free(w->why);
    free(w);
}

/* Room for one element more. */
static int grow(void **list, size_t count, size_t *capacity, size_t bytes)
{
    if (count < *capacity)
        return 0;
    size_t more = *capacity + *capacity / 2 + 16;
    void *grown = realloc(*list, more * bytes);
    if (!grown)
        return ERROR_NO_MEMORY;
    *list = grown;
    *capacity = more;
    return 0;
}

static int copy_texts(const struct manifest_file *row, struct manifest_file *to)
{
    to->origin = str_dup(row->origin);
    to->path = str_dup(row->path);
    to->project = str_dup(row->project);
    to->requires_python = str_dup(row->requires_python);
    to->yanked_reason = str_dup(row->yanked_reason);
    to->upload_time = str_dup(row->upload_time);
    bool is_short = !to->origin || !to->path || !to->project ||
                    (row->requires_python && !to->requires_python) ||
                    (row->yanked_reason && !to->yanked_reason) ||
                    (row->upload_time && !to->upload_time);
    return is_short ? ERROR_NO_MEMORY : 0;
}

int writer_add(struct writer *w, const struct manifest_file *row)
{
    struct manifest *m = w->manifest;
    const char *wrong = manifest_file_refusal(row);
    if (wrong)
        return writer_fail(w, ERROR_BAD_REQUEST, "%s/%s: %s", row->origin, row->path, wrong);
    if (m->file_count == MANIFEST_FILES_MAX)
        return writer_fail(w, ERROR_TOO_BIG, "these are more than %d files", MANIFEST_FILES_MAX);
    int r = grow((void **)&m->files, m->file_count, &w->file_capacity, sizeof(*m->files));
    if (r)
        return r;
    struct manifest_file *file = &m->files[m->file_count++];
    *file = (struct manifest_file){.kind = row->kind,
                                   .yanked = row->yanked,
                                   .bytes.size = row->bytes.size,
                                   .metadata.size = row->metadata.size};
    memcpy(file->bytes.sha256, row->bytes.sha256, SHA256_HEX);
    if (row->metadata.size >= 0)
        memcpy(file->metadata.sha256, row->metadata.sha256, SHA256_HEX);
    return copy_texts(row, file);
}

int writer_add_lock(struct writer *w, const struct manifest_lock *lock)
{
    struct manifest *m = w->manifest;
    if (m->lock_count == MANIFEST_LOCKS_MAX || lock->file_count > MANIFEST_LOCK_FILES_MAX)
        return writer_fail(w, ERROR_TOO_BIG, "%s: too many locks, or files of one", lock->name);
    int r = grow((void **)&m->locks, m->lock_count, &w->lock_capacity, sizeof(*m->locks));
    if (r)
        return r;
    struct manifest_lock *copy = &m->locks[m->lock_count++];
    *copy = (struct manifest_lock){.name = str_dup(lock->name)};
    memcpy(copy->sha256, lock->sha256, SHA256_HEX);
    copy->files = calloc(lock->file_count + 1, sizeof(*copy->files));
    if (!copy->name || !copy->files)
        return ERROR_NO_MEMORY;
    for (size_t i = 0; i < lock->file_count; i++) {
        copy->files[i] = str_dup(lock->files[i]);
        if (!copy->files[i])
            return ERROR_NO_MEMORY;
        copy->file_count++;
    }
    return 0;
}

/* ------------------------------------------------------------------- reading */

static void name_of(const struct layout_piece *at, struct buf *to)
{
    buf_init(to, TAR_HEADER_MAX);
    layout_name(at, to);
}

static int fail_at(struct writer *w, const struct layout_piece *at, int error, const char *what)
{
    auto_buf struct buf name;
    name_of(at, &name);
    return writer_fail(w, error, "%s: %s", name.data, what);
}

/* A page is made; a file is opened, and must have the size of its row. */
static int open_member(struct writer *w, const struct layout_piece *at, int *ret_fd)
{
    struct stat st;
    int fd = -1;
    if (at->other) {
        buf_clear(&w->page);
        site_write(w->site, (size_t)(at->other - w->manifest->others), &w->page);
        return w->page.error;
    }
    int r = w->source->open(w->source->context, at->file, at->member == &at->file->metadata, &fd);
    if (r)
        return fail_at(w, at, r, error_text(r));
    if (fstat(fd, &st) < 0 || st.st_size != at->member->size) {
        (void)close(fd);
        return fail_at(w, at, ERROR_DIGEST_MISMATCH, "its size is not that of its row");
    }
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    *ret_fd = fd;
    return 0;
}

static void report(struct writer *w)
{
    if (w->options->progress)
        w->options->progress(w->options->context, w->done, w->total);
}

static int put_bytes(struct writer *w, const void *data, size_t len)
{
    int r = file_write_at(w->part, data, len, w->part_at);
    int64_t before = w->part_at / WRITE_BEHIND;
    w->part_at += (int64_t)len;
    if (r == 0 && w->part_at / WRITE_BEHIND != before)
        (void)sync_file_range(w->part, before * WRITE_BEHIND, WRITE_BEHIND, SYNC_FILE_RANGE_WRITE);
    return r;
}

/* Bytes of a piece through the hash, and into the part where `is_kept`. */
static int pump(struct writer *w, const struct layout_piece *at, int fd, struct sha256 *sha,
                bool is_kept)
{
    int64_t from = 0, left = at->piece->size;
    for (uint32_t i = 0; i < at->number; i++)
        from += at->member->pieces[i].size;
    int r = 0;
    while (r == 0 && left > 0) {
        size_t n = left < WRITER_BLOCK ? (size_t)left : WRITER_BLOCK;
        const char *data = fd < 0 ? w->page.data + from : w->block;
        if (fd >= 0)
            r = file_read_at(fd, w->block, n, from);
        if (r == 0)
            r = sha256_add(sha, data, n);
        if (r == 0 && w->whole)
            r = sha256_add(w->whole, data, n);
        if (r == 0 && is_kept)
            r = put_bytes(w, data, n);
        from += (int64_t)n;
        left -= (int64_t)n;
        w->done += (int64_t)n;
        report(w);
    }
    return r;
}

static int read_piece(struct writer *w, const struct layout_piece *at, bool is_kept,
                      char ret_sha256[SHA256_HEX])
{
    AUTO(sha256_free) struct sha256 *sha = NULL;
    auto_close int fd = -1;
    int r = open_member(w, at, &fd);
    if (r)
        return r;
    r = sha256_new(&sha);
    if (r == 0)
        r = pump(w, at, fd, sha, is_kept);
    if (r == 0)
        r = sha256_finish(sha, ret_sha256);
    return r ? fail_at(w, at, r, error_text(r)) : 0;
}

/* Gives pieces of a file that is cut their digests, and compares the whole. */
static int hash_cut(struct writer *w, const struct layout_piece *first)
{
    AUTO(sha256_free) struct sha256 *whole = NULL;
    struct manifest_piece *pieces = first->member->pieces;
    char sha256[SHA256_HEX];
    int r = sha256_new(&whole);
    w->whole = whole;
    for (size_t i = 0; r == 0 && i < first->member->piece_count; i++) {
        struct layout_piece at = *first;
        at.number = (uint32_t)i;
        at.piece = &pieces[i];
        r = read_piece(w, &at, false, pieces[i].sha256);
    }
    w->whole = NULL;
    if (r == 0)
        r = sha256_finish(whole, sha256);
    if (r == 0 && strcmp(sha256, first->member->sha256) != 0)
        r = fail_at(w, first, ERROR_DIGEST_MISMATCH, "its bytes are not those of its row");
    return r;
}

static int hash_all_cut(struct writer *w, const struct layout_piece *pieces, size_t count)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < count; i++)
        if (pieces[i].number == 0 && pieces[i].member->piece_count > 1)
            r = hash_cut(w, &pieces[i]);
    w->done = 0;
    return r;
}

/* --------------------------------------------------------------------- parts */

static int put_zeros(struct writer *w, int64_t count)
{
    static const char zeros[TAR_END];
    return put_bytes(w, zeros, (size_t)count);
}

static int put_header(struct writer *w, const char *name, int64_t size)
{
    auto_buf struct buf header;
    buf_init(&header, TAR_HEADER_MAX);
    tar_header_write(name, size, w->manifest->date_s, &header);
    return header.error ? header.error : put_bytes(w, header.data, header.len);
}

static int put_text(struct writer *w, const char *name, const struct buf *text)
{
    int r = put_header(w, name, (int64_t)text->len);
    if (r == 0)
        r = put_bytes(w, text->data, text->len);
    return r ? r : put_zeros(w, tar_padding((int64_t)text->len));
}

static int begin_part(struct writer *w, size_t part)
{
    char name[MANIFEST_PART_NAME];
    manifest_part_name(w->manifest->name, part, name);
    w->part_at = 0;
    int r = writer_folder_create(w, name, &w->part);
    if (r == 0)
        r = put_text(w, layout_manifest_name, &w->text);
    if (r == 0 && w->signature.len)
        r = put_text(w, layout_signature_name, &w->signature);
    return r;
}

static int end_part(struct writer *w, size_t part)
{
    char name[MANIFEST_PART_NAME];
    manifest_part_name(w->manifest->name, part, name);
    int r = put_zeros(w, TAR_END);
    int fd = w->part;
    if (r)
        return r;
    w->part = -1;
    return writer_folder_keep(w, name, fd);
}

static int put_piece(struct writer *w, const struct layout_piece *at)
{
    auto_buf struct buf name;
    char sha256[SHA256_HEX];
    name_of(at, &name);
    int r = name.error ? name.error : put_header(w, name.data, at->piece->size);
    if (r == 0)
        r = read_piece(w, at, true, sha256);
    if (r == 0 && strcmp(sha256, at->piece->sha256) != 0)
        return fail_at(w, at, ERROR_DIGEST_MISMATCH, "its bytes are not those of its row");
    return r ? r : put_zeros(w, tar_padding(at->piece->size));
}

static int write_parts(struct writer *w, const struct layout_piece *pieces, size_t count)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < count; i++) {
        bool is_first = i == 0 || pieces[i].piece->part != pieces[i - 1].piece->part;
        bool is_last = i + 1 == count || pieces[i].piece->part != pieces[i + 1].piece->part;
        if (is_first)
            r = begin_part(w, pieces[i].piece->part);
        if (r == 0)
            r = put_piece(w, &pieces[i]);
        if (r == 0 && is_last)
            r = end_part(w, pieces[i].piece->part);
    }
    return r;
}

static int keep_text(struct writer *w, const char *name, const struct buf *text)
{
    int fd;
    int r = writer_folder_create(w, name, &fd);
    if (r)
        return r;
    r = file_write_at(fd, text->data, text->len, 0);
    int kept = writer_folder_keep(w, name, fd);
    return r ? r : kept;
}

/* Signature first: a manifest beside the parts means that the bundle is whole. */
static int write_all(struct writer *w, const struct layout_piece *pieces, size_t count)
{
    int r = write_parts(w, pieces, count);
    if (r == 0)
        r = writer_folder_sync(w);
    if (r == 0 && w->signature.len)
        r = keep_text(w, layout_signature_name, &w->signature);
    if (r == 0)
        r = keep_text(w, layout_manifest_name, &w->text);
    if (r == 0)
        r = writer_folder_finish(w);
    if (r)
        writer_folder_clear(w, w->manifest->name);
    if (r)
        (void)writer_folder_finish(w);
    return r;
}

/* ----------------------------------------------------------------------- run */

static void sum_up(const struct writer *w, struct writer_summary *ret)
{
    const struct manifest *m = w->manifest;
    *ret = (struct writer_summary){.parts = m->part_count, .files = m->file_count};
    for (size_t i = 0; i < m->file_count; i++)
        ret->carried += m->files[i].bytes.piece_count > 0;
    for (size_t i = 0; i < m->part_count; i++)
        ret->bytes += writer_head_bytes(w) + m->parts[i].payload;
}

int writer_run(struct writer *w, const struct writer_source *source, struct writer_summary *ret)
{
    auto_free struct layout_piece *pieces = NULL;
    auto_free char *why = NULL;
    size_t count = 0;
    w->source = source;
    int r = writer_plan(w);
    if (r == 0)
        r = layout_pieces(w->manifest, &pieces, &count, &why);
    for (size_t i = 0; i < count; i++)
        w->total += pieces[i].piece->size;
    if (r == 0)
        r = hash_all_cut(w, pieces, count);
    if (r == 0)
        r = writer_manifest_write(w);
    if (r == 0)
        r = writer_manifest_sign(w);
    if (r == 0)
        r = writer_folder_open(w);
    if (r == 0)
        r = write_all(w, pieces, count);
    if (r && !w->why)
        (void)writer_fail(w, r, "%s", why ? why : error_text(r));
    if (r == 0)
        sum_up(w, ret);
    return r;
}
