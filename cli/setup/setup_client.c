// SPDX-License-Identifier: Apache-2.0
/*
 * To add a client: a function that fills its change, a function that finds its file, a row in the
 * table. The change is data (cli/setup/edit.h), so printing, writing and undoing work without code
 * for the client.
 */
#include "cli/setup/setup_client.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "base/url.h"
#include "config/user.h"

/* pip refuses plain http from another machine unless its host is trusted. */
static void fill_pip(const struct setup_goal *goal, const char *path, struct edit *ret)
{
    (void)path;
    *ret =
        (struct edit){.format = EDIT_INI,
                      .heading = "[global]",
                      .keys = {{"index-url", goal->url, false}, {"trusted-host", goal->host, true}},
                      .key_count = url_is_loopback(goal->host) ? 1 : 2};
}

/* One named element, so that it can be found again. */
static void fill_uv(const struct setup_goal *goal, const char *path, struct edit *ret)
{
    bool in_pyproject = path && str_ends(path, "pyproject.toml");

    *ret = (struct edit){.heading = in_pyproject ? "[[tool.uv.index]]" : "[[index]]",
                         .keys = {{"name", "\"wheelyard\"", false},
                                  {"url", goal->quoted, false},
                                  {"default", "true", false}},
                         .key_count = 3};
}

/* pixi silently ignores [pypi-options] in a pyproject.toml. */
static void fill_pixi(const struct setup_goal *goal, const char *path, struct edit *ret)
{
    bool in_pyproject = path && str_ends(path, "pyproject.toml");

    *ret = (struct edit){.heading = in_pyproject ? "[tool.pixi.pypi-options]" : "[pypi-options]",
                         .keys = {{"index-url", goal->quoted, false}},
                         .key_count = 1};
}

/* "primary" makes Poetry ask it first and not pypi.org. */
static void fill_poetry(const struct setup_goal *goal, const char *path, struct edit *ret)
{
    (void)path;
    *ret = (struct edit){.heading = "[[tool.poetry.source]]",
                         .keys = {{"name", "\"wheelyard\"", false},
                                  {"url", goal->quoted, false},
                                  {"priority", "\"primary\"", false}},
                         .key_count = 3};
}

/* A source called pypi replaces the public one. */
static void fill_source(const char *heading, const struct setup_goal *goal, struct edit *ret)
{
    *ret = (struct edit){.heading = heading,
                         .keys = {{"name", "\"pypi\"", false},
                                  {"url", goal->quoted, false},
                                  {"verify_ssl", "false", false}},
                         .key_count = 3};
}

static void fill_pdm(const struct setup_goal *goal, const char *path, struct edit *ret)
{
    (void)path;
    fill_source("[[tool.pdm.source]]", goal, ret);
}

static void fill_pipenv(const struct setup_goal *goal, const char *path, struct edit *ret)
{
    (void)path;
    fill_source("[[source]]", goal, ret);
}

/* --------------------------------------------------------------------- files */

static char *in_config_home(const char *rest, const char **ret_why)
{
    *ret_why = "HOME is not set";
    return user_in_config_home(rest);
}

/* The first of two files that exists in this folder; NULL as the second when there is only one. */
static char *in_folder(const char *first, const char *second, const char *none,
                       const char **ret_why)
{
    *ret_why = none;
    if (access(first, F_OK) == 0)
        return strdup(first);
    return second && access(second, F_OK) == 0 ? strdup(second) : NULL;
}

/* PIP_CONFIG_FILE is the user's choice, so it is followed. */
static char *find_pip(const struct setup_goal *goal, const char **ret_why)
{
    const char *named = user_environment("PIP_CONFIG_FILE");

    (void)goal;
    return named && strcmp(named, "/dev/null") != 0 ? strdup(named)
                                                    : in_config_home("pip/pip.conf", ret_why);
}

/* With a uv.toml in the folder, uv ignores pyproject.toml. */
static char *find_uv(const struct setup_goal *goal, const char **ret_why)
{
    return goal->in_project ? in_folder("uv.toml", "pyproject.toml",
                                        "this folder has no pyproject.toml and no uv.toml", ret_why)
                            : in_config_home("uv/uv.toml", ret_why);
}

static char *find_pixi(const struct setup_goal *goal, const char **ret_why)
{
    (void)goal;
    return in_folder("pixi.toml", "pyproject.toml",
                     "this folder has no pyproject.toml and no pixi.toml", ret_why);
}

static char *find_pyproject(const struct setup_goal *goal, const char **ret_why)
{
    (void)goal;
    return in_folder("pyproject.toml", NULL, "this folder has no pyproject.toml", ret_why);
}

static char *find_pipfile(const struct setup_goal *goal, const char **ret_why)
{
    (void)goal;
    return in_folder("Pipfile", NULL, "this folder has no Pipfile", ret_why);
}

/* ------------------------------------------------------------------- clients */

const struct setup_client setup_clients[] = {
    {.name = "pip",
     .places = "# ~/.config/pip/pip.conf                         Linux\n"
               "# ~/Library/Application Support/pip/pip.conf     macOS\n"
               "# %APPDATA%\\pip\\pip.ini                          Windows\n",
     .fill = fill_pip,
     .find = find_pip,
     .install = "pip install",
     .run = "",
     .is_of_user = true},
    {.name = "uv",
     .places = "# ~/.config/uv/uv.toml                           Linux, macOS\n"
               "# %APPDATA%\\uv\\uv.toml                           Windows\n"
               "# or pyproject.toml of a project, as [[tool.uv.index]]: --project\n",
     .fill = fill_uv,
     .find = find_uv,
     .install = "uv pip install",
     .run = "uv run ",
     .url_key = 1,
     .is_toml = true,
     .is_of_user = true,
     .has_project = true},
    {.name = "pixi",
     .places = "# pixi.toml of the project; in its pyproject.toml: [tool.pixi.pypi-options]\n",
     .fill = fill_pixi,
     .find = find_pixi,
     .install = "pixi add --pypi",
     .run = "pixi run ",
     .is_toml = true,
     .has_project = true},
    {.name = "poetry",
     .places = "# pyproject.toml of the project\n",
     .fill = fill_poetry,
     .find = find_pyproject,
     .install = "poetry add",
     .run = "poetry run ",
     .url_key = 1,
     .is_toml = true,
     .has_project = true},
    {.name = "pdm",
     .places = "# pyproject.toml of the project\n",
     .fill = fill_pdm,
     .find = find_pyproject,
     .install = "pdm add",
     .run = "pdm run ",
     .url_key = 1,
     .is_toml = true,
     .has_project = true},
    {.name = "pipenv",
     .places =
         "# Pipfile of the project; or, and the project knows nothing of it, this address in\n"
         "# the environment: PIPENV_PYPI_MIRROR\n",
     .fill = fill_pipenv,
     .find = find_pipfile,
     .install = "pipenv install",
     .run = "pipenv run ",
     .url_key = 1,
     .is_toml = true,
     .has_project = true},
};
const size_t setup_client_count = sizeof setup_clients / sizeof *setup_clients;

const struct setup_client *setup_client_find(const char *name)
{
    for (size_t i = 0; i < setup_client_count; i++)
        if (name && strcmp(setup_clients[i].name, name) == 0)
            return &setup_clients[i];
    return NULL;
}
