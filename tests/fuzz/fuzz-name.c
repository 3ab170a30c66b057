// SPDX-License-Identifier: Apache-2.0
/* Any text as a project, a file name and two versions: normal forms are fixed points, and the order
 * is one. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "index/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool what)
{
    if (!what)
        abort();
}

static void check_name(const char *text)
{
    char normal[NAME_MAX_BYTES + 1];
    char again[NAME_MAX_BYTES + 1];

    if (name_normalize(text, normal) < 0)
        return;
    require(name_normalize(normal, again) == 0);
    require(strcmp(normal, again) == 0);
}

static void check_version(const char *text)
{
    char normal[NAME_MAX_BYTES + 1];
    char again[NAME_MAX_BYTES + 1];

    require(version_compare(text, text) == 0);
    if (version_normalize(text, normal) < 0)
        return;
    require(version_normalize(normal, again) == 0);
    require(strcmp(normal, again) == 0);
    require(version_compare(text, normal) == 0);
}

static void check_file(const char *text)
{
    struct file_name name;

    require(file_name_parse(text, &name) == 0);
    require((name.kind == FILE_OTHER) == (name.project == NULL));
    require((name.kind == FILE_OTHER) == (name.version == NULL));
    file_name_release(&name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    char *comma;

    require(text != NULL);
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    check_name(text);
    check_file(text);
    check_version(text);
    comma = strchr(text, ',');
    if (comma) {
        *comma = '\0';
        check_version(comma + 1);
        require((version_compare(text, comma + 1) > 0) == (version_compare(comma + 1, text) < 0));
    }
    free(text);
    return 0;
}
