// SPDX-License-Identifier: Apache-2.0
#include "index/wheel.h"

#include <string.h>
#include <zip.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "index/name.h"
#include "index/wheel_private.h"

/*
 * Our own code finds the member. libzip would read the whole list of members first, which is more
 * than a megabyte for a torch wheel. libzip then gets an archive of that one member, built in
 * memory. It inflates and checks lengths and CRC.
 *
 * A reading goes through fixed steps: end record, zip64 record, list of members, local header,
 * data. A step that lacks bytes returns WHEEL_WANTS, and the next call begins again with more
 * parts. So nothing is kept between calls, and any order of parts works.
 */

enum {
    END_BYTES = 22,      /* end of central directory */
    LOCATOR_BYTES = 20,  /* zip64: tells where the record is */
    RECORD_BYTES = 56,   /* zip64: end of central directory */
    COMMENT_MAX = 65535, /* of the archive */
    LOCAL_SLACK = 512,   /* extra field before the member, unknown to the directory */
    FLAG_UTF8 = 1 << 11,
    VERSION_NEEDED = 20,
};

static const char end_signature[] = "PK\5\6", locator_signature[] = "PK\6\7",
                  record_signature[] = "PK\6\6", entry_signature[] = "PK\1\2",
                  local_signature[] = "PK\3\4";

/* One call of wheel_metadata: its parts, and what it wants or refuses. */
struct reading {
    const struct wheel_parts *parts;
    const char *project; /* normalised, from the file name; "" when unknown */
    struct wheel_run want;
    const char *why;
};

/* ---------------------------------------------------------------- bytes */

/* zip is little-endian. */
uint64_t zip_number(const char *at, unsigned bytes)
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

bool zip_is_entry(const char *at)
{
    return is_signature(at, entry_signature);
}

bool zip_is_local(const char *at)
{
    return is_signature(at, local_signature);
}

static int refuse(struct reading *r, int error, const char *why)
{
    r->why = why;
    return error;
}

/* The bytes [from, from + len) if one part has all of them; NULL after noting that they are wanted.
 */
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

/* From the end backwards: the comment's length must reach exactly to the end. */
static int64_t find_end_in(const char *tail, int64_t len)
{
    for (int64_t i = len - END_BYTES; i >= 0; i--)
        if (is_signature(tail + i, end_signature) &&
            (int64_t)zip_number(tail + i + 20, 2) == len - i - END_BYTES)
            return i;
    return -1;
}

/* The offset of the end record in the file; a long comment needs a second look. */
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

/* The directory ends at `to` and has `size` bytes. It says that it begins `from` bytes after the
 * archive's beginning; anything left lies before the archive. */
static bool place(uint64_t from, uint64_t size, int64_t to, struct zip_directory *ret)
{
    if (size > (uint64_t)to || from > (uint64_t)to - size)
        return false;
    ret->from = to - (int64_t)size;
    ret->to = to;
    ret->prefix = ret->from - (int64_t)from;
    return true;
}

/* The offset of zip64's record: where the locator says, or directly before the locator when bytes
 * were put before the archive. -1: none. */
static int find_record(struct reading *r, int64_t locator_at, int64_t *ret)
{
    *ret = -1;
    const char *locator = at(r, locator_at, LOCATOR_BYTES);
    if (!locator)
        return WHEEL_WANTS;
    uint64_t said = zip_number(locator + 8, 8);
    if (!is_signature(locator, locator_signature) || said > (uint64_t)(locator_at - RECORD_BYTES))
        return 0;
    int64_t places[] = {(int64_t)said, locator_at - RECORD_BYTES};
    for (unsigned i = 0; i < 2 && *ret < 0; i++) {
        const char *record = at(r, places[i], RECORD_BYTES);
        if (!record)
            return WHEEL_WANTS;
        if (is_signature(record, record_signature))
            *ret = places[i];
    }
    return 0;
}

/* Reads the zip64 record before the end, if there is one. */
static int read_record(struct reading *r, int64_t end, struct zip_directory *ret, bool *ret_found)
{
    int64_t where = -1;
    *ret_found = false;
    if (end < LOCATOR_BYTES + RECORD_BYTES)
        return 0;
    int error = find_record(r, end - LOCATOR_BYTES, &where);
    if (error || where < 0)
        return error;
    const char *record = at(r, where, RECORD_BYTES);
    if (!record)
        return WHEEL_WANTS;
    if (!place(zip_number(record + 48, 8), zip_number(record + 40, 8), where, ret))
        return refuse(r, ERROR_CORRUPT, "the zip64 record contradicts itself");
    ret->count = zip_number(record + 32, 8);
    *ret_found = true;
    return 0;
}

