// SPDX-License-Identifier: Apache-2.0
/* The tags of a target are a list of rows in order of preference. Each row is one interpreter and
 * ABI, for all platforms or for "any" alone. The rank of a tag is therefore found without writing
 * out the thousands of combinations. A struct tags is built once and never changes. */
#include "index/tags.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"

/* Rows: the ABIs of the version itself, abi3 of each older version, py3.. twice, and a few more. */
enum { ROWS_MAX = 3 * TAGS_MAX_MINOR + 16 };
/* The oldest glibc that packaging considers; x86 had wheels earlier. */
enum { GLIBC_OLDEST = 17, GLIBC_OLDEST_X86 = 5, ABI3_OLDEST = 2 };
/* macOS counted 10.4 to 10.16, then 11 and up. */
enum { MACOS_FIRST_MAJOR = 11, MACOS_LAST_X = 16, MACOS_FIRST_X = 4 };

/* One interpreter and ABI. */
struct row {
    char interpreter[16], abi[16];
    bool any; /* platform "any"; else all platforms */
};

/* A target; everything is filled in by tags_expand and never changes. */
struct tags {
    char python[32], label[16], platform[TAG_MAX_BYTES + 1];
    int major, minor;
    bool threaded; /* a build without the global lock */
    bool is_linux;
    char platforms[TAGS_MAX_PLATFORMS][TAG_MAX_BYTES + 1];
    size_t platform_count;
    struct row rows[ROWS_MAX];
    size_t row_count;
};

DEFINE_CLEANUP(struct tags, tags_free)

/* Reads a number of at most four digits at *p; -1 when there is none. */
static int take_small(const char **p)
{
    int value = 0;
    int digits = 0;

    for (; ascii_is_digit(**p) && digits < 5; digits++)
        value = value * 10 + *(*p)++ - '0';
    return digits == 0 || digits == 5 ? -1 : value;
}

/* ----------------------------------------------------------------- platforms */

/* Platforms beyond the maximum are dropped; they are the least preferred. */
static void __attribute__((format(printf, 2, 3)))
add_platform(struct tags *t, const char *format, ...)
{
    va_list args;

    if (t->platform_count == TAGS_MAX_PLATFORMS)
        return;
    va_start(args, format);
    (void)vsnprintf(t->platforms[t->platform_count++], TAG_MAX_BYTES + 1, format, args);
    va_end(args);
}

static bool is_one_of(const char *text, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(text, *list) == 0)
            return true;
    return false;
}

/* The manylinux names before PEP 600. */
static const char *legacy_name(int minor)
{
    switch (minor) {
    case 17:
        return "manylinux2014";
    case 12:
        return "manylinux2010";
    case 5:
        return "manylinux1";
    default:
        return NULL;
    }
}

/* Newest first; x86 goes back to glibc 2.5, other machines to 2.17. */
static void add_glibc(struct tags *t, const char *arch, int newest)
{
    static const char *const known[] = {"x86_64",  "aarch64",     "ppc64", "ppc64le", "s390x",
                                        "riscv64", "loongarch64", "i686",  "armv7l",  NULL};
    bool x86 = !strcmp(arch, "x86_64") || !strcmp(arch, "i686");

    if (!is_one_of(arch, known))
        return;
    for (int minor = newest; minor >= (x86 ? GLIBC_OLDEST_X86 : GLIBC_OLDEST); minor--) {
        add_platform(t, "manylinux_2_%d_%s", minor, arch);
        if (legacy_name(minor))
            add_platform(t, "%s_%s", legacy_name(minor), arch);
    }
}

static void add_linux(struct tags *t, const char *arch, int glibc)
{
    bool both = !strcmp(arch, "armv8l"); /* 32-bit programs on a 64-bit kernel */

    t->is_linux = true;
    add_platform(t, "linux_%s", arch);
    if (both)
        add_platform(t, "linux_armv7l");
    add_glibc(t, both ? "armv7l" : arch, glibc);
}

