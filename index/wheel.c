// SPDX-License-Identifier: Apache-2.0
#include "index/wheel.h"

#include <string.h>
#include <strings.h>
#include <zip.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "index/name.h"
#include "index/version.h"

/*
 * Finding the member is our own, because libzip reads the whole list of members first, which is
 * more than a megabyte of a torch wheel. What is found is handed to libzip as an archive of that
 * one member, made in memory: inflating, lengths and CRC are its work.
 */

enum {
    END_BYTES = 22,      /* end of central directory */
    LOCATOR_BYTES = 20,  /* zip64: where the record is */
    RECORD_BYTES = 56,   /* zip64: end of central directory */
    ENTRY_BYTES = 46,    /* in the directory, before name, extra field and comment */
    LOCAL_BYTES = 30,    /* before the member, as above */
    COMMENT_MAX = 65535, /* of the archive */
    LOCAL_SLACK = 512,   /* extra field before the member, of which the directory says nothing */
    FLAGS_ENCRYPTED = 1 | 1 << 6 | 1 << 13,
    FLAG_UTF8 = 1 << 11,
    VERSION_NEEDED = 20,
};

static const char end_signature[] = "PK\5\6", locator_signature[] = "PK\6\7",
                  record_signature[] = "PK\6\6", entry_signature[] = "PK\1\2",
                  local_signature[] = "PK\3\4";
static const char member_suffix[] = ".dist-info/METADATA";

struct reading {
    const struct wheel_parts *parts;
    const char *project; /* normalised, of the file name; "" unknown */
    struct wheel_run want;
    const char *why;
};

struct directory {
    int64_t from, to;
    uint64_t count;
};

struct member {
    const char *name; /* into a part */
    size_t name_len;
    uint64_t packed, size, local; /* local: offset of its header */
    uint32_t crc;
    unsigned flags, method;
};

/* ---------------------------------------------------------------- bytes */

static uint64_t number(const char *at, unsigned bytes)
{
    uint64_t n = 0;
    while (bytes--)
        n = n << 8 | (unsigned char)at[bytes];
    return n;
}

static bool is_signature(const char *at, const char *signature)
{
    return memcmp(at, signature, 4) == 0;
}

static int refuse(struct reading *r, int error, const char *why)
{
    r->why = why;
    return error;
}

/* The bytes [from, from + len) where one part has them all; NULL where they are wanted first. */
static const char *at(struct reading *r, int64_t from, int64_t len)
{
    for (unsigned i = 0; i < r->parts->count; i++) {
        const struct wheel_part *p = &r->parts->list[i];
        if (p->from <= from && len <= (int64_t)p->len && from - p->from <= (int64_t)p->len - len)
            return p->data + (from - p->from);
    }
    r->want = (struct wheel_run){from, from + len};
    return NULL;
}

/* ------------------------------------------------- the end of the archive */

static int64_t find_end_in(const char *tail, int64_t len)
{
    for (int64_t i = len - END_BYTES; i >= 0; i--)
        if (is_signature(tail + i, end_signature) &&
            (int64_t)number(tail + i + 20, 2) == len - i - END_BYTES)
            return i;
    return -1;
}

/* Offset of the end record in the file; a long comment takes a second look. */
static int find_end(struct reading *r, int64_t *ret)
{
    static const int64_t looks[] = {WHEEL_TAIL_BYTES, COMMENT_MAX + END_BYTES};
    static const char missing[] = "no zip archive: its end is missing";
    if (r->parts->size < END_BYTES)
        return refuse(r, ERROR_CORRUPT, missing);
    for (unsigned i = 0; i < 2; i++) {
        int64_t len = looks[i] < r->parts->size ? looks[i] : r->parts->size;
        const char *tail = at(r, r->parts->size - len, len);
        if (!tail)
            return WHEEL_WANTS;
        int64_t found = find_end_in(tail, len);
        if (found >= 0) {
            *ret = r->parts->size - len + found;
            return 0;
        }
        if (len == r->parts->size)
            break;
    }
    return refuse(r, ERROR_CORRUPT, missing);
}

static bool fits(uint64_t from, uint64_t size, int64_t to)
{
    return from <= (uint64_t)to && size == (uint64_t)to - from;
}

