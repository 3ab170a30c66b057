// SPDX-License-Identifier: Apache-2.0
/* The formats that are TOML: parsed once, told apart by what they hold, read. */
#include "base/error.h"
#include "base/str.h"
#include "lock/lock_private.h"
#include "lock/toml_fields.h"

DEFINE_CLEANUP(struct toml_document, toml_free)

static bool is_kind_by_content(const struct toml_node *root, enum lock_kind *ret)
{
    const struct toml_node *metadata = toml_get(root, "metadata");

    if (toml_get(root, "lock-version"))
        *ret = LOCK_PYLOCK;
    else if (toml_get(metadata, "lock-version"))
        *ret = LOCK_POETRY;
    else if (toml_get(metadata, "lock_version"))
        *ret = LOCK_PDM;
    else if (toml_type(toml_get(root, "version")) == TOML_INTEGER)
        *ret = LOCK_UV;
    else
        return false;
    return true;
}

static int read_document(struct lock_reader *r, const struct toml_node *root)
{
    switch (r->lock->kind) {
    case LOCK_UV:
        return read_uv(r, root);
    case LOCK_PYLOCK:
        return read_pylock(r, root);
    case LOCK_POETRY:
        return read_poetry(r, root);
    case LOCK_PDM:
    case LOCK_PIXI:
    case LOCK_REQUIREMENTS:
        break;
    }
    return read_pdm(r, root);
}

int read_toml(struct lock_reader *r, bool has_kind)
{
    AUTO(toml_free) struct toml_document *document = NULL;
    auto_free char *message = NULL;
    int line = 0;
    int e = toml_parse_lock(r->input->text, r->input->len, &document, &message, &line);

    if (e == ERROR_CONFIG)
        return lock_reader_complain(r, line > 0 ? (unsigned)line : 1, "%s",
                                    message ? message : "this is no TOML");
    if (e)
        return e;
    const struct toml_node *root = toml_root(document);
    if (!has_kind && !is_kind_by_content(root, &r->lock->kind))
        return lock_reader_complain(r, 1, "this is TOML, and no lock file that is known here");
    e = read_document(r, root);
    return e ? e : note_addresses(r, root);
}
