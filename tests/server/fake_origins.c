// SPDX-License-Identifier: Apache-2.0
#include "fake_origins.h"

static char pytorch[] = "pytorch", pypi[] = "pypi", lab[] = "lab";
static char cpu[] = "cpu", cuda[] = "cu*", nightly[] = "nightly/*", torch[] = "torch";

static char whl[] = "https://download.pytorch.org/whl/", r2[] = "https://r2.example/whl/";
static char packages[] = "https://files.pythonhosted.org/", pages[] = "https://pypi.org/simple/";

static char *none[] = {NULL};
static char *aliases[] = {r2, NULL};
static char *channels[] = {cpu, cuda, nightly, NULL};
static char *owns[] = {torch, NULL};
static char *lab_origins[] = {pypi, NULL};

static char flat_name[] = "flat", nju_name[] = "nju", tuna_name[] = "tuna";
static char flat_index[] = "https://flat.example/w/{channel}/";
static char flat_files[] = "https://flat.example/w/";
static char nju_index[] = "https://nju.example/whl/{channel}/{project}/";
static char nju_files[] = "https://nju.example/whl/";
static char parent_name[] = "parent";
static char parent_index[] = "http://parent.example:8503/{channel}/simple/{project}/";
static char parent_files[] = "http://parent.example:8503/files/pytorch/";
static char tuna_index[] = "https://tuna.example/simple/{project}/";
static char tuna_files[] = "https://tuna.example/";
static struct mirror pytorch_mirrors[] = {
    {.name = flat_name, .layout = LAYOUT_FLAT, .index = flat_index, .files = flat_files},
    {.name = nju_name, .layout = LAYOUT_SIMPLE, .index = nju_index, .files = nju_files},
    {.name = parent_name, .layout = LAYOUT_SIMPLE, .index = parent_index, .files = parent_files},
};
static struct mirror pypi_mirrors[] = {
    {.name = tuna_name, .layout = LAYOUT_SIMPLE, .index = tuna_index, .files = tuna_files},
};

static struct origin list[] = {
    {.name = pytorch,
     .canonical = whl,
     .aliases = aliases,
     .channels = channels,
     .owns = owns,
     .mirrors = pytorch_mirrors,
     .mirror_count = 3},
    {.name = pypi,
     .canonical = packages,
     .pages = pages,
     .aliases = none,
     .channels = none,
     .owns = none,
     .mirrors = pypi_mirrors,
     .mirror_count = 1},
};
static struct named_index indexes[] = {{.name = lab, .origins = lab_origins}};

const struct origins fake_origins = {
    .list = list, .count = 2, .indexes = indexes, .index_count = 1};