/* A zip64 record outranks the old end record. */
static int find_directory(struct reading *r, struct zip_directory *ret)
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
    if (zip_number(record + 4, 4) != 0 || zip_number(record + 8, 2) != zip_number(record + 10, 2) ||
        !place(zip_number(record + 16, 4), zip_number(record + 12, 4), end, ret))
        return refuse(r, ERROR_CORRUPT, "the end of the archive contradicts itself");
    ret->count = zip_number(record + 10, 2);
    return 0;
}

int zip_find_directory(const struct wheel_parts *parts, struct zip_directory *ret,
                       struct wheel_run *ret_want, const char **ret_why)
{
    struct reading r = {.parts = parts, .project = "", .why = ""};
    int error = find_directory(&r, ret);
    if (error == WHEEL_WANTS)
        *ret_want = r.want;
    else if (error)
        *ret_why = r.why;
    return error;
}

/* ------------------------------------------------------- the list of members */

int64_t zip_entry_bytes(const char *entry)
{
    return ZIP_ENTRY_BYTES + (int64_t)(zip_number(entry + 28, 2) + zip_number(entry + 30, 2) +
                                       zip_number(entry + 32, 2));
}

/* The longest known part of the list that reaches its end without a gap. */
static const char *known_end(struct reading *r, const struct zip_directory *d, int64_t *ret_len)
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

/* The first position from which the entries lead exactly to the end; `len` when there is none. It
 * goes from right to left, so that each position is judged once. */
static int first_entry(const char *list, int64_t len, int64_t *ret)
{
    auto_free unsigned char *leads = calloc((size_t)len + 1, 1);
    if (!leads)
        return ERROR_NO_MEMORY;
    leads[len] = 1;
    *ret = len;
    for (int64_t i = len - ZIP_ENTRY_BYTES; i >= 0; i--) {
        if (!is_signature(list + i, entry_signature))
            continue;
        int64_t next = i + zip_entry_bytes(list + i);
        if (next > len || !leads[next])
            continue;
        leads[i] = 1;
        *ret = i;
    }
    return 0;
}

