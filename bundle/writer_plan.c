// SPDX-License-Identifier: Apache-2.0
/* What is in a bundle, and where: all of it is known before a byte of a file is read. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "bundle/tar.h"
#include "bundle/writer_private.h"

enum { PLAN_ROUNDS = 8, DAY_TEXT = 10 };

static int by_key(const void *a, const void *b)
{
    return manifest_compare(a, b);
}

static int sort_rows(struct writer *w)
{
    struct manifest *m = w->manifest;
    if (m->file_count)
        qsort(m->files, m->file_count, sizeof(*m->files), by_key);
    for (size_t i = 1; i < m->file_count; i++)
        if (manifest_compare(&m->files[i - 1], &m->files[i]) == 0)
            return writer_fail(w, ERROR_BAD_REQUEST, "%s/%s: it was named twice",
                               m->files[i].origin, m->files[i].path);
    return 0;
}

static int name_bundle(struct writer *w)
{
    const struct writer_options *options = w->options;
    struct manifest *m = w->manifest;
    char date[CLOCK_TEXT];
    if (!manifest_name_is_valid(options->name))
        return writer_fail(w, ERROR_BAD_REQUEST,
                           "%s: a bundle's name has letters, digits and `._-`, %d at most",
                           options->name, MANIFEST_NAME_MAX);
    clock_rfc3339(options->date_s, date);
    m->date_s = options->date_s;
    m->name = strdup(options->name);
    m->id = str_printf("%s-%.*s", options->name, DAY_TEXT, date);
    if (options->since) {
        m->since_id = str_dup(options->since->id);
        memcpy(m->since_sha256, options->since_sha256, SHA256_HEX);
    }
    return m->name && m->id && (!options->since || m->since_id) ? 0 : ERROR_NO_MEMORY;
}

static bool is_same(const struct manifest_member *a, const struct manifest_member *b)
{
    return a->size == b->size && strcmp(a->sha256, b->sha256) == 0;
}

/* What the predecessor has is listed only. */
static int choose_carried(struct writer *w)
{
    const struct manifest *since = w->options->since;
    int r = 0;
    for (size_t i = 0; r == 0 && i < w->manifest->file_count; i++) {
        struct manifest_file *file = &w->manifest->files[i];
        const struct manifest_file *old =
            since ? manifest_find(since, file->origin, file->path) : NULL;
        r = layout_carry(&file->bytes, !old || !is_same(&old->bytes, &file->bytes));
        if (r == 0 && file->metadata.size >= 0)
            r = layout_carry(&file->metadata, !old || !is_same(&old->metadata, &file->metadata));
    }
    return r;
}

static int measure_page(struct writer *w, size_t i)
{
    struct manifest_other *other = &w->manifest->others[w->manifest->other_count++];
    other->path = str_dup(site_path(w->site, i));
    if (!other->path)
        return ERROR_NO_MEMORY;
    buf_clear(&w->page);
    site_write(w->site, i, &w->page);
    if (w->page.error)
        return w->page.error;
    other->bytes.size = (int64_t)w->page.len;
    int r = sha256_of(w->page.data, w->page.len, other->bytes.sha256);
    return r ? r : layout_carry(&other->bytes, true);
}

static int measure_pages(struct writer *w)
{
    int r = site_new(w->manifest, &w->site);
    if (r)
        return r;
    w->manifest->others = calloc(site_count(w->site), sizeof(*w->manifest->others));
    if (!w->manifest->others)
        return ERROR_NO_MEMORY;
    for (size_t i = 0; r == 0 && i < site_count(w->site); i++)
        r = measure_page(w, i);
    return r;
}

/* So that the manifest has its final length before the pieces are hashed. */
static void fill_piece_digests(struct manifest_member *member)
{
    for (size_t i = 0; member->piece_count > 1 && i < member->piece_count; i++)
        if (!member->pieces[i].sha256[0])
            memset(member->pieces[i].sha256, '0', SHA256_HEX - 1);
}

int writer_manifest_write(struct writer *w)
{
    for (size_t i = 0; i < w->manifest->file_count; i++)
        fill_piece_digests(&w->manifest->files[i].bytes);
    buf_clear(&w->text);
    manifest_write(w->manifest, &w->text);
    return w->text.error;
}

int writer_manifest_sign(struct writer *w)
{
    auto_free char *comment =
        str_printf("%s of wheelyard\tfile:%s", w->manifest->id, layout_manifest_name);
    if (!w->options->secret)
        return 0;
    buf_clear(&w->signature);
    return comment ? minisign_sign(w->options->secret, w->text.data, w->text.len, comment,
                                   &w->signature)
                   : ERROR_NO_MEMORY;
}

int64_t writer_head_bytes(const struct writer *w)
{
    return layout_head((int64_t)w->text.len, (int64_t)w->signature.len);
}

/* The manifest is in each part, and says where members are: so its size is guessed, and the guess
 * made larger until it is large enough. */
static int plan_parts(struct writer *w)
{
    int64_t most = w->options->part_bytes ? w->options->part_bytes : MANIFEST_SIZE_MAX;
    int64_t guess = TAR_BLOCK;
    for (int i = 0; i < PLAN_ROUNDS; i++) {
        int r = layout_plan(w->manifest, most, guess);
        if (r == ERROR_TOO_BIG)
            return writer_fail(w, r,
                               "parts of %" PRId64 " bytes are too small: the manifest, which is "
                               "in each part, takes about %" PRId64,
                               most, guess);
        if (r == 0)
            r = writer_manifest_write(w);
        if (r == 0)
            r = writer_manifest_sign(w);
        if (r || writer_head_bytes(w) <= guess)
            return r;
        guess = writer_head_bytes(w) + writer_head_bytes(w) / 64 + TAR_BLOCK;
    }
    return writer_fail(w, ERROR_TOO_BIG, "the parts are too small");
}

int writer_plan(struct writer *w)
{
    int r = name_bundle(w);
    if (r == 0)
        r = sort_rows(w);
    if (r == 0)
        r = choose_carried(w);
    if (r == 0)
        r = measure_pages(w);
    return r ? r : plan_parts(w);
}
