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

static struct origin list[] = {
    {.name = pytorch, .canonical = whl, .aliases = aliases, .channels = channels, .owns = owns},
    {.name = pypi,
     .canonical = packages,
     .pages = pages,
     .aliases = none,
     .channels = none,
     .owns = none},
};
static struct named_index indexes[] = {{.name = lab, .origins = lab_origins}};

const struct origins fake_origins = {
    .list = list, .count = 2, .indexes = indexes, .index_count = 1};