/* The record of zip64 before the end, where there is one. */
static int read_record(struct reading *r, int64_t end, struct directory *ret, bool *ret_found)
{
    *ret_found = false;
    if (end < LOCATOR_BYTES + RECORD_BYTES)
        return 0;
    const char *locator = at(r, end - LOCATOR_BYTES, LOCATOR_BYTES);
    if (!locator)
        return WHEEL_WANTS;
    uint64_t where = number(locator + 8, 8);
    if (!is_signature(locator, locator_signature) ||
        where > (uint64_t)(end - LOCATOR_BYTES - RECORD_BYTES))
        return 0;
    const char *record = at(r, (int64_t)where, RECORD_BYTES);
    if (!record)
        return WHEEL_WANTS;
    if (!is_signature(record, record_signature))
        return 0;
    uint64_t from = number(record + 48, 8);
    if (!fits(from, number(record + 40, 8), (int64_t)where))
        return refuse(r, ERROR_CORRUPT, "the zip64 record contradicts itself");
    *ret = (struct directory){(int64_t)from, (int64_t)where, number(record + 32, 8)};
    *ret_found = true;
    return 0;
}

static int find_directory(struct reading *r, struct directory *ret)
{
    int64_t end;
    bool found;
    int error = find_end(r, &end);
    if (error == 0)
        error = read_record(r, end, ret, &found);
    if (error || found)
        return error;
    const char *record = at(r, end, END_BYTES);
    if (!record)
        return WHEEL_WANTS;
    uint64_t from = number(record + 16, 4);
    if (number(record + 4, 4) != 0 || number(record + 8, 2) != number(record + 10, 2) ||
        !fits(from, number(record + 12, 4), end))
        return refuse(r, ERROR_CORRUPT, "the end of the archive contradicts itself");
    *ret = (struct directory){(int64_t)from, end, number(record + 10, 2)};
    return 0;
}

/* ------------------------------------------------------- the list of members */

static int64_t entry_bytes(const char *entry)
{
    return ENTRY_BYTES +
           (int64_t)(number(entry + 28, 2) + number(entry + 30, 2) + number(entry + 32, 2));
}

/* What is there of the list without a gap before its end. */
static const char *known_end(struct reading *r, const struct directory *d, int64_t *ret_len)
{
    const char *best = NULL;
    *ret_len = -1;
    for (unsigned i = 0; i < r->parts->count; i++) {
        const struct wheel_part *p = &r->parts->list[i];
        int64_t from = p->from > d->from ? p->from : d->from;
        if (from > d->to || p->from + (int64_t)p->len < d->to || d->to - from <= *ret_len)
            continue;
        *ret_len = d->to - from;
        best = p->data + (from - p->from);
    }
    return best;
}

/* Where the first entry begins from which entry after entry leads exactly to the end; `len` when
 * there is none. From right to left, so that each place is judged once. */
static int first_entry(const char *list, int64_t len, int64_t *ret)
{
    auto_free unsigned char *leads = calloc((size_t)len + 1, 1);
    if (!leads)
        return ERROR_NO_MEMORY;
    leads[len] = 1;
    *ret = len;
    for (int64_t i = len - ENTRY_BYTES; i >= 0; i--) {
        if (!is_signature(list + i, entry_signature))
            continue;
        int64_t next = i + entry_bytes(list + i);
        if (next > len || !leads[next])
            continue;
        leads[i] = 1;
        *ret = i;
    }
    return 0;
}

/* The field of zip64 that stands for what 32 bits cannot say; in this order, those alone. */
static bool read_wide(struct member *m, const char *extra, size_t len)
{
    uint64_t *wide[] = {&m->size, &m->packed, &m->local};
    while (len >= 4) {
        size_t field = (size_t)number(extra + 2, 2);
        if (field > len - 4)
            return false;
        if (number(extra, 2) == 1) {
            const char *from = extra + 4;
            for (unsigned i = 0; i < 3; i++) {
                if (*wide[i] != UINT32_MAX)
                    continue;
                if (field < 8)
                    return false;
                *wide[i] = number(from, 8);
                from += 8;
                field -= 8;
            }
            return true;
        }
        extra += 4 + field;
        len -= 4 + field;
    }
    return true;
}

