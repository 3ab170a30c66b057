// SPDX-License-Identifier: Apache-2.0
/*
 * Reading all bytes. For each part: every copy in turn, until each of its pieces was found whole.
 * What no copy has is looked for in unpacked folders. A piece goes UNKNOWN -> GOOD, and else ends
 * as DAMAGED (some copy has it, and wrong) or MISSING.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/folder.h"
#include "base/str.h"
#include "bundle/reader_private.h"
#include "bundle/tar.h"

DEFINE_CLEANUP(struct sha256, sha256_free)

struct check {
    struct reader *reader;
    const struct reader_watch *watch;
    struct reader_bundle *bundle;
    int64_t done, total;
};

/* One copy of a part, or a file of a folder. */
struct copy {
    const struct reader_source *source;
    int fd;
    int64_t size;
    bool is_whole; /* nothing was found wrong */
};

static bool go_on(struct check *c, int64_t bytes)
{
    c->done += bytes;
    return !c->watch || !c->watch->progress ||
           c->watch->progress(c->watch->context, c->done, c->total);
}

/* Keeps the first damage of a part. */
static void note(struct reader_part *part, const struct reader_source *source, const char *format,
                 ...) __attribute__((format(printf, 3, 4)));

static void note(struct reader_part *part, const struct reader_source *source, const char *format,
                 ...)
{
    auto_buf struct buf text;
    va_list args;
    buf_init(&text, TAR_HEADER_MAX);
    if (part->damage)
        return;
    buf_printf(&text, "%s: ", source->path);
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    part->damage = buf_take(&text, NULL);
}

static void note_piece(struct reader_part *part, const struct copy *copy, int64_t at,
                       const struct layout_piece *piece, const char *what)
{
    auto_buf struct buf name;
    buf_init(&name, TAR_HEADER_MAX);
    layout_name(piece, &name);
    note(part, copy->source, "byte %" PRId64 ": %s: %s", at, name.data, what);
}

/* -------------------------------------------------------------------- pieces */

/* The digest of a run of bytes; false (with *ret_r 0) when the file ends before it does. */
static bool hash_run(struct check *c, int fd, int64_t at, int64_t len, char ret[SHA256_HEX],
                     int *ret_r)
{
    AUTO(sha256_free) struct sha256 *sha = NULL;
    *ret_r = sha256_new(&sha);
    while (*ret_r == 0 && len > 0) {
        size_t n = len < READER_BLOCK ? (size_t)len : READER_BLOCK;
        if (file_read_at(fd, c->reader->block, n, at))
            return false;
        *ret_r = sha256_add(sha, c->reader->block, n);
        at += (int64_t)n;
        len -= (int64_t)n;
        if (*ret_r == 0 && !go_on(c, (int64_t)n))
            *ret_r = ERROR_STOPPING;
    }
    if (*ret_r == 0)
        *ret_r = sha256_finish(sha, ret);
    return *ret_r == 0;
}

/* What stands at a place of a part, compared with what must stand there. */
static bool is_there(const struct copy *copy, int64_t at, const void *bytes, size_t len)
{
    char found[TAR_HEADER_MAX];
    return len <= sizeof(found) && at >= 0 && at + (int64_t)len <= copy->size &&
           file_read_at(copy->fd, found, len, at) == 0 && memcmp(found, bytes, len) == 0;
}

static bool has_header(struct check *c, const struct copy *copy, const struct layout_piece *piece,
                       int64_t at, struct reader_part *part)
{
    char block[TAR_BLOCK] = {0};
    auto_buf struct buf header;
    buf_init(&header, TAR_HEADER_MAX);
    reader_header_write(c->bundle, piece, &header);
    at -= (int64_t)header.len;
    if (!header.error && is_there(copy, at, header.data, header.len))
        return true;
    if (at + TAR_BLOCK > copy->size) {
        note_piece(part, copy, at, piece, "the part ends here");
        return false;
    }
    (void)file_read_at(copy->fd, block, sizeof(block), at);
    auto_free char *what = str_printf("%s stands in its place", tar_describe(block));
    note_piece(part, copy, at, piece, what ? what : "");
    return false;
}

/* Whether the piece is in that copy, with header and padding. */
static int check_piece(struct check *c, struct copy *copy, size_t i, struct reader_part *part)
{
    static const char zeros[TAR_BLOCK];
    const struct layout_piece *piece = &c->bundle->pieces[i];
    struct reader_found *found = &c->bundle->found[i];
    int64_t at = copy->source->payload_at + piece->piece->offset, size = piece->piece->size;
    char sha256[SHA256_HEX];
    int r = 0;
    bool is_good = has_header(c, copy, piece, at, part);
    if (is_good && at + size > copy->size) {
        note_piece(part, copy, copy->size, piece, "the part ends here");
        is_good = false;
    }
    if (is_good && (!hash_run(c, copy->fd, at, size, sha256, &r) ||
                    strcmp(sha256, piece->piece->sha256) != 0)) {
        if (r)
            return r;
        note_piece(part, copy, at, piece, "its bytes are not those that the manifest names");
        is_good = false;
    }
    if (is_good && !is_there(copy, at + size, zeros, (size_t)tar_padding(size))) {
        note_piece(part, copy, at + size, piece, "something is hidden behind it");
        is_good = false;
    }
    copy->is_whole &= is_good;
    if (is_good)
        *found = (struct reader_found){.state = READER_GOOD, .source = copy->source, .offset = at};
    else if (found->state != READER_GOOD)
        found->state = READER_DAMAGED;
    return 0;
}

