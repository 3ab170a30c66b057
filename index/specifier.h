// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Version specifiers (PEP 440) and the part of a requirement that we look at (PEP 508), as python's
 * `packaging` understands them: ==, !=, <=, >=, <, >, ~=, ===, wildcards, local versions.
 *
 *     struct specifiers *s;
 *     r = specifiers_parse(">=2.6,<3", &s);
 *     if (specifiers_contain(s, "2.9.0+cu126")) ...
 *     specifiers_free(s);
 *
 * Pure; any thread.
 */
#include <stdbool.h>

#include "index/name.h"

enum { SPECIFIERS_MAX = 64 };

struct specifiers;

/* Comma-separated; "" contains everything. ERROR_BAD_REQUEST when one of them is none,
 * ERROR_TOO_BIG beyond SPECIFIERS_MAX, ERROR_NO_MEMORY. */
int specifiers_parse(const char *text, struct specifiers **ret);
void specifiers_free(struct specifiers *specifiers);

/* Whether all of them admit the version, be it a pre-release or not: which of those that are
 * admitted may be taken is what the next two are for. What is no version is admitted by "" and ===
 * alone. */
bool specifiers_contain(const struct specifiers *specifiers, const char *version);
/* Whether one of them names a pre-release, which admits them beside final releases. */
bool specifiers_name_prerelease(const struct specifiers *specifiers);
/* Whether one of them is == or === of a whole version, which admits a yanked one. */
bool specifiers_are_pinned(const struct specifiers *specifiers);

/* "torch", "torch[extra] >= 2.9", "torch (==2.9.0)": the normalised name into ret_project
 * (NAME_MAX_BYTES + 1) and the specifiers. ERROR_BAD_REQUEST for anything else, markers and URLs
 * included. */
int requirement_parse(const char *text, char *ret_project, struct specifiers **ret);
