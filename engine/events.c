// SPDX-License-Identifier: Apache-2.0
/*
 * What the engine does about each event of a lower room (engine/loop/events.h). Most events go to
 * one function of a higher room; the others are below. No state.
 */
#include "engine/events.h"

#include "engine/engine.h"
#include "engine/engine_state.h"
#include "engine/files/entry.h"
#include "engine/files/renew.h"
#include "engine/folders/directory.h"
#include "engine/listings/sources.h"
#include "engine/metadata/metadata.h"
#include "engine/pages/delisted.h"
#include "engine/pages/page_entry.h"
#include "engine/pages/pages.h"
#include "engine/pages/project_list.h"

/* Const goes with it: only page_bytes has a const argument, and it changes nothing. */
static struct engine *engine_of(const struct services *s)
{
    return (struct engine *)container_of(s, struct engine, services);
}

static void tick(struct services *s, int64_t now_ms)
{
    engine_tick(engine_of(s), now_ms);
}

static void source_settled(struct services *s)
{
    pages_source_settled(engine_of(s)->pages);
}

static int file_open(struct services *s, const struct file_query *query, struct waiter *waiter,
                     struct file **ret)
{
    return engine_file(engine_of(s), query, waiter, ret);
}

/* A file that no page has named a digest for makes its page be loaded. Its row on the page is
 * written down while mirrors list it. */
static void file_begun(struct services *s, const struct origin *origin, const char *path,
                       bool is_vouched)
{
    if (!is_vouched)
        pages_want_digest(engine_of(s)->pages, origin, path);
    delisted_look(engine_of(s)->pages, origin, path);
}

/* Nobody vouches for the bytes: metadata that was refused before may be made of them now. */
static void file_kept(struct services *s, const struct entry *entry)
{
    delisted_hold(engine_of(s)->pages, entry);
    if (!entry->authoritative)
        metadata_admit(engine_of(s)->metadata, entry->origin->name, entry->path);
}

static void file_gone(struct services *s, const struct entry *entry)
{
    delisted_drop(engine_of(s)->pages, entry);
}

static void file_refuted(struct services *s, const char *origin, const char *path, const char *why)
{
    if (why)
        metadata_refuse(engine_of(s)->metadata, origin, path, why);
    else
        metadata_forget(engine_of(s)->metadata, origin, path);
}

static void claims_learned(struct services *s, const char *origin, const char *path,
                           const char *agreed)
{
    metadata_learn_claims(engine_of(s)->metadata, origin, path, agreed);
}

static bool file_missed(struct services *s, const struct file_query *query,
                        const struct file_facts *facts)
{
    return metadata_missed(engine_of(s)->metadata, query, facts);
}

static bool page_doubted(struct services *s, const struct origin *origin, const char *path,
                         void (*done)(void *context), void *context)
{
    return pages_recheck(engine_of(s)->pages, origin, path, done, context);
}

static size_t page_channels(struct services *s, const struct origin *origin, const char *path,
                            const char *project, char *ret[PAGE_CHANNELS])
{
    return pages_channels(engine_of(s)->pages, origin, path, project, ret);
}

static void pages_outdated(struct services *s)
{
    metadata_changed(engine_of(s)->metadata);
}

static void rows_changed(struct services *s, const struct origin *origin, unsigned mirror,
                         const char *const *paths, size_t count)
{
    renew_rows_changed(engine_of(s)->files, origin, mirror, paths, count);
}

static void folder_view(struct services *s, const struct origin *origin, struct source_view *ret)
{
    directory_view(engine_of(s)->folders, origin, ret);
}

static void folder_look(struct services *s, const struct origin *origin)
{
    directory_look(engine_of(s)->folders, origin);
}

static void portal_gone(struct services *s)
{
    downloads_forget_failures(engine_of(s)->files);
}

/* The project list first: it decides which pages the folder owns. */
static void folder_changed(struct services *s, const struct origin *origin)
{
    project_list_renew(engine_of(s)->pages, origin);
    pages_directory_changed(engine_of(s)->pages, origin);
}

static void policy_changed(struct services *s)
{
    pages_reload(engine_of(s)->pages);
}

static size_t page_bytes(const struct services *s)
{
    return engine_of(s)->pages->bytes;
}

/* The catalogue keeps every listing, so both can be made again. */
static void shrink(struct services *s, size_t bytes)
{
    sources_shrink(engine_of(s)->listings);
    pages_evict(engine_of(s)->pages, bytes);
}

const struct events engine_events = {
    .tick = tick,
    .source_settled = source_settled,
    .file_open = file_open,
    .file_begun = file_begun,
    .file_kept = file_kept,
    .file_gone = file_gone,
    .file_refuted = file_refuted,
    .claims_learned = claims_learned,
    .file_missed = file_missed,
    .page_doubted = page_doubted,
    .page_channels = page_channels,
    .pages_outdated = pages_outdated,
    .rows_changed = rows_changed,
    .folder_view = folder_view,
    .folder_look = folder_look,
    .policy_changed = policy_changed,
    .portal_gone = portal_gone,
    .folder_changed = folder_changed,
    .page_bytes = page_bytes,
    .shrink = shrink,
};
