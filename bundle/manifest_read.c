// SPDX-License-Identifier: Apache-2.0
/*
 * Reading a manifest, a line at a time. A reading goes through the sections in their fixed order;
 * each record is a line, parsed as JSON of its own, checked, and appended. The first thing that is
 * wrong ends it: its line and what it is are kept in `why`. When all lines are read, the layout of
 * the parts is checked as a whole.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/str.h"
#include "base/url.h"
#include "bundle/layout.h"
#include "bundle/manifest.h"
#include "index/date.h"

struct reading {
    struct manifest *m;
    const char *text;
    size_t len;
    unsigned line;
    const char *record; /* the line that is being read, without its end */
    size_t record_len;
    char *why;
};

DEFINE_CLEANUP(struct json, json_free)
DEFINE_CLEANUP(struct manifest, manifest_free)

/* ------------------------------------------------------------------- errors */

static int refuse_as(struct reading *r, int error, const char *what)
{
    free(r->why);
    r->why = str_printf("line %u: %s", r->line, what);
    return error;
}

static int refuse(struct reading *r, const char *what)
{
    return refuse_as(r, ERROR_CORRUPT, what);
}

static int refuse_member(struct reading *r, const char *name, const char *what)
{
    auto_free char *text = str_printf("%s %s", name, what);
    return refuse(r, text ? text : what);
}

/* -------------------------------------------------------------------- lines */

static int next_line(struct reading *r)
{
    r->line++;
    if (r->len == 0)
        return refuse(r, "the manifest ends too soon");
    const char *end = memchr(r->text, '\n', r->len);
    if (!end)
        return refuse(r, "the line has no end");
    r->record = r->text;
    r->record_len = (size_t)(end - r->text);
    r->text = end + 1;
    r->len -= r->record_len + 1;
    if (r->record_len > MANIFEST_LINE_MAX)
        return refuse_as(r, ERROR_TOO_BIG, "the line is too long");
    return 0;
}

static bool line_is(const struct reading *r, const char *text)
{
    return r->record_len == strlen(text) && memcmp(r->record, text, r->record_len) == 0;
}

static int expect_line(struct reading *r, const char *text)
{
    int e = next_line(r);
    if (e == 0 && !line_is(r, text)) {
        auto_free char *what = str_printf("`%s` is missing here", text);
        e = refuse(r, what ? what : "something is missing here");
    }
    return e;
}

static int parse_object(struct reading *r, const char *text, size_t len, struct json **ret)
{
    int e = json_parse(text, len, ret);
    if (e == ERROR_BAD_LISTING)
        return refuse(r, "it is no JSON");
    if (e)
        return refuse_as(r, e, error_text(e));
    if (!json_is_object(*ret))
        return refuse(r, "it is no object");
    return 0;
}

/* ------------------------------------------------------------------- values */

static int take_text(struct reading *r, const struct json *object, const char *name, char **ret)
{
    const char *text = json_string(json_member(object, name));
    if (!text || strlen(text) > MANIFEST_TEXT_MAX)
        return refuse_member(r, name, "is missing, or no text of at most 4,096 bytes");
    *ret = strdup(text);
    return *ret ? 0 : refuse_as(r, ERROR_NO_MEMORY, error_text(ERROR_NO_MEMORY));
}

/* The same for what may be missing. */
static int take_optional(struct reading *r, const struct json *object, const char *name, char **ret)
{
    return json_member(object, name) ? take_text(r, object, name, ret) : 0;
}

static int take_number(struct reading *r, const struct json *object, const char *name, int64_t most,
                       int64_t *ret)
{
    int64_t value = json_integer(json_member(object, name));
    if (value < 0 || value > most)
        return refuse_member(r, name, "is missing, or no whole number within its bounds");
    *ret = value;
    return 0;
}

static int take_sha256(struct reading *r, const struct json *object, char ret[SHA256_HEX])
{
    const char *text = json_string(json_member(object, "sha256"));
    if (!text || !str_is_sha256(text))
        return refuse_member(r, "sha256", "is missing, or not 64 lower-case hex digits");
    memcpy(ret, text, SHA256_HEX);
    return 0;
}

static int take_place(struct reading *r, const struct json *object, struct manifest_piece *piece)
{
    int64_t part = 0;
    int e = take_number(r, object, "part", (int64_t)r->m->part_count, &part);
    if (e == 0 && part == 0)
        e = refuse_member(r, "part", "counts from 1");
    if (e == 0)
        e = take_number(r, object, "offset", MANIFEST_SIZE_MAX, &piece->offset);
    piece->part = (uint32_t)(part - 1);
    return e;
}