static bool read_entry(const char *entry, struct member *ret)
{
    size_t name_len = (size_t)number(entry + 28, 2);
    *ret = (struct member){.name = entry + ENTRY_BYTES,
                           .name_len = name_len,
                           .packed = number(entry + 20, 4),
                           .size = number(entry + 24, 4),
                           .local = number(entry + 42, 4),
                           .crc = (uint32_t)number(entry + 16, 4),
                           .flags = (unsigned)number(entry + 8, 2),
                           .method = (unsigned)number(entry + 10, 2)};
    return read_wide(ret, entry + ENTRY_BYTES + name_len, (size_t)number(entry + 30, 2));
}

/* `<anything>.dist-info/METADATA` at the top. */
static bool is_metadata(const char *entry)
{
    size_t len = (size_t)number(entry + 28, 2), suffix = sizeof(member_suffix) - 1;
    const char *name = entry + ENTRY_BYTES;
    return len > suffix && memcmp(name + len - suffix, member_suffix, suffix) == 0 &&
           !memchr(name, '/', len - sizeof("/METADATA") + 1);
}

static bool is_of_project(const struct reading *r, const char *entry)
{
    char project[NAME_MAX_BYTES + 1];
    const char *name = entry + ENTRY_BYTES;
    const char *dash = memchr(name, '-', (size_t)number(entry + 28, 2));
    auto_free char *text = dash ? strndup(name, (size_t)(dash - name)) : NULL;
    return text && name_normalize(text, project) == 0 && strcmp(project, r->project) == 0;
}

struct search {
    const char *own, *other; /* entries */
    unsigned own_count, other_count;
    uint64_t count;
};

static void search_list(const struct reading *r, const char *list, int64_t len, struct search *s)
{
    for (int64_t i = 0; i < len; i += entry_bytes(list + i), s->count++) {
        if (!is_metadata(list + i))
            continue;
        bool own = is_of_project(r, list + i);
        *(own ? &s->own : &s->other) = list + i;
        ++*(own ? &s->own_count : &s->other_count);
    }
}

static int want_whole(struct reading *r, const struct directory *d)
{
    if (d->to - d->from > WHEEL_DIRECTORY_MAX)
        return refuse(r, ERROR_TOO_BIG, "the list of the archive's members is too long");
    r->want = (struct wheel_run){d->from, d->to};
    return WHEEL_WANTS;
}

static int find_member(struct reading *r, const struct directory *d, struct member *ret)
{
    int64_t len, first;
    struct search s = {0};
    const char *list = known_end(r, d, &len);
    if (!list)
        return want_whole(r, d);
    bool whole = len == d->to - d->from;
    if (first_entry(list, len, &first))
        return ERROR_NO_MEMORY;
    search_list(r, list + first, len - first, &s);
    if (whole && (first != 0 || s.count != d->count))
        return refuse(r, ERROR_CORRUPT, "the list of the archive's members is damaged");
    if (!whole && !s.own_count)
        return want_whole(r, d);
    if (s.own_count > 1 || (!s.own_count && s.other_count > 1))
        return refuse(r, ERROR_CORRUPT, "the wheel has more than one METADATA");
    const char *entry = s.own ? s.own : s.other;
    if (!entry)
        return refuse(r, ERROR_CORRUPT, "the wheel has no METADATA");
    if (!read_entry(entry, ret))
        return refuse(r, ERROR_CORRUPT, "the entry of METADATA is damaged");
    return 0;
}

/* ---------------------------------------------------------------- the member */

static int check_member(struct reading *r, const struct directory *d, const struct member *m)
{
    uint64_t before = (uint64_t)d->from;
    if (m->flags & FLAGS_ENCRYPTED)
        return refuse(r, ERROR_CORRUPT, "METADATA is encrypted");
    if (m->size > WHEEL_METADATA_MAX || m->packed > WHEEL_METADATA_MAX)
        return refuse(r, ERROR_TOO_BIG, "METADATA is too long");
    if (!m->size)
        return refuse(r, ERROR_CORRUPT, "METADATA is empty");
    if (m->local >= before || before - m->local < LOCAL_BYTES + m->name_len + m->packed)
        return refuse(r, ERROR_CORRUPT, "METADATA lies outside of the archive");
    return 0;
}

