// SPDX-License-Identifier: Apache-2.0
/*
 * A part of a bundle over which the input's bytes come: two bytes of place, one of length, then
 * that many. With the first byte odd the checksums of all headers are made good again. Nothing is
 * signed, so that changed manifests are read too. Whatever comes of it: what is called good has the
 * digest that the manifest names, and lies inside of the part.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/file.h"
#include "bundle/bundle.h"
#include "fuzz.h"

enum { PART_MAX = 64 << 10 };

static char *part; /* as it was written */
static size_t part_len;
static int fd; /* of the file that is read */
static char path[64];

static const char bytes[] = "bytes of a wheel, more or less";

static int open_file(void *context, const struct manifest_file *file, bool is_metadata, int *ret_fd)
{
    (void)context, (void)file, (void)is_metadata;
    *ret_fd = memfd_create("wheel", MFD_CLOEXEC);
    return file_write_at(*ret_fd, bytes, sizeof(bytes), 0);
}

static void make_part(const char *folder)
{
    struct writer_options options = {.folder = folder, .name = "lab", .date_s = 1780000000};
    struct writer_source source = {.open = open_file};
    struct writer_summary summary;
    struct writer *w;
    char origin[] = "o", name[] = "a/a-1-py3-none-any.whl", project[] = "a";
    struct manifest_file row = {.origin = origin, .path = name, .project = project};
    row.kind = FILE_WHEEL;
    row.bytes.size = row.metadata.size = sizeof(bytes);
    require(sha256_of(bytes, sizeof(bytes), row.bytes.sha256) == 0);
    memcpy(row.metadata.sha256, row.bytes.sha256, SHA256_HEX);
    require(writer_new(&options, &w) == 0);
    require(writer_add(w, &row) == 0);
    require(writer_run(w, &source, &summary) == 0);
    writer_free(w);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char folder[] = "/tmp/fuzz-bundle-XXXXXX", name[128];
    struct buf text;
    (void)argc;
    (void)argv;
    require(mkdtemp(folder) != NULL);
    make_part(folder);
    (void)snprintf(name, sizeof(name), "%s/lab.part001.tar", folder);
    buf_init(&text, PART_MAX);
    require(file_read_all(name, &text) == 0);
    (void)unlink(name);
    (void)snprintf(name, sizeof(name), "%s/manifest.json", folder);
    (void)unlink(name);
    (void)rmdir(folder);
    part = buf_take(&text, &part_len);
    require(part != NULL);
    fd = memfd_create("part", MFD_CLOEXEC);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return 0;
}

static void scribble(char *to, size_t len, const uint8_t *data, size_t size)
{
    while (size >= 3) {
        size_t at = (size_t)(data[0] | data[1] << 8) % len, count = data[2];
        data += 3, size -= 3;
        count = count < size ? count : size;
        count = count < len - at ? count : len - at;
        memcpy(to + at, data, count);
        data += count, size -= count;
    }
}

static void repair(char *to, size_t len)
{
    for (size_t at = 0; at + TAR_BLOCK <= len; at += TAR_BLOCK) {
        unsigned sum = 0;
        if (memcmp(to + at + 257, "ustar", 5) != 0)
            continue;
        memset(to + at + 148, ' ', 8);
        for (size_t i = 0; i < TAR_BLOCK; i++)
            sum += (unsigned char)to[at + i];
        (void)snprintf(to + at + 148, 8, "%06o", sum);
    }
}

static void check_piece(const struct reader_bundle *bundle, size_t i)
{
    char found[SHA256_HEX];
    struct reader_place place;
    if (bundle->found[i].state != READER_GOOD)
        return;
    require(reader_place(bundle, i, &place) == 0);
    require(place.offset >= 0 && place.length >= 0 &&
            place.offset + place.length <= (int64_t)part_len);
    auto_free char *copy = malloc((size_t)place.length + 1);
    require(copy && file_read_at(place.fd, copy, (size_t)place.length, place.offset) == 0);
    require(sha256_of(copy, (size_t)place.length, found) == 0);
    require(strcmp(found, bundle->pieces[i].piece->sha256) == 0);
    (void)close(place.fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader_options options = {.takes_unsigned = true};
    const char *paths[] = {path};
    struct reader *reader = NULL;
    if (size == 0)
        return 0;
    auto_free char *copy = malloc(part_len);
    require(copy != NULL);
    memcpy(copy, part, part_len);
    scribble(copy, part_len, data + 1, size - 1);
    if (data[0] & 1)
        repair(copy, part_len);
    bool is_same = memcmp(copy, part, part_len) == 0;
    require(ftruncate(fd, 0) == 0 && file_write_at(fd, copy, part_len, 0) == 0);
    require(reader_open(&options, paths, 1, &reader) == 0);
    require(reader_check(reader, NULL) == 0);
    for (size_t b = 0; b < reader->bundle_count; b++) {
        const struct reader_bundle *bundle = &reader->bundles[b];
        for (size_t i = 0; bundle->manifest && i < bundle->piece_count; i++)
            check_piece(bundle, i);
    }
    require(!is_same || reader_is_whole(&reader->bundles[0]));
    reader_free(reader);
    return 0;
}
