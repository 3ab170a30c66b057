// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Names: projects (PEP 503), wheel file names (binary distribution format, PEP 427 and PEP 425),
 * sdist file names (PEP 625 and the older forms that indexes still hold).
 * Pure; any thread.
 */
#include <stdbool.h>

enum { NAME_MAX_BYTES = 255 };

enum file_kind {
    FILE_OTHER,         /* none of these: .exe, .egg, .metadata, a directory ... */
    FILE_WHEEL,         /* a wheel name that packaging accepts */
    FILE_WHEEL_INVALID, /* .whl with five to seven dash-separated parts that packaging rejects */
    FILE_SDIST,         /* .tar.gz or .zip whose name ends in -<version> */
};

struct file_name {
    enum file_kind kind;
    char *project; /* normalised (PEP 503); NULL for FILE_OTHER */
    char *version; /* normalised (PEP 440), local part kept; as written where a FILE_WHEEL_INVALID
                      has none that PEP 440 knows; NULL for FILE_OTHER */
};

/* The normal form into ret (NAME_MAX_BYTES + 1): lower case, each run of `-_.` becomes one `-`.
 * ERROR_BAD_REQUEST when it is not a project name: empty, too long, other characters, or no letter
 * or digit at an end. */
int name_normalize(const char *text, char *ret);

/* 0 or ERROR_NO_MEMORY; an unknown form is FILE_OTHER. */
int file_name_parse(const char *file, struct file_name *ret);
void file_name_release(struct file_name *name);