static int take_piece(struct reading *r, const struct json *object, struct manifest_piece *piece)
{
    int e = take_place(r, object, piece);
    if (e == 0)
        e = take_number(r, object, "size", MANIFEST_SIZE_MAX, &piece->size);
    return e ? e : take_sha256(r, object, piece->sha256);
}

static int take_pieces(struct reading *r, const struct json *list, struct manifest_member *member)
{
    size_t count = 0;
    for (const struct json *e = json_first(list); e; e = json_next(e))
        count++;
    if (!json_is_array(list) || count < 2 || count > MANIFEST_PIECES_MAX)
        return refuse_member(r, "pieces", "is no list of 2 to 999 pieces");
    member->pieces = calloc(count, sizeof(*member->pieces));
    if (!member->pieces)
        return refuse_as(r, ERROR_NO_MEMORY, error_text(ERROR_NO_MEMORY));
    for (const struct json *e = json_first(list); e; e = json_next(e)) {
        int error = take_piece(r, e, &member->pieces[member->piece_count++]);
        if (error)
            return error;
    }
    return 0;
}

/* Size, digest and place; without a place it is in an earlier bundle. */
static int take_member(struct reading *r, const struct json *object, struct manifest_member *member)
{
    int e = take_number(r, object, "size", MANIFEST_SIZE_MAX, &member->size);
    if (e == 0)
        e = take_sha256(r, object, member->sha256);
    if (e)
        return e;
    if (json_member(object, "pieces"))
        return take_pieces(r, json_member(object, "pieces"), member);
    if (!json_member(object, "part"))
        return 0;
    member->pieces = calloc(1, sizeof(*member->pieces));
    if (!member->pieces)
        return refuse_as(r, ERROR_NO_MEMORY, error_text(ERROR_NO_MEMORY));
    member->piece_count = 1;
    member->pieces->size = member->size;
    memcpy(member->pieces->sha256, member->sha256, SHA256_HEX);
    return take_place(r, object, member->pieces);
}

/* ------------------------------------------------------------------ records */

static int take_part(struct reading *r, const struct json *object)
{
    char expected[MANIFEST_PART_NAME];
    const char *name = json_string(json_member(object, "name"));
    struct manifest *m = r->m;
    manifest_part_name(m->name, m->part_count, expected);
    if (!name || strcmp(name, expected) != 0)
        return refuse_member(r, "name", "is not that of the next part");
    return take_number(r, object, "payload", MANIFEST_SIZE_MAX, &m->parts[m->part_count++].payload);
}

static bool is_lock_name(const char *name)
{
    return url_key_is_valid(name) && !strchr(name, '/');
}

static int take_lock_files(struct reading *r, const struct json *list, struct manifest_lock *lock)
{
    size_t count = 0;
    for (const struct json *e = json_first(list); e; e = json_next(e))
        count++;
    if (!json_is_array(list) || count > MANIFEST_LOCK_FILES_MAX)
        return refuse_member(r, "files", "is no list of at most 20,000 names");
    lock->files = calloc(count + 1, sizeof(*lock->files));
    if (!lock->files)
        return refuse_as(r, ERROR_NO_MEMORY, error_text(ERROR_NO_MEMORY));
    for (const struct json *e = json_first(list); e; e = json_next(e)) {
        const char *name = json_string(e);
        if (!name || strlen(name) > MANIFEST_TEXT_MAX || !strchr(name, '/'))
            return refuse_member(r, "files", "has what is no origin/path");
        lock->files[lock->file_count] = strdup(name);
        if (!lock->files[lock->file_count])
            return refuse_as(r, ERROR_NO_MEMORY, error_text(ERROR_NO_MEMORY));
        lock->file_count++;
    }
    return 0;
}

static int take_lock(struct reading *r, const struct json *object)
{
    struct manifest_lock *lock = &r->m->locks[r->m->lock_count++];
    int e = take_text(r, object, "name", &lock->name);
    if (e == 0 && !is_lock_name(lock->name))
        e = refuse_member(r, "name", "is no name of a file");
    if (e == 0)
        e = take_sha256(r, object, lock->sha256);
    return e ? e : take_lock_files(r, json_member(object, "files"), lock);
}

/* README.txt, and the pages of an index. */
static bool is_other_path(const char *path)
{
    char project[NAME_MAX_BYTES + 1], normal[NAME_MAX_BYTES + 1];
    if (strcmp(path, "README.txt") == 0)
        return true;
    if (!str_starts(path, "simple/"))
        return false;
    const char *file = path + strlen("simple/"), *slash = strchr(file, '/');
    if (slash) {
        if (slash - file > NAME_MAX_BYTES)
            return false;
        str_copy(project, (size_t)(slash - file) + 1, file);
        if (name_normalize(project, normal) || strcmp(normal, project) != 0)
            return false;
        file = slash + 1;
    }
    return strcmp(file, "index.html") == 0 || strcmp(file, "index.json") == 0;
}

