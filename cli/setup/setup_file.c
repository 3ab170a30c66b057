// SPDX-License-Identifier: Apache-2.0
/*
 * What is printed and what is written are the same change (struct edit). Writing goes through these
 * steps:
 *
 * - the file is opened once (base/place.h) and read;
 * - the change is applied in memory, and the result must still be readable TOML;
 * - the old text becomes a copy NAME.bak;
 * - the new text replaces the file, and the diff is printed.
 *
 * Undoing recognises what was written by its URL, and searches the copies for the text before it. A
 * copy that is restored exactly is removed.
 */
#include "cli/setup/setup_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/place.h"
#include "base/str.h"
#include "base/terminal.h"
#include "base/toml.h"
#include "base/url.h"
#include "cli/doctor/doctor_stage.h"
#include "control/findings.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1 };
enum { FILE_MAX_BYTES = 4 << 20 };
static const char copy_suffix[] = ".bak";

static int failed(const char *path, const char *why)
{
    (void)fprintf(stderr, "wheelyard setup: %s: %s\n", path, why);
    return EXIT_FAILED;
}

static int print(const struct buf *text)
{
    terminal_clean(text->data, text->len);
    bool failed = text->error || fputs(text->data, stdout) < 0 || fflush(stdout);
    return failed ? EXIT_FAILED : EXIT_DONE;
}

/* ------------------------------------------------------------------ comments */

static void write_check(const struct setup_client *client, const struct setup_goal *goal,
                        struct buf *to)
{
    if (goal->has_torch)
        buf_printf(to,
                   "# install: %s torch\n"
                   "# verify:  %spython -c \"import torch; print(torch.__version__, "
                   "torch.version.cuda, torch.cuda.is_available())\"\n",
                   client->install, client->run);
    else
        buf_printf(to, "# install: %s requests\n# verify:  %spython -c \"import requests\"\n",
                   client->install, client->run);
}

/* Other settings of the client that lead past the index, as doctor finds them. */
static void write_warnings(const struct setup_client *client, const struct setup_goal *goal,
                           struct buf *to)
{
    struct findings findings = {.error = 0};
    struct doctor_stage stage;

    if (doctor_stage_init(&stage, &findings))
        return;
    doctor_stage_add_url(&stage, goal->url);
    stage.index_url = goal->url;
    stage.setup = "";
    if (strcmp(client->name, "pip") == 0)
        doctor_pip(&stage);
    else if (strcmp(client->name, "uv") == 0)
        doctor_uv(&stage);
    else if (strcmp(client->name, "pixi") == 0)
        doctor_pixi(&stage);
    for (size_t i = 0; i < findings.count; i++) {
        const struct finding *f = &findings.list[i];
        bool is_extra = strcmp(f->check, "client-extra-index") == 0;

        if (f->state == FINDING_OK || strcmp(f->check, "client-index") == 0)
            continue;
        buf_printf(to, "# warning: %s%s -> %s\n", f->text,
                   is_extra ? "; a name can come from either index" : "",
                   f->remedy ? f->remedy : "");
    }
    doctor_stage_release(&stage);
    findings_release(&findings);
}

static void write_remarks(const struct setup_client *client, const struct setup_goal *goal,
                          struct buf *to)
{
    write_check(client, goal, to);
    if (client->is_of_user && client->has_project && !goal->in_project)
        buf_puts(to, "# uv.lock of every project of yours will hold this address from now on; "
                     "--project sets it\n# in this folder's project alone\n");
    write_warnings(client, goal, to);
}

/* ------------------------------------------------------------------ printing */

/* The file's own form of the change, or the general one when there is no file. */
int setup_print(const struct setup_client *client, const struct setup_goal *goal)
{
    const char *why;
    auto_free char *path =
        goal->in_project || !client->is_of_user ? client->find(goal, &why) : NULL;
    auto_buf struct buf text;
    struct edit edit;

    buf_init(&text, FILE_MAX_BYTES);
    client->fill(goal, path, &edit);
    if (path)
        buf_printf(&text, "# %s of this folder\n", path);
    else
        buf_puts(&text, client->places);
    edit_write(&edit, &text);
    buf_putc(&text, '\n');
    write_remarks(client, goal, &text);
    return print(&text);
}

/* ------------------------------------------------------------------- looking */

/* Whether another index of uv is the default already; two are an error to uv. */
static bool has_other_default(const struct toml_node *indexes)
{
    for (size_t i = 0; i < toml_count(indexes); i++) {
        const struct toml_node *index = toml_at(indexes, i, NULL);
        const char *name = toml_string(toml_get(index, "name"));

        if (toml_boolean(toml_get(index, "default")) && (!name || strcmp(name, "wheelyard") != 0))
            return true;
    }
    return false;
}

static bool has_two_defaults(const char *path, const struct toml_node *root)
{
    bool in_pyproject = str_ends(path, "pyproject.toml");

    return has_other_default(
        toml_get(in_pyproject ? toml_get(toml_get(root, "tool"), "uv") : root, "index"));
}

