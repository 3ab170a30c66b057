// SPDX-License-Identifier: Apache-2.0
/* Any bytes as advisories, after a first line with a project and a version: the answer does not
 * depend on the local part of the version. */
#include <stdio.h>

#include "base/error.h"
#include "fuzz.h"
#include "index/advisories.h"
#include "index/version.h"

static void look_up(const struct advisories *a, const char *project, const char *version)
{
    char normal[NAME_MAX_BYTES + 1], local[NAME_MAX_BYTES + 8];
    struct advisory found;
    bool is_affected = advisories_find(a, project, version, &found);

    require(!is_affected || (found.id && found.summary));
    if (version_normalize(version, normal))
        return;
    (void)snprintf(local, sizeof(local), "%s%s", normal, strchr(normal, '+') ? ".x" : "+x");
    require(strlen(local) > NAME_MAX_BYTES ||
            advisories_find(a, project, local, &found) == is_affected);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *end = size ? memchr(text, '\n', size) : NULL;
    char project[NAME_MAX_BYTES + 1] = "", version[NAME_MAX_BYTES + 1] = "";
    struct advisories *a;
    size_t line = end ? (size_t)(end - text) : 0;

    if (end && line < sizeof(project)) {
        char first[NAME_MAX_BYTES + 1] = "";
        memcpy(first, text, line);
        (void)sscanf(first, "%255s %255s", project, version);
    }
    if (end)
        line++;
    int r = advisories_parse(text + line, size - line, &a);
    require(r == 0 || r == ERROR_BAD_LISTING || r == ERROR_TOO_BIG);
    if (r)
        return 0;
    look_up(a, project, version);
    look_up(a, "evil", version);
    for (size_t i = 0; i < ADVISORIES_PROBLEMS_MOST; i++)
        require(!advisories_problem(a, i) == (i >= advisories_problem_count(a)));
    advisories_free(a);
    return 0;
}
