// SPDX-License-Identifier: Apache-2.0
/* Which manifests are believed, and which part of which bundle a file is. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "bundle/reader_private.h"
#include "bundle/tar.h"

/* ------------------------------------------------------------------ judgement */

static enum reader_trust trust_of(const struct reader *reader, const struct buf *text,
                                  const struct buf *signature,
                                  struct minisign_signature *ret_signature)
{
    const char *why;
    if (!signature->len ||
        minisign_signature_read(signature->data, signature->len, ret_signature, &why))
        return READER_UNSIGNED;
    if (!reader->options.key)
        return READER_NO_KEY;
    int r = minisign_verify(reader->options.key, signature->data, signature->len, text->data,
                            text->len, ret_signature, &why);
    return r == 0 ? READER_SIGNED : r == MINISIGN_OTHER_KEY ? READER_OTHER_KEY : READER_REFUTED;
}

static struct reader_bundle *find_bundle(struct reader *reader, const char *sha256)
{
    for (size_t i = 0; i < reader->bundle_count; i++)
        if (strcmp(reader->bundles[i].sha256, sha256) == 0)
            return &reader->bundles[i];
    return NULL;
}

static int add_bundle(struct reader *reader, const char *path, const char *sha256,
                      struct reader_bundle **ret)
{
    if (reader->bundle_count == READER_SOURCES_MAX)
        return ERROR_TOO_BIG;
    void *grown = realloc(reader->bundles, (reader->bundle_count + 1) * sizeof(*reader->bundles));
    char *own = strdup(path);
    if (grown)
        reader->bundles = grown;
    if (!grown || !own) {
        free(own);
        return ERROR_NO_MEMORY;
    }
    struct reader_bundle *bundle = &reader->bundles[reader->bundle_count++];
    *bundle = (struct reader_bundle){.trust = READER_UNSIGNED, .path = own};
    memcpy(bundle->sha256, sha256, SHA256_HEX);
    *ret = bundle;
    return 0;
}

static const char *trust_text(enum reader_trust trust)
{
    switch (trust) {
    case READER_SIGNED:
        break;
    case READER_UNSIGNED:
        return "it is not signed";
    case READER_NO_KEY:
        return "it is signed, and no public key was given to check that";
    case READER_OTHER_KEY:
        return "it is signed by another key";
    case READER_REFUTED:
        return "its signature is wrong: it is forged or damaged";
    }
    return "";
}

static int set_why(struct reader_bundle *bundle, const char *why)
{
    free(bundle->why);
    bundle->why = str_dup(why);
    return why && !bundle->why ? ERROR_NO_MEMORY : 0;
}

/* Pieces, and where each part's begin. */
static int spread(struct reader_bundle *bundle)
{
    const struct manifest *m = bundle->manifest;
    auto_free char *why = NULL;
    int r = layout_pieces(m, &bundle->pieces, &bundle->piece_count, &why);
    if (r)
        return r;
    bundle->parts = calloc(m->part_count, sizeof(*bundle->parts));
    bundle->found = calloc(bundle->piece_count + 1, sizeof(*bundle->found));
    if (!bundle->parts || !bundle->found)
        return ERROR_NO_MEMORY;
    for (size_t i = 0; i < bundle->piece_count; i++) {
        struct reader_part *part = &bundle->parts[bundle->pieces[i].piece->part];
        if (part->piece_count++ == 0)
            part->first_piece = i;
    }
    return 0;
}

static int believe(struct reader_bundle *bundle, const struct buf *text,
                   const struct buf *signature)
{
    auto_free char *why = NULL;
    int r = set_why(bundle, NULL);
    if (r == 0)
        r = manifest_read(text->data, text->len, &bundle->manifest, &why);
    if (r == ERROR_CORRUPT || r == ERROR_TOO_BIG)
        return set_why(bundle, why ? why : error_text(r));
    if (r)
        return r;
    bundle->text_len = text->len;
    bundle->signature_len = signature->len;
    return spread(bundle);
}

int reader_judge(struct reader *reader, const char *path, const struct buf *text,
                 const struct buf *signature, enum reader_trust *ret)
{
    struct minisign_signature said = {.comment = ""};
    char sha256[SHA256_HEX];
    int r = sha256_of(text->data, text->len, sha256);
    if (r)
        return r;
    enum reader_trust trust = trust_of(reader, text, signature, &said);
    struct reader_bundle *bundle = find_bundle(reader, sha256);
    *ret = trust;
    if (bundle && trust >= bundle->trust)
        return 0; /* a signature that is wrong takes nothing from one that is right */
    bool is_new = !bundle;
    r = bundle ? 0 : add_bundle(reader, path, sha256, &bundle);
    if (r)
        return r;
    bundle->trust = trust;
    if (trust != READER_UNSIGNED)
        minisign_id_text(said.id, bundle->key_id);
    bool is_believed = trust == READER_SIGNED || reader->options.takes_unsigned;
    if (!is_believed)
        return set_why(bundle, trust_text(trust));
    return is_new || !reader->options.takes_unsigned ? believe(bundle, text, signature) : 0;
}

/* ---------------------------------------------------------------- attachment */

