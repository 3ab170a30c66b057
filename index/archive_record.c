// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/unpack.h"
#include "index/archive_private.h"
#include "index/name.h"

/*
 * A check reads the wheel three times: to find RECORD, to read it, and to read every member. RECORD
 * is kept as written, with a sorted table of its rows, so that a member is found by name. All other
 * bytes pass by in blocks.
 *
 * There are three results for each member: it agrees, it is damaged or contradicts RECORD (the
 * check ends), or RECORD cannot tell. In the last case reading continues, because the CRC still
 * finds damage.
 */

enum {
    IN_BYTES = 64 << 10,
    OUT_BYTES = 128 << 10,
    DIGEST_MOST = 64, /* bytes, of SHA-512 */
};

/* A row of RECORD; its texts point into the document. */
struct row {
    const char *name; /* into the text */
    const char *digest;
    uint32_t name_len, digest_len;
    bool seen;
};

/* One check of a wheel, from the first reading to the verdict. */
struct check {
    const struct archive_source *source;
    const char *project; /* from the file name; "" when unknown */
    struct zip_directory directory;
    struct archive_verdict *verdict;
    char *in, *out;
    struct buf text; /* RECORD */
    struct row *rows;
    size_t count;
    const char *unknown; /* why RECORD cannot tell; or NULL */
    bool too_big;
};

DEFINE_CLEANUP(struct unpack, unpack_free)
DEFINE_CLEANUP(struct digest, digest_free)

/* Only the first reason is kept. */
static void cannot_tell(struct check *c, const char *why)
{
    if (!c->unknown)
        c->unknown = why;
}

/* ----------------------------------------------------------------- members */

/* Where a member's bytes go. */
struct sink {
    struct digest *digest; /* or NULL */
    struct buf *text;      /* or NULL */
    uint32_t crc;
    uint64_t size;
};

/* CRC and length are checked for every member, the digest only when RECORD has one. */
static int put(struct sink *sink, const char *data, size_t len)
{
    sink->crc = crc32_add(sink->crc, data, len);
    sink->size += len;
    if (sink->text) {
        buf_add(sink->text, data, len);
        return sink->text->error;
    }
    return sink->digest ? digest_add(sink->digest, data, len) : 0;
}

static int damaged(struct check *c, const struct zip_member *m)
{
    return archive_refuse(c->verdict, "its member %.*s is damaged",
                          m->name_len < 100 ? (int)m->name_len : 100, m->name);
}

/* Takes one block of packed bytes. *over: the member's stream has ended. */
static int put_block(struct check *c, const struct zip_member *m, struct unpack *unpack,
                     const char *data, size_t len, struct sink *sink, bool *over)
{
    if (m->method == ZIP_STORED)
        return put(sink, data, len);
    size_t n = OUT_BYTES;
    for (int r; !*over && (len || n == OUT_BYTES);) {
        r = unpack_step(unpack, &data, &len, c->out, OUT_BYTES, &n);
        if (r == ERROR_CORRUPT || sink->size + n > m->size)
            return damaged(c, m);
        if (r < 0)
            return r;
        *over = r == UNPACK_END;
        if ((r = put(sink, c->out, n)))
            return r;
    }
    return len ? damaged(c, m) : 0;
}

/* Finds the member's bytes; the header before them must have a name of the same length. */
static int find_data(struct check *c, const struct zip_member *m, int64_t *ret)
{
    char local[ZIP_LOCAL_BYTES];
    int64_t at = c->directory.prefix + (int64_t)m->local;
    int r = c->source->read(c->source->userdata, at, local, sizeof(local));
    if (r)
        return r;
    int64_t before =
        ZIP_LOCAL_BYTES + (int64_t)zip_number(local + 26, 2) + (int64_t)zip_number(local + 28, 2);
    if (!zip_is_local(local) || zip_number(local + 26, 2) != m->name_len ||
        c->directory.from - at < before + (int64_t)m->packed)
        return damaged(c, m);
    *ret = at + before;
    return 0;
}

/* A member that unpacks to more bytes than it announces is damaged, so a bomb stops at its own
 * size. */