/* Its packed bytes, behind a header that must be of the same name. */
static int find_data(struct reading *r, const struct directory *d, const struct member *m,
                     const char **ret)
{
    int64_t from = (int64_t)m->local;
    int64_t head = LOCAL_BYTES + (int64_t)m->name_len;
    const char *local = at(r, from, head);
    if (!local) {
        int64_t to = from + head + LOCAL_SLACK + (int64_t)m->packed;
        r->want.to = to < d->from ? to : d->from;
        return WHEEL_WANTS;
    }
    if (!is_signature(local, local_signature) || number(local + 26, 2) != m->name_len ||
        memcmp(local + LOCAL_BYTES, m->name, m->name_len) != 0)
        return refuse(r, ERROR_CORRUPT, "METADATA is not where the list of members says");
    int64_t before = head + (int64_t)number(local + 28, 2);
    if (d->from - from < before + (int64_t)m->packed)
        return refuse(r, ERROR_CORRUPT, "METADATA lies outside of the archive");
    const char *whole = at(r, from, before + (int64_t)m->packed);
    if (!whole)
        return WHEEL_WANTS;
    *ret = whole + before;
    return 0;
}

/* ---------------------------------------------------------------- unpacking */

static void put(struct buf *to, uint64_t n, unsigned bytes)
{
    for (; bytes; bytes--, n >>= 8)
        buf_putc(to, (char)(n & 0xff));
}

/* What the local header and the entry have in common, from "version needed" to the lengths. */
static void put_facts(struct buf *to, const struct member *m)
{
    put(to, VERSION_NEEDED, 2);
    put(to, m->flags & FLAG_UTF8, 2);
    put(to, m->method, 2);
    put(to, 0, 2); /* time: libzip wants none */
    put(to, 0x21, 2);
    put(to, m->crc, 4);
    put(to, m->packed, 4);
    put(to, m->size, 4);
    put(to, 1, 2); /* a name of one letter */
    put(to, 0, 2);
}

static void write_archive(const struct member *m, const char *data, struct buf *to)
{
    buf_add(to, local_signature, 4);
    put_facts(to, m);
    buf_putc(to, 'M');
    buf_add(to, data, (size_t)m->packed);
    size_t from = to->len;
    buf_add(to, entry_signature, 4);
    put(to, VERSION_NEEDED, 2);
    put_facts(to, m);
    put(to, 0, 2 + 2 + 2 + 4 + 4); /* comment, disk, attributes, offset */
    buf_putc(to, 'M');
    size_t len = to->len - from;
    buf_add(to, end_signature, 4);
    put(to, 0, 4);
    put(to, 1, 2);
    put(to, 1, 2);
    put(to, len, 4);
    put(to, from, 4);
    put(to, 0, 2);
}

/* All of it and not a byte more; behind the last one libzip compares the CRC. */
static int read_member(struct reading *r, zip_t *archive, const struct member *m, struct buf *to)
{
    static const char damaged[] = "METADATA cannot be unpacked";
    char more;
    char *room = buf_reserve(to, (size_t)m->size);
    if (!room)
        return to->error;
    zip_file_t *file = zip_fopen_index(archive, 0, 0);
    if (!file)
        return refuse(r, ERROR_CORRUPT, damaged);
    bool good =
        zip_fread(file, room, m->size) == (zip_int64_t)m->size && zip_fread(file, &more, 1) == 0;
    if (zip_fclose(file) || !good)
        return refuse(r, ERROR_CORRUPT, damaged);
    to->len += (size_t)m->size;
    to->data[to->len] = '\0';
    return 0;
}