/* A musl system runs wheels of every older musl. */
static int add_musl(struct tags *t, const char *rest)
{
    int major = take_small(&rest);
    int minor = *rest == '_' ? (rest++, take_small(&rest)) : -1;

    if (major < 0 || minor < 0 || minor > TAGS_MAX_MINOR || *rest != '_' || !rest[1])
        return ERROR_BAD_REQUEST;
    t->is_linux = true;
    add_platform(t, "linux_%s", rest + 1);
    for (; minor >= 0; minor--)
        add_platform(t, "musllinux_%d_%d_%s", major, minor, rest + 1);
    return 0;
}

static int add_manylinux(struct tags *t, const char *rest)
{
    int major = take_small(&rest);
    int minor = *rest == '_' ? (rest++, take_small(&rest)) : -1;

    if (major != 2 || minor < 0 || minor > TAGS_MAX_MINOR || *rest != '_' || !rest[1])
        return ERROR_BAD_REQUEST;
    add_linux(t, rest + 1, minor);
    return 0;
}

/* The binary formats that one release of macOS can run. */
static void add_mac_formats(struct tags *t, int major, int minor, const char *arch)
{
    static const char *const formats[][6] = {
        {"x86_64", "intel", "fat64", "fat3", "universal2", "universal"},
        {"arm64", "universal2"},
        {"i386", "intel", "fat3", "fat", "universal"},
        {"ppc64", "fat64", "universal"},
        {"ppc", "fat3", "fat", "universal"},
    };
    size_t i = 0;
    bool ppc64 = !strcmp(arch, "ppc64");
    bool ppc = !strcmp(arch, "ppc");
    bool old = major == 10 && minor < 4;

    if ((old && (ppc64 || !strcmp(arch, "x86_64") || !strcmp(arch, "i386"))) ||
        (ppc64 && (major > 10 || minor > 5)) || (ppc && (major > 10 || minor > 6)))
        return;
    while (i < sizeof formats / sizeof *formats && strcmp(formats[i][0], arch) != 0)
        i++;
    if (i == sizeof formats / sizeof *formats)
        add_platform(t, "macosx_%d_%d_%s", major, minor, arch);
    for (size_t k = 0; i < sizeof formats / sizeof *formats && k < 6 && formats[i][k]; k++)
        add_platform(t, "macosx_%d_%d_%s", major, minor, formats[i][k]);
}

/* The same major version first, then all older ones. */
static int add_mac(struct tags *t, const char *rest)
{
    int major = take_small(&rest);
    int minor = *rest == '_' ? (rest++, take_small(&rest)) : -1;
    const char *arch = rest + 1;

    if (major < 10 || major > TAGS_MAX_MINOR || minor < 0 || minor > TAGS_MAX_MINOR ||
        *rest != '_' || !*arch)
        return ERROR_BAD_REQUEST;
    if (major == 10) {
        for (; minor >= 0; minor--)
            add_mac_formats(t, 10, minor, arch);
        return 0;
    }
    /* From 11 on the minor number does not matter; programs for 10.x still run. */
    for (; major >= MACOS_FIRST_MAJOR; major--)
        add_mac_formats(t, major, 0, arch);
    for (minor = MACOS_LAST_X; minor >= MACOS_FIRST_X; minor--) {
        if (!strcmp(arch, "x86_64"))
            add_mac_formats(t, 10, minor, arch);
        else
            add_platform(t, "macosx_10_%d_universal2", minor);
    }
    return 0;
}

/* Legacy names mean the glibc that they were defined by. */
static int expand_platform(struct tags *t, const char *platform, int glibc)
{
    static const int legacy[] = {17, 12, 5};

    if (!*platform || strlen(platform) > TAG_MAX_BYTES - 16 ||
        platform[strspn(platform, "abcdefghijklmnopqrstuvwxyz0123456789_")])
        return ERROR_BAD_REQUEST;
    for (size_t i = 0; i < sizeof legacy / sizeof *legacy; i++) {
        size_t len = strlen(legacy_name(legacy[i]));

        if (str_starts(platform, legacy_name(legacy[i])) && platform[len] == '_') {
            add_linux(t, platform + len + 1, legacy[i]);
            return 0;
        }
    }
    if (str_starts(platform, "manylinux_"))
        return add_manylinux(t, platform + strlen("manylinux_"));
    if (str_starts(platform, "musllinux_"))
        return add_musl(t, platform + strlen("musllinux_"));
    if (str_starts(platform, "macosx_"))
        return add_mac(t, platform + strlen("macosx_"));
    if (str_starts(platform, "linux_") && platform[strlen("linux_")])
        add_linux(t, platform + strlen("linux_"), glibc);
    else
        add_platform(t, "%s", platform);
    return 0;
}

