// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Versions (PEP 440), as python's `packaging` reads, writes and orders them. Numbers may have any
 * number of digits. Pure; any thread. */
#include <stdbool.h>

#include "index/name.h"

/* The PEP 440 normal form into ret (NAME_MAX_BYTES + 1); ERROR_BAD_REQUEST when it is not a
 * version. */
int version_normalize(const char *text, char *ret);
/* The PEP 440 order of two versions, as strcmp; 0 for two spellings of one version ("1.0", "1"). A
 * text that is not a version comes before all versions. */
int version_compare(const char *a, const char *b);
/* Whether it is a pre-release (a, b, rc or dev); false when it is not a version. */
bool version_is_prerelease(const char *text);
