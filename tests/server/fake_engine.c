// SPDX-License-Identifier: Apache-2.0
#include "fake_engine.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "engine/files/claim_answer.h"
#include "engine/files/inventory.h"

const char fake_html[] = "<!DOCTYPE html><title>torch</title>";
const char fake_json[] = "{\"meta\":{\"api-version\":\"1.0\"},\"name\":\"torch\",\"files\":[]}";
const char fake_gzip[] = "\x1f\x8b not really";

struct engine {
    struct waitlist releases;
    struct waitlist growth;
    _Atomic bool released;
    _Atomic bool stopping;
    _Atomic bool silent;
    _Atomic int64_t grown;
    pthread_mutex_t lock;
    pthread_cond_t change;
    unsigned suspended; /* since the start; under lock */
    _Atomic unsigned page_count;
    _Atomic long open;
    _Atomic bool last_refresh;
    _Atomic int last_use;
    void (*free_attachment)(void *attachment);
    uint8_t *bytes;
    struct page_entry *pages;
};

/* Pages live until the engine goes, as built pages do while nothing changes. */
struct page_entry {
    struct page page;
    struct engine *engine;
    const char *project;
    enum page_state state;
};

static const struct {
    const char *project;
    enum page_state state;
    enum outcome outcome;
    bool gzip;
} scripted_pages[] = {
    {"", PAGE_HIT, OUTCOME_OK, true},
    {"torch", PAGE_HIT, OUTCOME_OK, true},
    {"small", PAGE_HIT, OUTCOME_OK, false},
    {"stale", PAGE_STALE, OUTCOME_OK, false},
    {"slow", PAGE_MISS, OUTCOME_OK, false},
    {"down", PAGE_MISS, OUTCOME_UNAVAILABLE, false},
    {"other", PAGE_HIT, OUTCOME_NO_PROJECT, false},
};
enum { SCRIPTED_PAGES = sizeof(scripted_pages) / sizeof(scripted_pages[0]) };

static void body_fill(struct page_body *body, const char *text, const char *etag)
{
    body->data = text;
    body->len = strlen(text);
    str_copy(body->etag, sizeof(body->etag), etag);
}

static void page_fill(struct engine *engine, struct page_entry *entry, size_t i)
{
    struct page *page = &entry->page;
    entry->engine = engine;
    entry->project = scripted_pages[i].project;
    entry->state = scripted_pages[i].state;
    page->outcome = scripted_pages[i].outcome;
    page->mirrors = "aliyun,nju";
    page->max_age_s = 600;
    if (page->outcome != OUTCOME_OK) {
        page->detail = "aliyun: connection refused";
        return;
    }
    body_fill(&page->body[PAGE_HTML][PAGE_IDENTITY], fake_html, "\"h\"");
    body_fill(&page->body[PAGE_JSON][PAGE_IDENTITY], fake_json, "\"j\"");
    if (scripted_pages[i].gzip) {
        body_fill(&page->body[PAGE_HTML][PAGE_GZIP], fake_gzip, "\"hz\"");
        body_fill(&page->body[PAGE_JSON][PAGE_GZIP], fake_gzip, "\"jz\"");
    }
}

uint8_t fake_byte(int64_t offset)
{
    return (uint8_t)(offset * 7 + (offset >> 8));
}

struct engine *fake_engine_new(void)
{
    struct engine *engine = calloc(1, sizeof(*engine));
    assert(engine);
    waitlist_init(&engine->releases);
    waitlist_init(&engine->growth);
    pthread_mutex_init(&engine->lock, NULL);
    pthread_cond_init(&engine->change, NULL);
    engine->bytes = malloc(FAKE_SIZE);
    engine->pages = calloc(SCRIPTED_PAGES, sizeof(*engine->pages));
    assert(engine->bytes && engine->pages);
    for (int64_t i = 0; i < FAKE_SIZE; i++)
        engine->bytes[i] = fake_byte(i);
    for (size_t i = 0; i < SCRIPTED_PAGES; i++)
        page_fill(engine, &engine->pages[i], i);
    return engine;
}

