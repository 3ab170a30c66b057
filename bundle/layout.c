// SPDX-License-Identifier: Apache-2.0
#include "bundle/layout.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "bundle/tar.h"

enum { NAME_MAX_TEXT = 4 << 10 };

const char layout_manifest_name[] = "manifest.json";
const char layout_signature_name[] = "manifest.json.minisig";

/* ---------------------------------------------------------- members in order */

static size_t member_count(const struct manifest *m)
{
    return m->other_count + 2 * m->file_count;
}

/* The member in that place: others, then each file and its METADATA. Its piece is not set. */
static struct layout_piece member_at(const struct manifest *m, size_t i)
{
    if (i < m->other_count)
        return (struct layout_piece){.other = &m->others[i], .member = &m->others[i].bytes};
    const struct manifest_file *file = &m->files[(i - m->other_count) / 2];
    bool is_metadata = (i - m->other_count) % 2;
    return (struct layout_piece){.file = file,
                                 .member = is_metadata ? &file->metadata : &file->bytes};
}

void layout_name(const struct layout_piece *piece, struct buf *to)
{
    if (piece->other)
        buf_puts(to, piece->other->path);
    else
        buf_printf(to, "files/%s/%s%s", piece->file->origin, piece->file->path,
                   piece->member == &piece->file->metadata ? ".metadata" : "");
    if (piece->member->piece_count > 1)
        buf_printf(to, ".piece%03" PRIu32, piece->number + 1);
}

/* Bytes of the header of a piece of that size; below 0: an error. */
static int64_t header_of(const struct layout_piece *piece, int64_t size)
{
    auto_buf struct buf name;
    buf_init(&name, NAME_MAX_TEXT);
    layout_name(piece, &name);
    return name.error ? name.error : tar_header_length(name.data, size);
}

static int64_t header_of_member(const char *name, int64_t size)
{
    return tar_header_length(name, size) + size + tar_padding(size);
}

int64_t layout_head(int64_t manifest_bytes, int64_t signature_bytes)
{
    int64_t head = header_of_member(layout_manifest_name, manifest_bytes);
    if (signature_bytes)
        head += header_of_member(layout_signature_name, signature_bytes);
    return head;
}

/* ----------------------------------------------------------------- planning */

struct plan {
    struct manifest *manifest;
    int64_t room;   /* of a part's payload, without its end */
    int64_t cursor; /* in the payload of the last part */
};

static int begin_part(struct plan *plan)
{
    struct manifest *m = plan->manifest;
    if (m->part_count == MANIFEST_PARTS_MAX)
        return ERROR_TOO_BIG;
    void *parts = realloc(m->parts, (m->part_count + 1) * sizeof(*m->parts));
    if (!parts)
        return ERROR_NO_MEMORY;
    m->parts = parts;
    m->parts[m->part_count++] = (struct manifest_part){.payload = TAR_END};
    plan->cursor = 0;
    return 0;
}

/* Puts a piece of that size behind the last one. */
static void put_piece(struct plan *plan, struct manifest_piece *piece, int64_t header, int64_t size)
{
    struct manifest *m = plan->manifest;
    piece->part = (uint32_t)m->part_count - 1;
    piece->offset = plan->cursor + header;
    piece->size = size;
    plan->cursor = piece->offset + size + tar_padding(size);
    m->parts[piece->part].payload = plan->cursor + TAR_END;
}

static int put_whole(struct plan *plan, const struct layout_piece *at, int64_t header)
{
    int64_t size = at->member->size;
    if (plan->cursor && plan->cursor + header + size + tar_padding(size) > plan->room) {
        int r = begin_part(plan);
        if (r)
            return r;
    }
    memcpy(at->member->pieces->sha256, at->member->sha256, SHA256_HEX);
    put_piece(plan, at->member->pieces, header, size);
    return 0;
}

/* One that is larger than a part: begins with a part, and shares its last one. */
static int put_cut(struct plan *plan, struct layout_piece at, struct manifest_member *member)
{
    member->piece_count = 2; /* so that names of pieces are numbered */
    int64_t header = header_of(&at, plan->room), left = member->size;
    int64_t most = (plan->room - header) / TAR_BLOCK * TAR_BLOCK;
    if (header < 0)
        return (int)header;
    if (most <= 0 || left / most >= MANIFEST_PIECES_MAX)
        return ERROR_TOO_BIG;
    size_t count = (size_t)((left + most - 1) / most);
    void *pieces = realloc(member->pieces, count * sizeof(*member->pieces));
    if (!pieces)
        return ERROR_NO_MEMORY;
    member->pieces = pieces;
    member->piece_count = count;
    memset(pieces, 0, count * sizeof(*member->pieces));
    for (size_t i = 0; i < count; i++) {
        int r = plan->cursor ? begin_part(plan) : 0;
        if (r)
            return r;
        int64_t size = left < most ? left : most;
        at.number = (uint32_t)i;
        put_piece(plan, &member->pieces[i], header_of(&at, size), size);
        left -= size;
    }
    return 0;
}

