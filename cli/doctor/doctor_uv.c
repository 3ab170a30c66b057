// SPDX-License-Identifier: Apache-2.0
/*
 * uv's configuration, by uv's own rules. In descending rank: UV_*, the project's file (uv.toml or
 * [tool.uv] of the nearest folder that has one), the user's file, the machine's file.
 * UV_CONFIG_FILE replaces all files. The first default index is in force. All others are asked
 * before it, unless they are explicit.
 *
 * The sources are read in that order, so the first default that is met is the one that counts.
 */
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "cli/doctor/doctor_stage.h"
#include "config/user.h"

/* What was met so far, in the order of rank. */
struct uv {
    struct doctor_stage *stage;
    bool has_default, has_ours; /* ours: one of our indexes comes before the default */
    bool is_configured;
    bool has_machine_file;
};

static const char client[] = "uv";

/* -------------------------------------------------------------- settings */

static void take_default(struct uv *uv, const char *what, const char *value, const char *where)
{
    uv->is_configured = true;
    if (!uv->has_default)
        (void)doctor_judge_index(uv->stage, client, what, value, where);
    uv->has_default = true;
}

static void take_other(struct uv *uv, const char *check, const char *what, const char *value,
                       const char *where)
{
    uv->is_configured = true;
    if (!doctor_is_ours(uv->stage, value))
        doctor_bypass(uv->stage, client, check, what, value, where);
    else if (strcmp(check, "client-extra-index") == 0)
        uv->has_ours = true;
}

/* An explicit index: only projects that [tool.uv.sources] pins to it use it. */
static void take_explicit(struct uv *uv, const char *value, const char *where)
{
    auto_free char *shown = doctor_shown(value);

    uv->is_configured = true;
    if (!doctor_is_ours(uv->stage, value))
        findings_add(uv->stage->to, FINDING_WARNING, "client-pinned-index", client,
                     "give it one of our channels as its url",
                     "index = %s (%s): what tool.uv.sources pins to it passes us by",
                     shown ? shown : "?", where);
}

/* explicit, default, or asked before the default. */
static void take_indexes(struct uv *uv, const struct toml_node *indexes, const char *where)
{
    for (size_t i = 0; i < toml_count(indexes); i++) {
        const struct toml_node *index = toml_at(indexes, i, NULL);
        const char *url = toml_string(toml_get(index, "url"));

        if (!url)
            continue;
        if (toml_boolean(toml_get(index, "explicit")))
            take_explicit(uv, url, where);
        else if (toml_boolean(toml_get(index, "default")))
            take_default(uv, "index", url, where);
        else
            take_other(uv, "client-extra-index", "index", url, where);
    }
}

static void take_list(struct uv *uv, const struct toml_node *list, const char *check,
                      const char *what, const char *where)
{
    for (size_t i = 0; i < toml_count(list); i++) {
        const char *text = toml_string(toml_at(list, i, NULL));

        if (text)
            take_other(uv, check, what, text, where);
    }
}

static void take_backend(struct uv *uv, const char *value, const char *where)
{
    uv->is_configured = true;
    doctor_bypass(uv->stage, client, "client-torch-backend", "torch-backend", value, where);
}

/* The settings at the top of uv.toml, and in its [pip]. */
static void take_settings(struct uv *uv, const struct toml_node *table, const char *where)
{
    const char *url = toml_string(toml_get(table, "index-url"));
    const char *backend = toml_string(toml_get(table, "torch-backend"));

    take_indexes(uv, toml_get(table, "index"), where);
    if (url)
        take_default(uv, "index-url", url, where);
    take_list(uv, toml_get(table, "extra-index-url"), "client-extra-index", "extra-index-url",
              where);
    take_list(uv, toml_get(table, "find-links"), "client-find-links", "find-links", where);
    if (backend)
        take_backend(uv, backend, where);
    if (toml_boolean(toml_get(table, "no-index")))
        doctor_no_index(uv->stage, client, where);
}

static void take_document(struct uv *uv, const struct toml_node *table, const char *where)
{
    take_settings(uv, toml_get(table, "pip"), where);
    take_settings(uv, table, where);
}

/* -------------------------------------------------------------- environment */