/* Reads zip64's field, which holds exactly the values that 32 bits cannot, in this order. */
static bool read_wide(struct zip_member *m, const char *extra, size_t len)
{
    uint64_t *wide[] = {&m->size, &m->packed, &m->local};
    while (len >= 4) {
        size_t field = (size_t)zip_number(extra + 2, 2);
        if (field > len - 4)
            return false;
        if (zip_number(extra, 2) == 1) {
            const char *from = extra + 4;
            for (unsigned i = 0; i < 3; i++) {
                if (*wide[i] != UINT32_MAX)
                    continue;
                if (field < 8)
                    return false;
                *wide[i] = zip_number(from, 8);
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

bool zip_read_entry(const char *entry, struct zip_member *ret)
{
    size_t name_len = (size_t)zip_number(entry + 28, 2);
    *ret = (struct zip_member){.name = entry + ZIP_ENTRY_BYTES,
                               .name_len = name_len,
                               .packed = zip_number(entry + 20, 4),
                               .size = zip_number(entry + 24, 4),
                               .local = zip_number(entry + 42, 4),
                               .crc = (uint32_t)zip_number(entry + 16, 4),
                               .flags = (unsigned)zip_number(entry + 8, 2),
                               .method = (unsigned)zip_number(entry + 10, 2)};
    return read_wide(ret, entry + ZIP_ENTRY_BYTES + name_len, (size_t)zip_number(entry + 30, 2));
}

bool zip_is_dist_info(const char *name, size_t len, const char *file)
{
    static const char folder[] = ".dist-info/";
    size_t file_len = strlen(file), end = sizeof(folder) - 1 + file_len;
    return len > end && memcmp(name + len - file_len, file, file_len) == 0 &&
           memcmp(name + len - end, folder, sizeof(folder) - 1) == 0 &&
           !memchr(name, '/', len - file_len - 1);
}

bool zip_is_of_project(const char *name, size_t len, const char *project)
{
    char normalized[NAME_MAX_BYTES + 1];
    const char *dash = memchr(name, '-', len);
    auto_free char *text = dash ? strndup(name, (size_t)(dash - name)) : NULL;
    return text && name_normalize(text, normalized) == 0 && strcmp(normalized, project) == 0;
}

bool zip_is_inside(const struct zip_directory *d, const struct zip_member *m)
{
    uint64_t room = (uint64_t)(d->from - d->prefix);
    return m->packed < room && m->local < room &&
           room - m->local >= ZIP_LOCAL_BYTES + m->name_len + m->packed;
}

/* METADATA entries that were found in the list of members. */
struct search {
    const char *own, *other; /* entries */
    unsigned own_count, other_count;
    uint64_t count;
};

/* Counts both the wheel's own METADATA and others, because vendored packages may have theirs. */
static void search_list(const struct reading *r, const char *list, int64_t len, struct search *s)
{
    for (int64_t i = 0; i < len; i += zip_entry_bytes(list + i), s->count++) {
        const char *name = list + i + ZIP_ENTRY_BYTES;
        size_t name_len = (size_t)zip_number(list + i + 28, 2);
        if (!zip_is_dist_info(name, name_len, "METADATA"))
            continue;
        bool own = zip_is_of_project(name, name_len, r->project);
        *(own ? &s->own : &s->other) = list + i;
        ++*(own ? &s->own_count : &s->other_count);
    }
}

/* Asks for the whole list when its end was not enough. */
static int want_whole(struct reading *r, const struct zip_directory *d)
{
    if (d->to - d->from > WHEEL_DIRECTORY_MAX)
        return refuse(r, ERROR_TOO_BIG, "the list of the archive's members is too long");
    r->want = (struct wheel_run){d->from, d->to};
    return WHEEL_WANTS;
}

/* Exactly one METADATA must remain. */
static int find_member(struct reading *r, const struct zip_directory *d, struct zip_member *ret)
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
    if (!zip_read_entry(entry, ret))
        return refuse(r, ERROR_CORRUPT, "the entry of METADATA is damaged");
    return 0;
}

/* ---------------------------------------------------------------- the member */

static int check_member(struct reading *r, const struct zip_directory *d,
                        const struct zip_member *m)
{
    if (m->flags & ZIP_FLAGS_ENCRYPTED)
        return refuse(r, ERROR_CORRUPT, "METADATA is encrypted");
    if (m->size > WHEEL_METADATA_MAX || m->packed > WHEEL_METADATA_MAX)
        return refuse(r, ERROR_TOO_BIG, "METADATA is too long");
    if (!m->size)
        return refuse(r, ERROR_CORRUPT, "METADATA is empty");
    if (!zip_is_inside(d, m))
        return refuse(r, ERROR_CORRUPT, "METADATA lies outside of the archive");
    return 0;
}

/* Finds the packed bytes, after a header that must have the same name. */
static int find_data(struct reading *r, const struct zip_directory *d, const struct zip_member *m,
                     const char **ret)
{
    int64_t from = d->prefix + (int64_t)m->local;
    int64_t head = ZIP_LOCAL_BYTES + (int64_t)m->name_len;
    const char *local = at(r, from, head);
    if (!local) {
        int64_t to = from + head + LOCAL_SLACK + (int64_t)m->packed;
        r->want.to = to < d->from ? to : d->from;
        return WHEEL_WANTS;
    }
    if (!is_signature(local, local_signature) || zip_number(local + 26, 2) != m->name_len ||
        memcmp(local + ZIP_LOCAL_BYTES, m->name, m->name_len) != 0)
        return refuse(r, ERROR_CORRUPT, "METADATA is not where the list of members says");
    int64_t before = head + (int64_t)zip_number(local + 28, 2);
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

/* The common fields of local header and entry, from "version needed" to the lengths. */
static void put_facts(struct buf *to, const struct zip_member *m)
{
    put(to, VERSION_NEEDED, 2);
    put(to, m->flags & FLAG_UTF8, 2);
    put(to, m->method, 2);
    put(to, 0, 2); /* time: libzip ignores it */
    put(to, 0x21, 2);
    put(to, m->crc, 4);
    put(to, m->packed, 4);
    put(to, m->size, 4);
    put(to, 1, 2); /* a name of one letter */
    put(to, 0, 2);
}

/* An archive with one member called "M": local header, data, directory, end. */
static void write_archive(const struct zip_member *m, const char *data, struct buf *to)
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

/* Reads all of it and not a byte more; at the end libzip compares the CRC. */
static int read_member(struct reading *r, zip_t *archive, const struct zip_member *m,
                       struct buf *to)
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

/* libzip gets the bytes without a copy. */
static int unpack(struct reading *r, const struct zip_member *m, const char *data, struct buf *to)
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
    struct zip_directory directory;
    struct zip_member member;
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
    struct zip_directory directory;
    return zip_find_directory(parts, &directory, ret_want, ret_why);
}