/* ---------------------------------------------------------------------- rows */

static struct row *add_row(struct tags *t, bool any)
{
    struct row *row = &t->rows[t->row_count++];

    row->any = any;
    str_copy(row->abi, sizeof row->abi, "none");
    return row;
}

static void add_cpython_row(struct tags *t, int minor, const char *abi)
{
    struct row *row = add_row(t, false);

    (void)snprintf(row->interpreter, sizeof row->interpreter, "cp%d%d", t->major, minor);
    str_copy(row->abi, sizeof row->abi, abi);
}

/* The ABI of this version: `m` until 3.7, `u` until 3.2 when Python uses wide characters. */
static void write_own_abi(const struct tags *t, char *ret, size_t size)
{
    bool pymalloc = t->major < 3 || (t->major == 3 && t->minor < 8);
    bool wide = (t->major < 3 || (t->major == 3 && t->minor < 3)) && t->is_linux;

    (void)snprintf(ret, size, "cp%d%d%s%s%s", t->major, t->minor, t->threaded ? "t" : "",
                   pymalloc ? "m" : "", wide ? "u" : "");
}

/* Own ABI, stable ABI, no ABI, then the stable ABI of older versions. */
static void add_cpython_rows(struct tags *t)
{
    char own[32];
    const char *stable = t->threaded ? "abi3t" : "abi3";
    bool has_stable = t->major > 3 || (t->major == 3 && t->minor >= ABI3_OLDEST);

    write_own_abi(t, own, sizeof own);
    add_cpython_row(t, t->minor, own);
    if (has_stable)
        add_cpython_row(t, t->minor, stable);
    add_cpython_row(t, t->minor, "none");
    for (int minor = t->minor - 1; has_stable && minor >= ABI3_OLDEST; minor--)
        add_cpython_row(t, minor, stable);
}

/* py313, py3, py312 ... py30 */
static void add_python_rows(struct tags *t, bool any)
{
    struct row *row = add_row(t, any);

    (void)snprintf(row->interpreter, sizeof row->interpreter, "py%d%d", t->major, t->minor);
    row = add_row(t, any);
    (void)snprintf(row->interpreter, sizeof row->interpreter, "py%d", t->major);
    for (int minor = t->minor - 1; minor >= 0; minor--) {
        row = add_row(t, any);
        (void)snprintf(row->interpreter, sizeof row->interpreter, "py%d%d", t->major, minor);
    }
}

/* "cp313" has its dot in front of the second digit: major versions have one digit. */
static int parse_python(struct tags *t, const char *text)
{
    const char *p = text;

    if (str_starts(p, "cp"))
        p += 2;
    if (p != text && ascii_is_digit(*p)) {
        t->major = *p++ - '0';
        t->minor = take_small(&p);
    } else {
        t->major = take_small(&p);
        t->minor = *p == '.' ? (p++, take_small(&p)) : -1;
        if (*p == '.' && (p++, take_small(&p)) < 0)
            return ERROR_BAD_REQUEST;
    }
    if (t->major < 2 || t->major > 9 || t->minor < 0 || t->minor > TAGS_MAX_MINOR)
        return ERROR_BAD_REQUEST;
    /* As written when it has a third number, because requires-python may ask for it. */
    if (p == text || text[0] == 'c')
        (void)snprintf(t->python, sizeof t->python, "%d.%d", t->major, t->minor);
    else
        (void)snprintf(t->python, sizeof t->python, "%.*s", (int)(p - text), text);
    t->threaded = *p == 't';
    p += t->threaded;
    (void)snprintf(t->label, sizeof t->label, "cp%d%d%s", t->major, t->minor,
                   t->threaded ? "t" : "");
    return *p ? ERROR_BAD_REQUEST : 0;
}

