// SPDX-License-Identifier: Apache-2.0
/*
 * A verdict is reached in steps, and the first refusal ends it: the kind by the file's name, the
 * structure of that kind, and for wheels METADATA. A refusal is not an error: the function returns
 * 0 and the verdict says why. Errors are only those of reading and memory. Reading is by blocks, so
 * the size of a file does not matter.
 */
#include "index/archive.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "index/archive_private.h"

enum {
    WALK_BLOCK = 256 << 10, /* longer than the longest entry */
    BEGINNING = 512,        /* bytes for a description */
};

/* The text is cut to the buffer; it is for people only. */
int archive_refuse(struct archive_verdict *verdict, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(verdict->why, sizeof(verdict->why), format, args);
    va_end(args);
    for (char *c = verdict->why; *c; c++) /* names in it come from strangers */
        if ((unsigned char)*c < ' ' || (unsigned char)*c > 126)
            *c = '?';
    return ARCHIVE_REFUSED;
}

/* ------------------------------------------------------------------ parts */

/* Reads the parts that wheel.c asks for. */
static void parts_release(struct wheel_parts *parts)
{
    for (unsigned i = 0; i < parts->count; i++)
        free((void *)(uintptr_t)parts->list[i].data);
    parts->count = 0;
}

static int parts_add(const struct archive_source *source, const struct wheel_run *want,
                     struct wheel_parts *parts)
{
    size_t len = (size_t)(want->to - want->from);
    auto_free char *data = malloc(len);
    if (!data || parts->count == WHEEL_PARTS_MOST)
        return ERROR_NO_MEMORY;
    int r = source->read(source->userdata, want->from, data, len);
    if (r)
        return r;
    parts->list[parts->count++] = (struct wheel_part){want->from, data, len};
    data = NULL;
    return 0;
}

/* --------------------------------------------------------------- directory */

int archive_walk_begin(const struct archive_source *source, struct archive_walk *ret,
                       struct archive_verdict *verdict)
{
    struct wheel_parts parts = {.size = source->size};
    struct archive_walk walk = {.source = source};
    struct wheel_run want;
    const char *why = "";
    int r;
    while ((r = zip_find_directory(&parts, &walk.directory, &want, &why)) == WHEEL_WANTS)
        if ((r = parts_add(source, &want, &parts)))
            break;
    parts_release(&parts);
    if (r == ERROR_CORRUPT)
        return archive_refuse(verdict, "%s", why);
    if (r)
        return r;
    walk.at = walk.directory.from;
    walk.block = malloc(WALK_BLOCK);
    if (!walk.block)
        return ERROR_NO_MEMORY;
    *ret = walk;
    return 0;
}

void archive_walk_release(struct archive_walk *walk)
{
    free(walk->block);
    walk->block = NULL;
}

/* The next `len` bytes of the directory. NULL with *ret = 0 when it ends before them. */
static const char *walk_bytes(struct archive_walk *walk, int64_t len, int *ret)
{
    *ret = 0;
    if (walk->directory.to - walk->at < len)
        return NULL;
    int64_t skip = walk->at - walk->block_from;
    if (!walk->block_len || skip + len > (int64_t)walk->block_len) {
        int64_t left = walk->directory.to - walk->at;
        size_t more = left < WALK_BLOCK ? (size_t)left : WALK_BLOCK;
        walk->block_len = 0;
        if ((*ret = walk->source->read(walk->source->userdata, walk->at, walk->block, more)))
            return NULL;
        walk->block_from = walk->at;
        walk->block_len = more;
        skip = 0;
    }
    return walk->block + skip;
}

int archive_walk_next(struct archive_walk *walk, struct zip_member *ret,
                      struct archive_verdict *verdict)
{
    static const char damaged[] = "the list of the archive's members is damaged";
    int r;
    if (walk->at == walk->directory.to)
        return ARCHIVE_WALK_END;
    const char *entry = walk_bytes(walk, ZIP_ENTRY_BYTES, &r);
    if (!entry)
        return r ? r : archive_refuse(verdict, damaged);
    int64_t len = zip_entry_bytes(entry);
    if (!zip_is_entry(entry) || !(entry = walk_bytes(walk, len, &r)))
        return r ? r : archive_refuse(verdict, damaged);
    if (!zip_read_entry(entry, ret) || !ret->name_len)
        return archive_refuse(verdict, damaged);
    walk->at += len;
    return 0;
}

/* -------------------------------------------------------------------- zip */

/* The sum of all members is compared with the room for them: overlapping members are how zip bombs
 * are built. */
