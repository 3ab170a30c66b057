// SPDX-License-Identifier: Apache-2.0
/*
 * A file is judged under each reading of its name: a project with a version. A wheel has one, an
 * old sdist ("foo-1.0-2.tar.gz") may have several, and the page that lists it may add one. `deny`
 * and advisories refuse when any reading is meant; `allow` and `min_age_except` admit only when all
 * are.
 */
#include "index/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "index/version.h"

enum { READINGS_MOST = 6, DURATION_TEXT = 32 };

static const char digest_prefix[] = "sha256:";

/* One way to read a file name. */
struct reading {
    char project[NAME_MAX_BYTES + 1], version[NAME_MAX_BYTES + 1];
    bool is_version; /* PEP 440 knows it */
};

struct readings {
    struct reading list[READINGS_MOST];
    size_t count;
};

/* --------------------------------------------------------------------- rows */

/* Checks a name that may have stars, and writes its normal form. */
static bool normal_pattern(const char *text, size_t len, char ret[NAME_MAX_BYTES + 1])
{
    static const char star[] = "0x0"; /* stands for `*` while the rest is checked */
    char sample[3 * NAME_MAX_BYTES + 1];
    size_t n = 0;
    if (!len || len > NAME_MAX_BYTES)
        return false;
    for (size_t i = 0; i < len; i++) {
        const char one[] = {text[i], '\0'};
        n += (size_t)snprintf(sample + n, sizeof(sample) - n, "%s", text[i] == '*' ? star : one);
    }
    if (n > NAME_MAX_BYTES || name_normalize(sample, ret))
        return false;
    n = 0; /* the same by hand, because a star is no character of a name */
    for (size_t i = 0; i < len; i++) {
        bool separates = strchr("-_.", text[i]) != NULL;
        if (separates && n && ret[n - 1] == '-')
            continue;
        bool is_upper = text[i] >= 'A' && text[i] <= 'Z';
        ret[n++] = separates ? '-' : is_upper ? (char)(text[i] + 'a' - 'A') : text[i];
    }
    ret[n] = '\0';
    return true;
}

static int parse_digest(const char *what, struct policy_row *row, const char **ret_why)
{
    const char *hex = what + strlen(digest_prefix);
    if (!str_is_sha256(hex)) {
        *ret_why = "sha256: must be followed by 64 lower-case hex digits";
        return ERROR_BAD_REQUEST;
    }
    memcpy(row->sha256, hex, sizeof(row->sha256));
    return 0;
}

static int parse_name(const char *what, struct policy_row *row, const char **ret_why)
{
    char name[NAME_MAX_BYTES + 1];
    size_t len = strcspn(what, " <>=!~");
    const char *rest = what + len + strspn(what + len, " ");
    if (!normal_pattern(what, len, name)) {
        *ret_why = "not a name, a name with versions (\"evil<2.1\") or \"sha256:...\"";
        return ERROR_BAD_REQUEST;
    }
    row->name = strdup(name);
    if (!row->name)
        return ERROR_NO_MEMORY;
    int r = *rest ? specifiers_parse(rest, &row->specifiers) : 0;
    if (r == ERROR_BAD_REQUEST || r == ERROR_TOO_BIG) {
        *ret_why = "what follows the name selects no versions (PEP 440)";
        return ERROR_BAD_REQUEST;
    }
    return r;
}

int policy_row_parse(const char *what, const char *reason, struct policy_row *ret,
                     const char **ret_why)
{
    struct policy_row row = {.what = strdup(what), .reason = str_dup(reason)};
    int r = !row.what || (reason && !row.reason) ? ERROR_NO_MEMORY
            : str_starts(what, digest_prefix)    ? parse_digest(what, &row, ret_why)
                                                 : parse_name(what, &row, ret_why);
    if (r) {
        policy_row_release(&row);
        return r;
    }
    *ret = row;
    return 0;
}

void policy_row_release(struct policy_row *row)
{
    free(row->what);
    free(row->reason);
    free(row->name);
    specifiers_free(row->specifiers);
    *row = (struct policy_row){0};
}

static void release_list(struct policy_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        policy_row_release(&list->rows[i]);
    free(list->rows);
}

void policy_release(struct policy *p)
{
    release_list(&p->deny);
    release_list(&p->allow);
    for (char **except = p->min_age_except; except && *except; except++)
        free(*except);
    free(p->min_age_except);
    free(p->place);
    free(p->index);
    free(p->channel);
    free(p->advisories);
    *p = (struct policy){0};
}

