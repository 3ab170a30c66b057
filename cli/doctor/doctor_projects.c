// SPDX-License-Identifier: Apache-2.0
/* pixi, Poetry and PDM: the configuration of the project in this folder. pixi also has a
 * configuration of its own, whose [mirrors] may redirect any URL of a project to us. A project
 * without a table of the client is skipped: it does not use it. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "cli/doctor/doctor_stage.h"
#include "config/user.h"

enum { PIXI_FILES = 4 };

static const char official[] = "https://pypi.org/simple";

/* -------------------------------------------------------------------- pixi */

/* pixi's own configuration files. */
struct pixi {
    struct doctor_stage *stage;
    struct toml_document
        *files[PIXI_FILES]; /* pixi's configuration files; a later one outranks an earlier one */
};

/* The target to which [mirrors] sends a URL: the longest prefix in the highest file; NULL: none. */
static const char *mirror_of(const struct pixi *pixi, const char *url)
{
    const char *best = NULL;
    size_t best_len = 0;

    for (int f = PIXI_FILES; f-- > 0 && !best;) {
        const struct toml_node *mirrors =
            pixi->files[f] ? toml_get(toml_root(pixi->files[f]), "mirrors") : NULL;

        for (size_t i = 0; i < toml_count(mirrors); i++) {
            const char *prefix;
            const struct toml_node *targets = toml_at(mirrors, i, &prefix);
            const char *target = toml_string(toml_at(targets, 0, NULL));
            size_t len = strlen(prefix);

            while (len && prefix[len - 1] == '/')
                len--;
            if (target && len > best_len && strncmp(prefix, url, len) == 0 &&
                (!url[len] || url[len] == '/')) {
                best = target;
                best_len = len;
            }
        }
    }
    return best;
}

static bool leads_to_us(const struct pixi *pixi, const char *url)
{
    return doctor_is_ours(pixi->stage, url) || doctor_is_ours(pixi->stage, mirror_of(pixi, url));
}

static void take_pixi_list(struct pixi *pixi, const struct toml_node *list, const char *check,
                           const char *what, const char *where)
{
    for (size_t i = 0; i < toml_count(list); i++) {
        const struct toml_node *node = toml_at(list, i, NULL);
        const char *url = toml_string(node);

        url = url ? url : toml_string(toml_get(node, "url"));
        if (url && !leads_to_us(pixi, url))
            doctor_bypass(pixi->stage, "pixi", check, what, url, where);
    }
}

static void take_pypi_options(struct pixi *pixi, const struct toml_node *options, const char *where)
{
    take_pixi_list(pixi, toml_get(options, "extra-index-urls"), "client-extra-index",
                   "extra-index-urls", where);
    take_pixi_list(pixi, toml_get(options, "find-links"), "client-find-links", "find-links", where);
}

/* `torch = { version = "*", index = "https://..." }` */
static void take_dependencies(struct pixi *pixi, const struct toml_node *table, const char *where)
{
    for (size_t i = 0; i < toml_count(table); i++) {
        const char *name;
        const char *url = toml_string(toml_get(toml_at(table, i, &name), "index"));

        if (url && !leads_to_us(pixi, url))
            doctor_bypass(pixi->stage, "pixi", "client-pinned-index", name, url, where);
    }
}

/* Features have options of their own, which add to those of the project. */
static void take_manifest(struct pixi *pixi, const struct toml_node *root, const char *where)
{
    const struct toml_node *options = toml_get(root, "pypi-options");
    const struct toml_node *features = toml_get(root, "feature");
    const char *index = toml_string(toml_get(options, "index-url"));
    const char *asked = index ? index : official;

    if (!doctor_is_ours(pixi->stage, asked) && leads_to_us(pixi, asked))
        findings_add(pixi->stage->to, FINDING_OK, "client-index", "pixi", NULL,
                     "%s goes to us by [mirrors]", asked);
    else
        (void)doctor_judge_index(pixi->stage, "pixi", "index-url", index, index ? where : NULL);
    take_pypi_options(pixi, options, where);
    take_dependencies(pixi, toml_get(root, "pypi-dependencies"), where);
    for (size_t i = 0; i < toml_count(features); i++) {
        const struct toml_node *feature = toml_at(features, i, NULL);

        take_pypi_options(pixi, toml_get(feature, "pypi-options"), where);
        take_dependencies(pixi, toml_get(feature, "pypi-dependencies"), where);
    }
}

