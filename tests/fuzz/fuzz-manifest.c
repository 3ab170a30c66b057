// SPDX-License-Identifier: Apache-2.0
/* Any text as a manifest: what is accepted keeps the promises of bundle/manifest.h, and reads as
 * the same when it was written again. */
#include "base/url.h"
#include "bundle/layout.h"
#include "bundle/manifest.h"
#include "fuzz.h"

static void check_member(const struct manifest *m, const struct manifest_member *member)
{
    require(member->size >= 0 && member->size <= MANIFEST_SIZE_MAX);
    for (size_t i = 0; i < member->piece_count; i++)
        require(member->pieces[i].part < m->part_count && member->pieces[i].size >= 0);
}

static void check_files(const struct manifest *m)
{
    for (size_t i = 0; i < m->file_count; i++) {
        const struct manifest_file *file = &m->files[i];
        require(url_key_is_valid(file->path) && !strchr(file->origin, '/'));
        require(manifest_file_refusal(file) == NULL);
        require(i == 0 || manifest_compare(file - 1, file) < 0);
        require(manifest_find(m, file->origin, file->path) == file);
        check_member(m, &file->bytes);
        if (file->metadata.size >= 0)
            check_member(m, &file->metadata);
    }
}

/* Pieces lie in their parts, one behind the other. */
static void check_pieces(const struct manifest *m)
{
    struct layout_piece *pieces = NULL;
    char *why = NULL;
    size_t count = 0;
    require(layout_pieces(m, &pieces, &count, &why) == 0);
    for (size_t i = 0; i < count; i++) {
        const struct manifest_piece *piece = pieces[i].piece;
        require(piece->offset + piece->size < m->parts[piece->part].payload);
        if (i && pieces[i - 1].piece->part == piece->part)
            require(pieces[i - 1].piece->offset + pieces[i - 1].piece->size < piece->offset);
    }
    free(pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct manifest *m = NULL, *again = NULL;
    char *why = NULL;
    auto_buf struct buf text;
    auto_buf struct buf second;
    buf_init(&text, 1 << 20);
    buf_init(&second, 1 << 20);
    int r = manifest_read((const char *)data, size, &m, &why);
    if (r) {
        require(why != NULL);
        free(why);
        return 0;
    }
    check_files(m);
    check_pieces(m);
    manifest_write(m, &text);
    require(text.error == 0);
    r = manifest_read(text.data, text.len, &again, &why);
    require(r == 0);
    manifest_write(again, &second);
    require(fuzz_same(text.data, second.data));
    manifest_free(m);
    manifest_free(again);
    return 0;
}