void reader_header_write(const struct reader_bundle *bundle, const struct layout_piece *piece,
                         struct buf *to)
{
    auto_buf struct buf name;
    buf_init(&name, TAR_HEADER_MAX);
    layout_name(piece, &name);
    tar_header_write(name.data, piece->piece->size, bundle->manifest->date_s, to);
    if (name.error && !to->error)
        to->error = name.error;
}

/* The part whose first header these bytes begin with; part_count when there is none. */
static size_t part_that_begins(const struct reader_bundle *bundle, const char *bytes, size_t len)
{
    auto_buf struct buf header;
    size_t k;
    buf_init(&header, TAR_HEADER_MAX);
    for (k = 0; k < bundle->manifest->part_count; k++) {
        buf_clear(&header);
        reader_header_write(bundle, &bundle->pieces[bundle->parts[k].first_piece], &header);
        if (!header.error && header.len <= len && memcmp(header.data, bytes, header.len) == 0)
            break;
    }
    return k;
}

static size_t part_by_payload(const struct reader_bundle *bundle,
                              const struct reader_source *source, int64_t payload_at)
{
    char bytes[TAR_HEADER_MAX];
    auto_close int fd = -1;
    int64_t left = source->size - payload_at;
    size_t len = left < TAR_HEADER_MAX ? (size_t)left : TAR_HEADER_MAX;
    if (left <= 0 || reader_source_open(source, &fd) || file_read_at(fd, bytes, len, payload_at))
        return bundle->manifest->part_count;
    return part_that_begins(bundle, bytes, len);
}

static size_t part_by_name(const struct reader_bundle *bundle, const char *path)
{
    char name[MANIFEST_PART_NAME];
    size_t k;
    for (k = 0; k < bundle->manifest->part_count; k++) {
        manifest_part_name(bundle->manifest->name, k, name);
        if (strcmp(str_last_segment(path), name) == 0)
            break;
    }
    return k;
}

/* Where the payload must begin, whatever the part's own head says. */
static int64_t payload_of(const struct reader_bundle *bundle)
{
    return layout_head((int64_t)bundle->text_len, (int64_t)bundle->signature_len);
}

static int attach_to(struct reader_bundle *bundle, struct reader_source *source, size_t k,
                     int64_t payload_at)
{
    struct reader_part *part = &bundle->parts[k];
    void *grown = realloc(part->copies, (part->copy_count + 1) * sizeof(struct reader_source *));
    if (!grown)
        return ERROR_NO_MEMORY;
    part->copies = grown;
    part->copies[part->copy_count++] = source;
    if (!source->has_head || strcmp(source->sha256, bundle->sha256) != 0)
        source->head_damage = "the manifest in it is damaged";
    else if (source->payload_at != payload_at ||
             (source->has_signature && source->trust != bundle->trust))
        source->head_damage = "the signature in it is damaged";
    else if (source->head.is_odd || source->head.modified_s != bundle->manifest->date_s)
        source->head_damage = "the headers of its manifest are damaged";
    source->payload_at = payload_at;
    return 0;
}

/* By the first member, else by the file's name. READER_NO_HEAD: it is no part of that bundle. */
static int try_bundle(struct reader_bundle *bundle, struct reader_source *source)
{
    bool is_own = source->has_head && strcmp(source->sha256, bundle->sha256) == 0;
    int64_t payload_at = is_own ? source->payload_at : payload_of(bundle);
    size_t count = bundle->manifest->part_count;
    size_t k = part_by_payload(bundle, source, payload_at);
    if (k == count && is_own && payload_at != payload_of(bundle)) {
        payload_at = payload_of(bundle);
        k = part_by_payload(bundle, source, payload_at);
    }
    if (k == count)
        k = part_by_name(bundle, source->path);
    return k == count ? READER_NO_HEAD : attach_to(bundle, source, k, payload_at);
}

/* A part whose manifest is damaged may be one of any bundle. */
static int try_all(struct reader *reader, struct reader_source *source)
{
    int r = READER_NO_HEAD;
    for (size_t i = 0; r == READER_NO_HEAD && i < reader->bundle_count; i++)
        if (reader->bundles[i].manifest)
            r = try_bundle(&reader->bundles[i], source);
    return r;
}

/* Whether a manifest that is not believed looks like one that was damaged on its way. */
static bool looks_damaged(const struct reader *reader, const struct reader_bundle *bundle)
{
    return !bundle->manifest && (bundle->trust == READER_REFUTED || reader->options.takes_unsigned);
}

static int attach(struct reader *reader, struct reader_source *source)
{
    struct reader_bundle *own = source->has_head ? find_bundle(reader, source->sha256) : NULL;
    if (own && own->manifest) {
        int r = try_bundle(own, source);
        return r == READER_NO_HEAD
                   ? reader_problem(reader,
                                    "%s: it has the manifest of %s, and is none of its parts",
                                    source->path, own->manifest->id)
                   : r;
    }
    if (own && !looks_damaged(reader, own))
        return 0; /* that is said of the bundle */
    int r = try_all(reader, source);
    if (r == 0 && own)
        own->is_explained = true;
    if (r == READER_NO_HEAD && own)
        r = 0;
    if (r == READER_NO_HEAD)
        r = reader_problem(reader, "%s: it is no part of a bundle, or of none that is known",
                           source->path);
    return r;
}

int reader_attach(struct reader *reader)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < reader->source_count; i++)
        if (!reader->sources[i]->is_folder)
            r = attach(reader, reader->sources[i]);
    return r;
}