static int read_member(struct check *c, const struct zip_member *m, struct sink *sink)
{
    AUTO(unpack_free) struct unpack *unpack = NULL;
    bool over = m->method == ZIP_STORED;
    int64_t at = 0, len = (int64_t)m->packed;
    int r = find_data(c, m, &at);
    if (r == 0 && !over)
        r = unpack_new(UNPACK_DEFLATE, &unpack);
    if (r == 0 && over && m->packed != m->size)
        r = damaged(c, m);
    while (r == 0 && len > 0) {
        size_t n = len < IN_BYTES ? (size_t)len : IN_BYTES;
        r = c->source->read(c->source->userdata, at, c->in, n);
        if (r == 0)
            r = put_block(c, m, unpack, c->in, n, sink, &over);
        at += (int64_t)n;
        len -= (int64_t)n;
    }
    if (r == 0 && (!over || sink->size != m->size || sink->crc != m->crc))
        r = damaged(c, m);
    return r;
}

/* ------------------------------------------------------------------ RECORD */

static int compare_names(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return order ? order : (a_len > b_len) - (a_len < b_len);
}

static int compare_rows(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    return compare_names(x->name, x->name_len, y->name, y->name_len);
}

/* Binary search: a wheel may have tens of thousands of members. */
static struct row *find_row(const struct check *c, const char *name, size_t len)
{
    size_t from = 0, to = c->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        struct row *row = &c->rows[middle];
        int order = compare_names(row->name, row->name_len, name, len);
        if (order == 0)
            return row;
        *(order < 0 ? &from : &to) = order < 0 ? middle + 1 : middle;
    }
    return NULL;
}

/* Reads one CSV field and removes its quotes in place; moves *at past the comma. */
static void take_field(char **at, const char *end, const char **ret, uint32_t *ret_len)
{
    char *from = *at, *to = from, *read = from;
    bool quoted = read < end && *read == '"';
    if (quoted)
        read++;
    while (read < end) {
        if (quoted && *read == '"') {
            read++;
            if (read == end || *read != '"') {
                quoted = false;
                continue;
            }
        } else if (!quoted && *read == ',') {
            break;
        }
        *to++ = *read++;
    }
    *ret = from;
    *ret_len = (uint32_t)(to - from);
    *at = read < end ? read + 1 : read;
}

/* Empty lines are allowed; the table grows by doubling up to its bound. */
static int add_row(struct check *c, char *line, char *end, size_t *room)
{
    struct row row = {0};
    while (end > line && (end[-1] == '\r' || end[-1] == ' '))
        end--;
    if (end == line)
        return 0;
    take_field(&line, end, &row.name, &row.name_len);
    take_field(&line, end, &row.digest, &row.digest_len);
    if (c->count == ARCHIVE_RECORD_ROWS) {
        cannot_tell(c, "its RECORD is too long to be compared");
        return 0;
    }
    if (c->count == *room) {
        size_t more = *room ? 2 * *room : 256;
        struct row *rows = realloc(c->rows, more * sizeof(*rows));
        if (!rows)
            return ERROR_NO_MEMORY;
        c->rows = rows;
        *room = more;
    }
    c->rows[c->count++] = row;
    return 0;
}

/* Sorted for find_row; two rows of one name would make the result depend on the order. */
static int read_rows(struct check *c)
{
    char *at = c->text.data, *end = at + c->text.len;
    size_t room = 0;
    while (at < end) {
        char *feed = memchr(at, '\n', (size_t)(end - at)), *to = feed ? feed : end;
        int r = add_row(c, at, to, &room);
        if (r)
            return r;
        at = to < end ? to + 1 : end;
    }
    if (c->count)
        qsort(c->rows, c->count, sizeof(*c->rows), compare_rows);
    for (size_t i = 1; i < c->count; i++)
        if (compare_rows(&c->rows[i - 1], &c->rows[i]) == 0)
            cannot_tell(c, "its RECORD names a member twice");
    return 0;
}

