// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Version specifiers (PEP 440), and the part of a requirement that we use (PEP 508), as python's
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

/* Comma-separated; "" contains everything. ERROR_BAD_REQUEST when one is malformed, ERROR_TOO_BIG
 * beyond SPECIFIERS_MAX, ERROR_NO_MEMORY. */
int specifiers_parse(const char *text, struct specifiers **ret);
void specifiers_free(struct specifiers *specifiers);

/* Whether all of them admit the version, pre-release or not; the next two functions say which
 * admitted ones may be taken. Only "" and === admit a text that is not a version. */
bool specifiers_contain(const struct specifiers *specifiers, const char *version);
/* Whether one of them names a pre-release; pre-releases then count like final releases. */
bool specifiers_name_prerelease(const struct specifiers *specifiers);
/* Whether one of them is == or === with a whole version, which admits a yanked one. */
bool specifiers_are_pinned(const struct specifiers *specifiers);

/* Splits "torch", "torch[extra] >= 2.9" or "torch (==2.9.0)": the normalised name into ret_project
 * (NAME_MAX_BYTES + 1), and the specifiers. ERROR_BAD_REQUEST for anything else, also for markers
 * and URLs. */
int requirement_parse(const char *text, char *ret_project, struct specifiers **ret);
