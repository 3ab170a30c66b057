// SPDX-License-Identifier: Apache-2.0
/*
 * The page is searched as text, not parsed: it is our own, so its form is known, and an HTTP worker
 * cannot wait for a parser. Only names that begin like the wanted release are taken apart. The hint
 * then names what the page has for the same platform, or else the platforms that exist.
 */
#include "index/hint.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/near.h"
#include "index/tags.h"
#include "index/version.h"

enum { LABELS_MAX = 32, NEAR_LETTERS = 2, NEAR_LEAST_BYTES = 4 };

/* Labels of wheels, each once. */
struct labels {
    char list[LABELS_MAX][NAME_MAX_BYTES + 1];
    size_t count;
};

/* Each label once; beyond LABELS_MAX the sentence would be too long anyway. */
static void add_label(struct labels *labels, const char *label)
{
    size_t i = 0;

    while (i < labels->count && strcmp(labels->list[i], label) != 0)
        i++;
    if (i == labels->count && i < LABELS_MAX)
        memcpy(labels->list[labels->count++], label, strlen(label) + 1);
}

static int by_python(const void *a, const void *b)
{
    return python_label_compare(a, b);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void write_labels(struct labels *labels, int (*order)(const void *, const void *),
                         struct buf *to)
{
    qsort(labels->list, labels->count, sizeof(*labels->list), order);
    for (size_t i = 0; i < labels->count; i++)
        buf_printf(to, "%s%s", i ? ", " : "", labels->list[i]);
}

/* The wheels of one release on a page, grouped by label. */
struct release {
    const char *file;
    size_t prefix; /* bytes of `file` up to the dash after its version */
    char python[NAME_MAX_BYTES + 1], platform[NAME_MAX_BYTES + 1];
    struct labels pythons; /* for that platform */
    struct labels platforms;
    bool is_listed;
};

/* Labels instead of tags: people think in "cp313" and "win_amd64". */
static void take_wheel(struct release *r, const char *name)
{
    struct wheel_tags tags;
    char python[NAME_MAX_BYTES + 1];
    char platform[NAME_MAX_BYTES + 1];

    if (!wheel_tags_parse(name, &tags))
        return;
    wheel_tags_python_label(&tags, python);
    wheel_tags_platform_label(&tags, platform);
    add_label(&r->platforms, platform);
    if (strcmp(platform, r->platform) == 0)
        add_label(&r->pythons, python);
    if (strcmp(name, r->file) == 0)
        r->is_listed = true;
}

/* File names are the texts of the page's links. */
static void read_page(struct release *r, const char *page)
{
    const char *end;

    for (const char *p = page; (p = strstr(p, "\">")) && (end = strchr(p, '<')); p = end) {
        char name[NAME_MAX_BYTES + 1];
        size_t len = (size_t)(end - (p += 2));

        if (len > NAME_MAX_BYTES || strncasecmp(p, r->file, r->prefix) != 0)
            continue;
        memcpy(name, p, len);
        name[len] = '\0';
        take_wheel(r, name);
    }
}

/* Writes the first and the last of "versions":["2.6.0+cu126","2.9.0+cu126"]. */
static void write_versions(const char *version, const char *page, struct buf *to)
{
    static const char key[] = "\"versions\":[\"";
    const char *start = strstr(page, key);
    const char *end = start ? strchr(start, ']') : NULL;
    const char *last = end;

    if (!end || end[-1] != '"')
        return;
    start += strlen(key);
    for (last = end - 1; last[-1] != '"'; last--)
        ;
    size_t first_len = strcspn(start, "\"");
    size_t last_len = strcspn(last, "\"");
    buf_printf(to, "there is no wheel of %s; there are %.*s to %.*s", version, (int)first_len,
               start, (int)last_len, last);
}

/* The same platform is the more helpful answer. */
static void write_release(struct release *r, const char *version, struct buf *to)
{
    buf_printf(to, "there is no %s wheel of %s for %s; there are ", r->python, version,
               r->platform);
    if (r->pythons.count)
        write_labels(&r->pythons, by_python, to);
    else
        write_labels(&r->platforms, by_name, to);
}

static size_t release_prefix(const char *file)
{
    const char *dash = strchr(file, '-');

    dash = dash ? strchr(dash + 1, '-') : NULL;
    return dash ? (size_t)(dash + 1 - file) : 0;
}

/* Only wheels: an sdist's name has nothing to compare. */
void hint_of_file(const char *file, const char *html_page, const char *json_page, struct buf *to)
{
    struct release r = {.file = file, .prefix = release_prefix(file)};
    struct wheel_tags tags;
    struct file_name name;

    if (strlen(html_page) > HINT_MAX_PAGE || !wheel_tags_parse(file, &tags) ||
        file_name_parse(file, &name))
        return;
    wheel_tags_python_label(&tags, r.python);
    wheel_tags_platform_label(&tags, r.platform);
    read_page(&r, html_page);
    if (!r.platforms.count)
        write_versions(name.version, json_page, to);
    else if (!r.is_listed)
        write_release(&r, name.version, to);
    file_name_release(&name);
}

/* ---------------------------------------------------------------- misspelling */

/* Short names get one letter: among four letters two are half the name. */
bool hint_is_near(const char *name, const char *wanted)
{
    size_t a = strlen(name);

    if (a < NEAR_LEAST_BYTES)
        return false;
    return near_distance(name, wanted) <= (a < 2 * NEAR_LEAST_BYTES ? 1 : NEAR_LETTERS);
}