static int check_member(const struct zip_directory *directory, const struct zip_member *member,
                        uint64_t *taken, struct archive_verdict *verdict)
{
    if (!zip_is_inside(directory, member))
        return archive_refuse(verdict, "a member lies outside of the archive");
    *taken += ZIP_LOCAL_BYTES + member->name_len + member->packed;
    if (*taken > (uint64_t)(directory->from - directory->prefix))
        return archive_refuse(verdict, "members of the archive lie over each other");
    return 0;
}

/* The number of entries must be the announced one, or some are hidden. *ret_info: PKG-INFO of an
 * sdist, of size 0 when there is none. */
static int walk_zip(struct archive_walk *walk, struct archive_verdict *verdict,
                    struct zip_member *ret_info)
{
    struct zip_member member, info = {0};
    uint64_t count = 0, taken = 0;
    int r;
    while ((r = archive_walk_next(walk, &member, verdict)) == 0) {
        if ((r = check_member(&walk->directory, &member, &taken, verdict)))
            return r;
        if (!info.size && pkg_info_is_at(member.name, member.name_len))
            info = member;
        count++;
    }
    if (r != ARCHIVE_WALK_END)
        return r;
    if (!count)
        return archive_refuse(verdict, "the archive is empty");
    if (count != walk->directory.count)
        return archive_refuse(verdict, "the list of the archive's members is damaged");
    info.name = "PKG-INFO"; /* the block that held its name may have been replaced */
    *ret_info = info;
    return 0;
}

/* What cannot be unpacked proves nothing. */
static int check_pkg_info(const struct archive_source *source,
                          const struct zip_directory *directory, const struct zip_member *info,
                          const char *file, struct archive_verdict *verdict)
{
    auto_buf struct buf text;
    buf_init(&text, PKG_INFO_MOST);
    if (!info->size || info->size > PKG_INFO_MOST || info->packed > PKG_INFO_MOST)
        return 0;
    int r = archive_member_text(source, directory, info, verdict, &text);
    if (r == ARCHIVE_CANNOT_TELL)
        return 0;
    return r ? r : pkg_info_compare(text.data, text.len, file, verdict);
}

/* of_sdist: its name; NULL: PKG-INFO is not compared. */
static int archive_zip(const struct archive_source *source, const char *of_sdist,
                       struct archive_verdict *verdict)
{
    struct archive_walk walk;
    struct zip_member info = {0};
    int r = archive_walk_begin(source, &walk, verdict);
    if (r)
        return r;
    r = walk_zip(&walk, verdict, &info);
    archive_walk_release(&walk);
    return r || !of_sdist ? r : check_pkg_info(source, &walk.directory, &info, of_sdist, verdict);
}

/* ------------------------------------------------------------------ wheel */

/* A wheel of another project under this name would be installed in its place. */
static int check_header(const struct buf *text, const char *file, struct archive_verdict *verdict)
{
    struct wheel_header header;
    int r = wheel_header_read(text->data, text->len, &header);
    if (r)
        return r;
    enum wheel_fit fit = wheel_header_compare(&header, file);
    verdict->other_version = fit == WHEEL_OTHER_VERSION;
    if (!header.name)
        r = archive_refuse(verdict, "its METADATA names no project");
    else if (fit == WHEEL_OTHER_PROJECT)
        r = archive_refuse(verdict, "it is a wheel of another project: %.80s", header.name);
    wheel_header_release(&header);
    return r;
}

/* wheel_metadata asks for bytes until it has enough; each round reads one run. */
static int check_metadata(const struct archive_source *source, const char *file,
                          struct archive_verdict *verdict)
{
    struct wheel_parts parts = {.size = source->size};
    struct wheel_run want;
    const char *why = "";
    auto_buf struct buf text;
    buf_init(&text, WHEEL_METADATA_MAX);
    int r;
    while ((r = wheel_metadata(&parts, file, &want, &why, &text)) == WHEEL_WANTS)
        if ((r = parts_add(source, &want, &parts)))
            break;
    parts_release(&parts);
    if (r == ERROR_CORRUPT || r == ERROR_TOO_BIG)
        return archive_refuse(verdict, "%s", why);
    return r ? r : check_header(&text, file, verdict);
}

static int archive_wheel(const struct archive_source *source, const char *file,
                         struct archive_verdict *verdict)
{
    int r = archive_zip(source, NULL, verdict);
    return r ? r : check_metadata(source, file, verdict);
}

/* ----------------------------------------------------------- what came instead */

/* Without regard to case: "<HTML>" and "<html>" are the same accident. */
static bool begins(const char *data, size_t len, const char *with)
{
    size_t n = strlen(with);
    if (n > len)
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = data[i] >= 'A' && data[i] <= 'Z' ? (char)(data[i] | 32) : data[i];
        if (c != with[i])
            return false;
    }
    return true;
}

static bool is_text(const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)data[i] < ' ' && !strchr("\t\r\n\f", data[i]))
            return false;
    return true;
}