bool policy_has_rules(const struct policy *p)
{
    return p->deny.count || p->allow.is_set || p->advisories || p->min_age_s;
}

const char *policy_rule_name(enum policy_rule rule)
{
    static const char *const names[POLICY_RULES] = {"name", "deny", "allow", "advisories",
                                                    "min_age"};
    return names[rule];
}

/* ----------------------------------------------------------------- readings */

static void add_reading(struct readings *readings, const char *project, const char *version)
{
    if (readings->count == READINGS_MOST)
        return;
    struct reading *r = &readings->list[readings->count++];
    str_copy(r->project, sizeof(r->project), project);
    r->is_version = version_normalize(version, r->version) == 0;
    if (!r->is_version)
        str_copy(r->version, sizeof(r->version), version);
}

/* "foo-1.0-2.tar.gz" is foo 1.0.post1 or foo-1-0 2: every dash before a version may be meant. */
static void add_sdist_readings(struct readings *readings, const char *name)
{
    char base[NAME_MAX_BYTES + 1], project[NAME_MAX_BYTES + 1], version[NAME_MAX_BYTES + 1];
    size_t len = strlen(name) - strlen(str_ends(name, ".zip") ? ".zip" : ".tar.gz");
    if (len >= sizeof(base))
        return;
    memcpy(base, name, len);
    base[len] = '\0';
    for (char *dash = strchr(base, '-'); dash; dash = strchr(dash + 1, '-')) {
        *dash = '\0';
        if (name_normalize(base, project) == 0 && version_normalize(dash + 1, version) == 0)
            add_reading(readings, project, version);
        *dash = '-';
    }
}

/* False: the name tells no project, so no rule can judge the file. */
static bool read_name(const struct policy_file *file, struct readings *ret)
{
    struct file_name name;
    ret->count = 0;
    if (file_name_parse(file->name, &name))
        return false;
    if (name.project) {
        add_reading(ret, name.project, name.version);
        if (file->project && strcmp(file->project, name.project) != 0)
            add_reading(ret, file->project, name.version);
        if (name.kind == FILE_SDIST)
            add_sdist_readings(ret, file->name);
    }
    file_name_release(&name);
    return ret->count > 0;
}

/* ------------------------------------------------------------------ matches */

/* `unknown`: the answer for a version that PEP 440 does not know. */
static bool row_means(const struct policy_row *row, const struct reading *r, bool unknown)
{
    if (!row->name || !str_matches(row->name, r->project))
        return false;
    return !row->specifiers ||
           (r->is_version ? specifiers_contain(row->specifiers, r->version) : unknown);
}

static bool has_bytes(const struct policy_row *row, const struct policy_file *file)
{
    return !row->name && file->sha256 && strcmp(row->sha256, file->sha256) == 0;
}

static const struct policy_row *find_denied(const struct policy *p, const struct policy_file *file,
                                            const struct readings *readings)
{
    for (size_t i = 0; i < p->deny.count; i++) {
        const struct policy_row *row = &p->deny.rows[i];
        if (has_bytes(row, file))
            return row;
        for (size_t n = 0; n < readings->count; n++)
            if (row_means(row, &readings->list[n], true))
                return row;
    }
    return NULL;
}

/* Whether rows of `allow` mean every reading, or one means the bytes. */
static bool is_allowed(const struct policy *p, const struct policy_file *file,
                       const struct readings *readings)
{
    size_t meant = 0;
    for (size_t i = 0; i < p->allow.count; i++)
        if (has_bytes(&p->allow.rows[i], file))
            return true;
    for (size_t n = 0; n < readings->count; n++) {
        bool found = false;
        for (size_t i = 0; !found && i < p->allow.count; i++)
            found = row_means(&p->allow.rows[i], &readings->list[n], false);
        meant += found;
    }
    return meant == readings->count;
}

static bool is_excepted(const struct policy *p, const struct readings *readings)
{
    size_t meant = 0;
    for (size_t n = 0; n < readings->count; n++) {
        bool found = false;
        for (char *const *e = p->min_age_except; !found && e && *e; e++)
            found = str_matches(*e, readings->list[n].project);
        meant += found;
    }
    return meant == readings->count;
}

static bool has_digests(const struct policy_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (!list->rows[i].name)
            return true;
    return false;
}