static int unpack(struct reading *r, const struct member *m, const char *data, struct buf *to)
{
    auto_buf struct buf bytes;
    buf_init(&bytes, WHEEL_METADATA_MAX + 4096);
    write_archive(m, data, &bytes);
    if (bytes.error)
        return bytes.error;
    zip_source_t *source = zip_source_buffer_create(bytes.data, bytes.len, 0, NULL);
    if (!source)
        return ERROR_NO_MEMORY;
    zip_t *archive = zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, NULL);
    if (!archive) {
        zip_source_free(source);
        return refuse(r, ERROR_CORRUPT, "METADATA cannot be unpacked");
    }
    int error = read_member(r, archive, m, to);
    zip_discard(archive);
    return error;
}

static int read_wheel(struct reading *r, struct buf *to)
{
    struct directory directory;
    struct member member;
    const char *data;
    int error = find_directory(r, &directory);
    if (error == 0)
        error = find_member(r, &directory, &member);
    if (error == 0)
        error = check_member(r, &directory, &member);
    if (error == 0)
        error = find_data(r, &directory, &member, &data);
    return error ? error : unpack(r, &member, data, to);
}

int wheel_metadata(const struct wheel_parts *parts, const char *file, struct wheel_run *ret_want,
                   const char **ret_why, struct buf *ret_text)
{
    struct file_name name = {0};
    int error = file_name_parse(file, &name);
    if (error)
        return error;
    struct reading r = {.parts = parts, .project = name.project ? name.project : "", .why = ""};
    error = read_wheel(&r, ret_text);
    file_name_release(&name);
    if (error == WHEEL_WANTS)
        *ret_want = r.want;
    else if (error)
        *ret_why = r.why;
    return error;
}

int wheel_end(const struct wheel_parts *parts, struct wheel_run *ret_want, const char **ret_why)
{
    struct reading r = {.parts = parts, .project = "", .why = ""};
    struct directory directory;
    int error = find_directory(&r, &directory);
    if (error == WHEEL_WANTS)
        *ret_want = r.want;
    else if (error)
        *ret_why = r.why;
    return error;
}

/* ------------------------------------------------------------------ header */

static const char *line_end(const char *at, const char *end)
{
    const char *feed = memchr(at, '\n', (size_t)(end - at));
    return feed ? feed : end;
}

/* The value without blanks around it; NULL when it is none that a page should show. */
static char *plain_value(const char *from, const char *to)
{
    while (from < to && (*from == ' ' || *from == '\t'))
        from++;
    while (to > from && (to[-1] == ' ' || to[-1] == '\t' || to[-1] == '\r'))
        to--;
    for (const char *c = from; c < to; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            return NULL;
    return from < to && to - from <= NAME_MAX_BYTES ? strndup(from, (size_t)(to - from)) : NULL;
}

int wheel_header_read(const char *text, size_t len, struct wheel_header *ret)
{
    struct wheel_header header = {0};
    struct {
        const char *name;
        char **value;
    } fields[] = {{"name", &header.name},
                  {"version", &header.version},
                  {"requires-python", &header.requires_python}};
    const char *end = text + len;
    for (const char *at = text, *next; at < end; at = next) {
        const char *to = line_end(at, end), *colon = memchr(at, ':', (size_t)(to - at));
        next = to < end ? to + 1 : end;
        if (to == at || (to == at + 1 && *at == '\r'))
            break; /* the description follows */
        for (size_t i = 0; colon && i < sizeof(fields) / sizeof(fields[0]); i++)
            if (!*fields[i].value && strlen(fields[i].name) == (size_t)(colon - at) &&
                strncasecmp(at, fields[i].name, (size_t)(colon - at)) == 0)
                *fields[i].value = plain_value(colon + 1, to);
    }
    *ret = header;
    return 0;
}

void wheel_header_release(struct wheel_header *header)
{
    free(header->name);
    free(header->version);
    free(header->requires_python);
    *header = (struct wheel_header){0};
}

bool wheel_header_fits(const struct wheel_header *header, const char *file)
{
    char project[NAME_MAX_BYTES + 1], version[NAME_MAX_BYTES + 1];
    struct file_name name = {0};
    if (file_name_parse(file, &name))
        return true;
    bool fits = name.project && name.version && header->name && header->version &&
                name_normalize(header->name, project) == 0 && strcmp(project, name.project) == 0 &&
                version_normalize(header->version, version) == 0 &&
                strcmp(version, name.version) == 0;
    file_name_release(&name);
    return fits;
}