int engine_open(const struct engine_options *options, struct engine **ret)
{
    (void)options;
    *ret = fake_engine_new();
    return 0;
}

void engine_free(struct engine *engine)
{
    assert(atomic_load(&engine->open) == 0);
    for (size_t i = 0; i < SCRIPTED_PAGES; i++)
        for (int f = 0; f < PAGE_FORMATS; f++)
            for (int c = 0; c < PAGE_CODINGS; c++) {
                void *attachment = atomic_load(&engine->pages[i].page.body[f][c].attachment);
                if (attachment)
                    engine->free_attachment(attachment);
            }
    waitlist_release(&engine->releases);
    waitlist_release(&engine->growth);
    pthread_cond_destroy(&engine->change);
    pthread_mutex_destroy(&engine->lock);
    free(engine->bytes);
    free(engine->pages);
    free(engine);
}

/* ------------------------------------------------------------------ the test's hands */

void fake_grow(struct engine *engine, int64_t to)
{
    atomic_store(&engine->grown, to);
    waitlist_wake(&engine->growth, 0, INT64_MAX);
}

void fake_release(struct engine *engine)
{
    atomic_store(&engine->released, true);
    waitlist_wake(&engine->releases, 0, INT64_MAX);
}

void fake_await_suspended(struct engine *engine, unsigned count)
{
    pthread_mutex_lock(&engine->lock);
    while (engine->suspended < count)
        pthread_cond_wait(&engine->change, &engine->lock);
    pthread_mutex_unlock(&engine->lock);
}

void fake_silence(struct engine *engine)
{
    atomic_store(&engine->silent, true);
}

unsigned fake_sweep(struct engine *engine)
{
    return waitlist_sweep(&engine->releases) + waitlist_sweep(&engine->growth);
}

unsigned fake_page_count(struct engine *engine)
{
    return atomic_load(&engine->page_count);
}

bool fake_last_refresh(struct engine *engine)
{
    return atomic_load(&engine->last_refresh);
}

enum file_use fake_last_use(struct engine *engine)
{
    return (enum file_use)atomic_load(&engine->last_use);
}

void engine_stop(struct engine *engine)
{
    atomic_store(&engine->stopping, true);
    waitlist_close(&engine->releases);
    waitlist_close(&engine->growth);
}

/* ------------------------------------------------------------------ waits */

struct question {
    struct engine *engine;
    int64_t offset; /* -1: the release */
};

static bool is_ready(void *arg)
{
    const struct question *q = arg;
    if (atomic_load(&q->engine->stopping))
        return true;
    if (q->offset < 0)
        return atomic_load(&q->engine->released);
    return atomic_load(&q->engine->grown) > q->offset;
}

static bool suspend(struct engine *engine, struct waiter *waiter, int64_t offset)
{
    struct question q = {engine, offset};
    struct waitlist *list = offset < 0 ? &engine->releases : &engine->growth;
    waiter->want = offset < 0 ? 0 : offset;
    if (waitlist_join(list, waiter, is_ready, &q) == WAIT_READY)
        return false;
    pthread_mutex_lock(&engine->lock);
    engine->suspended++;
    pthread_cond_broadcast(&engine->change);
    pthread_mutex_unlock(&engine->lock);
    return true;
}

/* Suspends until fake_release; ERROR_STOPPING once stopped. */
static int wait_release(struct engine *engine, struct waiter *waiter)
{
    while (!atomic_load(&engine->stopping) && !atomic_load(&engine->released))
        if (suspend(engine, waiter, -1))
            return ENGINE_WAIT;
    return atomic_load(&engine->stopping) ? ERROR_STOPPING : 0;
}

/* ------------------------------------------------------------------ pages */

int engine_page(struct engine *engine, const struct page_query *query, struct waiter *waiter,
                bool waited, struct page **ret_page, enum page_state *ret_state)
{
    (void)waited;
    const char *project = query->project ? query->project : "";
    if (atomic_load(&engine->silent))
        project = "down";
    size_t i = 0;
    while (i < SCRIPTED_PAGES - 1 && strcmp(project, scripted_pages[i].project))
        i++;
    if (!strcmp(project, "slow")) {
        int r = wait_release(engine, waiter);
        if (r)
            return r;
    }
    if (atomic_load(&engine->stopping))
        return ERROR_STOPPING;
    atomic_fetch_add(&engine->page_count, 1);
    atomic_fetch_add(&engine->open, 1);
    atomic_store(&engine->last_refresh, query->refresh);
    *ret_page = &engine->pages[i].page;
    *ret_state = engine->pages[i].state;
    return 0;
}

