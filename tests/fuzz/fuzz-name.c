// SPDX-License-Identifier: Apache-2.0
/* Any lines as projects, file names (wheels, sdists) and versions: normal forms are fixed points,
 * and the order of versions is one. */
#include "fuzz.h"
#include "index/version.h"

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
    char normal[NAME_MAX_BYTES + 1];

    require(file_name_parse(text, &name) == 0);
    require((name.kind == FILE_OTHER) == (name.project == NULL));
    require((name.kind == FILE_OTHER) == (name.version == NULL));
    /* An sdist may begin with anything; what is a name is a normal one. */
    if (name.project && name_normalize(name.project, normal) == 0)
        require(strcmp(name.project, normal) == 0);
    if (name.kind == FILE_WHEEL || name.kind == FILE_SDIST) {
        require(version_normalize(name.version, normal) == 0);
        require(strcmp(name.version, normal) == 0);
    }
    file_name_release(&name);
}

/* A total order, or qsort would not sort. */
static void check_order(const char *a, const char *b, const char *c)
{
    int ab = version_compare(a, b);
    int bc = version_compare(b, c);

    require((ab > 0) == (version_compare(b, a) < 0));
    require((ab == 0) == (version_compare(b, a) == 0));
    if (ab <= 0 && bc <= 0)
        require(version_compare(a, c) <= 0 && (version_compare(a, c) == 0) == (ab == 0 && bc == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_free char *text = fuzz_text(data, size);
    char *rest = text;
    const char *names[3] = {"", "", ""};

    for (size_t i = 0; i < 3 && rest; i++) {
        names[i] = fuzz_line(&rest);
        check_name(names[i]);
        check_file(names[i]);
        check_version(names[i]);
    }
    check_order(names[0], names[1], names[2]);
    check_order(names[2], names[0], names[1]);
    return 0;
}
