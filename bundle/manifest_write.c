// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>

#include "base/clock.h"
#include "base/json.h"
#include "bundle/manifest.h"

static void write_number(struct buf *to, const char *name, int64_t value)
{
    json_write_name(to, name);
    buf_printf(to, "%" PRId64, value);
}

static void write_piece(struct buf *to, const struct manifest_piece *piece)
{
    write_number(to, "part", (int64_t)piece->part + 1);
    write_number(to, "offset", piece->offset);
}

static void write_member(struct buf *to, const struct manifest_member *member)
{
    write_number(to, "size", member->size);
    json_write_member(to, "sha256", member->sha256);
    if (member->piece_count == 1)
        write_piece(to, member->pieces);
    if (member->piece_count <= 1)
        return;
    json_write_name(to, "pieces");
    buf_putc(to, '[');
    for (size_t i = 0; i < member->piece_count; i++) {
        json_write_comma(to);
        buf_putc(to, '{');
        write_piece(to, &member->pieces[i]);
        write_number(to, "size", member->pieces[i].size);
        json_write_member(to, "sha256", member->pieces[i].sha256);
        buf_putc(to, '}');
    }
    buf_putc(to, ']');
}

static const char *kind_name(enum file_kind kind)
{
    return kind == FILE_SDIST ? "sdist" : kind == FILE_WHEEL ? "wheel" : "wheel-invalid";
}

static void write_file(struct buf *to, const struct manifest_file *file)
{
    buf_putc(to, '{');
    json_write_member(to, "origin", file->origin);
    json_write_member(to, "path", file->path);
    json_write_member(to, "project", file->project);
    json_write_member(to, "kind", kind_name(file->kind));
    json_write_member(to, "requires-python", file->requires_python);
    if (file->yanked && file->yanked_reason)
        json_write_member(to, "yanked", file->yanked_reason);
    else if (file->yanked)
        buf_puts(to, ",\"yanked\":true");
    json_write_member(to, "upload-time", file->upload_time);
    write_member(to, &file->bytes);
    if (file->metadata.size >= 0) {
        json_write_name(to, "metadata");
        buf_putc(to, '{');
        write_member(to, &file->metadata);
        buf_putc(to, '}');
    }
    buf_putc(to, '}');
}

static void write_lock(struct buf *to, const struct manifest_lock *lock)
{
    buf_putc(to, '{');
    json_write_member(to, "name", lock->name);
    json_write_member(to, "sha256", lock->sha256);
    json_write_name(to, "files");
    buf_putc(to, '[');
    for (size_t i = 0; i < lock->file_count; i++) {
        json_write_comma(to);
        json_write_string(to, lock->files[i]);
    }
    buf_puts(to, "]}");
}

static void write_other(struct buf *to, const struct manifest_other *other)
{
    buf_putc(to, '{');
    json_write_member(to, "path", other->path);
    write_member(to, &other->bytes);
    buf_putc(to, '}');
}

static void write_head(struct buf *to, const struct manifest *m)
{
    char date[CLOCK_TEXT];
    clock_rfc3339(m->date_s, date);
    buf_printf(to, "{\"wheelyard-bundle\":%d", MANIFEST_VERSION);
    json_write_member(to, "id", m->id);
    json_write_member(to, "name", m->name);
    json_write_member(to, "date", date);
    json_write_name(to, "since");
    if (m->since_id) {
        buf_putc(to, '{');
        json_write_member(to, "id", m->since_id);
        json_write_member(to, "sha256", m->since_sha256);
        buf_puts(to, "},\n");
    } else {
        buf_puts(to, "null,\n");
    }
}

static void write_part(struct buf *to, const struct manifest *m, size_t i)
{
    char name[MANIFEST_PART_NAME];
    manifest_part_name(m->name, i, name);
    buf_putc(to, '{');
    json_write_member(to, "name", name);
    write_number(to, "payload", m->parts[i].payload);
    buf_putc(to, '}');
}

/* A record is followed by a comma, but for the last one. */
static void end_record(struct buf *to, size_t i, size_t count)
{
    buf_puts(to, i + 1 < count ? ",\n" : "\n");
}

void manifest_write(const struct manifest *m, struct buf *to)
{
    write_head(to, m);
    buf_puts(to, "\"parts\":[\n");
    for (size_t i = 0; i < m->part_count; i++) {
        write_part(to, m, i);
        end_record(to, i, m->part_count);
    }
    buf_puts(to, "],\n\"locks\":[\n");
    for (size_t i = 0; i < m->lock_count; i++) {
        write_lock(to, &m->locks[i]);
        end_record(to, i, m->lock_count);
    }
    buf_puts(to, "],\n\"others\":[\n");
    for (size_t i = 0; i < m->other_count; i++) {
        write_other(to, &m->others[i]);
        end_record(to, i, m->other_count);
    }
    buf_puts(to, "],\n\"files\":[\n");
    for (size_t i = 0; i < m->file_count; i++) {
        write_file(to, &m->files[i]);
        end_record(to, i, m->file_count);
    }
    buf_puts(to, "]}\n");
}
