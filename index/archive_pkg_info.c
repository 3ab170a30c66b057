// SPDX-License-Identifier: Apache-2.0
/* PKG-INFO of an sdist, found in the tar archive while its blocks pass by. Nothing is kept except
 * one header block and the text, so an sdist of any size costs the same memory. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "index/archive_private.h"
#include "index/name.h"
#include "index/wheel.h"

enum {
    /* Offsets and lengths in a tar header (POSIX ustar). */
    TAR_BLOCK = 512,
    TAR_NAME = 100,
    TAR_SIZE = 124,
    TAR_SIZE_BYTES = 12,
    TAR_TYPE = 156,
    TEXT_MOST = 64 << 10, /* of PKG-INFO; its header comes first */
};

/*
 * The stages; pkg_info_add moves them on with each block:
 *
 *     HEADER    collects the 512 bytes of a member's header
 *     SKIP      passes over the bytes of a member that is not PKG-INFO; then HEADER
 *     TEXT      collects PKG-INFO; then DONE
 *     DONE      enough was read, or a header was not a tar header
 */
enum stage { HEADER, SKIP, TEXT, DONE };

/* The state between two blocks of bytes. */
struct pkg_info {
    enum stage stage;
    char block[TAR_BLOCK];
    size_t block_len;
    uint64_t left; /* bytes left to skip or to collect */
    char *text;
    size_t text_len;
};

int pkg_info_new(struct pkg_info **ret)
{
    *ret = calloc(1, sizeof(**ret));
    return *ret ? 0 : ERROR_NO_MEMORY;
}

void pkg_info_free(struct pkg_info *p)
{
    if (p)
        free(p->text);
    free(p);
}

/* Reads an octal size. False: another form, which no PKG-INFO needs. */
static bool read_size(const char *field, uint64_t *ret)
{
    uint64_t size = 0;
    unsigned i = 0;
    while (i < TAR_SIZE_BYTES && field[i] == ' ')
        i++;
    for (; i < TAR_SIZE_BYTES && field[i] >= '0' && field[i] <= '7'; i++)
        size = size * 8 + (uint64_t)(field[i] - '0');
    *ret = size;
    return i == TAR_SIZE_BYTES || field[i] == '\0' || field[i] == ' ';
}

/* It is "torch-2.9.0/PKG-INFO", one folder deep; "./" before it is allowed. */
bool pkg_info_is_at(const char *path, size_t len)
{
    static const char name[] = "PKG-INFO";
    size_t skip = len > 2 && memcmp(path, "./", 2) == 0 ? 2 : 0;
    const char *at = path + skip, *slash = memchr(at, '/', len - skip);
    return slash && slash > at && (size_t)(path + len - slash) == sizeof(name) &&
           memcmp(slash + 1, name, sizeof(name) - 1) == 0;
}

static bool is_pkg_info(const char *block)
{
    return pkg_info_is_at(block, strnlen(block, TAR_NAME)) &&
           (block[TAR_TYPE] == '0' || block[TAR_TYPE] == '\0');
}

/* Decides what the next bytes are: PKG-INFO, a member to skip, or the end. */
static void read_header(struct pkg_info *p)
{
    uint64_t size;
    p->block_len = 0;
    p->stage = DONE;
    if (!archive_is_tar_header(p->block) || !read_size(p->block + TAR_SIZE, &size))
        return;
    if (is_pkg_info(p->block)) {
        p->left = size < TEXT_MOST ? size : TEXT_MOST;
        p->text = malloc(p->left + 1);
        p->stage = p->text && p->left ? TEXT : DONE;
    } else {
        p->left = (size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
        p->stage = p->left ? SKIP : HEADER;
    }
}

/* Takes blocks of any length, since gzip gives them so. */
void pkg_info_add(struct pkg_info *p, const char *data, size_t len)
{
    while (len && p->stage != DONE) {
        size_t most = p->stage == HEADER ? TAR_BLOCK - p->block_len : (size_t)p->left;
        size_t n = p->stage != HEADER && p->left > len ? len : most < len ? most : len;
        if (p->stage == HEADER) {
            memcpy(p->block + p->block_len, data, n);
            p->block_len += n;
        } else if (p->stage == TEXT) {
            memcpy(p->text + p->text_len, data, n);
            p->text_len += n;
        }
        p->left -= p->stage == HEADER ? 0 : n;
        data += n;
        len -= n;
        if (p->stage == HEADER && p->block_len == TAR_BLOCK)
            read_header(p);
        else if (p->stage != HEADER && p->left == 0)
            p->stage = p->stage == SKIP ? HEADER : DONE;
    }
}

int64_t pkg_info_skip(struct pkg_info *p)
{
    if (p->stage != SKIP)
        return 0;
    p->stage = HEADER;
    return (int64_t)p->left;
}

bool pkg_info_is_done(const struct pkg_info *p)
{
    return p->stage == DONE;
}

/* The place where a file name splits into project and version is not always clear. So the name need
 * only begin with the project and a dash. */
static bool is_of(const char *project, const char *file)
{
    char name[NAME_MAX_BYTES + 1], stem[NAME_MAX_BYTES + 1] = "";
    size_t at = 0;
    if (name_normalize(project, name))
        return true; /* it is not a project name */
    for (; *file && at + 1 < sizeof(stem); file++) {
        bool dash = *file == '-' || *file == '_' || *file == '.';
        if (!dash)
            stem[at++] = (char)tolower((unsigned char)*file);
        else if (at && stem[at - 1] != '-')
            stem[at++] = '-';
    }
    size_t len = strlen(name);
    return strncmp(stem, name, len) == 0 && stem[len] == '-';
}

/* An sdist without PKG-INFO is old, not wrong. */
int pkg_info_judge(const struct pkg_info *p, const char *file, struct archive_verdict *verdict)
{
    return pkg_info_compare(p->text, p->text_len, file, verdict);
}

int pkg_info_compare(const char *text, size_t len, const char *file,
                     struct archive_verdict *verdict)
{
    struct wheel_header header = {0};
    int r = len ? wheel_header_read(text, len, &header) : 0;
    if (r == 0 && header.name && !is_of(header.name, file))
        r = archive_refuse(verdict, "it is an sdist of another project: %.80s", header.name);
    wheel_header_release(&header);
    return r;
}
