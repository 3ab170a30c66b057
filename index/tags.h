// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Compatibility tags (PEP 425, 513, 571, 599, 600, 656, 803): which wheels a Python on a platform
 * accepts, and in which order of preference, as `packaging.tags` computes them for CPython.
 *
 *     r = tags_expand("3.13", "win_amd64", 0, &tags);
 *     wheel_tags_parse("torch-2.9.0+cu126-cp313-cp313-win_amd64.whl", &wheel);
 *     if (tags_rank(tags, &wheel) >= 0) ... it fits; the lowest rank is the best
 *     tags_free(tags);
 *
 * Pure; any thread.
 */
#include <stdbool.h>
#include <stddef.h>

#include "index/name.h"

enum { TAGS_MAX_PLATFORMS = 512, TAGS_MAX_MINOR = 99, TAG_MAX_BYTES = 63 };

struct tags;

/* `python` is "3.13", "3.13.1" or "cp313", with a final `t` ("3.13t") for a build without the
 * global lock. `platform` is a tag of wheels or the machine's own name: win_amd64,
 * manylinux_2_28_x86_64, musllinux_1_2_x86_64, macosx_14_0_arm64, linux_x86_64. A manylinux
 * platform means a machine with that glibc; `linux_*` has glibc 2.<glibc_minor> (0: none). Any
 * other name stands for itself. ERROR_BAD_REQUEST when either is malformed; ERROR_NO_MEMORY. */
int tags_expand(const char *python, const char *platform, int glibc_minor, struct tags **ret);
void tags_free(struct tags *tags);

/* "3.13", the version that requires-python is compared with. */
const char *tags_python(const struct tags *tags);
/* "cp313", "cp313t": the tag of wheels for this Python alone. */
const char *tags_interpreter(const struct tags *tags);
/* The platform that tags_expand got. */
const char *tags_platform(const struct tags *tags);
/* The number of tags, and each of them, best first, into ret (3 * (TAG_MAX_BYTES + 1)):
 * "cp313-cp313-win_amd64". */
size_t tags_count(const struct tags *tags);
void tags_write(const struct tags *tags, size_t rank, char *ret);

/* The three compressed tag sets of a wheel's file name, lower case. */
struct wheel_tags {
    char python[NAME_MAX_BYTES + 1], abi[NAME_MAX_BYTES + 1], platform[NAME_MAX_BYTES + 1];
    long build; /* number of the build tag; -1 without one */
};

/* False when it is not the name of a wheel. */
bool wheel_tags_parse(const char *file, struct wheel_tags *ret);

/* The rank of its best tag, from 0; -1 when no tag fits. */
int tags_rank(const struct tags *tags, const struct wheel_tags *wheel);
/* Whether one half fits, regardless of the other. */
bool tags_fit_python(const struct tags *tags, const struct wheel_tags *wheel);
bool tags_fit_platform(const struct tags *tags, const struct wheel_tags *wheel);

/* For people, into ret (NAME_MAX_BYTES + 1): "cp313", "cp313t", "cp38-abi3", "py3"; and
 * "linux_x86_64" for any manylinux, "musllinux_x86_64", "macosx_arm64", "win_amd64", "any". */
void wheel_tags_python_label(const struct wheel_tags *wheel, char *ret);
void wheel_tags_platform_label(const struct wheel_tags *wheel, char *ret);
/* The order of two Python labels, as strcmp: by version, "cp39" before "cp313". */
int python_label_compare(const char *a, const char *b);
/* The label of a name that tags_expand takes. */
void platform_label(const char *platform, char *ret);
