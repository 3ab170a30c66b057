// SPDX-License-Identifier: Apache-2.0
#include "lock/target.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"

enum { GLIBC_MINOR = 28, TEXT_BYTES = 128 };

struct target {
    struct tags *tags;
    char python_version[TEXT_BYTES], python_full_version[TEXT_BYTES];
    char machine[TEXT_BYTES], release[TEXT_BYTES], version[TEXT_BYTES];
    const char *os_name, *system, *sys_platform;
    char pixi[TEXT_BYTES];
};

DEFINE_CLEANUP(struct target, target_free)

/* Words that are no tags, and the tag that stands for them. */
static const struct {
    const char *word, *tag;
} words[] = {
    {"linux", "manylinux_2_28_x86_64"},
    {"macos", "macosx_13_0_arm64"},
    {"windows", "win_amd64"},
    {"x86_64-unknown-linux-gnu", "manylinux_2_28_x86_64"},
    {"aarch64-unknown-linux-gnu", "manylinux_2_28_aarch64"},
    {"riscv64-unknown-linux", "manylinux_2_39_riscv64"},
    {"x86_64-unknown-linux-musl", "musllinux_1_2_x86_64"},
    {"aarch64-unknown-linux-musl", "musllinux_1_2_aarch64"},
    {"x86_64-apple-darwin", "macosx_13_0_x86_64"},
    {"aarch64-apple-darwin", "macosx_13_0_arm64"},
    {"x86_64-pc-windows-msvc", "win_amd64"},
    {"aarch64-pc-windows-msvc", "win_arm64"},
    {"i686-pc-windows-msvc", "win32"},
    {"macos_arm64", "macosx_13_0_arm64"},
    {"macos_x86_64", "macosx_13_0_x86_64"},
    {"linux-64", "manylinux_2_28_x86_64"},
    {"linux-aarch64", "manylinux_2_28_aarch64"},
    {"osx-64", "macosx_13_0_x86_64"},
    {"osx-arm64", "macosx_13_0_arm64"},
    {"win-64", "win_amd64"},
    {"win-arm64", "win_arm64"},
    {"win-32", "win32"},
};

/* "x86_64-manylinux_2_31" has its parts the other way round. */
static void write_tag(const char *platform, char *ret, size_t size)
{
    const char *dash = strchr(platform, '-');

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(words[i].word, platform)) {
            str_copy(ret, size, words[i].tag);
            return;
        }
    if (dash && str_starts(dash, "-manylinux")) {
        (void)snprintf(ret, size, "%s_%.*s", dash + 1, (int)(dash - platform), platform);
        return;
    }
    str_copy(ret, size, platform);
    for (char *p = ret; *p; p++)
        *p = *p == '-' || *p == '.' ? '_' : (char)tolower((unsigned char)*p);
}

/* The part of a tag behind `digits` numbers: "x86_64" of "manylinux_2_28_x86_64". */
static const char *behind_numbers(const char *tag, const char *prefix)
{
    const char *at = tag + strlen(prefix);

    while (isdigit((unsigned char)*at) || *at == '_')
        at++;
    return at;
}

struct family {
    const char *prefix, *os_name, *system, *sys_platform, *pixi;
};

static const struct family families[] = {
    {"manylinux", "posix", "Linux", "linux", "linux"},
    {"musllinux", "posix", "Linux", "linux", "linux"},
    {"linux", "posix", "Linux", "linux", "linux"},
    {"macosx", "posix", "Darwin", "darwin", "osx"},
    {"win", "nt", "Windows", "win32", "win"},
};

/* As platform.machine() says it there. */
static const char *machine_of(const char *tag, const struct family *family)
{
    if (strcmp(family->prefix, "win") != 0)
        return behind_numbers(tag, family->prefix);
    if (!strcmp(tag, "win_amd64"))
        return "AMD64";
    return !strcmp(tag, "win_arm64") ? "ARM64" : "x86";
}

static void write_pixi(struct target *t, const struct family *family)
{
    bool is_usual = !strcmp(t->machine, "x86_64") || !strcmp(t->machine, "AMD64");
    bool is_arm = !strcmp(t->machine, "ARM64");

    (void)snprintf(t->pixi, sizeof t->pixi, "%s-%.40s", family->pixi,
                   is_usual                     ? "64"
                   : is_arm                     ? "arm64"
                   : !strcmp(t->machine, "x86") ? "32"
                                                : t->machine);
}

static int set_platform(struct target *t, const char *tag)
{
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        const struct family *family = &families[i];

        if (!str_starts(tag, family->prefix))
            continue;
        str_copy(t->machine, sizeof t->machine, machine_of(tag, family));
        t->os_name = family->os_name;
        t->system = family->system;
        t->sys_platform = family->sys_platform;
        write_pixi(t, family);
        return *t->machine ? 0 : ERROR_BAD_REQUEST;
    }
    return ERROR_BAD_REQUEST;
}

/* "3.12" is 3.12.0. */
static void set_python(struct target *t)
{
    const char *python = tags_python(t->tags);
    size_t minor = strcspn(python, ".") + 1;

    minor += strcspn(python + minor, ".");
    (void)snprintf(t->python_version, sizeof t->python_version, "%.*s", (int)minor, python);
    (void)snprintf(t->python_full_version, sizeof t->python_full_version, "%.100s%s", python,
                   python[minor] ? "" : ".0");
}

int target_new(const struct target_request *request, struct target **ret)
{
    AUTO(target_free) struct target *t = calloc(1, sizeof(*t));
    char tag[TEXT_BYTES];

    if (!t)
        return ERROR_NO_MEMORY;
    if (strlen(request->platform) >= TEXT_BYTES || strlen(request->python) >= TEXT_BYTES)
        return ERROR_BAD_REQUEST;
    write_tag(request->platform, tag, sizeof tag);
    int e = set_platform(t, tag);
    if (!e)
        e = tags_expand(request->python, tag,
                        request->glibc_minor ? request->glibc_minor : GLIBC_MINOR, &t->tags);
    if (e)
        return e;
    set_python(t);
    str_copy(t->release, sizeof t->release, request->release ? request->release : "");
    str_copy(t->version, sizeof t->version, request->version ? request->version : "");
    *ret = t;
    t = NULL;
    return 0;
}

void target_free(struct target *target)
{
    if (!target)
        return;
    tags_free(target->tags);
    free(target);
}

const struct tags *target_tags(const struct target *target)
{
    return target->tags;
}

struct marker_environment target_environment(const struct target *t)
{
    return (struct marker_environment){
        .strings = {[MARKER_IMPLEMENTATION_NAME] = "cpython",
                    [MARKER_IMPLEMENTATION_VERSION] = t->python_full_version,
                    [MARKER_OS_NAME] = t->os_name,
                    [MARKER_PLATFORM_MACHINE] = t->machine,
                    [MARKER_PLATFORM_PYTHON_IMPLEMENTATION] = "CPython",
                    [MARKER_PLATFORM_RELEASE] = t->release,
                    [MARKER_PLATFORM_SYSTEM] = t->system,
                    [MARKER_PLATFORM_VERSION] = t->version,
                    [MARKER_PYTHON_FULL_VERSION] = t->python_full_version,
                    [MARKER_PYTHON_VERSION] = t->python_version,
                    [MARKER_SYS_PLATFORM] = t->sys_platform}};
}

const char *target_python(const struct target *target)
{
    return target->python_full_version;
}

const char *target_pixi_platform(const struct target *target)
{
    return target->pixi;
}
