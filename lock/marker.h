// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Environment markers (PEP 508, 685, 751): parsed, and evaluated for an environment that the caller
 * gives, as python's `packaging` evaluates them. Nothing of this machine is looked at.
 *
 *     r = marker_parse("sys_platform == 'linux' and extra == 'gpu'", &marker);
 *     r = marker_holds(marker, &environment, &holds);
 *     marker_free(marker);
 *
 * A string with a backslash, which packaging reads as Python does, is refused: no marker has one.
 * Pure; any thread.
 */
#include <stdbool.h>
#include <stddef.h>

enum { MARKER_MAX_BYTES = 64 << 10, MARKER_MAX_DEPTH = 64 };

enum marker_variable {
    MARKER_IMPLEMENTATION_NAME,
    MARKER_IMPLEMENTATION_VERSION,
    MARKER_OS_NAME,
    MARKER_PLATFORM_MACHINE,
    MARKER_PLATFORM_PYTHON_IMPLEMENTATION,
    MARKER_PLATFORM_RELEASE,
    MARKER_PLATFORM_SYSTEM,
    MARKER_PLATFORM_VERSION,
    MARKER_PYTHON_FULL_VERSION,
    MARKER_PYTHON_VERSION,
    MARKER_SYS_PLATFORM,
    MARKER_STRINGS, /* how many of them are strings; the others are sets of names */
    MARKER_EXTRA = MARKER_STRINGS,
    MARKER_EXTRAS,
    MARKER_DEPENDENCY_GROUPS,
    MARKER_VARIABLES
};

/* Names as anybody writes them: they are compared normalised. */
struct marker_names {
    const char *const *list;
    size_t count;
};

struct marker_environment {
    const char *strings[MARKER_STRINGS]; /* none is NULL */
    struct marker_names extra;           /* `extra == "x"`: whether x is one of them */
    struct marker_names extras, groups;  /* `"x" in extras`, `"x" in dependency_groups` */
};

struct marker;

/* ERROR_BAD_REQUEST when it is none, ERROR_TOO_BIG, ERROR_NO_MEMORY. */
int marker_parse(const char *text, struct marker **ret);
void marker_free(struct marker *marker);

/* ERROR_BAD_REQUEST where packaging knows no answer either, such as "win32" ~= sys_platform. */
int marker_holds(const struct marker *marker, const struct marker_environment *environment,
                 bool *ret);

/* Both in one; NULL or "" holds. */
int marker_text_holds(const char *text, const struct marker_environment *environment, bool *ret);

/* "python_version" and the like. */
const char *marker_variable_name(enum marker_variable variable);