/* Rows of all platforms come before the rows of "any". */
int tags_expand(const char *python, const char *platform, int glibc_minor, struct tags **ret)
{
    AUTO(tags_free) struct tags *t = calloc(1, sizeof(*t));
    int r;

    if (!t)
        return ERROR_NO_MEMORY;
    r = parse_python(t, python);
    if (r == 0)
        r = expand_platform(t, platform, glibc_minor);
    if (r)
        return r;
    str_copy(t->platform, sizeof t->platform, platform);
    add_cpython_rows(t);
    add_python_rows(t, false);
    struct row *row = add_row(t, true);
    (void)snprintf(row->interpreter, sizeof row->interpreter, "cp%d%d", t->major, t->minor);
    add_python_rows(t, true);
    *ret = t;
    t = NULL;
    return 0;
}

void tags_free(struct tags *tags)
{
    free(tags);
}

const char *tags_python(const struct tags *tags)
{
    return tags->python;
}

const char *tags_interpreter(const struct tags *tags)
{
    return tags->label;
}

const char *tags_platform(const struct tags *tags)
{
    return tags->platform;
}

static size_t row_size(const struct tags *tags, const struct row *row)
{
    return row->any ? 1 : tags->platform_count;
}

size_t tags_count(const struct tags *tags)
{
    size_t count = 0;

    for (size_t i = 0; i < tags->row_count; i++)
        count += row_size(tags, &tags->rows[i]);
    return count;
}

void tags_write(const struct tags *tags, size_t rank, char *ret)
{
    const struct row *row = tags->rows;

    for (; rank >= row_size(tags, row); row++)
        rank -= row_size(tags, row);
    (void)snprintf(ret, 3 * (TAG_MAX_BYTES + 1), "%s-%s-%s", row->interpreter, row->abi,
                   row->any ? "any" : tags->platforms[rank]);
}

/* -------------------------------------------------------------------- wheels */

static void copy_lower(char *to, const char *from, size_t len)
{
    for (size_t i = 0; i < len; i++)
        to[i] = from[i] >= 'A' && from[i] <= 'Z' ? (char)(from[i] + ('a' - 'A')) : from[i];
    to[len] = '\0';
}

/* A name that packaging rejects is never installed, so it has no tags here. */
bool wheel_tags_parse(const char *file, struct wheel_tags *ret)
{
    struct file_name name;
    const char *dashes[NAME_MAX_BYTES];
    size_t count = 0;
    bool is_wheel = file_name_parse(file, &name) == 0 && name.kind == FILE_WHEEL;

    file_name_release(&name);
    if (!is_wheel)
        return false;
    for (const char *p = file; *p; p++)
        if (*p == '-')
            dashes[count++] = p;
    /* name-version[-build]-python-abi-platform.whl: file_name_parse has checked the count. */
    const char *python = dashes[count - 3] + 1;
    const char *abi = dashes[count - 2] + 1;
    const char *platform = dashes[count - 1] + 1;
    copy_lower(ret->python, python, (size_t)(abi - 1 - python));
    copy_lower(ret->abi, abi, (size_t)(platform - 1 - abi));
    copy_lower(ret->platform, platform, strlen(platform) - strlen(".whl"));
    ret->build = count == 5 ? strtol(dashes[1] + 1, NULL, 10) : -1;
    return true;
}

/* Whether `tag` is a member of the set; dots separate members. */
static bool set_has(const char *set, const char *tag)
{
    size_t len = strlen(tag);

    for (const char *p = set; p; p = strchr(p, '.') ? strchr(p, '.') + 1 : NULL)
        if (strncmp(p, tag, len) == 0 && (p[len] == '.' || !p[len]))
            return true;
    return false;
}

/* The index of the target's first platform that the wheel supports; -1: none. */
static int platform_index(const struct tags *tags, const struct wheel_tags *wheel)
{
    for (size_t i = 0; i < tags->platform_count; i++)
        if (set_has(wheel->platform, tags->platforms[i]))
            return (int)i;
    return -1;
}