struct page *engine_peek(struct engine *engine, const char *origin, const char *path)
{
    (void)engine, (void)origin, (void)path;
    return NULL;
}

bool page_is_unwanted(const struct page *page)
{
    (void)page;
    return false;
}

void page_unref(struct page *page)
{
    if (!page)
        return;
    struct page_entry *entry = (struct page_entry *)(void *)page;
    atomic_fetch_sub(&entry->engine->open, 1);
}

void engine_on_page_free(struct engine *engine, void (*free_attachment)(void *attachment))
{
    engine->free_attachment = free_attachment;
}

/* ------------------------------------------------------------------ files */

enum { MAPPED = 1, GROWS = 2, BREAKS = 4, LATE = 8, UNSIZED = 16 };

static const struct script {
    const char *path;
    int flags;
    int64_t size;
    struct file_facts facts;
} scripted_files[] = {
    {"cu126/whole.whl",
     MAPPED,
     FAKE_SIZE,
     {.size = FAKE_SIZE, .etag = "\"sha256-aa\"", .immutable = true, .state = FILE_HIT}},
    {"cu126/whole.whl.metadata",
     MAPPED,
     100,
     {.size = 100, .etag = "\"sha256-bb\"", .immutable = true, .state = FILE_HIT}},
    {"cu126/cold.whl", 0, FAKE_SIZE, {.size = FAKE_SIZE, .etag = "\"c\"", .state = FILE_PARTIAL}},
    {"cu126/growing.whl",
     GROWS,
     FAKE_SIZE,
     {.size = FAKE_SIZE, .etag = "\"g\"", .state = FILE_MISS}},
    {"cu126/unknown.whl",
     GROWS | UNSIZED,
     FAKE_SIZE,
     {.size = -1, .etag = "\"u\"", .state = FILE_PASSTHROUGH}},
    {"cu126/broken.whl",
     BREAKS,
     FAKE_SIZE,
     {.size = FAKE_SIZE, .etag = "\"b\"", .state = FILE_MISS}},
    {"cu126/unsized.whl",
     BREAKS | UNSIZED,
     FAKE_SIZE,
     {.size = -1, .etag = "\"b\"", .state = FILE_MISS}},
    {"cu126/late.whl", LATE, FAKE_SIZE, {.size = FAKE_SIZE, .etag = "\"l\"", .state = FILE_MISS}},
    {"cu126/empty.whl", MAPPED, 0, {.size = 0, .etag = "\"e\"", .state = FILE_HIT}},
    {"cu126/void.whl", 0, 0, {.size = 0, .etag = "\"e\"", .state = FILE_HIT}},
    {"cu126/silent.whl", 0, 0, {.outcome = OUTCOME_SILENT, .detail = "aliyun: silent"}},
    {"cu126/bad.whl", 0, 0, {.outcome = OUTCOME_BROKEN, .detail = "aliyun: status 500"}},
    {NULL, 0, 0, {.outcome = OUTCOME_NO_FILE, .detail = "no mirror has it"}},
};

struct file {
    struct engine *engine;
    const struct script *script;
};

int engine_file(struct engine *engine, const struct file_query *query, struct waiter *waiter,
                struct file **ret)
{
    const struct script *script = scripted_files;
    while (script->path && (strcmp(query->origin, "pytorch") || strcmp(query->path, script->path)))
        script++;
    atomic_store(&engine->last_use, (int)query->use);
    if (script->flags & LATE) {
        int r = wait_release(engine, waiter);
        if (r)
            return r;
    }
    if (atomic_load(&engine->stopping))
        return ERROR_STOPPING;
    struct file *file = malloc(sizeof(*file));
    assert(file);
    *file = (struct file){engine, script};
    atomic_fetch_add(&engine->open, 1);
    *ret = file;
    return 0;
}

