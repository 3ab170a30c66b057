// SPDX-License-Identifier: Apache-2.0
/* The text is copied once and cut in place at its commas; parsed versions point into the copy,
 * which lives as long as the specifiers. Matching allocates nothing. The rules for local versions,
 * post-releases and wildcards are packaging's; an end-to-end test compares both. */
#include "index/specifier.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/ascii.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "index/version_private.h"

enum operator{
    OPERATOR_ARBITRARY,
    OPERATOR_COMPATIBLE,
    OPERATOR_EQUAL,
    OPERATOR_UNEQUAL,
    OPERATOR_AT_MOST,
    OPERATOR_AT_LEAST,
    OPERATOR_BELOW,
    OPERATOR_ABOVE
};

/* One specifier such as ">=2.6". */
struct specifier {
    enum operator operator;
    const char *text;       /* the text after the operator, in `specifiers.text` */
    struct version version; /* not of OPERATOR_ARBITRARY */
    bool is_prefix;         /* ended in .* */
};

struct specifiers {
    char *text; /* cut at its commas; the parsed versions point into it */
    size_t count;
    struct specifier list[SPECIFIERS_MAX];
};

DEFINE_CLEANUP(struct specifiers, specifiers_free)

/* Removes surrounding white space in place. */
static char *trim(char *text)
{
    size_t len;

    while (ascii_is_space(*text))
        text++;
    len = strlen(text);
    while (len && ascii_is_space(text[len - 1]))
        text[--len] = '\0';
    return text;
}

/* Longer operators stand first in the list: "===" before "==". */
static char *take_operator(char *text, enum operator* ret)
{
    static const char *const words[] = {"===", "~=", "==", "!=", "<=", ">=", "<", ">"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t len = strlen(words[i]);

        if (strncmp(text, words[i], len) == 0) {
            *ret = (enum operator)i;
            return text + len;
        }
    }
    return NULL;
}

/* === accepts any characters that a requirement may contain. */
static bool is_arbitrary(const char *text)
{
    for (; *text; text++)
        if (ascii_is_space(*text) || *text == ';' || *text == ')')
            return false;
    return true;
}

/* Removes a final `.*`, which only == and != allow. */
static bool take_wildcard(struct specifier *s, char *text)
{
    size_t len = strlen(text);

    s->is_prefix = len > 2 && strcmp(text + len - 2, ".*") == 0;
    if (s->is_prefix)
        text[len - 2] = '\0';
    return !s->is_prefix || s->operator== OPERATOR_EQUAL || s->operator== OPERATOR_UNEQUAL;
}

/* A prefix must end in a number of its release. */
static bool prefix_is_release(const struct specifier *s)
{
    const struct version *v = &s->version;

    return !v->pre && !v->has_post && !v->has_dev && !v->local &&
           !v->release[v->release_len]; /* no space before the wildcard */
}

/* A local version is allowed only with == and !=. */
static bool parse_one(char *text, struct specifier *s)
{
    char *rest = take_operator(trim(text), &s->operator);

    if (!rest)
        return false;
    rest = trim(rest);
    s->text = rest;
    if (s->operator== OPERATOR_ARBITRARY)
        return is_arbitrary(rest);
    if (!take_wildcard(s, rest) || !version_parse(rest, &s->version))
        return false;
    if (s->is_prefix)
        return prefix_is_release(s);
    if (s->operator== OPERATOR_COMPATIBLE && version_segments(&s->version) < 2)
        return false;
    return !s->version.local || s->operator== OPERATOR_EQUAL || s->operator== OPERATOR_UNEQUAL;
}

/* Empty parts are skipped, as packaging does. */
int specifiers_parse(const char *text, struct specifiers **ret)
{
    AUTO(specifiers_free) struct specifiers *all = calloc(1, sizeof(*all));
    char *rest, *one;

    if (!all || !(all->text = strdup(text)))
        return ERROR_NO_MEMORY;
    for (rest = all->text; (one = strsep(&rest, ","));) {
        if (!*trim(one))
            continue;
        if (all->count == SPECIFIERS_MAX)
            return ERROR_TOO_BIG;
        if (!parse_one(one, &all->list[all->count++]))
            return ERROR_BAD_REQUEST;
    }
    *ret = all;
    all = NULL;
    return 0;
}

void specifiers_free(struct specifiers *specifiers)
{
    if (specifiers)
        free(specifiers->text);
    free(specifiers);
}

/* ----------------------------------------------------------------- matching */

static struct version public_of(const struct version *v)
{
    struct version public = *v;

    public.local = NULL;
    return public;
}

