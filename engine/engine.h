// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The engine: pages and files from memory, from disk or from a mirror. It joins index/, cache/ and
 * upstream/, owns every thread but the HTTP workers and main, and knows no HTTP reply.
 *
 *     engine_open(&options, &engine);
 *     r = engine_page(engine, &query, waiter, &page);       any thread, never blocks
 *     if (r == ENGINE_WAIT) ... the waiter was suspended; when it is resumed, ask again
 *     r = engine_file(engine, &query, waiter, &file);       the same way
 *     engine_stop(engine);          resumes every waiter; later calls fail: ERROR_STOPPING
 *     engine_free(engine);          after the last page_unref and file_close
 *
 * An answer is a page or a file even when it is a refusal: look at its `outcome` first.
 */
#include <stdbool.h>

#include "base/buf.h"
#include "engine/files/file.h"
#include "engine/loop/options.h"
#include "engine/loop/wait.h"
#include "engine/mirrors/origins.h"
#include "engine/pages/page.h"

struct claim_answer;
struct engine;
struct files;

/* Opens the engine and starts its threads. ERROR_IN_USE: another daemon has the cache directory.
 * ERROR_READ_ONLY, ERROR_DENIED: the directory cannot be written. */
int engine_open(const struct engine_options *options, struct engine **ret);
/*
 * Takes over other origins, and these options: max_size, min_free, page_memory, max_memory,
 * page_refresh_ms, scrub_after_ms, connections_per_mirror and connections_per_file. The other
 * options need a new engine. What begins from now on goes by the new ones. Flights go on with the
 * mirrors that they began with, so the old origins must outlive the engine. The very same origins
 * leave pages alone. Blocks until the flight thread has done it: main thread. On failure nothing
 * changes.
 */
int engine_reload(struct engine *engine, const struct engine_options *options);
/* Ends all threads and resumes all waiters. A second call does nothing. Main thread. */
void engine_stop(struct engine *engine);
/* NULL is legal. */
void engine_free(struct engine *engine);

/* pages_open and pages_peek of engine/pages/page.h. */
int engine_page(struct engine *engine, const struct page_query *query, struct waiter *waiter,
                bool waited, struct page **ret_page, enum page_state *ret_state);
struct page *engine_peek(struct engine *engine, const char *origin, const char *path);
/* 0: *ret is open (file_close it) and its facts are known. ENGINE_WAIT. ERROR_NO_MEMORY. When
 * the waiter's time is over (`until_ms`) the file is a refusal: OUTCOME_SILENT names the silent
 * mirrors. */
int engine_file(struct engine *engine, const struct file_query *query, struct waiter *waiter,
                struct file **ret);
/* Sets what is called with an attachment when its page goes. Once, before the first engine_page. */
void engine_on_page_free(struct engine *engine, void (*free_attachment)(void *attachment));

/* Which indexes and channels exist: channels_say, channel_roots_ask and channels_write of
 * engine/listings/channels.h. */
void engine_say_indexes(struct engine *engine, const char *typed, struct buf *to);
int engine_ask_roots(struct engine *engine, struct waiter *waiter);
void engine_write_channels(struct engine *engine, struct buf *to);

/* claim_answer_new of engine/files/claim_answer.h. */
int engine_claims(struct engine *engine, const char *origin, const char *path,
                  struct claim_answer **ret);

/* The room of files, for those that look after what is kept: engine/files/inventory.h, adopt.h and
 * last_listed.h. Lives as long as the engine. */
struct files *engine_files(struct engine *engine);

/* Suspends the waiter until the next snapshot of the status (ENGINE_WAIT). 0 when the engine is
 * stopping. */
int engine_refresh_status(struct engine *engine, struct waiter *waiter);
/* Appends the engine's members of /-/status, ready to stand between braces, as of the last
 * refresh or tick (250 ms). Any thread. */
void engine_write_status(struct engine *engine, struct buf *to);
/* Bytes of a file have gone to a client; is_hit: the file was held. For the counters of the status.
 * Any thread. */
void engine_note_sent(struct engine *engine, bool is_hit, int64_t bytes);
/* What is known of the bytes that a file has in the cache. The same contract as inventory_standing.
 */
struct file_standing;
void engine_standing(struct engine *engine, const char *origin, const char *path,
                     struct file_standing *ret);
/* Adds a problem of `path` to /-/status, or with `why` NULL removes it. Blocks until the flight
 * thread has done it: for threads that may block. */
void engine_note_problem(struct engine *engine, const char *kind, const char *path,
                         const char *why);
/* Whether it never asks a mirror. Any thread. */
bool engine_is_offline(const struct engine *engine);
/* Whether the start is done and no stop has begun. */
bool engine_is_ready(struct engine *engine);