/* A pixi.toml replaces pyproject.toml for pixi. */
static void take_pixi_project(struct pixi *pixi)
{
    struct toml_document *own = doctor_read_toml(pixi->stage, "pixi", "pixi.toml");
    struct toml_document *shared =
        own ? NULL : doctor_read_toml(pixi->stage, "pixi", "pyproject.toml");
    const struct toml_node *tool =
        shared ? toml_get(toml_get(toml_root(shared), "tool"), "pixi") : NULL;

    if (own)
        take_manifest(pixi, toml_root(own), "pixi.toml");
    else if (toml_type(tool) == TOML_TABLE)
        take_manifest(pixi, tool, "pyproject.toml");
    if (own)
        toml_free(own);
    if (shared)
        toml_free(shared);
}

/* Checks [mirrors] for the three sites whose files we have. */
static void judge_mirrors(struct pixi *pixi)
{
    static const char *const sites[] = {"https://pypi.org/simple/",
                                        "https://files.pythonhosted.org/",
                                        "https://download.pytorch.org/whl/"};

    for (size_t i = 0; i < sizeof sites / sizeof *sites; i++) {
        const char *target = mirror_of(pixi, sites[i]);

        if (target && !doctor_is_ours(pixi->stage, target))
            doctor_bypass(pixi->stage, "pixi", "client-mirrors", sites[i], target,
                          "[mirrors] of pixi's config.toml");
    }
}

/* From the machine's file to the project's; a later one outranks. */
void doctor_pixi(struct doctor_stage *stage)
{
    struct pixi pixi = {.stage = stage};
    const char *home = user_environment("PIXI_HOME");
    char *paths[PIXI_FILES] = {
        str_dup("/etc/pixi/config.toml"), user_in_config_home("pixi/config.toml"),
        home ? str_printf("%s/config.toml", home) : user_in_home(".pixi/config.toml"),
        str_dup(".pixi/config.toml")};

    for (int i = 0; i < PIXI_FILES; i++)
        pixi.files[i] = paths[i] ? doctor_read_toml(stage, "pixi", paths[i]) : NULL;
    judge_mirrors(&pixi);
    take_pixi_project(&pixi);
    for (int i = 0; i < PIXI_FILES; i++) {
        if (pixi.files[i])
            toml_free(pixi.files[i]);
        free(paths[i]);
    }
}

/* ------------------------------------------------------------- Poetry and PDM */

static bool is_text(const struct toml_node *table, const char *key, const char *text)
{
    const char *value = toml_string(toml_get(table, key));

    return value && strcmp(value, text) == 0;
}

/* Whether the source is asked only for projects that are pinned to it, or that others lack. */
static bool is_secondary(const struct toml_node *source)
{
    return is_text(source, "priority", "explicit") || is_text(source, "priority", "supplemental") ||
           is_text(source, "priority", "secondary") || toml_boolean(toml_get(source, "secondary"));
}

static bool is_pypi(const struct toml_node *source)
{
    return is_text(source, "name", "pypi");
}

/* Judges each source. True when one of ours is asked for every project. */
static bool take_sources(struct doctor_stage *stage, const char *client,
                         const struct toml_node *sources, bool (*counts)(const struct toml_node *))
{
    bool found = false;

    for (size_t i = 0; i < toml_count(sources); i++) {
        const struct toml_node *source = toml_at(sources, i, NULL);
        const char *name = toml_string(toml_get(source, "name"));
        const char *url = toml_string(toml_get(source, "url"));

        if (url && doctor_is_ours(stage, url))
            found |= counts(source);
        else if (url || (name && strcasecmp(name, "pypi") == 0))
            doctor_bypass(stage, client, "client-extra-index", name ? name : "source",
                          url ? url : official, "pyproject.toml");
    }
    return found;
}

static bool is_primary(const struct toml_node *source)
{
    return !is_secondary(source);
}

static void judge_project(struct doctor_stage *stage, const char *client,
                          bool (*counts)(const struct toml_node *), const char *lack)
{
    struct toml_document *document = doctor_read_toml(stage, client, "pyproject.toml");
    const struct toml_node *tool =
        document ? toml_get(toml_get(toml_root(document), "tool"), client) : NULL;

    if (toml_type(tool) == TOML_TABLE) {
        auto_free char *remedy = str_printf("wheelyard setup %s --write", client);

        if (take_sources(stage, client, toml_get(tool, "source"), counts))
            findings_add(stage->to, FINDING_OK, "client-index", client, NULL,
                         "a source in pyproject.toml leads to us");
        else
            findings_add(stage->to, FINDING_WARNING, "client-index", client, remedy, "%s", lack);
    }
    if (document)
        toml_free(document);
}

void doctor_poetry(struct doctor_stage *stage)
{
    judge_project(stage, "poetry", is_primary,
                  "no primary source in pyproject.toml leads to us: it asks others first");
}

/* PDM adds a source to pypi.org unless it is called pypi; then it replaces it. */
void doctor_pdm(struct doctor_stage *stage)
{
    judge_project(stage, "pdm", is_pypi,
                  "no source called pypi in pyproject.toml leads to us: it asks pypi.org as well");
}
