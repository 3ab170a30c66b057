// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A policy: which files clients may have. A file must pass four rules, in this order:
 *
 *     deny         no row of the list names it
 *     allow        where there is such a list, a row names it
 *     advisories   no advisory (index/advisories.h) is about its version
 *     min_age      it was uploaded long enough ago, unless min_age_except names its project
 *
 * A row names a project ("evil", "evil-*"), some versions of it ("evil<2.1"), or bytes
 * ("sha256:..."). Versions compare as in index/specifier.h. A rule that cannot tell refuses: it
 * takes an unknown age as too young, a version that PEP 440 does not know as meant by `deny` and
 * not by `allow`, and a file name without a project as refused. The name of an old sdist may be
 * read in several ways; all of them must pass.
 *
 * Plain data, filled by the configuration; nothing changes it then. Pure; any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "index/advisories.h"
#include "index/specifier.h"

enum { POLICY_ROWS_MOST = 10000, POLICY_REASON_BYTES = 400 };

struct policy_row {
    char *what;                    /* as written */
    char *reason;                  /* for people; or NULL */
    char *name;                    /* normalised name or pattern; NULL: a digest */
    struct specifiers *specifiers; /* or NULL: every version */
    char sha256[SHA256_HEX];
};

struct policy_list {
    struct policy_row *rows;
    size_t count;
    bool is_set; /* an empty `allow` allows nothing */
};

struct policy {
    char *place;           /* "[index.lab]", for reasons; "" at the top */
    char *index, *channel; /* the index or the pattern of channels that it holds for; or NULL */
    int64_t min_age_s;     /* 0: none */
    char **min_age_except; /* patterns of projects; NULL-terminated, or NULL */
    struct policy_list deny, allow;
    char *advisories; /* absolute path; or NULL */
};

/* Fills a row from "evil<2.1" and takes a copy of the reason. ERROR_BAD_REQUEST: *ret_why says what
 * is wrong. ERROR_NO_MEMORY. */
int policy_row_parse(const char *what, const char *reason, struct policy_row *ret,
                     const char **ret_why);
void policy_row_release(struct policy_row *row);
/* Frees what the members own, not the struct itself. Members may be missing. */
void policy_release(struct policy *policy);
/* Whether it has any rule. */
bool policy_has_rules(const struct policy *policy);

enum { POLICY_UNKNOWN = -1 };

struct policy_file {
    const char *name;    /* file name */
    const char *project; /* of the page that lists it, normalised; NULL: only the name tells */
    const char *sha256;  /* hex; NULL: not known */
    int64_t uploaded_s;  /* or POLICY_UNKNOWN */
    int64_t now_s;
};

enum policy_rule { POLICY_NAME, POLICY_DENY, POLICY_ALLOW, POLICY_ADVISORY, POLICY_MIN_AGE };
enum { POLICY_RULES = POLICY_MIN_AGE + 1 };

struct policy_verdict {
    enum policy_rule rule; /* that refuses */
    int64_t until_s;       /* POLICY_MIN_AGE: when it will pass; else 0 */
    /* for people; it changes only when the rule or the file does, never with the time */
    char reason[POLICY_REASON_BYTES];
};

/* "deny", "allow" ... as the configuration has them; "name" for POLICY_NAME. */
const char *policy_rule_name(enum policy_rule rule);

/* Which facts the verdict on a file may depend on, beside its name. */
enum { POLICY_NEEDS_DATE = 1, POLICY_NEEDS_DIGEST = 2 };
unsigned policy_needs(const struct policy *policy, const struct policy_file *file);

/* Whether the file passes. `advisories` are those of policy->advisories, or NULL. False: *ret says
 * why. */
bool policy_admits(const struct policy *policy, const struct advisories *advisories,
                   const struct policy_file *file, struct policy_verdict *ret);
