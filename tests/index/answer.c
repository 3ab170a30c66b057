// SPDX-License-Identifier: Apache-2.0
/*
 * Answers questions about versions and tags, one a line, its words parted by tabs, so that another
 * program can compare what we say with what it says itself (tests/e2e/pages/test_packaging.py):
 *
 *     version TEXT                      normal form, a space, `pre` or `final`; or `-`
 *     compare A B                       -1, 0 or 1
 *     contain SPECIFIERS VERSION        yes, no or `-` (no specifiers)
 *     prerelease SPECIFIERS             yes, no or `-`
 *     tags PYTHON PLATFORM GLIBC        all tags, best first, parted by spaces; or `-`
 *     target PYTHON PLATFORM GLIBC      (no answer) what `rank` is asked for from here on
 *     rank FILE                         a number; `-` when it is no wheel
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "index/specifier.h"
#include "index/tags.h"
#include "index/version.h"

static struct tags *target;

static void say(const char *text)
{
    (void)puts(text);
}

static void on_version(const char *text)
{
    char normal[NAME_MAX_BYTES + 1];

    if (version_normalize(text, normal))
        say("-");
    else
        (void)printf("%s %s\n", normal, version_is_prerelease(text) ? "pre" : "final");
}

static void on_compare(const char *a, const char *b)
{
    int c = version_compare(a, b);

    (void)printf("%d\n", (c > 0) - (c < 0));
}

static void on_specifiers(const char *text, const char *version)
{
    struct specifiers *s;

    if (specifiers_parse(text, &s)) {
        say("-");
        return;
    }
    bool yes = version ? specifiers_contain(s, version) : specifiers_name_prerelease(s);
    say(yes ? "yes" : "no");
    specifiers_free(s);
}

static int expand(char *const *words, struct tags **ret)
{
    return tags_expand(words[1], words[2], (int)strtol(words[3], NULL, 10), ret);
}

static void on_tags(char *const *words)
{
    char tag[3 * (TAG_MAX_BYTES + 1)];
    struct tags *tags;

    if (expand(words, &tags)) {
        say("-");
        return;
    }
    for (size_t i = 0; i < tags_count(tags); i++) {
        tags_write(tags, i, tag);
        (void)printf("%s ", tag);
    }
    say("");
    tags_free(tags);
}

static void on_rank(const char *file)
{
    struct wheel_tags wheel;

    if (!target || !wheel_tags_parse(file, &wheel))
        say("-");
    else
        (void)printf("%d\n", tags_rank(target, &wheel));
}

static void answer(char *const *words)
{
    if (!strcmp(words[0], "version")) {
        on_version(words[1]);
    } else if (!strcmp(words[0], "compare")) {
        on_compare(words[1], words[2]);
    } else if (!strcmp(words[0], "contain")) {
        on_specifiers(words[1], words[2]);
    } else if (!strcmp(words[0], "prerelease")) {
        on_specifiers(words[1], NULL);
    } else if (!strcmp(words[0], "tags")) {
        on_tags(words);
    } else if (!strcmp(words[0], "rank")) {
        on_rank(words[1]);
    } else if (!strcmp(words[0], "target")) {
        tags_free(target);
        target = NULL;
        if (expand(words, &target))
            exit(EXIT_FAILURE);
    } else {
        exit(EXIT_FAILURE);
    }
}

int main(void)
{
    auto_free char *line = NULL;
    size_t size = 0;
    ssize_t len;

    while ((len = getline(&line, &size, stdin)) > 0) {
        static char none[1];
        char *words[4] = {none, none, none, none};
        char *rest = line;

        line[len - 1] = '\0';
        for (size_t i = 0; i < 4 && rest; i++)
            words[i] = strsep(&rest, "\t");
        answer(words);
    }
    tags_free(target);
    return fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}
