// SPDX-License-Identifier: Apache-2.0
/*
 * Answers questions about markers and targets, one a line, its words parted by tabs, so that
 * another program can compare what we say with what it says itself (tests/e2e/locks/test_markers.py):
 *
 *     environment VALUE...              (no answer) the strings, in the order of marker_variable
 *     extra|extras|groups NAME...       (no answer) the sets
 *     marker TEXT                       yes, no, `-` (no marker) or `?` (undefined)
 *     names                             the names of the strings, parted by spaces
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "lock/marker.h"

enum { WORDS_MAX = 64 };

struct words {
    char *line; /* which the words point into */
    const char *list[WORDS_MAX];
    size_t count;
};

static struct words environment, extra, extras, groups;

static void split(char *line, struct words *ret)
{
    ret->line = line;
    ret->count = 0;
    for (char *word; ret->count < WORDS_MAX && (word = strsep(&line, "\t"));)
        ret->list[ret->count++] = word;
}

static void answer(const char *text)
{
    struct marker_environment all = {
        .extra = {extra.list + 1, extra.count ? extra.count - 1 : 0},
        .extras = {extras.list + 1, extras.count ? extras.count - 1 : 0},
        .groups = {groups.list + 1, groups.count ? groups.count - 1 : 0}};
    struct marker *marker = NULL;
    bool holds = false;

    for (size_t i = 0; i < MARKER_STRINGS; i++)
        all.strings[i] = i + 1 < environment.count ? environment.list[i + 1] : "";
    if (marker_parse(text, &marker)) {
        (void)puts("-");
        return;
    }
    (void)puts(marker_holds(marker, &all, &holds) ? "?" : holds ? "yes" : "no");
    marker_free(marker);
}

static void keep(struct words *to, const struct words *words)
{
    free(to->line);
    *to = *words;
}

static void on_line(char *line)
{
    struct words words;

    split(line, &words);
    if (!strcmp(words.list[0], "environment")) {
        keep(&environment, &words);
    } else if (!strcmp(words.list[0], "extra")) {
        keep(&extra, &words);
    } else if (!strcmp(words.list[0], "extras")) {
        keep(&extras, &words);
    } else if (!strcmp(words.list[0], "groups")) {
        keep(&groups, &words);
    } else {
        if (!strcmp(words.list[0], "names"))
            for (size_t i = 0; i < MARKER_STRINGS; i++)
                (void)printf("%s%s", marker_variable_name((enum marker_variable)i),
                             i + 1 < MARKER_STRINGS ? " " : "\n");
        else
            answer(words.count > 1 ? words.list[1] : "");
        free(line);
    }
}

int main(void)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t len;

    while ((len = getline(&line, &size, stdin)) > 0) {
        if (line[len - 1] == '\n')
            line[len - 1] = '\0';
        on_line(line);
        line = NULL;
        size = 0;
    }
    free(line);
    free(environment.line);
    free(extra.line);
    free(extras.line);
    free(groups.line);
    return 0;
}
