// SPDX-License-Identifier: Apache-2.0
/*
 * Each request takes an inventory first: a copy of all rows, made on the flight thread. The user's
 * BLOB is looked up in that copy, so a name can mean nothing else halfway. The change itself is
 * asked of the engine, which checks again whether the blob is still there. The replies name files;
 * the command prints them.
 */
#include "control/control_cache.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/str.h"
#include "control/control_request.h"
#include "engine/engine.h"
#include "engine/files/claim_answer.h"
#include "engine/files/inventory.h"

enum { CODE_DONE = 0, CODE_FAILED = 1, CODE_USAGE = 2 };

DEFINE_CLEANUP(struct inventory, inventory_free)

/* One request while it runs on its lane thread. */
struct task {
    struct files *files;
    const char *blob; /* as the user wrote it; NULL for all */
    int64_t rate_bytes_s;
    const _Atomic bool *stop;
    const struct inventory *inventory;
    const struct inventory_row *row;
    struct buf *reply;
};

/* ------------------------------------------------------------------ replies */

static void open_reply(struct buf *to, int code, const char *message)
{
    buf_printf(to, "{\"code\":%d", code);
    json_write_member(to, "message", message);
}

void control_refuse(struct buf *to, int code, const char *message)
{
    open_reply(to, code, message);
    buf_putc(to, '}');
}

/* Adds the digests that mirrors claim. No mirror claims anything of a stray file. */
static void write_claims(struct buf *to, struct files *files, const struct inventory_row *row)
{
    struct claim_answer *answer = NULL;
    auto_free char *origin = strndup(row->name, row->origin_len);
    if (!origin || claim_answer_new(files, origin, row->name + row->origin_len + 1, &answer))
        return;
    claim_answer_block(answer);
    claim_answer_write(answer, to);
    claim_answer_free(answer);
}

/* `files` NULL leaves the claims out: reading them for every row of `ls` would take minutes. */
static void write_row(struct buf *to, const struct inventory_row *row, struct files *files)
{
    const char *texts[][2] = {{"name", row->name},   {"sha256", row->sha256},
                              {"etag", row->etag},   {"mirrors", row->mirrors},
                              {"level", row->level}, {"level_why", row->level_why},
                              {"sets", row->sets}};
    json_write_comma(to);
    buf_putc(to, '{');
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (!texts[i][1] || !*texts[i][1])
            continue;
        json_write_member(to, texts[i][0], texts[i][1]);
    }
    if (row->size >= 0)
        json_write_integer(to, "size", row->size);
    json_write_integer(to, "present", row->present);
    json_write_integer(to, "used", row->used_s);
    json_write_integer(to, "verified", row->verified_s);
    json_write_boolean(to, "complete", row->sha256[0]);
    json_write_boolean(to, "pinned", row->pinned);
    json_write_boolean(to, "unverified", row->sha256[0] && !row->authoritative);
    if (!row->sha256[0])
        json_write_integer(to, "readers", row->readers);
    if (files)
        write_claims(to, files, row);
    buf_putc(to, '}');
}

/* Writes the rows that `name` may mean; NULL: all rows. */
static void write_rows(struct buf *to, const struct inventory *inventory, const char *name,
                       struct files *files)
{
    json_write_name(to, "blobs");
    buf_putc(to, '[');
    for (size_t i = 0; i < inventory->count; i++)
        if (!name || inventory_matches(&inventory->rows[i], name))
            write_row(to, &inventory->rows[i], files);
    buf_putc(to, ']');
}

/* ----------------------------------------------------------------- requests */

static void do_list(struct task *t)
{
    open_reply(t->reply, CODE_DONE, "");
    write_rows(t->reply, t->inventory, NULL, NULL);
    buf_putc(t->reply, '}');
}

/* Writes one row for each path of the blob. */
static void do_find(struct task *t)
{
    open_reply(t->reply, CODE_DONE, "");
    write_rows(t->reply, t->inventory, t->row->sha256[0] ? t->row->sha256 : t->row->name, t->files);
    buf_putc(t->reply, '}');
}

static void refuse_with(struct task *t, const char *what)
{
    auto_free char *message = str_printf("%s: %s", t->row ? t->row->name : t->blob, what);
    control_refuse(t->reply, CODE_FAILED, message ? message : what);
}

static void refuse_pinned(struct task *t)
{
    auto_free char *what = t->row->sets ? str_printf("pinned by: %s; unpin it first", t->row->sets)
                                        : strdup("pinned: unpin it first");
    refuse_with(t, what ? what : "pinned");
}

/* Turns the outcomes of engine/engine.h into sentences for the user. */
static void reply_result(struct task *t, int r, const char *done)
{
    if (r == ENGINE_ABSENT)
        refuse_with(t, t->row->sha256[0] ? "no longer in the cache" : "not complete");
    else if (r == ENGINE_PINNED)
        refuse_pinned(t);
    else if (r == ENGINE_BUSY)
        refuse_with(t, "being fetched or opened for a client: try again later");
    else if (r)
        refuse_with(t, error_text(r));
    else {
        auto_free char *message = str_printf("%s %s", done, t->row->name);
        control_refuse(t->reply, CODE_DONE, message ? message : done);
    }
}

static void do_remove(struct task *t)
{
    reply_result(t, inventory_remove(t->files, t->row), "removed");
}

