// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Advisories: which versions of which projects are known to be harmful. They are read from JSON in
 * the form of OSV (https://ossf.github.io/osv-schema/): one object, a list of them, or an object
 * whose member `vulns` is a list of them.
 *
 *     {"id": "PYSEC-2026-1", "summary": "steals tokens", "affected": [{
 *         "package": {"ecosystem": "PyPI", "name": "evil"},
 *         "versions": ["1.0"],
 *         "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0"}]}]}]}
 *
 * `package`, `versions` and `ranges` may also stand beside `id`. Other ecosystems, ranges of GIT,
 * and what has a `withdrawn` are skipped. An entry with neither versions nor ranges means every
 * version. A local version counts as its public one. What cannot be understood is named with its
 * place, and only that entry is left out. Immutable once parsed; any thread.
 */
#include <stdbool.h>
#include <stddef.h>

enum {
    ADVISORIES_MAX_BYTES = 64 << 20,
    ADVISORIES_MOST = 500000,      /* pairs of an advisory and a project */
    ADVISORIES_PROBLEMS_MOST = 16, /* that are named; all are counted */
};

struct advisories;

struct advisory {
    const char *id, *summary; /* as in the file; "" where it has none */
};

/* ERROR_BAD_LISTING: not JSON, or not of that form. ERROR_TOO_BIG, ERROR_NO_MEMORY. */
int advisories_parse(const char *text, size_t len, struct advisories **ret);
void advisories_free(struct advisories *advisories); /* NULL is legal */
/* How many pairs of an advisory and a project there are. */
size_t advisories_count(const struct advisories *advisories);
/* What could not be understood, "vulns[3].affected[0].ranges: ..."; NULL past the last.
 * advisories_problem_count also counts those that are not named. */
const char *advisories_problem(const struct advisories *advisories, size_t i);
size_t advisories_problem_count(const struct advisories *advisories);
/* The first advisory for a version of a normalised project. A version that PEP 440 does not know
 * counts as affected. NULL advisories are legal: false. */
bool advisories_find(const struct advisories *advisories, const char *project, const char *version,
                     struct advisory *ret);