/* --------------------------------------------------------------------- parts */

/* The end of the archive, and nothing behind it. */
static void check_end(struct check *c, struct copy *copy, size_t k)
{
    static const char zeros[TAR_END];
    struct reader_part *part = &c->bundle->parts[k];
    int64_t end = copy->source->payload_at + c->bundle->manifest->parts[k].payload;
    if (!is_there(copy, end - TAR_END, zeros, TAR_END)) {
        note(part, copy->source, "byte %" PRId64 ": the end of the archive is missing",
             end - TAR_END);
        copy->is_whole = false;
    } else if (copy->size > end) {
        note(part, copy->source, "byte %" PRId64 ": something follows the archive", end);
        copy->is_whole = false;
    }
}

static bool has_all(const struct reader_bundle *bundle, const struct reader_part *part)
{
    for (size_t i = part->first_piece; i < part->first_piece + part->piece_count; i++)
        if (bundle->found[i].state != READER_GOOD)
            return false;
    return true;
}

static int check_copy(struct check *c, size_t k, const struct reader_source *source,
                      bool *ret_whole)
{
    struct reader_part *part = &c->bundle->parts[k];
    auto_close int fd = -1;
    int r = 0;
    *ret_whole = false;
    if (reader_source_open(source, &fd)) {
        note(part, source, "it cannot be read any more");
        return 0;
    }
    struct copy copy = {
        .source = source, .fd = fd, .size = source->size, .is_whole = !source->head_damage};
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    if (source->head_damage)
        note(part, source, "%s", source->head_damage);
    for (size_t i = part->first_piece; r == 0 && i < part->first_piece + part->piece_count; i++)
        r = check_piece(c, &copy, i, part);
    if (r == 0)
        check_end(c, &copy, k);
    *ret_whole = copy.is_whole;
    return r;
}

/* ------------------------------------------------------------------- folders */

/* Opens the file of a piece, or the one that it was joined to: then its bytes are at *ret_at. */
static int open_in_folder(const char *folder, const struct layout_piece *piece, bool is_joined,
                          int *ret_fd, int64_t *ret_at)
{
    const struct manifest_member *member = piece->member;
    auto_buf struct buf name;
    struct folder_file file;
    auto_close int fd = -1;
    int64_t at = 0;
    buf_init(&name, TAR_HEADER_MAX);
    layout_name(piece, &name);
    if (name.error)
        return name.error;
    for (uint32_t i = 0; is_joined && i < piece->number; i++)
        at += member->pieces[i].size;
    if (is_joined)
        *strrchr(name.data, '.') = '\0'; /* .piece001 */
    int r = folder_open(folder, name.data, &fd, &file);
    if (r)
        return r;
    if (file.size != (is_joined ? member->size : piece->piece->size))
        return READER_DAMAGED;
    *ret_fd = fd;
    *ret_at = at;
    fd = -1;
    return 0;
}

static int check_in_folder(struct check *c, const struct reader_source *folder, size_t i,
                           bool is_joined)
{
    const struct layout_piece *piece = &c->bundle->pieces[i];
    struct reader_found *found = &c->bundle->found[i];
    auto_close int fd = -1;
    char sha256[SHA256_HEX];
    int64_t at = 0;
    int r = open_in_folder(folder->path, piece, is_joined, &fd, &at);
    if (r < 0 && r != ERROR_NO_MEMORY)
        r = READER_DAMAGED;
    if (r == READER_DAMAGED)
        found->state = READER_DAMAGED;
    if (r)
        return r < 0 ? r : 0;
    if (hash_run(c, fd, at, piece->piece->size, sha256, &r) &&
        strcmp(sha256, piece->piece->sha256) == 0)
        *found = (struct reader_found){
            .state = READER_GOOD, .source = folder, .offset = at, .is_joined = is_joined};
    else
        found->state = READER_DAMAGED;
    return r;
}

static int look_in_folder(struct check *c, const struct reader_source *folder, size_t i)
{
    struct reader_found *found = &c->bundle->found[i];
    int r = found->state == READER_GOOD ? 0 : check_in_folder(c, folder, i, false);
    if (r == 0 && found->state != READER_GOOD && c->bundle->pieces[i].member->piece_count > 1)
        r = check_in_folder(c, folder, i, true);
    return r;
}