/* Whether the client can read the result; prints why not. */
static bool is_sound(const char *path, const struct setup_client *client, const struct buf *text,
                     struct buf *remarks)
{
    struct toml_document *document;
    auto_free char *message = NULL;
    int line = 0;

    if (!client->is_toml)
        return true;
    if (toml_parse(text->data, text->len, &document, &message, &line)) {
        (void)fprintf(stderr, "wheelyard setup: %s: cannot be changed here (line %d: %s)\n", path,
                      line, message ? message : "out of memory");
        return false;
    }
    const struct toml_node *root = toml_root(document);
    bool twice = strcmp(client->name, "uv") == 0 && has_two_defaults(path, root);
    if (strcmp(client->name, "pixi") == 0 && str_ends(path, "pyproject.toml") &&
        toml_get(root, "pypi-options"))
        buf_puts(remarks, "# warning: pixi does not read [pypi-options] in a pyproject.toml: take "
                          "it out\n");
    toml_free(document);
    if (twice)
        (void)failed(path, "another index is the default already: take its `default` away first");
    return !twice;
}

/* A first ~/.config/pip is created, with the usual mode. */
static int make_parent(const char *path)
{
    auto_free char *folder = strdup(path);
    char *slash = folder ? strrchr(folder, '/') : NULL;

    if (!folder)
        return ERROR_NO_MEMORY;
    if (!slash || slash == folder)
        return 0;
    *slash = '\0';
    return file_make_directory(folder, 0755);
}

/* Prints what is wrong with the file, or with a link in its place. */
static int failed_at(const char *path, int error)
{
    char target[4096];
    ssize_t len = readlink(path, target, sizeof target - 1);

    if (len < 0)
        return failed(path, error_text(error));
    target[len] = '\0';
    (void)fprintf(stderr,
                  "wheelyard setup: %s: is a link to %s, which is not followed: that is no regular "
                  "file of the link's owner\n",
                  path, target);
    return EXIT_FAILED;
}

/* Opens the file and reads its text. Returns an exit code. */
static int open_file(const char *path, struct place *place, struct buf *old)
{
    int r = place_open(path, place);

    if (r)
        return failed_at(path, r);
    r = place_read(place, old);
    if (r >= 0 && !memchr(old->data, '\0', old->len))
        return EXIT_DONE;
    (void)failed(path, r < 0 ? error_text(r) : "is no text file");
    place_close(place);
    return EXIT_FAILED;
}

/* ------------------------------------------------------------------- writing */

static int write_change(const struct setup_client *client, const struct setup_goal *goal,
                        struct place *place, const struct buf *old)
{
    auto_buf struct buf new;
    auto_buf struct buf text;
    auto_buf struct buf remarks;
    auto_free char *copy = NULL;
    struct edit edit;
    int r = 0;

    buf_init(&new, FILE_MAX_BYTES);
    buf_init(&text, 4 * FILE_MAX_BYTES);
    buf_init(&remarks, FILE_MAX_BYTES);
    client->fill(goal, place->path, &edit);
    edit_apply(&edit, old->data, &new);
    if (new.error)
        return failed(place->path, error_text(new.error));
    if (!is_sound(place->path, client, &new, &remarks))
        return EXIT_FAILED;
    if (place->was_link)
        buf_printf(&text, "# a link: what changes is %s\n", place->path);
    size_t begin = text.len;
    edit_diff(place->path, old->data, new.data, &text);
    bool changes = text.len > begin;
    if (changes && place->exists)
        r = place_copy(place, copy_suffix, old->data, old->len, &copy);
    if (changes && r == 0)
        r = place_replace(place, new.data, new.len);
    if (r < 0)
        return failed(place->path, error_text(r));
    if (!changes)
        buf_printf(&text, "%s: already so\n", place->path);
    if (copy)
        buf_printf(&text, "# the old file: %s\n", copy);
    buf_puts(&text, remarks.data);
    write_remarks(client, goal, &text);
    return print(&text);
}

/* Works without an old file; the change is then the whole file. */
int setup_put(const struct setup_client *client, const struct setup_goal *goal)
{
    const char *why;
    auto_free char *path = client->find(goal, &why);
    auto_buf struct buf old;
    struct place place;

    buf_init(&old, FILE_MAX_BYTES);
    if (!path) {
        (void)fprintf(stderr, "wheelyard setup: %s\n", why);
        return EXIT_FAILED;
    }
    int r = access(path, F_OK) < 0 ? make_parent(path) : 0;
    if (r)
        return failed(path, error_text(r));
    int code = open_file(path, &place, &old);
    if (code != EXIT_DONE)
        return code;
    code = write_change(client, goal, &place, &old);
    place_close(&place);
    return code;
}

/* ------------------------------------------------------------------- undoing */

/* Removes the quotes of a value in place. */
static char *unquote(char *value)
{
    size_t len = value ? strlen(value) : 0;

    if (len >= 2 && (*value == '"' || *value == '\'') && value[len - 1] == *value) {
        value[len - 1] = '\0';
        memmove(value, value + 1, len - 1);
    }
    return value;
}