static void do_pin(struct task *t)
{
    reply_result(t, inventory_pin(t->files, t->row->sha256, true), "pinned");
}

static void do_unpin(struct task *t)
{
    int r = inventory_pin(t->files, t->row->sha256, false);
    if (r == 0 && t->row->sets)
        refuse_pinned(t);
    else
        reply_result(t, r, "unpinned");
}

/* The result says whether the cache fits its limits now. */
static void do_collect(struct task *t)
{
    struct collection c = {0};
    int r = inventory_collect(t->files, &c);
    if (r) {
        control_refuse(t->reply, CODE_FAILED, error_text(r));
        return;
    }
    open_reply(t->reply, c.fits ? CODE_DONE : CODE_FAILED,
               c.fits ? "" : "still over max_size or below min_free: the rest is pinned or in use");
    json_write_integer(t->reply, "evicted", c.evicted);
    json_write_integer(t->reply, "evicted_bytes", c.evicted_bytes);
    json_write_integer(t->reply, "orphans", c.orphans);
    buf_putc(t->reply, '}');
}

static const char *const verdicts[] = {"good", "corrupt", "missing"};

/* Without a digest from an index only the bytes themselves can be checked. */
static int check_evidence(struct task *t, bool *ret_sound, char **ret_why)
{
    *ret_sound = true;
    *ret_why = NULL;
    if (t->row->authoritative)
        return 0;
    return inventory_check_evidence(t->files, t->row, t->rate_bytes_s, t->stop, ret_sound, ret_why);
}

/* Reads the row again, because the check may have changed its level. */
static void write_level(struct task *t)
{
    AUTO(inventory_free) struct inventory *inventory = NULL;
    const struct inventory_row *row;
    if (inventory_new(t->files, &inventory) || inventory_find(inventory, t->row->name, &row))
        return;
    json_write_member(t->reply, "level", row->level);
}

/* A bad blob is already in quarantine here; the engine then fetches the file again. */
static void reply_verdict(struct task *t, const char *verdict, bool good, const char *why)
{
    int again = good ? 0 : inventory_refetch(t->files, t->row, t->stop);
    open_reply(t->reply, again ? CODE_FAILED : CODE_DONE, again ? error_text(again) : "");
    json_write_member(t->reply, "verdict", verdict);
    json_write_boolean(t->reply, "repaired", !good && !again);
    json_write_member(t->reply, "name", t->row->name);
    write_level(t);
    if (why && *why)
        json_write_member(t->reply, "why", why);
    buf_putc(t->reply, '}');
}

/* The digest first, then what the bytes prove by themselves. */
static void do_verify(struct task *t)
{
    enum verdict_of_blob verdict = BLOB_GOOD;
    auto_free char *why = NULL;
    bool sound = true;
    if (!t->row->sha256[0]) {
        refuse_with(t, "not complete");
        return;
    }
    int r = inventory_verify(t->files, t->row->sha256, t->rate_bytes_s, t->stop, &verdict);
    if (r == 0 && verdict == BLOB_GOOD)
        r = check_evidence(t, &sound, &why);
    if (r)
        reply_result(t, r, "");
    else
        reply_verdict(t, sound ? verdicts[verdict] : "unsound", verdict == BLOB_GOOD && sound, why);
}

/* The requests, by their second word and the number of words. */
static const struct action {
    const char *word;
    size_t words; /* of the request */
    void (*run)(struct task *task);
} actions[] = {
    {"ls", 2, do_list},     {"find", 3, do_find},  {"rm", 3, do_remove},     {"pin", 3, do_pin},
    {"unpin", 3, do_unpin}, {"gc", 2, do_collect}, {"verify", 4, do_verify},
};

/* 0: t->row is the file that is meant. Otherwise the reply says what is wrong. */
static int find_blob(struct task *t)
{
    int r = inventory_find(t->inventory, t->blob, &t->row);
    if (r == 0)
        return 0;
    auto_free char *message =
        str_printf(r == INVENTORY_NONE ? "%s: nothing in the cache has this name"
                                       : "%s: several files have this name",
                   t->blob);
    open_reply(t->reply, CODE_FAILED, message ? message : "");
    write_rows(t->reply, t->inventory, t->blob, NULL);
    buf_putc(t->reply, '}');
    return r;
}

void control_cache(struct engine *engine, const struct control_request *request,
                   const _Atomic bool *stop, struct buf *reply)
{
    const struct action *action = NULL;
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (request->count == actions[i].words && strcmp(request->words[1], actions[i].word) == 0)
            action = &actions[i];
    if (!action) {
        control_refuse(reply, CODE_USAGE, "there is no such request");
        return;
    }
    AUTO(inventory_free) struct inventory *inventory = NULL;
    int r = inventory_new(engine_files(engine), &inventory);
    if (r) {
        control_refuse(reply, CODE_FAILED, error_text(r));
        return;
    }
    struct task task = {.files = engine_files(engine),
                        .blob = request->count > 2 ? request->words[2] : NULL,
                        .stop = stop,
                        .inventory = inventory,
                        .reply = reply};
    if (request->count > 3)
        task.rate_bytes_s = strtoll(request->words[3], NULL, 10);
    if (!task.blob || find_blob(&task) == 0)
        action->run(&task);
}
