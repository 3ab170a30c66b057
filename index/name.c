// SPDX-License-Identifier: Apache-2.0
/* The rules of python's `packaging`, because clients use it to read the same names. A wheel name
 * that it rejects is still recognised as a wheel (FILE_WHEEL_INVALID): such files are served, but
 * not chosen. */
#include "index/name.h"

#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "index/version.h"

/* Parts of a wheel name between dashes: name, version, [build], python, abi, platform, [variant].
 * PEP 825 puts a variant label after the platform; packaging rejects it, but it is a wheel. */
enum { WHEEL_PARTS_MIN = 5, WHEEL_PARTS_BUILD = 6, WHEEL_PARTS_MAX = 7 };

static bool is_separator(char c)
{
    return c == '-' || c == '_' || c == '.';
}

/* python accepts letters beyond ASCII in names; all of them count as letters here. */
static bool is_word(char c)
{
    return ascii_is_alnum(c) || c == '_' || (unsigned char)c >= 0x80;
}

/* PEP 503 without a check of the characters, as packaging does for names in file names. */
static void canonicalize(const char *text, size_t len, char *ret)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        if (!is_separator(text[i]))
            ret[n++] = ascii_lower(text[i]);
        else if (i == 0 || !is_separator(text[i - 1]))
            ret[n++] = '-';
    }
    ret[n] = '\0';
}

/* The characters are checked before, so a key never contains anything else. */
int name_normalize(const char *text, char *ret)
{
    size_t len = strlen(text);

    if (len == 0 || len > NAME_MAX_BYTES || !ascii_is_alnum(text[0]) ||
        !ascii_is_alnum(text[len - 1]))
        return ERROR_BAD_REQUEST;
    for (size_t i = 0; i < len; i++)
        if (!ascii_is_alnum(text[i]) && !is_separator(text[i]))
            return ERROR_BAD_REQUEST;
    canonicalize(text, len, ret);
    return 0;
}

static int set_name(enum file_kind kind, const char *project, size_t project_len,
                    const char *version, struct file_name *ret)
{
    char normal[NAME_MAX_BYTES + 1];
    auto_free char *name = NULL;
    char *number;

    canonicalize(project, project_len, normal);
    name = strdup(normal);
    number = strdup(version);
    if (!name || !number) {
        free(number);
        return ERROR_NO_MEMORY;
    }
    *ret = (struct file_name){.kind = kind, .project = name, .version = number};
    name = NULL;
    return 0;
}

/* Cuts `stem` at its dashes in place. More than WHEEL_PARTS_MAX parts give a larger number. */
static int split_wheel(char *stem, char **parts)
{
    int count = 1;

    parts[0] = stem;
    for (char *p = stem; *p; p++) {
        if (*p != '-')
            continue;
        if (count == WHEEL_PARTS_MAX)
            return count + 1;
        *p = '\0';
        parts[count++] = p + 1;
    }
    return count;
}

static bool wheel_project_is_valid(const char *name)
{
    if (!*name || strstr(name, "__"))
        return false;
    for (; *name; name++)
        if (!is_word(*name) && *name != '.')
            return false;
    return true;
}

/* Checks a compressed tag set: no part between dots is empty, and interpreters are identifiers. */
static bool tag_set_is_valid(const char *tags, bool identifiers)
{
    for (const char *p = tags;; p++) {
        const char *start = p;

        for (; *p && *p != '.'; p++)
            if (identifiers && !is_word(*p))
                return false;
        if (p == start || (identifiers && ascii_is_digit(*start)))
            return false;
        if (!*p)
            return true;
    }
}

static bool wheel_is_valid(char *const *parts, int count, bool version_is_valid)
{
    if (count > WHEEL_PARTS_BUILD || !version_is_valid || !wheel_project_is_valid(parts[0]))
        return false;
    if (count == WHEEL_PARTS_BUILD && !ascii_is_digit(parts[2][0]))
        return false;
    return tag_set_is_valid(parts[count - 3], true) && tag_set_is_valid(parts[count - 2], false) &&
           tag_set_is_valid(parts[count - 1], false);
}

/* An invalid version is kept as written, to be shown. */
static int parse_wheel(char *stem, struct file_name *ret)
{
    char *parts[WHEEL_PARTS_MAX];
    char version[NAME_MAX_BYTES + 1];
    int count = split_wheel(stem, parts);
    bool version_is_valid;
    bool valid;

    if (count < WHEEL_PARTS_MIN || count > WHEEL_PARTS_MAX || !*parts[0])
        return 0;
    version_is_valid = version_normalize(parts[1], version) == 0;
    valid = wheel_is_valid(parts, count, version_is_valid);
    return set_name(valid ? FILE_WHEEL : FILE_WHEEL_INVALID, parts[0], strlen(parts[0]),
                    version_is_valid ? version : parts[1], ret);
}

/* The last dash separates the version; older sdists have dashes in their names. */
static int parse_sdist(char *stem, struct file_name *ret)
{
    char version[NAME_MAX_BYTES + 1];
    char *dash = strrchr(stem, '-');

    if (!dash || dash == stem || version_normalize(dash + 1, version) < 0)
        return 0;
    return set_name(FILE_SDIST, stem, (size_t)(dash - stem), version, ret);
}

static bool ends_in(const char *file, size_t len, const char *suffix, char *ret_stem)
{
    size_t n = strlen(suffix);

    if (len <= n || strcmp(file + len - n, suffix) != 0)
        return false;
    memcpy(ret_stem, file, len - n);
    ret_stem[len - n] = '\0';
    return true;
}

/* A path is no file name: callers cut it off first. */
int file_name_parse(const char *file, struct file_name *ret)
{
    size_t len = strlen(file);
    char stem[NAME_MAX_BYTES + 1];
    struct file_name name = {.kind = FILE_OTHER};
    int r = 0;

    if (len <= NAME_MAX_BYTES && !strchr(file, '/')) {
        if (ends_in(file, len, ".whl", stem))
            r = parse_wheel(stem, &name);
        else if (ends_in(file, len, ".tar.gz", stem) || ends_in(file, len, ".zip", stem))
            r = parse_sdist(stem, &name);
    }
    if (r == 0)
        *ret = name;
    return r;
}

void file_name_release(struct file_name *name)
{
    free(name->project);
    free(name->version);
    *name = (struct file_name){.kind = FILE_OTHER};
}