/* The members belong to plan->manifest, which is the caller's to change. */
static struct manifest_member *own(const struct layout_piece *at)
{
    return (struct manifest_member *)(uintptr_t)at->member;
}

static int put_member(struct plan *plan, const struct layout_piece *at)
{
    int64_t size = at->member->size;
    own(at)->piece_count = 1;
    int64_t header = header_of(at, size);
    if (header < 0)
        return (int)header;
    return header + size + tar_padding(size) > plan->room ? put_cut(plan, *at, own(at))
                                                          : put_whole(plan, at, header);
}

int layout_plan(struct manifest *m, int64_t part_bytes, int64_t head_bytes)
{
    struct plan plan = {.manifest = m, .room = part_bytes - head_bytes - TAR_END};
    if (plan.room < TAR_HEADER_MAX)
        return ERROR_TOO_BIG;
    m->part_count = 0;
    int r = begin_part(&plan);
    for (size_t i = 0; r == 0 && i < member_count(m); i++) {
        struct layout_piece at = member_at(m, i);
        if (at.member->piece_count)
            r = put_member(&plan, &at);
    }
    return r;
}

int layout_carry(struct manifest_member *member, bool is_carried)
{
    free(member->pieces);
    member->pieces = NULL;
    member->piece_count = 0;
    if (!is_carried)
        return 0;
    member->pieces = calloc(1, sizeof(*member->pieces));
    if (!member->pieces)
        return ERROR_NO_MEMORY;
    member->piece_count = 1;
    return 0;
}

/* -------------------------------------------------------------- all the pieces */

struct walk {
    const struct manifest *manifest;
    struct layout_piece *pieces;
    size_t count;
    size_t part;    /* that is being filled */
    int64_t cursor; /* in its payload */
};

static int refuse(char **ret_why, const struct layout_piece *at, const char *what)
{
    auto_buf struct buf name;
    buf_init(&name, NAME_MAX_TEXT);
    layout_name(at, &name);
    *ret_why = str_printf("%s: %s", name.data, what);
    return ERROR_CORRUPT;
}

/* The part is full when its payload is as long as the manifest says. */
static bool ends_part(struct walk *walk)
{
    return walk->part < walk->manifest->part_count && walk->cursor > 0 &&
           walk->cursor + TAR_END == walk->manifest->parts[walk->part].payload;
}

static int take_piece(struct walk *walk, const struct layout_piece *at, char **ret_why)
{
    const struct manifest_piece *piece = at->piece;
    if (piece->part != walk->part) {
        if (!ends_part(walk) || piece->part != walk->part + 1)
            return refuse(ret_why, at, "it is not in the part where it must be");
        walk->part++;
        walk->cursor = 0;
    }
    int64_t header = header_of(at, piece->size);
    if (header < 0)
        return (int)header;
    if (piece->offset != walk->cursor + header)
        return refuse(ret_why, at, "its offset is not where the member before it ends");
    walk->cursor = piece->offset + piece->size + tar_padding(piece->size);
    walk->pieces[walk->count++] = *at;
    return 0;
}

static int take_member(struct walk *walk, struct layout_piece at, char **ret_why)
{
    int64_t size = 0;
    int r = 0;
    for (size_t i = 0; r == 0 && i < at.member->piece_count; i++) {
        at.piece = &at.member->pieces[i];
        at.number = (uint32_t)i;
        size += at.piece->size;
        r = take_piece(walk, &at, ret_why);
    }
    if (r == 0 && at.member->piece_count && size != at.member->size)
        r = refuse(ret_why, &at, "its pieces have together another size");
    return r;
}

int layout_pieces(const struct manifest *m, struct layout_piece **ret, size_t *ret_count,
                  char **ret_why)
{
    struct walk walk = {.manifest = m};
    size_t count = 0;
    int r = 0;
    for (size_t i = 0; i < member_count(m); i++)
        count += member_at(m, i).member->piece_count;
    auto_free struct layout_piece *pieces = calloc(count + 1, sizeof(*pieces));
    if (!pieces)
        return ERROR_NO_MEMORY;
    walk.pieces = pieces;
    for (size_t i = 0; r == 0 && i < member_count(m); i++)
        r = take_member(&walk, member_at(m, i), ret_why);
    if (r)
        return r;
    if (!ends_part(&walk) || walk.part + 1 != m->part_count) {
        *ret_why = str_printf("the members do not fill the %zu parts", m->part_count);
        return ERROR_CORRUPT;
    }
    *ret = pieces;
    *ret_count = walk.count;
    pieces = NULL;
    return 0;
}