/* Finds the wheel's own RECORD, or the only one. */
static int find_record(struct check *c, struct zip_member *ret)
{
    struct archive_walk walk;
    struct zip_member m;
    unsigned own = 0, other = 0;
    uint64_t unpacked = 0;
    int r = archive_walk_begin(c->source, &walk, c->verdict);
    if (r)
        return r;
    c->directory = walk.directory;
    while ((r = archive_walk_next(&walk, &m, c->verdict)) == 0) {
        unpacked = unpacked + m.size < unpacked ? UINT64_MAX : unpacked + m.size;
        if (!zip_is_dist_info(m.name, m.name_len, "RECORD"))
            continue;
        bool is_own = zip_is_of_project(m.name, m.name_len, c->project);
        if (is_own ? !own++ : !other++ && !own)
            *ret = m;
    }
    archive_walk_release(&walk);
    if (r != ARCHIVE_WALK_END)
        return r;
    if (own + other == 0)
        cannot_tell(c, "it has no RECORD");
    else if (own > 1 || (!own && other > 1))
        cannot_tell(c, "it has more than one RECORD");
    c->too_big = unpacked > (uint64_t)ARCHIVE_UNPACKED_MAX;
    if (c->too_big)
        cannot_tell(c, "it unpacks to more than is compared");
    return 0;
}

static bool is_readable(const struct zip_member *m)
{
    return !(m->flags & ZIP_FLAGS_ENCRYPTED) &&
           (m->method == ZIP_STORED || m->method == ZIP_DEFLATED);
}

int archive_member_text(const struct archive_source *source, const struct zip_directory *directory,
                        const struct zip_member *m, struct archive_verdict *verdict,
                        struct buf *text)
{
    auto_free char *in = malloc(IN_BYTES), *out = malloc(OUT_BYTES);
    struct check c = {
        .source = source, .directory = *directory, .verdict = verdict, .in = in, .out = out};
    struct sink sink = {.text = text};
    if (!is_readable(m))
        return ARCHIVE_CANNOT_TELL;
    return in && out ? read_member(&c, m, &sink) : ERROR_NO_MEMORY;
}

/* RECORD itself is unpacked into memory, all other members only pass by. */
static int read_record(struct check *c)
{
    struct zip_member m = {0};
    int r = find_record(c, &m);
    if (r || c->unknown)
        return r;
    if (m.size > ARCHIVE_RECORD_MAX || !is_readable(&m)) {
        cannot_tell(c, "its RECORD is too long to be compared");
        return 0;
    }
    m.name = "RECORD"; /* the block that held its name has been replaced */
    struct sink sink = {.text = &c->text};
    r = read_member(c, &m, &sink);
    return r ? r : read_rows(c);
}

/* ----------------------------------------------------------------- digests */

/* URL-safe base64 without padding, as in RECORD; -1: not a digit. */
static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' || c == '+' ? 62 : c == '_' || c == '/' ? 63 : -1;
}

/* Converts base64 to hex; false unless it is exactly `hex_len` / 2 bytes. */
static bool decode(const char *text, size_t len, size_t hex_len, char ret[DIGEST_HEX])
{
    static const char digits[] = "0123456789abcdef";
    uint32_t bits = 0;
    unsigned held = 0;
    size_t n = 0;
    while (len && text[len - 1] == '=')
        len--;
    for (size_t i = 0; i < len; i++) {
        int value = value_of(text[i]);
        if (value < 0 || n + 2 > hex_len)
            return false;
        bits = bits << 6 | (unsigned)value;
        held += 6;
        if (held < 8)
            continue;
        held -= 8;
        ret[n++] = digits[bits >> (held + 4) & 15];
        ret[n++] = digits[bits >> held & 15];
    }
    ret[n] = '\0';
    return n == hex_len;
}

/* The digest of a row; false when it has none that counts. */
static bool row_digest(const struct row *row, enum digest_algorithm *ret_algorithm,
                       char ret[DIGEST_HEX])
{
    const char *equals = memchr(row->digest, '=', row->digest_len);
    if (!equals || !digest_find(row->digest, (size_t)(equals - row->digest), ret_algorithm) ||
        (int)*ret_algorithm >= DIGEST_WEAK)
        return false;
    const char *text = equals + 1;
    return decode(text, (size_t)(row->digest + row->digest_len - text),
                  digest_hex_length(*ret_algorithm), ret);
}