/* == without a local part ignores the candidate's local part. */
static bool is_equal(const struct specifier *s, const struct version *v)
{
    struct version public = public_of(v);

    if (s->is_prefix)
        return version_has_prefix(v, &s->version, version_segments(&s->version));
    return version_order(s->version.local ? v : &public, &s->version) == 0;
}

/* >1.0 excludes 1.0+local, and also 1.0.post1 unless it names a post-release itself. */
static bool is_above(const struct specifier *s, const struct version *v)
{
    struct version public = public_of(v);

    if (version_order(&public, &s->version) <= 0)
        return false;
    return s->version.has_post || s->version.has_dev || !version_is_same_release(v, &s->version);
}

/* <1.0 excludes 1.0rc1 unless it names a pre-release itself. */
static bool is_below(const struct specifier *s, const struct version *v)
{
    struct version bound = s->version;

    if (!bound.pre)
        bound.has_dev = true; /* an absent number is zero */
    return version_order(v, &bound) < 0;
}

/* A text that is no version can only be equal by ===. */
static bool admits(const struct specifier *s, const char *text, const struct version *v)
{
    struct version public;

    if (s->operator== OPERATOR_ARBITRARY)
        return strcasecmp(s->text, text) == 0;
    if (!v)
        return false;
    public = public_of(v);
    switch (s->operator) {
    case OPERATOR_ARBITRARY:
        break;
    case OPERATOR_COMPATIBLE:
        return version_order(v, &s->version) >= 0 &&
               version_has_prefix(v, &s->version, version_segments(&s->version) - 1);
    case OPERATOR_EQUAL:
        return is_equal(s, v);
    case OPERATOR_UNEQUAL:
        return !is_equal(s, v);
    case OPERATOR_AT_MOST:
        return version_order(&public, &s->version) <= 0;
    case OPERATOR_AT_LEAST:
        return version_order(v, &s->version) >= 0;
    case OPERATOR_BELOW:
        return is_below(s, v);
    case OPERATOR_ABOVE:
        return is_above(s, v);
    }
    return false;
}

bool specifiers_contain(const struct specifiers *specifiers, const char *version)
{
    struct version v;
    bool is_version = version_parse(version, &v);

    for (size_t i = 0; i < specifiers->count; i++)
        if (!admits(&specifiers->list[i], version, is_version ? &v : NULL))
            return false;
    return true;
}

/* Exclusions and prefixes name no pre-release. */
bool specifiers_name_prerelease(const struct specifiers *specifiers)
{
    struct version v;

    for (size_t i = 0; i < specifiers->count; i++) {
        const struct specifier *s = &specifiers->list[i];

        if (s->operator== OPERATOR_UNEQUAL || s->is_prefix)
            continue;
        if (s->operator!= OPERATOR_ARBITRARY)
            v = s->version;
        else if (!version_parse(s->text, &v))
            continue;
        if (v.pre || v.has_dev)
            return true;
    }
    return false;
}

bool specifiers_are_pinned(const struct specifiers *specifiers)
{
    for (size_t i = 0; i < specifiers->count; i++) {
        const struct specifier *s = &specifiers->list[i];

        if (s->operator== OPERATOR_ARBITRARY ||(s->operator== OPERATOR_EQUAL && !s->is_prefix))
            return true;
    }
    return false;
}

/* -------------------------------------------------------------- requirements */

/* Removes parentheses around the specifiers. */
static char *without_parentheses(char *text)
{
    size_t len = strlen(text);

    if (*text != '(' || text[len - 1] != ')')
        return text;
    text[len - 1] = '\0';
    return trim(text + 1);
}

/* Extras change nothing about the choice of a file, so they are skipped. */
int requirement_parse(const char *text, char *ret_project, struct specifiers **ret)
{
    auto_free char *copy = strdup(text);
    char project[NAME_MAX_BYTES + 1];
    char name[NAME_MAX_BYTES + 1];
    char *start, *rest;
    size_t len;
    int r;

    if (!copy)
        return ERROR_NO_MEMORY;
    start = trim(copy);
    len = strcspn(start, " \t[(<>=!~;@,");
    if (len > NAME_MAX_BYTES)
        return ERROR_BAD_REQUEST;
    memcpy(name, start, len);
    name[len] = '\0';
    r = name_normalize(name, project);
    if (r)
        return r;
    rest = trim(start + len);
    if (*rest == '[') {
        rest = strchr(rest, ']');
        if (!rest)
            return ERROR_BAD_REQUEST;
        rest = trim(rest + 1);
    }
    if (strpbrk(rest, ";@"))
        return ERROR_BAD_REQUEST;
    r = specifiers_parse(without_parentheses(rest), ret);
    if (r == 0)
        memcpy(ret_project, project, sizeof project);
    return r;
}
