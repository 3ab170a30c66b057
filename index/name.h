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
    FILE_OTHER,         /* neither: .exe, .egg, .metadata, a directory ... */
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

/* Lower case, each run of `-_.` one `-`, into ret (NAME_MAX_BYTES + 1). ERROR_BAD_REQUEST when it
 * is no project name: empty, too long, other characters, or no letter or digit at an end. */
int name_normalize(const char *text, char *ret);

/* Always 0 or ERROR_NO_MEMORY; what is not recognised is FILE_OTHER. */
int file_name_parse(const char *file, struct file_name *ret);
void file_name_release(struct file_name *name);