static bool is_zero(const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (data[i])
            return false;
    return true;
}

/* Signatures first; text is looked at after a byte order mark and white space. */
const char *archive_describe(const char *data, size_t len)
{
    static const struct {
        const char *begins, *is;
    } table[] = {{"pk\3\4", "a zip archive"},
                 {"\x1f\x8b", "a gzip stream"},
                 {"bzh", "a bzip2 stream"},
                 {"\xfd"
                  "7zxz",
                  "an xz stream"},
                 {"version https://git-lfs", "a Git LFS pointer"}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (begins(data, len, table[i].begins))
            return table[i].is;
    if (!len)
        return "nothing";
    if (is_zero(data, len))
        return "zero bytes";
    while (len && (begins(data, len, "\xef\xbb\xbf") || strchr(" \t\r\n", *data))) {
        size_t skip = *data == '\xef' ? 3 : 1;
        data += skip;
        len -= skip;
    }
    if (begins(data, len, "<!doctype html") || begins(data, len, "<html") ||
        begins(data, len, "<head") || begins(data, len, "<script") || begins(data, len, "<!--"))
        return "a web page";
    if (begins(data, len, "<?xml") || begins(data, len, "<error"))
        return "an XML document";
    if (begins(data, len, "{") || begins(data, len, "["))
        return "a JSON document";
    return is_text(data, len) ? "text" : "other bytes";
}

/* A login page in place of a wheel is the common accident, and naming it helps most. */
static void describe(const struct archive_source *source, const char *expected,
                     struct archive_verdict *verdict)
{
    char data[BEGINNING], why[ARCHIVE_WHY_BYTES];
    size_t len = source->size < BEGINNING ? (size_t)source->size : BEGINNING;
    int r = len ? source->read(source->userdata, 0, data, len) : 0;
    const char *is =
        r ? expected : archive_describe(data, len); /* the verdict stands without a description */
    if (strcmp(is, expected) == 0)
        return;
    str_copy(why, sizeof(why), verdict->why);
    (void)archive_refuse(verdict, "what came is %s: %s", is, why);
}

/* ------------------------------------------------------------------- verdict */

/* How a file is checked; its name decides. */
enum kind { KIND_OTHER, KIND_WHEEL, KIND_ZIP, KIND_GZIP, KIND_XZ, KIND_BZIP2, KIND_TAR };

static enum kind kind_of(const char *file)
{
    static const struct {
        const char *suffix;
        enum kind kind;
    } table[] = {{".whl", KIND_WHEEL},     {".zip", KIND_ZIP},    {".egg", KIND_ZIP},
                 {".tar.gz", KIND_GZIP},   {".tgz", KIND_GZIP},   {".tar.xz", KIND_XZ},
                 {".tar.bz2", KIND_BZIP2}, {".tbz2", KIND_BZIP2}, {".txz", KIND_XZ},
                 {".tar", KIND_TAR}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (str_ends(file, table[i].suffix))
            return table[i].kind;
    return KIND_OTHER;
}

static const char *const expected_of[] = {[KIND_OTHER] = "",
                                          [KIND_WHEEL] = "a zip archive",
                                          [KIND_ZIP] = "a zip archive",
                                          [KIND_GZIP] = "a gzip stream",
                                          [KIND_XZ] = "an xz stream",
                                          [KIND_BZIP2] = "a bzip2 stream",
                                          [KIND_TAR] = "other bytes"};

bool archive_is_known(const char *file)
{
    return kind_of(file) != KIND_OTHER;
}

static int check(const struct archive_source *source, const char *file, enum kind kind,
                 struct archive_verdict *verdict)
{
    switch (kind) {
    case KIND_WHEEL:
        return archive_wheel(source, file, verdict);
    case KIND_ZIP:
        return archive_zip(source, file, verdict);
    case KIND_GZIP:
        return archive_gzip(source, file, verdict);
    case KIND_XZ:
        return archive_xz(source, verdict);
    case KIND_BZIP2:
        return archive_bzip2(source, verdict);
    case KIND_TAR:
        return archive_tar(source, file, verdict);
    case KIND_OTHER:
        break;
    }
    return archive_refuse(verdict, "files of this kind say nothing of themselves");
}

int archive_structure(const struct archive_source *source, const char *file,
                      struct archive_verdict *ret)
{
    struct archive_verdict verdict = {.level = ARCHIVE_NONE};
    enum kind kind = kind_of(file);
    int r = check(source, file, kind, &verdict);
    if (r == ARCHIVE_REFUSED && kind != KIND_OTHER)
        describe(source, expected_of[kind], &verdict);
    else if (r == 0)
        verdict.level = ARCHIVE_STRUCTURE;
    if (r < 0)
        return r;
    *ret = verdict;
    return 0;
}