/* The only place where a wheel is found to contradict itself. */
static int compare_member(struct check *c, const struct zip_member *m, const struct row *row)
{
    AUTO(digest_free) struct digest *digest = NULL;
    char expected[DIGEST_HEX] = "", hex[DIGEST_HEX];
    enum digest_algorithm algorithm;
    bool has_digest = row && row_digest(row, &algorithm, expected);
    int r = has_digest ? digest_new(algorithm, &digest) : 0;
    if (r)
        return r;
    struct sink sink = {.digest = digest};
    r = read_member(c, m, &sink);
    if (r)
        return r;
    if (!has_digest) {
        cannot_tell(c, row ? "its RECORD has no digest of a member"
                           : "it has members that its RECORD does not name");
        return 0;
    }
    r = digest_finish(digest, hex);
    if (r == 0 && strcmp(hex, expected) != 0) {
        c->verdict->contradicted = true;
        return archive_refuse(c->verdict, "its member %.*s is not what its RECORD says",
                              m->name_len < 100 ? (int)m->name_len : 100, m->name);
    }
    return r;
}

/* RECORD cannot contain its own digest, nor that of its signatures. */
static bool has_no_digest(const struct check *c, const struct zip_member *m)
{
    if (*c->project && !zip_is_of_project(m->name, m->name_len, c->project))
        return false;
    return zip_is_dist_info(m->name, m->name_len, "RECORD") ||
           zip_is_dist_info(m->name, m->name_len, "RECORD.jws") ||
           zip_is_dist_info(m->name, m->name_len, "RECORD.p7s");
}

/* Folders have no bytes; unknown compression cannot be judged. */
static int check_member(struct check *c, const struct zip_member *m)
{
    if (!is_readable(m)) {
        cannot_tell(c, "it has members that are packed in a way that is not known");
        return 0;
    }
    if (m->name[m->name_len - 1] == '/' && !m->size)
        return 0;
    struct row *row = find_row(c, m->name, m->name_len);
    if (row)
        row->seen = true;
    if (!has_no_digest(c, m))
        return compare_member(c, m, row);
    struct sink sink = {0};
    return read_member(c, m, &sink);
}

/* Members that RECORD names but the wheel lacks are noticed at the end. */
static int check_all(struct check *c)
{
    struct archive_walk walk;
    struct zip_member m;
    int r = archive_walk_begin(c->source, &walk, c->verdict);
    if (r)
        return r;
    while ((r = archive_walk_next(&walk, &m, c->verdict)) == 0)
        if ((r = check_member(c, &m)))
            break;
    archive_walk_release(&walk);
    if (r != ARCHIVE_WALK_END)
        return r;
    for (size_t i = 0; i < c->count; i++)
        if (!c->rows[i].seen && c->rows[i].digest_len)
            cannot_tell(c, "its RECORD names members that it does not have");
    return 0;
}

/* Reads everything even when RECORD cannot tell, because the CRC finds damage. */
static int check_wheel(struct check *c)
{
    c->in = malloc(IN_BYTES);
    c->out = malloc(OUT_BYTES);
    if (!c->in || !c->out)
        return ERROR_NO_MEMORY;
    int r = read_record(c);
    return r || c->too_big ? r : check_all(c);
}

int archive_record(const struct archive_source *source, const char *file,
                   struct archive_verdict *ret)
{
    struct archive_verdict verdict;
    int r = archive_structure(source, file, &verdict);
    if (r)
        return r;
    size_t len = strlen(file);
    if (verdict.level == ARCHIVE_NONE || len < 4 || strcmp(file + len - 4, ".whl") != 0) {
        *ret = verdict;
        return 0;
    }
    struct file_name name = {0};
    r = file_name_parse(file, &name);
    if (r)
        return r;
    struct check c = {
        .source = source, .verdict = &verdict, .project = name.project ? name.project : ""};
    buf_init(&c.text, ARCHIVE_RECORD_MAX);
    r = check_wheel(&c);
    file_name_release(&name);
    buf_release(&c.text);
    free(c.rows);
    free(c.in);
    free(c.out);
    if (r < 0)
        return r;
    verdict.level = r == ARCHIVE_REFUSED ? ARCHIVE_NONE
                    : c.unknown          ? ARCHIVE_STRUCTURE
                                         : ARCHIVE_RECORD;
    if (r == 0)
        (void)archive_refuse(&verdict, "%s", c.unknown ? c.unknown : "");
    *ret = verdict;
    return 0;
}
