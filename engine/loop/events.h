// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What the rooms below tell those above, which they do not know: engine/events.c says what is done.
 * Flight thread, unless it says otherwise.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct engine;
struct entry;
struct file;
struct file_facts;
struct file_query;
struct origin;
struct source_view;
struct waiter;

enum { PAGE_CHANNELS = 8 };

struct events {
    /* Every TICK_MS. */
    void (*tick)(struct engine *engine, int64_t now_ms);
    /* A source of pages has come to an end: who waits for it looks again. */
    void (*source_settled)(struct engine *engine);
    /* As engine_file. Any thread. */
    int (*file_open)(struct engine *engine, const struct file_query *query, struct waiter *waiter,
                     struct file **ret);
    /* A file is looked up for the first clients; is_vouched: somebody has named its digest. */
    void (*file_begun)(struct engine *engine, const struct origin *origin, const char *path,
                       bool is_vouched);
    /* The entry has a blob from now on. */
    void (*file_kept)(struct engine *engine, const struct entry *entry);
    /* It is about to lose its blob. */
    void (*file_gone)(struct engine *engine, const struct entry *entry);
    /* A file is not what it was; why: what mirrors have in its place is no such file, or NULL. */
    void (*file_refuted)(struct engine *engine, const char *origin, const char *path,
                         const char *why);
    /* As files_learn_claims. */
    void (*claims_learned)(struct engine *engine, const char *origin, const char *path,
                           const char *agreed);
    /* No mirror gives a file. True: it can be had in another way, ask engine_file anew. Any thread.
     */
    bool (*file_missed)(struct engine *engine, const struct file_query *query,
                        const struct file_facts *facts);
    /* Bytes of a file contradict what its page says: as pages_recheck. */
    bool (*page_doubted)(struct engine *engine, const struct origin *origin, const char *path,
                         void (*done)(void *context), void *context);
    /* As pages_channels. */
    size_t (*page_channels)(struct engine *engine, const struct origin *origin, const char *path,
                            const char *project, char *ret[PAGE_CHANNELS]);
    /* What a page says beside its listings may be something else. */
    void (*pages_outdated)(struct engine *engine);
    /* A mirror's page shows other rows for these files. */
    void (*rows_changed)(struct engine *engine, const struct origin *origin, unsigned mirror,
                         const char *const *paths, size_t count);
    /* As directory_view, directory_look. */
    void (*folder_view)(struct engine *engine, const struct origin *origin,
                        struct source_view *ret);
    void (*folder_look)(struct engine *engine, const struct origin *origin);
    /* A captive portal is gone: what failed meanwhile may be asked for again. */
    void (*portal_gone)(struct engine *engine);
    /* A folder of wheels is another one. */
    void (*folder_changed)(struct engine *engine, const struct origin *origin);
    /* What built pages take of memory. When it is short, they go down to so many bytes, and with
     * them the listings that are not in use. */
    size_t (*page_bytes)(const struct engine *engine);
    void (*shrink)(struct engine *engine, size_t page_bytes);
};