/* The URL that a file gives the client, if it is one of the daemon's or stands under our own name.
 */
static char *written_url(const struct setup_client *client, const struct setup_goal *goal,
                         const char *path, const char *text, const char *base)
{
    struct edit edit;

    client->fill(goal, path, &edit);
    char *url = unquote(edit_value(&edit, text, client->url_key));
    bool is_named = strcmp(edit.keys[0].value, "\"wheelyard\"") == 0;
    bool is_ours = url && (is_named || (str_starts(url, base) && url[strlen(base)] == '/' &&
                                        str_ends(url, "/simple")));
    if (is_ours)
        return url;
    free(url);
    return NULL;
}

/* The number of the newest copy without our change, and its text; 0: there is none. */
static int find_before(const struct setup_client *client, const struct setup_goal *goal,
                       const struct place *place, const char *base, struct buf *ret,
                       char **ret_path)
{
    int found = 0;

    for (int i = 1; i < PLACE_COPIES_MAX; i++) {
        auto_free char *path = NULL;
        auto_buf struct buf text;

        buf_init(&text, FILE_MAX_BYTES);
        int r = place_read_copy(place, copy_suffix, i, &text, &path);
        if (r == FILE_MISSING)
            break;
        auto_free char *url =
            r == 0 ? written_url(client, goal, place->path, text.data, base) : NULL;
        if (r || url || memchr(text.data, '\0', text.len))
            continue;
        buf_clear(ret);
        buf_add(ret, text.data, text.len);
        free(*ret_path);
        *ret_path = path;
        path = NULL;
        found = i;
    }
    return ret->error ? 0 : found;
}

static int take_out(const struct setup_client *client, const struct setup_goal *goal,
                    struct place *place, const struct buf *text, const char *base)
{
    auto_free char *copy = NULL;
    auto_buf struct buf before;
    auto_buf struct buf new;
    auto_buf struct buf told;
    auto_buf struct buf remarks;
    struct edit edit;

    buf_init(&before, FILE_MAX_BYTES);
    buf_init(&new, 2 * FILE_MAX_BYTES);
    buf_init(&told, 4 * FILE_MAX_BYTES);
    buf_init(&remarks, FILE_MAX_BYTES);
    int number = find_before(client, goal, place, base, &before, &copy);
    bool has_before = number > 0;
    client->fill(goal, place->path, &edit);
    int r = edit_undo(&edit, text->data, has_before ? before.data : NULL, &new);
    if (r == EDIT_MIXED)
        return failed(place->path, "more than setup wrote stands in that section now: take it out "
                                   "by hand");
    if (r == 0 && !is_sound(place->path, client, &new, &remarks))
        return EXIT_FAILED;
    edit_diff(place->path, text->data, new.data, &told);
    bool is_restored = has_before && strcmp(before.data, new.data) == 0;
    if (r == 0)
        r = new.len || has_before ? place_replace(place, new.data, new.len) : place_remove(place);
    if (r < 0)
        return failed(place->path, error_text(r));
    if (!new.len && !has_before)
        buf_printf(&told, "# %s had nothing else in it, and is removed\n", place->path);
    if (is_restored) {
        place_remove_copy(place, copy_suffix, number);
        buf_printf(&told, "# it is what it was: %s is removed\n", copy);
    }
    return print(&told);
}

/* Undoes with the goal as it was when the file was written. */
static int undo_at(const struct setup_client *client, const struct setup_goal *goal,
                   struct place *place, const struct buf *text, const char *url, const char *host,
                   const char *base)
{
    auto_free char *quoted = str_printf("\"%s\"", url);
    struct setup_goal written = *goal;

    if (!quoted)
        return EXIT_FAILED;
    written.url = url;
    written.quoted = quoted;
    written.host = host;
    return take_out(client, &written, place, text, base);
}

/* The written URL may name another index than the one given now. */
int setup_undo(const struct setup_client *client, const struct setup_goal *goal, const char *base)
{
    const char *why;
    auto_free char *path = client->find(goal, &why);
    auto_buf struct buf text;
    struct place place;

    buf_init(&text, FILE_MAX_BYTES);
    if (!path) {
        (void)fprintf(stderr, "wheelyard setup: %s\n", why);
        return EXIT_FAILED;
    }
    if (access(path, F_OK) < 0)
        return failed(path, "there is no such file: nothing to undo");
    int code = open_file(path, &place, &text);
    if (code != EXIT_DONE)
        return code;
    auto_free char *url = written_url(client, goal, place.path, text.data, base);
    struct url parts;
    if (url && url_parse(url, &parts) == 0) {
        code = undo_at(client, goal, &place, &text, url, parts.host, base);
        url_release(&parts);
    } else {
        (void)fprintf(stderr,
                      "wheelyard setup: %s: names no index of %s: nothing to undo (--url names "
                      "another address)\n",
                      place.path, base);
        code = EXIT_FAILED;
    }
    place_close(&place);
    return code;
}
