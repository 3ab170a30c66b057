// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The engine: pages and files for whoever asks, from memory, disk or a mirror. It joins index/,
 * cache/ and upstream/, owns every thread but the HTTP workers and main, and knows no HTTP reply.
 *
 *     engine_open(&options, &engine);
 *     r = engine_page(engine, &query, waiter, &page);       any thread, never blocks
 *     if (r == ENGINE_WAIT) ... the waiter was suspended; when resumed, ask again
 *     r = engine_file(engine, &query, waiter, &file);       the same way
 *     engine_stop(engine);          resumes every waiter; later calls fail: ERROR_STOPPING
 *     engine_free(engine);          after the last page_unref and file_close
 *
 * An answer is a page or file even when it is a refusal: look at its `outcome` first.
 */
#include <stdbool.h>

#include "base/buf.h"
#include "engine/files/file.h"
#include "engine/listings/indexes.h"
#include "engine/loop/options.h"
#include "engine/loop/wait.h"
#include "engine/mirrors/origins.h"
#include "engine/pages/page.h"

struct engine;

/* ERROR_IN_USE: another daemon has the cache directory. ERROR_READ_ONLY,
 * ERROR_DENIED: it cannot be written. */
int engine_open(const struct engine_options *options, struct engine **ret);
/*
 * Takes over other origins, and max_size, min_free, page_memory, max_memory, page_refresh_ms,
 * connections_per_mirror and connections_per_file; the other options need a new engine. What begins
 * from now on goes by them; flights go on with the mirrors they began with, so the old origins must
 * outlive the engine, too. The very same origins again leave pages alone. Blocks until the flight
 * thread has done it: main thread. On failure nothing changes.
 */
int engine_reload(struct engine *engine, const struct engine_options *options);
void engine_stop(struct engine *engine);
void engine_free(struct engine *engine);

/* 0: *ret is open (file_close it) and its facts are known. ENGINE_WAIT. ERROR_NO_MEMORY. When the
 * waiter's time is over (`until_ms`) it is refused: OUTCOME_SILENT names the silent mirrors. */
int engine_file(struct engine *engine, const struct file_query *query, struct waiter *waiter,
                struct file **ret);
/* Called with an attachment when its page goes; set once, before the first engine_page. */
void engine_on_page_free(struct engine *engine, void (*free_attachment)(void *attachment));

/* Suspends the waiter until the status is taken anew (ENGINE_WAIT); 0 when the engine is stopping.
 */
int engine_refresh_status(struct engine *engine, struct waiter *waiter);
/* Appends the members of /-/status that are the engine's, ready to stand between braces, as they
 * were at the last refresh or tick (250 ms). Any thread. */
void engine_write_status(struct engine *engine, struct buf *to);
/* Whether it never asks a mirror. Any thread. */
bool engine_is_offline(const struct engine *engine);
/* Whether port-independent start is done (catalogue open). */
bool engine_is_ready(struct engine *engine);
