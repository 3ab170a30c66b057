// SPDX-License-Identifier: Apache-2.0
/*
 * What the engine does about each event of a lower room (engine/loop/events.h). Most events go to
 * one function of a higher room; the others are below. No state.
 */
#include "engine/events.h"

#include "engine/engine.h"
#include "engine/files/entry.h"
#include "engine/files/renew.h"
#include "engine/folders/directory.h"
#include "engine/listings/sources.h"
#include "engine/loop/loop.h"
#include "engine/metadata/metadata.h"
#include "engine/pages/delisted.h"
#include "engine/pages/page_entry.h"
#include "engine/pages/pages.h"
#include "engine/pages/project_list.h"

/* A file that no page has named a digest for makes its page be loaded. Its row on the page is
 * written down while mirrors list it. */
static void file_begun(struct engine *e, const struct origin *origin, const char *path,
                       bool is_vouched)
{
    if (!is_vouched)
        pages_want_digest(e, origin, path);
    delisted_look(e, origin, path);
}

/* Nobody vouches for the bytes: metadata that was refused before may be made of them now. */
static void file_kept(struct engine *e, const struct entry *entry)
{
    delisted_hold(e, entry);
    if (!entry->authoritative)
        metadata_admit(e, entry->origin->name, entry->path);
}

static void file_refuted(struct engine *e, const char *origin, const char *path, const char *why)
{
    if (why)
        metadata_refuse(e, origin, path, why);
    else
        metadata_forget(e, origin, path);
}

/* The project list first: it decides which pages the folder owns. */
static void folder_changed(struct engine *e, const struct origin *origin)
{
    project_list_renew(e, origin);
    pages_directory_changed(e, origin);
}

static size_t page_bytes(const struct engine *e)
{
    return e->pages->bytes;
}

/* The catalogue keeps every listing, so both can be made again. */
static void shrink(struct engine *e, size_t bytes)
{
    sources_shrink(e);
    pages_evict(e, bytes);
}

const struct events engine_events = {
    .tick = engine_tick,
    .source_settled = pages_source_settled,
    .file_open = engine_file,
    .file_begun = file_begun,
    .file_kept = file_kept,
    .file_gone = delisted_drop,
    .file_refuted = file_refuted,
    .claims_learned = metadata_learn_claims,
    .file_missed = metadata_missed,
    .page_doubted = pages_recheck,
    .page_channels = pages_channels,
    .pages_outdated = metadata_changed,
    .rows_changed = renew_rows_changed,
    .folder_view = directory_view,
    .folder_look = directory_look,
    .portal_gone = downloads_forget_failures,
    .folder_changed = folder_changed,
    .page_bytes = page_bytes,
    .shrink = shrink,
};