static int take_other(struct reading *r, const struct json *object)
{
    struct manifest_other *other = &r->m->others[r->m->other_count++];
    int e = take_text(r, object, "path", &other->path);
    if (e)
        return e;
    if (!is_other_path(other->path))
        return refuse_member(r, "path", "is none that a bundle has beside its files");
    if (r->m->other_count > 1 && strcmp(other[-1].path, other->path) >= 0)
        return refuse_member(r, "path", "comes twice, or not in its order");
    return take_member(r, object, &other->bytes);
}

static int take_kind(struct reading *r, const struct json *object, enum file_kind *ret)
{
    const char *kind = json_string(json_member(object, "kind"));
    if (kind && strcmp(kind, "wheel") == 0)
        *ret = FILE_WHEEL;
    else if (kind && strcmp(kind, "sdist") == 0)
        *ret = FILE_SDIST;
    else if (kind && strcmp(kind, "wheel-invalid") == 0)
        *ret = FILE_WHEEL_INVALID;
    else
        return refuse_member(r, "kind", "is missing, or unknown");
    return 0;
}

/* What the index said. */
static int take_row(struct reading *r, const struct json *object, struct manifest_file *file)
{
    const struct json *yanked = json_member(object, "yanked");
    int e = take_optional(r, object, "requires-python", &file->requires_python);
    if (e == 0)
        e = take_optional(r, object, "upload-time", &file->upload_time);
    file->yanked = yanked != NULL;
    if (e == 0 && yanked && !json_is_true(yanked))
        e = take_text(r, object, "yanked", &file->yanked_reason);
    return e;
}

static int take_file(struct reading *r, const struct json *object)
{
    struct manifest_file *file = &r->m->files[r->m->file_count++];
    file->metadata.size = -1;
    int e = take_text(r, object, "origin", &file->origin);
    if (e == 0)
        e = take_text(r, object, "path", &file->path);
    if (e == 0)
        e = take_text(r, object, "project", &file->project);
    if (e == 0)
        e = take_kind(r, object, &file->kind);
    if (e == 0)
        e = take_row(r, object, file);
    if (e == 0)
        e = take_member(r, object, &file->bytes);
    if (e == 0 && json_member(object, "metadata"))
        e = take_member(r, json_member(object, "metadata"), &file->metadata);
    if (e)
        return e;
    const char *wrong = manifest_file_refusal(file);
    if (wrong)
        return refuse(r, wrong);
    if (r->m->file_count > 1 && manifest_compare(&file[-1], file) >= 0)
        return refuse_member(r, "path", "comes twice, or not in its order");
    return 0;
}

/* ----------------------------------------------------------------- sections */

struct section {
    const char *begin, *end; /* its first and its last line */
    size_t most, record_bytes;
    size_t list; /* offset of the array in struct manifest */
    int (*take)(struct reading *r, const struct json *object);
};

static const struct section sections[] = {
    {"\"parts\":[", "],", MANIFEST_PARTS_MAX, sizeof(struct manifest_part),
     offsetof(struct manifest, parts), take_part},
    {"\"locks\":[", "],", MANIFEST_LOCKS_MAX, sizeof(struct manifest_lock),
     offsetof(struct manifest, locks), take_lock},
    {"\"others\":[", "],", MANIFEST_OTHERS_MAX, sizeof(struct manifest_other),
     offsetof(struct manifest, others), take_other},
    {"\"files\":[", "]}", MANIFEST_FILES_MAX, sizeof(struct manifest_file),
     offsetof(struct manifest, files), take_file},
};

/* Room for one record more, zeroed; arrays grow by half. */
static int grow(struct reading *r, const struct section *section, size_t count, size_t *capacity)
{
    void **list = (void **)((char *)r->m + section->list);
    if (count == section->most)
        return refuse_as(r, ERROR_TOO_BIG, "there are too many of these");
    if (count < *capacity)
        return 0;
    size_t more = *capacity + *capacity / 2 + 16;
    char *grown = realloc(*list, more * section->record_bytes);
    if (!grown)
        return refuse_as(r, ERROR_NO_MEMORY, error_text(ERROR_NO_MEMORY));
    memset(grown + count * section->record_bytes, 0, (more - count) * section->record_bytes);
    *list = grown;
    *capacity = more;
    return 0;
}

/* A record ends in a comma when another follows. */
static int take_record(struct reading *r, const struct section *section, bool *ret_more)
{
    AUTO(json_free) struct json *object = NULL;
    size_t len = r->record_len;
    *ret_more = len && r->record[len - 1] == ',';
    int e = parse_object(r, r->record, len - *ret_more, &object);
    return e ? e : section->take(r, object);
}

