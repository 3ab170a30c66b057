// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "index/name.h"
#include "index/version.h"
#include "index/wheel.h"

/* The header of METADATA: the lines before the first empty one, in the format of mail headers. Only
 * four fields matter, and the first of each counts. A value with control bytes is dropped, because
 * it would end up on pages. */

static const char *line_end(const char *at, const char *end)
{
    const char *feed = memchr(at, '\n', (size_t)(end - at));
    return feed ? feed : end;
}

/* The value without surrounding blanks; NULL when a page must not show it. */
static char *plain_value(const char *from, const char *to)
{
    while (from < to && (*from == ' ' || *from == '\t'))
        from++;
    while (to > from && (to[-1] == ' ' || to[-1] == '\t' || to[-1] == '\r'))
        to--;
    for (const char *c = from; c < to; c++)
        if ((unsigned char)*c < ' ' || *c == 127)
            return NULL;
    return from < to && to - from <= NAME_MAX_BYTES ? strndup(from, (size_t)(to - from)) : NULL;
}

/* The first occurrence counts, as for installers. */
int wheel_header_read(const char *text, size_t len, struct wheel_header *ret)
{
    struct wheel_header header = {0};
    struct {
        const char *name;
        char **value;
    } fields[] = {{"metadata-version", &header.metadata_version},
                  {"name", &header.name},
                  {"version", &header.version},
                  {"requires-python", &header.requires_python}};
    const char *end = text + len;
    for (const char *at = text, *next; at < end; at = next) {
        const char *to = line_end(at, end), *colon = memchr(at, ':', (size_t)(to - at));
        next = to < end ? to + 1 : end;
        if (to == at || (to == at + 1 && *at == '\r'))
            break; /* the description follows */
        for (size_t i = 0; colon && i < sizeof(fields) / sizeof(fields[0]); i++)
            if (!*fields[i].value && strlen(fields[i].name) == (size_t)(colon - at) &&
                strncasecmp(at, fields[i].name, (size_t)(colon - at)) == 0)
                *fields[i].value = plain_value(colon + 1, to);
    }
    *ret = header;
    return 0;
}

void wheel_header_release(struct wheel_header *header)
{
    free(header->metadata_version);
    free(header->name);
    free(header->version);
    free(header->requires_python);
    *header = (struct wheel_header){0};
}

static bool is_same(int (*normalize)(const char *, char *), const char *said, const char *named)
{
    char normalized[NAME_MAX_BYTES + 1];
    return said && (strcmp(said, named) == 0 ||
                    (normalize(said, normalized) == 0 && strcmp(normalized, named) == 0));
}

/* Names and versions are compared in their normal forms. */
enum wheel_fit wheel_header_compare(const struct wheel_header *header, const char *file)
{
    struct file_name name = {0};
    enum wheel_fit fit = WHEEL_FITS;
    if (file_name_parse(file, &name))
        return fit;
    if (!header->name || (name.project && !is_same(name_normalize, header->name, name.project)))
        fit = WHEEL_OTHER_PROJECT;
    else if (name.version && !is_same(version_normalize, header->version, name.version))
        fit = WHEEL_OTHER_VERSION;
    file_name_release(&name);
    return fit;
}

bool wheel_header_fits(const struct wheel_header *header, const char *file)
{
    return header->version && wheel_header_compare(header, file) == WHEEL_FITS;
}

/* Whether the line has the form `Name: value` or `Name:`. */
static bool is_header_line(const char *at, const char *end)
{
    const char *colon = memchr(at, ':', (size_t)(end - at));
    if (!colon || colon == at)
        return false;
    for (; at < colon; at++)
        if (!((*at | 32) >= 'a' && (*at | 32) <= 'z') && *at != '-')
            return false;
    return true;
}

bool wheel_is_metadata(const char *text, size_t len, const struct wheel_header *header)
{
    return len && is_header_line(text, line_end(text, text + len)) && header->metadata_version &&
           header->name && header->version;
}