static bool row_fits(const struct row *row, const struct wheel_tags *wheel)
{
    return set_has(wheel->python, row->interpreter) && set_has(wheel->abi, row->abi);
}

/* Adds up the sizes of the rows before the one that fits. */
int tags_rank(const struct tags *tags, const struct wheel_tags *wheel)
{
    int platform = platform_index(tags, wheel);
    bool any = set_has(wheel->platform, "any");
    size_t before = 0;

    for (size_t i = 0; i < tags->row_count; i++) {
        const struct row *row = &tags->rows[i];

        if ((row->any ? any : platform >= 0) && row_fits(row, wheel))
            return (int)before + (row->any ? 0 : platform);
        before += row_size(tags, row);
    }
    return -1;
}

bool tags_fit_python(const struct tags *tags, const struct wheel_tags *wheel)
{
    for (size_t i = 0; i < tags->row_count; i++)
        if (row_fits(&tags->rows[i], wheel))
            return true;
    return false;
}

bool tags_fit_platform(const struct tags *tags, const struct wheel_tags *wheel)
{
    return platform_index(tags, wheel) >= 0 || set_has(wheel->platform, "any");
}

/* -------------------------------------------------------------------- labels */

static size_t first_of(const char *set)
{
    return strcspn(set, ".");
}

/* The ABI tells more than the interpreter for abi3 and for builds without the global lock. */
void wheel_tags_python_label(const struct wheel_tags *wheel, char *ret)
{
    size_t python = first_of(wheel->python);
    size_t abi = first_of(wheel->abi);

    if (str_starts(wheel->abi, "abi3"))
        (void)snprintf(ret, NAME_MAX_BYTES + 1, "%.*s-%.*s", (int)python, wheel->python, (int)abi,
                       wheel->abi);
    else if (abi > 1 && wheel->abi[abi - 1] == 't' && str_starts(wheel->abi, "cp"))
        (void)snprintf(ret, NAME_MAX_BYTES + 1, "%.*s", (int)abi, wheel->abi);
    else
        (void)snprintf(ret, NAME_MAX_BYTES + 1, "%.*s", (int)python, wheel->python);
}

/* Compares the numbers after the letters; the first digit is the major version. */
int python_label_compare(const char *a, const char *b)
{
    const char *p = a + strcspn(a, "0123456789");
    const char *q = b + strcspn(b, "0123456789");
    long m, n;

    if (*p != *q)
        return *p - *q;
    m = *p ? strtol(p + 1, NULL, 10) : 0;
    n = *q ? strtol(q + 1, NULL, 10) : 0;
    return m != n ? (m > n) - (m < n) : strcmp(a, b);
}

/* The architecture after the numbers: x86_64 of manylinux_2_28_x86_64. */
static const char *behind_numbers(const char *text)
{
    while (ascii_is_digit(*text)) {
        const char *p = text + strspn(text, "0123456789");

        if (*p != '_')
            break;
        text = p + 1;
    }
    return text;
}

/* Versions of glibc and macOS are dropped: people choose a machine. */
void platform_label(const char *platform, char *ret)
{
    static const struct {
        const char *prefix, *label;
    } families[] = {
        {"manylinux2014_", "linux"}, {"manylinux2010_", "linux"}, {"manylinux1_", "linux"},
        {"manylinux_", "linux"},     {"musllinux_", "musllinux"}, {"macosx_", "macosx"},
    };
    size_t len = first_of(platform);

    if (len > NAME_MAX_BYTES)
        len = NAME_MAX_BYTES;
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (str_starts(platform, families[i].prefix)) {
            const char *arch = behind_numbers(platform + strlen(families[i].prefix));

            (void)snprintf(ret, NAME_MAX_BYTES + 1, "%s_%.*s", families[i].label,
                           (int)(platform + len - arch), arch);
            return;
        }
    (void)snprintf(ret, NAME_MAX_BYTES + 1, "%.*s", (int)len, platform);
}

void wheel_tags_platform_label(const struct wheel_tags *wheel, char *ret)
{
    platform_label(wheel->platform, ret);
}