const struct file_facts *file_facts(const struct file *file)
{
    return &file->script->facts;
}

void file_mirrors(struct file *file, char *ret, size_t size)
{
    (void)file;
    str_copy(ret, size, "aliyun");
}

int file_select(struct file *file, int64_t from, int64_t to, enum file_use use)
{
    assert(from >= 0 && to <= file->script->size);
    assert(use != FILE_USE_HEAD);
    atomic_store(&file->engine->last_use, (int)use);
    return 0;
}

int file_begin(struct file *file, struct waiter *waiter)
{
    (void)file, (void)waiter;
    return 0;
}

bool file_is_short(const struct file *file)
{
    (void)file;
    return false;
}

const void *file_mapping(struct file *file)
{
    return file->script->flags & MAPPED ? file->engine->bytes : NULL;
}

int64_t file_read(struct file *file, int64_t offset, void *data, size_t size, struct waiter *waiter)
{
    const struct script *script = file->script;
    int64_t end = script->size;
    if (script->flags & BREAKS) {
        if (offset >= FAKE_BROKEN_AT)
            return ERROR_DIGEST_MISMATCH;
        end = FAKE_BROKEN_AT;
    }
    if (offset >= script->size)
        return FILE_END;
    while (script->flags & GROWS) {
        if (atomic_load(&file->engine->stopping))
            return ERROR_STOPPING;
        end = atomic_load(&file->engine->grown);
        if (end > offset)
            break;
        if (suspend(file->engine, waiter, offset))
            return 0;
    }
    if ((int64_t)size > end - offset)
        size = (size_t)(end - offset);
    memcpy(data, file->engine->bytes + offset, size);
    return (int64_t)size;
}

void file_close(struct file *file)
{
    atomic_fetch_sub(&file->engine->open, 1);
    free(file);
}

void engine_say_indexes(struct engine *engine, const char *typed, struct buf *to)
{
    (void)engine, (void)typed;
    buf_puts(to, "; there are simple, cu126");
}

int engine_ask_roots(struct engine *engine, struct waiter *waiter)
{
    (void)engine, (void)waiter;
    return 0;
}

int engine_claims(struct engine *engine, const char *origin, const char *path,
                  struct claim_answer **ret)
{
    (void)engine, (void)origin, (void)path, (void)ret;
    return 1;
}

int claim_answer_wait(struct claim_answer *answer, struct waiter *waiter)
{
    (void)answer, (void)waiter;
    return 0;
}

void claim_answer_write(const struct claim_answer *answer, struct buf *to)
{
    (void)answer, (void)to;
}

void claim_answer_free(struct claim_answer *answer)
{
    (void)answer;
}

void engine_write_channels(struct engine *engine, struct buf *to)
{
    (void)engine;
    buf_puts(to, "{\"name\":\"cu126\",\"origin\":\"pytorch\"}");
}

/* ------------------------------------------------------------------ status */

int engine_refresh_status(struct engine *engine, struct waiter *waiter)
{
    (void)engine;
    (void)waiter;
    return 0;
}

void engine_write_status(struct engine *engine, struct buf *to)
{
    (void)engine;
    buf_puts(to, "\"mirrors\":[{\"origin\":\"pytorch\",\"name\":\"aliyun\",\"state\":\"ok\"}]");
}

void engine_note_sent(struct engine *engine, bool is_hit, int64_t bytes)
{
    (void)engine, (void)is_hit, (void)bytes;
}

bool engine_is_ready(struct engine *engine)
{
    return !atomic_load(&engine->stopping);
}

bool engine_is_offline(const struct engine *engine)
{
    (void)engine;
    return false;
}

void engine_standing(struct engine *engine, const char *origin, const char *path,
                     struct file_standing *ret)
{
    (void)engine;
    (void)origin;
    (void)path;
    *ret = (struct file_standing){.level = ""};
}

void engine_note_problem(struct engine *engine, const char *kind, const char *path, const char *why)
{
    (void)engine;
    (void)kind;
    (void)path;
    (void)why;
}
