// SPDX-License-Identifier: Apache-2.0
/*
 * Compressed tar archives. gzip is unpacked completely, because only its trailer proves that the
 * file is whole; bounded memory, and a bound on the unpacked bytes against bombs. For xz and bzip2
 * no library is linked: their end marks are enough to tell a part from a whole.
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/unpack.h"
#include "index/archive_private.h"

enum {
    TAR_BLOCK = 512,
    TAR_SUM = 148, /* in a member's header: its checksum, in octal */
    TAR_SUM_BYTES = 8,
    TAR_BLOCKS_MOST = 50000, /* that are read for PKG-INFO */
    IN_BYTES = 64 << 10,
    OUT_BYTES = 128 << 10,
    XZ_HEADER = 12,
    XZ_FOOTER = 12,
    BZIP2_LEAST = 14,    /* the size of an empty stream */
    BZIP2_END_BITS = 80, /* end mark and CRC, before at most seven bits of padding */
};

DEFINE_CLEANUP(struct unpack, unpack_free)
DEFINE_CLEANUP(struct pkg_info, pkg_info_free)

/* ------------------------------------------------------------------- tar */

/* The checksum counts its own field as blanks. */
bool archive_is_tar_header(const char *text)
{
    const unsigned char *block = (const unsigned char *)text;
    unsigned sum = 0, said = 0;
    for (unsigned i = 0; i < TAR_BLOCK; i++)
        sum += i >= TAR_SUM && i < TAR_SUM + TAR_SUM_BYTES ? ' ' : block[i];
    unsigned digits = 0;
    for (unsigned i = TAR_SUM; i < TAR_SUM + TAR_SUM_BYTES; i++) {
        if (block[i] >= '0' && block[i] <= '7') {
            said = said * 8 + (block[i] - '0');
            digits++;
        } else if (digits || block[i] != ' ') {
            break;
        }
    }
    return digits && said == sum;
}

/* Checks the first 512 bytes; `len` is smaller when the stream is shorter. */
static int check_tar(const char *data, size_t len, struct archive_verdict *verdict)
{
    if (len < TAR_BLOCK || !archive_is_tar_header(data))
        return archive_refuse(verdict, "no tar archive begins there");
    return 0;
}

/* Reads headers alone, and PKG-INFO. In an archive of more members it is not looked for. */
static int check_pkg_info(const struct archive_source *source, const char *file,
                          struct archive_verdict *verdict)
{
    AUTO(pkg_info_free) struct pkg_info *info = NULL;
    char block[TAR_BLOCK];
    int r = pkg_info_new(&info);
    int64_t at = 0;
    for (unsigned i = 0; r == 0 && i < TAR_BLOCKS_MOST && !pkg_info_is_done(info); i++) {
        if (at > source->size - TAR_BLOCK)
            break;
        r = source->read(source->userdata, at, block, TAR_BLOCK);
        if (r == 0)
            pkg_info_add(info, block, TAR_BLOCK);
        at += TAR_BLOCK + pkg_info_skip(info);
    }
    return r ? r : pkg_info_judge(info, file, verdict);
}

/* A tar archive is a whole number of blocks and ends in two empty ones. */
int archive_tar(const struct archive_source *source, const char *file,
                struct archive_verdict *verdict)
{
    char block[TAR_BLOCK];
    if (source->size < 2 * TAR_BLOCK || source->size % TAR_BLOCK)
        return archive_refuse(verdict, "no whole tar archive, by its length");
    int r = source->read(source->userdata, 0, block, TAR_BLOCK);
    r = r ? r : check_tar(block, TAR_BLOCK, verdict);
    return r ? r : check_pkg_info(source, file, verdict);
}

/* ------------------------------------------------------------------ gzip */

/* A gzip stream while it is unpacked. */
struct stream {
    struct unpack *unpack;
    struct pkg_info *pkg_info;
    char *in, *out;
    char first[TAR_BLOCK];
    size_t first_len;
    int64_t unpacked;
    bool over; /* a member has ended, and no other has begun */
};

/* Begins another member after the last, if one follows. gzip ignores other bytes there. */
static bool begin_member(struct stream *s, const char **at, size_t *len)
{
    if (!s->over)
        return true;
    if (*len < 2 || memcmp(*at, "\x1f\x8b", 2) != 0)
        return false;
    unpack_again(s->unpack);
    s->over = false;
    return true;
}

static int unpack_block(struct stream *s, const char *at, size_t len,
                        struct archive_verdict *verdict)
{
    bool full = true;
    while ((len || full) && begin_member(s, &at, &len)) {
        size_t n;
        int r = unpack_step(s->unpack, &at, &len, s->out, OUT_BYTES, &n);
        if (r == ERROR_CORRUPT)
            return archive_refuse(verdict, "the gzip stream is damaged");
        if (r < 0)
            return r;
        size_t more = TAR_BLOCK - s->first_len < n ? TAR_BLOCK - s->first_len : n;
        memcpy(s->first + s->first_len, s->out, more);
        s->first_len += more;
        pkg_info_add(s->pkg_info, s->out, n);
        s->unpacked += (int64_t)n;
        if (s->unpacked > ARCHIVE_STREAM_MAX)
            return archive_refuse(verdict, "it unpacks to more than %d GiB",
                                  (int)(ARCHIVE_STREAM_MAX >> 30));
        full = n == OUT_BYTES;
        s->over = r == UNPACK_END;
    }
    return 0;
}