/* A value may be `name=url`; the name is only for uv. */
static void take_words(struct uv *uv, const char *name, const char *separators, const char *check)
{
    const char *value = user_environment(name);
    auto_free char *words = str_dup(value ? value : "");
    char *rest = words;

    for (char *word; rest && (word = strsep(&rest, separators));) {
        char *equals = strchr(word, '=');
        char *slash = strchr(word, '/');

        if (equals && (!slash || equals < slash)) /* name=url */
            word = equals + 1;
        if (*word)
            take_other(uv, check, name, word, name);
    }
}

/* The variables in the order of their rank. */
static void take_environment(struct uv *uv)
{
    static const char *const defaults[] = {"UV_DEFAULT_INDEX", "UV_INDEX_URL"};

    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++) {
        const char *value = user_environment(defaults[i]);
        const char *equals = value ? strchr(value, '=') : NULL;

        if (value && equals && equals < strchrnul(value, '/'))
            value = equals + 1;
        if (value)
            take_default(uv, defaults[i], value, defaults[i]);
    }
    take_words(uv, "UV_INDEX", " \t\n", "client-extra-index");
    take_words(uv, "UV_EXTRA_INDEX_URL", " \t\n", "client-extra-index");
    take_words(uv, "UV_FIND_LINKS", ",", "client-find-links");
    if (doctor_is_yes(user_environment("UV_NO_INDEX")))
        doctor_no_index(uv->stage, client, "UV_NO_INDEX");
    if (user_environment("UV_TORCH_BACKEND"))
        take_backend(uv, user_environment("UV_TORCH_BACKEND"), "UV_TORCH_BACKEND");
}

/* --------------------------------------------------------------------- files */

/* True when the file exists: uv then looks no further, even if it is broken. */
static bool take_file(struct uv *uv, const char *path)
{
    struct toml_document *document = doctor_read_toml(uv->stage, client, path);

    if (!document)
        return access(path, F_OK) == 0;
    take_document(uv, toml_root(document), path);
    toml_free(document);
    return true;
}

/* False without [tool.uv]; a folder above may then have one. */
static bool take_pyproject(struct uv *uv, const char *path)
{
    struct toml_document *document = doctor_read_toml(uv->stage, client, path);
    const struct toml_node *tool =
        document ? toml_get(toml_get(toml_root(document), "tool"), "uv") : NULL;
    bool found = toml_type(tool) == TOML_TABLE;

    if (found)
        take_document(uv, tool, path);
    if (document)
        toml_free(document);
    return found;
}

/* Walks up from this folder to the root, as uv does. */
static void take_project(struct uv *uv)
{
    auto_free char *folder = str_dup(uv->stage->folder);

    for (char *end; folder && *folder; *end = '\0') {
        auto_free char *own = str_printf("%s/uv.toml", folder);
        auto_free char *shared = str_printf("%s/pyproject.toml", folder);

        if (!own || !shared || (access(own, F_OK) == 0 && take_file(uv, own)) ||
            take_pyproject(uv, shared))
            return;
        end = strrchr(folder, '/');
        if (!end)
            return;
    }
}

static void take_machine_file(void *context, const char *path)
{
    struct uv *uv = context;

    if (!uv->has_machine_file && access(path, F_OK) == 0)
        uv->has_machine_file = take_file(uv, path);
}

/* UV_NO_CONFIG switches all files off except a named one. */
static void take_files(struct uv *uv)
{
    const char *named = user_environment("UV_CONFIG_FILE");
    auto_free char *user = user_in_config_home("uv/uv.toml");

    if (named)
        (void)take_file(uv, named);
    if (named || doctor_is_yes(user_environment("UV_NO_CONFIG")))
        return;
    take_project(uv);
    if (user)
        (void)take_file(uv, user);
    user_each_config_dir("uv/uv.toml", take_machine_file, uv);
    take_machine_file(uv, "/etc/uv/uv.toml");
}

/* Without any default uv asks pypi.org for whatever our index lacks. */
void doctor_uv(struct doctor_stage *stage)
{
    struct uv uv = {.stage = stage};

    take_environment(&uv);
    take_files(&uv);
    if (uv.has_default || !(uv.is_configured || user_has_program("uv")))
        return;
    if (uv.has_ours)
        findings_add(stage->to, FINDING_WARNING, "client-index", client,
                     "make our index the default one: UV_DEFAULT_INDEX, or default = true",
                     "names that we do not have are asked of pypi.org");
    else
        (void)doctor_judge_index(stage, client, "index", NULL, NULL);
}
