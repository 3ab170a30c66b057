// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Events: what a lower room of the engine tells a higher one, which it does not know. engine.c
 * hands this table to the flight thread's inbox; engine/events.c says what each event does.
 *
 * Every function runs on the flight thread, unless its comment says otherwise. No function blocks.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct services;
struct entry;
struct file;
struct file_facts;
struct file_query;
struct origin;
struct source_view;
struct waiter;

enum { PAGE_CHANNELS = 8 };

struct events {
    /* Runs every TICK_MS. */
    void (*tick)(struct services *services, int64_t now_ms);
    /* A source of pages has ended its load or fetch. Pages that wait for it look at it again. */
    void (*source_settled)(struct services *services);
    /* The same contract as engine_file. Any thread. */
    int (*file_open)(struct services *services, const struct file_query *query,
                     struct waiter *waiter, struct file **ret);
    /* A file is being looked up for its first client. is_vouched: some page names its digest. */
    void (*file_begun)(struct services *services, const struct origin *origin, const char *path,
                       bool is_vouched);
    /* The entry has a blob from now on. */
    void (*file_kept)(struct services *services, const struct entry *entry);
    /* The entry is about to lose its blob. */
    void (*file_gone)(struct services *services, const struct entry *entry);
    /* The bytes of a file are not what they were. why: what mirrors have in its place is no such
     * file, or NULL when only the digest changed. */
    void (*file_refuted)(struct services *services, const char *origin, const char *path,
                         const char *why);
    /* The same contract as files_learn_claims. */
    void (*claims_learned)(struct services *services, const char *origin, const char *path,
                           const char *agreed);
    /* No mirror gives a file. True: the engine can get it in another way, so the caller asks
     * engine_file again. Any thread. */
    bool (*file_missed)(struct services *services, const struct file_query *query,
                        const struct file_facts *facts);
    /* Bytes of a file contradict what its page says. The same contract as pages_recheck. */
    bool (*page_doubted)(struct services *services, const struct origin *origin, const char *path,
                         void (*done)(void *context), void *context);
    /* The same contract as pages_channels. */
    size_t (*page_channels)(struct services *services, const struct origin *origin,
                            const char *path, const char *project, char *ret[PAGE_CHANNELS]);
    /* Pages may say something new, although no listing has changed. */
    void (*pages_outdated)(struct services *services);
    /* A mirror's page shows other rows for these files. */
    void (*rows_changed)(struct services *services, const struct origin *origin, unsigned mirror,
                         const char *const *paths, size_t count);
    /* The same contracts as directory_view and directory_look. */
    void (*folder_view)(struct services *services, const struct origin *origin,
                        struct source_view *ret);
    void (*folder_look)(struct services *services, const struct origin *origin);
    /* Other advisories count, so pages may hide other files. */
    void (*policy_changed)(struct services *services);
    /* A captive portal is gone. What failed because of it may be asked for again. */
    void (*portal_gone)(struct services *services);
    /* The contents of a folder of wheels have changed. */
    void (*folder_changed)(struct services *services, const struct origin *origin);
    /* page_bytes: what built pages take in memory. shrink: memory is short, so pages shrink to
     * `page_bytes`, and listings that nobody uses go. */
    size_t (*page_bytes)(const struct services *services);
    void (*shrink)(struct services *services, size_t page_bytes);
};