static int unpack_all(const struct archive_source *source, struct stream *s,
                      struct archive_verdict *verdict)
{
    for (int64_t at = 0; at < source->size;) {
        int64_t left = source->size - at;
        size_t len = left < IN_BYTES ? (size_t)left : IN_BYTES;
        int r = source->read(source->userdata, at, s->in, len);
        if (r == 0)
            r = unpack_block(s, s->in, len, verdict);
        if (r)
            return r;
        at += (int64_t)len;
    }
    if (!s->over)
        return archive_refuse(verdict, "the gzip stream has no end: a part of one");
    return check_tar(s->first, s->first_len, verdict);
}

int archive_gzip(const struct archive_source *source, const char *file,
                 struct archive_verdict *verdict)
{
    AUTO(unpack_free) struct unpack *unpack = NULL;
    AUTO(pkg_info_free) struct pkg_info *pkg_info = NULL;
    auto_free char *in = malloc(IN_BYTES), *out = malloc(OUT_BYTES);
    int r = in && out ? unpack_new(UNPACK_GZIP, &unpack) : ERROR_NO_MEMORY;
    if (r == 0)
        r = pkg_info_new(&pkg_info);
    if (r)
        return r;
    struct stream s = {.unpack = unpack, .pkg_info = pkg_info, .in = in, .out = out};
    r = unpack_all(source, &s, verdict);
    return r ? r : pkg_info_judge(pkg_info, file, verdict);
}

/* -------------------------------------------------------------- xz, bzip2 */

/* Header and footer have CRCs of their own and must agree about the kind. The footer gives the
 * length of the index before it. Zeros in groups of four may follow a stream. */
int archive_xz(const struct archive_source *source, struct archive_verdict *verdict)
{
    static const char broken[] = "the xz stream has no end: a part of one";
    char head[XZ_HEADER], foot[XZ_FOOTER];
    int64_t end = source->size;
    int r = 0;
    for (unsigned i = 0; i < 64 && r == 0 && end >= XZ_HEADER + XZ_FOOTER; i++, end -= 4) {
        r = source->read(source->userdata, end - XZ_FOOTER, foot, XZ_FOOTER);
        if (r == 0 && memcmp(foot + XZ_FOOTER - 4, "\0\0\0\0", 4) != 0)
            break;
    }
    if (r || end < XZ_HEADER + XZ_FOOTER)
        return r ? r : archive_refuse(verdict, broken);
    if ((r = source->read(source->userdata, 0, head, XZ_HEADER)))
        return r;
    if (memcmp(head,
               "\xfd"
               "7zXZ",
               6) != 0 ||
        crc32_add(0, head + 6, 2) != zip_number(head + 8, 4))
        return archive_refuse(verdict, "no xz stream");
    uint64_t index = (zip_number(foot + 4, 4) + 1) * 4;
    if (memcmp(foot + 10, "YZ", 2) != 0 || memcmp(foot + 8, head + 6, 2) != 0 ||
        crc32_add(0, foot + 4, 6) != zip_number(foot, 4) ||
        index > (uint64_t)(end - XZ_HEADER - XZ_FOOTER))
        return archive_refuse(verdict, broken);
    return 0;
}

/* The stream ends in a mark of 48 bits and a CRC, at any bit position. */
int archive_bzip2(const struct archive_source *source, struct archive_verdict *verdict)
{
    char head[4];
    unsigned char tail[BZIP2_LEAST];
    if (source->size < BZIP2_LEAST)
        return archive_refuse(verdict, "no bzip2 stream");
    int r = source->read(source->userdata, 0, head, sizeof(head));
    if (r == 0)
        r = source->read(source->userdata, source->size - BZIP2_LEAST, tail, BZIP2_LEAST);
    if (r)
        return r;
    if (memcmp(head, "BZh", 3) != 0 || head[3] < '1' || head[3] > '9')
        return archive_refuse(verdict, "no bzip2 stream");
    for (unsigned padding = 0; padding < 8; padding++) {
        uint64_t mark = 0;
        unsigned from = 8 * BZIP2_LEAST - padding - BZIP2_END_BITS;
        for (unsigned bit = from; bit < from + 48; bit++)
            mark = mark << 1 | (tail[bit / 8] >> (7 - bit % 8) & 1);
        if (mark == 0x177245385090)
            return 0;
    }
    return archive_refuse(verdict, "the bzip2 stream has no end: a part of one");
}