static int read_section(struct reading *r, const struct section *section)
{
    size_t count = 0, capacity = 0;
    bool more = false;
    int e = expect_line(r, section->begin);
    while (e == 0) {
        e = next_line(r);
        if (e == 0 && line_is(r, section->end))
            return more ? refuse(r, "a record is missing behind the last comma") : 0;
        if (e == 0 && count && !more)
            e = refuse(r, "the comma is missing on the line before");
        if (e == 0)
            e = grow(r, section, count, &capacity);
        if (e == 0)
            e = take_record(r, section, &more);
        count++;
    }
    return e;
}

static int take_since(struct reading *r, const struct json *since)
{
    if (!json_is_object(since))
        return 0;
    int e = take_text(r, since, "id", &r->m->since_id);
    if (e == 0 && (strlen(r->m->since_id) > MANIFEST_ID_MAX || !url_key_is_valid(r->m->since_id)))
        e = refuse_member(r, "since", "has no valid id");
    return e ? e : take_sha256(r, since, r->m->since_sha256);
}

static int take_date(struct reading *r, const struct json *object)
{
    char text[CLOCK_TEXT];
    bool is_utc;
    const char *date = json_string(json_member(object, "date"));
    int64_t date_s = date ? date_find(date, strlen(date), &is_utc) : DATE_UNKNOWN;
    if (date_s >= 0)
        clock_rfc3339(date_s, text);
    if (date_s < 0 || strcmp(text, date) != 0)
        return refuse_member(r, "date", "is missing, or not of the form 2026-01-02T03:04:05Z");
    r->m->date_s = date_s;
    return 0;
}

static int take_head(struct reading *r, const struct json *object)
{
    int64_t version = json_integer(json_member(object, "wheelyard-bundle"));
    if (version > MANIFEST_VERSION)
        return refuse(r, "a newer wheelyard has made this bundle; this one knows version 1");
    if (version != MANIFEST_VERSION)
        return refuse(r, "it is no manifest of a bundle");
    int e = take_text(r, object, "id", &r->m->id);
    if (e == 0 && (strlen(r->m->id) > MANIFEST_ID_MAX || !url_key_is_valid(r->m->id)))
        e = refuse_member(r, "id", "is no name of at most 80 bytes");
    if (e == 0)
        e = take_text(r, object, "name", &r->m->name);
    if (e == 0 && !manifest_name_is_valid(r->m->name))
        e = refuse_member(r, "name", "is no name of letters, digits and `._-`");
    if (e == 0)
        e = take_date(r, object);
    return e ? e : take_since(r, json_member(object, "since"));
}

/* The first line ends in a comma, because the object goes on. */
static int read_head(struct reading *r)
{
    AUTO(json_free) struct json *object = NULL;
    int e = next_line(r);
    if (e)
        return e;
    if (r->record_len < 2 || r->record[r->record_len - 1] != ',')
        return refuse(r, "it is no manifest of a bundle");
    auto_free char *text = str_printf("%.*s}", (int)r->record_len - 1, r->record);
    if (!text)
        return refuse_as(r, ERROR_NO_MEMORY, error_text(ERROR_NO_MEMORY));
    e = parse_object(r, text, strlen(text), &object);
    return e ? e : take_head(r, object);
}

/* Whether the members fill the parts. */
static int check_layout(struct reading *r)
{
    struct layout_piece *pieces = NULL;
    size_t count;
    auto_free char *why = NULL;
    int e = layout_pieces(r->m, &pieces, &count, &why);
    free(pieces);
    if (e) {
        free(r->why);
        r->why = why;
        why = NULL;
    }
    return e;
}

static int read_all(struct reading *r)
{
    int e = r->len > MANIFEST_MAX_BYTES ? refuse_as(r, ERROR_TOO_BIG, "it is too large") : 0;
    if (e == 0)
        e = read_head(r);
    for (size_t i = 0; e == 0 && i < sizeof(sections) / sizeof(*sections); i++)
        e = read_section(r, &sections[i]);
    if (e == 0 && r->len) {
        r->line++;
        e = refuse(r, "something follows the manifest");
    }
    return e ? e : check_layout(r);
}

int manifest_read(const char *text, size_t len, struct manifest **ret, char **ret_why)
{
    AUTO(manifest_free) struct manifest *m = calloc(1, sizeof(*m));
    struct reading r = {.m = m, .text = text, .len = len};
    if (!m)
        return ERROR_NO_MEMORY;
    int e = read_all(&r);
    if (e) {
        *ret_why = r.why;
        return e;
    }
    *ret = m;
    m = NULL;
    return 0;
}