unsigned policy_needs(const struct policy *p, const struct policy_file *file)
{
    struct readings readings;
    if (!read_name(file, &readings))
        return 0;
    unsigned needs = 0;
    if (p->min_age_s && !is_excepted(p, &readings))
        needs |= POLICY_NEEDS_DATE;
    if (has_digests(&p->deny) || has_digests(&p->allow))
        needs |= POLICY_NEEDS_DIGEST;
    return needs;
}

/* ------------------------------------------------------------------ verdict */

/* "3d", "36h": the largest unit that leaves no rest. */
static void write_duration(int64_t seconds, char ret[DURATION_TEXT])
{
    static const struct {
        int64_t seconds;
        const char *unit;
    } units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
    size_t i = 0;
    while (seconds % units[i].seconds)
        i++;
    (void)snprintf(ret, DURATION_TEXT, "%lld%s", (long long)(seconds / units[i].seconds),
                   units[i].unit);
}

static bool refuse(struct policy_verdict *ret, enum policy_rule rule, const char *reason)
{
    *ret = (struct policy_verdict){.rule = rule};
    str_copy(ret->reason, sizeof(ret->reason), reason);
    return false;
}

/* "denied by "evil<2.1" in [index.lab]: steals tokens" */
static bool refuse_denied(const struct policy *p, const struct policy_row *row,
                          struct policy_verdict *ret)
{
    char text[POLICY_REASON_BYTES];
    (void)snprintf(text, sizeof(text), "denied by \"%.100s\"%s%.80s%s%.180s", row->what,
                   *p->place ? " in " : "", p->place, row->reason ? ": " : "",
                   row->reason ? row->reason : "");
    return refuse(ret, POLICY_DENY, text);
}

static bool refuse_unlisted(const struct policy *p, struct policy_verdict *ret)
{
    char text[POLICY_REASON_BYTES];
    (void)snprintf(text, sizeof(text), "not on the list of what is allowed%s%.80s",
                   *p->place ? " in " : "", p->place);
    return refuse(ret, POLICY_ALLOW, text);
}

static bool refuse_advised(const struct advisory *advisory, struct policy_verdict *ret)
{
    char text[POLICY_REASON_BYTES];
    (void)snprintf(text, sizeof(text), "advisory %.80s%s%.280s",
                   *advisory->id ? advisory->id : "without a name", *advisory->summary ? ": " : "",
                   advisory->summary);
    return refuse(ret, POLICY_ADVISORY, text);
}

static bool refuse_young(const struct policy *p, const struct policy_file *file,
                         struct policy_verdict *ret)
{
    char text[POLICY_REASON_BYTES], age[DURATION_TEXT], from[CLOCK_TEXT], until[CLOCK_TEXT];
    bool known = file->uploaded_s != POLICY_UNKNOWN;
    write_duration(p->min_age_s, age);
    clock_rfc3339(known ? file->uploaded_s : 0, from);
    clock_rfc3339(known ? file->uploaded_s + p->min_age_s : 0, until);
    if (known)
        (void)snprintf(text, sizeof(text), "uploaded %s, and min_age%s%.80s is %s: wait until %s",
                       from, *p->place ? " in " : "", p->place, age, until);
    else
        (void)snprintf(text, sizeof(text),
                       "no page says when it was uploaded, and min_age%s%.80s is %s",
                       *p->place ? " in " : "", p->place, age);
    (void)refuse(ret, POLICY_MIN_AGE, text);
    ret->until_s = known ? file->uploaded_s + p->min_age_s : 0;
    return false;
}

bool policy_admits(const struct policy *p, const struct advisories *advisories,
                   const struct policy_file *file, struct policy_verdict *ret)
{
    struct readings readings;
    struct advisory advisory;
    if (!policy_has_rules(p))
        return true;
    if (!read_name(file, &readings))
        return refuse(ret, POLICY_NAME, "its name tells no project, so no rule can judge it");
    const struct policy_row *denied = find_denied(p, file, &readings);
    if (denied)
        return refuse_denied(p, denied, ret);
    if (p->allow.is_set && !is_allowed(p, file, &readings))
        return refuse_unlisted(p, ret);
    for (size_t n = 0; n < readings.count; n++)
        if (advisories_find(advisories, readings.list[n].project, readings.list[n].version,
                            &advisory))
            return refuse_advised(&advisory, ret);
    bool is_young =
        file->uploaded_s == POLICY_UNKNOWN || file->now_s < file->uploaded_s + p->min_age_s;
    if (p->min_age_s && is_young && !is_excepted(p, &readings))
        return refuse_young(p, file, ret);
    return true;
}
