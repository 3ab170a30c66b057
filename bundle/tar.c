// SPDX-License-Identifier: Apache-2.0
#include "bundle/tar.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

/* Where the fields lie in a block, and how long they are. */
enum {
    NAME = 0,
    NAME_BYTES = 100,
    MODE = 100,
    OWNER = 108,
    GROUP = 116,
    SIZE = 124,
    TIME = 136,
    CHECKSUM = 148,
    CHECKSUM_BYTES = 8,
    TYPE = 156,
    MAGIC = 257,
    OWNER_NAME = 265,
    GROUP_NAME = 297,
    PREFIX = 345,
    PREFIX_BYTES = 155,
};
/* What eleven octal digits can say. */
#define SIZE_MAX_USTAR ((INT64_C(1) << 33) - 1)

static const char extension_name[] = "PaxHeaders/next";

/* ------------------------------------------------------------------- fields */

/* `digits` octal digits; the NUL behind them is there. */
static void put_octal(char *field, int digits, int64_t value)
{
    for (int i = digits - 1; i >= 0; i--) {
        field[i] = (char)('0' + (value & 7));
        value >>= 3;
    }
}

static bool get_octal(const char *field, int digits, int64_t *ret)
{
    int64_t value = 0;
    for (int i = 0; i < digits; i++) {
        if (field[i] < '0' || field[i] > '7')
            return false;
        value = value << 3 | (field[i] - '0');
    }
    *ret = value;
    return true;
}

/* The sum of a block's bytes, with blanks in place of the sum itself. */
static unsigned checksum(const char *block)
{
    unsigned sum = CHECKSUM_BYTES * ' ';
    for (int i = 0; i < TAR_BLOCK; i++)
        if (i < CHECKSUM || i >= CHECKSUM + CHECKSUM_BYTES)
            sum += (unsigned char)block[i];
    return sum;
}

/* Where a name is cut, so that both halves fit their fields: 0 for a short one, else the place of
 * the slash between them; -1 when it does not fit. */
static int cut_of(const char *name)
{
    size_t len = strlen(name);
    if (len <= NAME_BYTES)
        return 0;
    if (len > NAME_BYTES + PREFIX_BYTES + 1)
        return -1;
    for (size_t i = len - NAME_BYTES - 1; i <= PREFIX_BYTES && i < len - 1; i++)
        if (name[i] == '/' && i > 0)
            return (int)i;
    return -1;
}

static bool is_ascii(const char *name)
{
    for (; *name; name++)
        if ((unsigned char)*name > 0x7e || (unsigned char)*name < ' ')
            return false;
    return true;
}

static bool needs_path(const char *name)
{
    return cut_of(name) < 0 || !is_ascii(name);
}

/* ------------------------------------------------------------------- headers */

static void put_block(const char *name, int64_t size, int64_t modified_s, char type, struct buf *to)
{
    char block[TAR_BLOCK] = {0};
    int cut = cut_of(name);
    if (cut > 0)
        memcpy(block + PREFIX, name, (size_t)cut);
    const char *rest = cut > 0 ? name + cut + 1 : name;
    memcpy(block + NAME, rest, strnlen(rest, NAME_BYTES));
    put_octal(block + MODE, 7, 0644);
    put_octal(block + OWNER, 7, 0);
    put_octal(block + GROUP, 7, 0);
    put_octal(block + SIZE, 11, size <= SIZE_MAX_USTAR ? size : 0);
    put_octal(block + TIME, 11, modified_s);
    block[TYPE] = type;
    memcpy(block + MAGIC,
           "ustar\0"
           "00",
           8);
    memcpy(block + OWNER_NAME, "root", 4);
    memcpy(block + GROUP_NAME, "root", 4);
    put_octal(block + CHECKSUM, 6, checksum(block));
    block[CHECKSUM + 7] = ' ';
    buf_add(to, block, sizeof(block));
}

/* A record of an extension begins with its own length, which counts its own digits too. */
static void put_record(struct buf *to, const char *key, const char *value)
{
    size_t rest = strlen(key) + strlen(value) + 3, len = rest + 1;
    for (size_t digits = 1, limit = 10; len >= limit; limit *= 10)
        len = rest + ++digits;
    buf_printf(to, "%zu %s=%s\n", len, key, value);
}

static void put_extension(const char *name, int64_t size, struct buf *to)
{
    char number[24];
    (void)snprintf(number, sizeof(number), "%" PRId64, size);
    if (needs_path(name))
        put_record(to, "path", name);
    if (size > SIZE_MAX_USTAR)
        put_record(to, "size", number);
}

static void put_zeros(struct buf *to, int64_t count)
{
    static const char zeros[TAR_BLOCK];
    buf_add(to, zeros, (size_t)count);
}

void tar_header_write(const char *name, int64_t size, int64_t modified_s, struct buf *to)
{
    if (needs_path(name) || size > SIZE_MAX_USTAR) {
        auto_buf struct buf extension;
        buf_init(&extension, TAR_HEADER_MAX);
        put_extension(name, size, &extension);
        put_block(extension_name, (int64_t)extension.len, modified_s, 'x', to);
        buf_add(to, extension.data, extension.len);
        put_zeros(to, tar_padding((int64_t)extension.len));
        if (extension.error && !to->error)
            to->error = extension.error;
    }
    /* A program that knows no extensions sees the last part of a long name. */
    put_block(needs_path(name) ? strrchr(name, '/') ? strrchr(name, '/') + 1 : name : name, size,
              modified_s, '0', to);
}

int64_t tar_header_length(const char *name, int64_t size)
{
    auto_buf struct buf extension;
    buf_init(&extension, TAR_HEADER_MAX);
    if (!needs_path(name) && size <= SIZE_MAX_USTAR)
        return TAR_BLOCK;
    put_extension(name, size, &extension);
    int64_t len = (int64_t)extension.len;
    return 2 * (int64_t)TAR_BLOCK + len + tar_padding(len);
}

int64_t tar_padding(int64_t size)
{
    return (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK;
}

bool tar_header_read(const char block[TAR_BLOCK], const char *name, int64_t *ret_size,
                     int64_t *ret_modified_s)
{
    int64_t size, modified_s;
    auto_buf struct buf made;
    buf_init(&made, TAR_HEADER_MAX);
    if (!get_octal(block + SIZE, 11, &size) || !get_octal(block + TIME, 11, &modified_s))
        return false;
    tar_header_write(name, size, modified_s, &made);
    if (made.error || made.len != TAR_BLOCK || memcmp(made.data, block, TAR_BLOCK) != 0)
        return false;
    *ret_size = size;
    *ret_modified_s = modified_s;
    return true;
}

/* --------------------------------------------------------------- for people */

static bool is_zero(const char *block)
{
    for (int i = 0; i < TAR_BLOCK; i++)
        if (block[i])
            return false;
    return true;
}

const char *tar_describe(const char block[TAR_BLOCK])
{
    int64_t sum;
    if (is_zero(block))
        return "the end of the archive";
    if (!get_octal(block + CHECKSUM, 6, &sum) || sum != (int64_t)checksum(block))
        return "no header of tar";
    switch (block[TYPE]) {
    case '0':
    case '\0':
    case '7':
        return "a file of another name, size, date or owner";
    case '1':
        return "a hard link";
    case '2':
        return "a symbolic link";
    case '3':
    case '4':
        return "a device";
    case '5':
        return "a folder";
    case '6':
        return "a pipe";
    case 'x':
    case 'g':
        return "an extension of another content";
    case 'S':
        return "a sparse file";
    case 'L':
    case 'K':
        return "a long name";
    default:
        return "a member of an unknown kind";
    }
}