/* What the parts do not have. */
static int check_folders(struct check *c, struct reader_part *part)
{
    int r = 0;
    for (size_t f = 0; f < c->reader->source_count; f++) {
        const struct reader_source *source = c->reader->sources[f];
        if (!source->is_folder)
            continue;
        for (size_t i = part->first_piece; r == 0 && i < part->first_piece + part->piece_count; i++)
            r = look_in_folder(c, source, i);
    }
    return r;
}

/* --------------------------------------------------------------------- sums */

bool reader_lacks_file(const struct reader_bundle *bundle, size_t i)
{
    const struct layout_piece *piece = &bundle->pieces[i];
    if (!piece->file || bundle->found[i].state == READER_GOOD)
        return false;
    /* A file and its METADATA lie side by side. */
    return i == bundle->parts[piece->piece->part].first_piece ||
           bundle->pieces[i - 1].file != piece->file || bundle->found[i - 1].state == READER_GOOD;
}

static size_t count_files(const struct reader_bundle *bundle, const struct reader_part *part)
{
    size_t count = 0;
    for (size_t i = part->first_piece; i < part->first_piece + part->piece_count; i++)
        count += reader_lacks_file(bundle, i);
    return count;
}

static int check_part(struct check *c, size_t k)
{
    struct reader_part *part = &c->bundle->parts[k];
    bool is_whole = false, was_whole = false;
    int r = 0;
    for (size_t i = 0; r == 0 && i < part->copy_count && !was_whole; i++) {
        r = check_copy(c, k, part->copies[i], &is_whole);
        was_whole |= is_whole;
    }
    if (r == 0 && !has_all(c->bundle, part))
        r = check_folders(c, part);
    if (r)
        return r;
    for (size_t i = part->first_piece; i < part->first_piece + part->piece_count; i++)
        if (c->bundle->found[i].state == READER_UNKNOWN)
            c->bundle->found[i].state = READER_MISSING;
    part->files = count_files(c->bundle, part);
    if (was_whole || (has_all(c->bundle, part) && part->copy_count != 1))
        part->state = READER_GOOD;
    else
        part->state = part->copy_count ? READER_DAMAGED : READER_MISSING;
    return 0;
}

static int64_t bytes_of(const struct reader *reader)
{
    int64_t total = 0;
    for (size_t b = 0; b < reader->bundle_count; b++)
        for (size_t i = 0; i < reader->bundles[b].piece_count; i++)
            total += reader->bundles[b].pieces[i].piece->size;
    return total;
}

int reader_check(struct reader *reader, const struct reader_watch *watch)
{
    struct check c = {.reader = reader, .watch = watch, .total = bytes_of(reader)};
    int r = 0;
    for (size_t b = 0; r == 0 && b < reader->bundle_count; b++) {
        c.bundle = &reader->bundles[b];
        if (!c.bundle->manifest)
            continue;
        for (size_t k = 0; r == 0 && k < c.bundle->manifest->part_count; k++)
            r = check_part(&c, k);
    }
    return r;
}

bool reader_is_whole(const struct reader_bundle *bundle)
{
    if (!bundle->manifest)
        return false;
    for (size_t k = 0; k < bundle->manifest->part_count; k++)
        if (bundle->parts[k].state != READER_GOOD)
            return false;
    return true;
}

/* -------------------------------------------------------------------- answers */

int reader_place(const struct reader_bundle *bundle, size_t i, struct reader_place *ret)
{
    const struct reader_found *found = &bundle->found[i];
    const struct layout_piece *piece = &bundle->pieces[i];
    struct reader_place place = {.offset = found->offset, .length = piece->piece->size};
    int r;
    if (found->state != READER_GOOD)
        return found->state == READER_DAMAGED ? READER_DAMAGED : READER_MISSING;
    if (found->source->is_folder)
        r = open_in_folder(found->source->path, piece, found->is_joined, &place.fd, &place.offset);
    else
        r = reader_source_open(found->source, &place.fd);
    if (r)
        return r == ERROR_NO_MEMORY ? r : ERROR_IO;
    *ret = place;
    return 0;
}

void reader_part_text(const struct reader_bundle *bundle, size_t k, struct buf *to)
{
    static const char *const states[] = {[READER_UNKNOWN] = "was not looked at",
                                         [READER_GOOD] = "is whole",
                                         [READER_DAMAGED] = "is damaged",
                                         [READER_MISSING] = "is missing"};
    const struct reader_part *part = &bundle->parts[k];
    char name[MANIFEST_PART_NAME];
    manifest_part_name(bundle->manifest->name, k, name);
    buf_printf(to, "part %zu of %zu of %s (%s) %s", k + 1, bundle->manifest->part_count,
               bundle->manifest->id, name, states[part->state]);
    if (part->state != READER_DAMAGED && part->state != READER_MISSING)
        return;
    if (part->files)
        buf_printf(to, ": %zu %s", part->files, part->files == 1 ? "file" : "files");
    else
        buf_puts(to, has_all(bundle, part) ? ": no file" : ": pages of the index");
    if (part->damage)
        buf_printf(to, "; %s", part->damage);
}
