// SPDX-License-Identifier: Apache-2.0
/* Any lines as specifiers, a requirement and versions: what is admitted does not depend on how a
 * version is spelled, and != is the contrary of ==. */
#include <stdio.h>

#include "base/error.h"
#include "fuzz.h"
#include "index/specifier.h"
#include "index/version.h"

static bool is_expected(int r)
{
    return r == 0 || r == ERROR_BAD_REQUEST || r == ERROR_TOO_BIG;
}

static void check_spelling(const char *text, const struct specifiers *s, const char *version)
{
    char normal[NAME_MAX_BYTES + 1];
    bool admitted = specifiers_contain(s, version);

    if (version_normalize(version, normal) == 0 && !strstr(text, "==="))
        require(specifiers_contain(s, normal) == admitted);
}

static void check_specifiers(const char *text, const char *version)
{
    struct specifiers *s;
    int r = specifiers_parse(text, &s);

    require(is_expected(r));
    if (r)
        return;
    (void)specifiers_name_prerelease(s);
    (void)specifiers_are_pinned(s);
    check_spelling(text, s, version);
    specifiers_free(s);
}

/* One operator and one version. */
static bool admits(const char *operator, const char * named, const char *version)
{
    char text[NAME_MAX_BYTES + 8];
    struct specifiers *s;

    (void)snprintf(text, sizeof text, "%s%s", operator, named);
    require(specifiers_parse(text, &s) == 0);
    bool admitted = specifiers_contain(s, version);
    specifiers_free(s);
    return admitted;
}

static void check_operators(const char *a, const char *b)
{
    char named[NAME_MAX_BYTES + 1];
    char version[NAME_MAX_BYTES + 1];

    if (version_normalize(a, named) || version_normalize(b, version))
        return;
    require(admits("==", named, named) && admits("===", named, named));
    require(admits("!=", named, version) != admits("==", named, version));
    if (strchr(named, '+'))
        return;
    require(admits(">=", named, named) && admits("<=", named, named));
    require(!admits(">", named, named) && !admits("<", named, named));
    require(admits(">=", named, version) == (version_compare(version, named) >= 0));
    if (admits("<", named, version))
        require(admits("<=", named, version));
}

static void check_requirement(const char *text)
{
    char project[NAME_MAX_BYTES + 1];
    char again[NAME_MAX_BYTES + 1];
    struct specifiers *s;
    int r = requirement_parse(text, project, &s);

    require(is_expected(r));
    if (r)
        return;
    require(name_normalize(project, again) == 0 && strcmp(project, again) == 0);
    specifiers_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_free char *text = fuzz_text(data, size);
    char *rest = text;
    const char *lines[3] = {"", "", ""};

    for (size_t i = 0; i < 3 && rest; i++)
        lines[i] = fuzz_line(&rest);
    check_specifiers(lines[0], lines[1]);
    check_specifiers(lines[0], lines[2]);
    check_requirement(lines[0]);
    check_operators(lines[1], lines[2]);
    return 0;
}
