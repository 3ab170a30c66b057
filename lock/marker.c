// SPDX-License-Identifier: Apache-2.0
/*
 * A marker is compiled into a row of steps: a comparison puts its answer on a stack, `and` and `or`
 * take two from it. All comparisons are made, even where the answer is known before: packaging
 * also finds an undefined one behind an `or`.
 */
#include "lock/marker.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "index/specifier.h"

enum { STEPS_FIRST = 8 };

enum relation {
    IN,
    NOT_IN,
    LESS,
    LESS_EQUAL,
    EQUAL,
    NOT_EQUAL,
    GREATER_EQUAL,
    GREATER,
    COMPATIBLE,
    SAME
};

/* A variable, or a string, whose `variable` is MARKER_VARIABLES. */
struct operand {
    enum marker_variable variable;
    const char *text;
};

enum step_kind { STEP_COMPARE, STEP_AND, STEP_OR };

struct step {
    enum step_kind kind;
    enum relation relation;
    struct operand left, right;
};

struct marker {
    char *text; /* which the operands point into */
    struct step *steps;
    size_t count, cap;
};

DEFINE_CLEANUP(struct marker, marker_free)
DEFINE_CLEANUP(struct specifiers, specifiers_free)

static const char *const relations[] = {
    [IN] = "in",         [NOT_IN] = "not in", [LESS] = "<",           [LESS_EQUAL] = "<=",
    [EQUAL] = "==",      [NOT_EQUAL] = "!=",  [GREATER_EQUAL] = ">=", [GREATER] = ">",
    [COMPATIBLE] = "~=", [SAME] = "===",
};

static const char *const names[MARKER_VARIABLES] = {
    [MARKER_IMPLEMENTATION_NAME] = "implementation_name",
    [MARKER_IMPLEMENTATION_VERSION] = "implementation_version",
    [MARKER_OS_NAME] = "os_name",
    [MARKER_PLATFORM_MACHINE] = "platform_machine",
    [MARKER_PLATFORM_PYTHON_IMPLEMENTATION] = "platform_python_implementation",
    [MARKER_PLATFORM_RELEASE] = "platform_release",
    [MARKER_PLATFORM_SYSTEM] = "platform_system",
    [MARKER_PLATFORM_VERSION] = "platform_version",
    [MARKER_PYTHON_FULL_VERSION] = "python_full_version",
    [MARKER_PYTHON_VERSION] = "python_version",
    [MARKER_SYS_PLATFORM] = "sys_platform",
    [MARKER_EXTRA] = "extra",
    [MARKER_EXTRAS] = "extras",
    [MARKER_DEPENDENCY_GROUPS] = "dependency_groups",
};

/* Names of setuptools' time, and spellings with a dot. */
static const struct {
    const char *name;
    enum marker_variable variable;
} old_names[] = {
    {"os.name", MARKER_OS_NAME},
    {"sys.platform", MARKER_SYS_PLATFORM},
    {"platform.version", MARKER_PLATFORM_VERSION},
    {"platform.machine", MARKER_PLATFORM_MACHINE},
    {"platform.python_implementation", MARKER_PLATFORM_PYTHON_IMPLEMENTATION},
    {"python_implementation", MARKER_PLATFORM_PYTHON_IMPLEMENTATION},
};

const char *marker_variable_name(enum marker_variable variable)
{
    return names[variable];
}

/* ------------------------------------------------------------------ parsing */

struct parser {
    struct marker *marker;
    char *at;
};

static bool is_word_byte(char c)
{
    return isalnum((unsigned char)c) || c == '_' || ((unsigned char)c & 0x80);
}

static void skip_blanks(struct parser *p)
{
    p->at += strspn(p->at, " \t");
}

/* Takes a word that no further letter follows. */
static bool take_word(struct parser *p, const char *word)
{
    size_t len = strlen(word);

    if (strncmp(p->at, word, len) != 0 || is_word_byte(p->at[len]))
        return false;
    p->at += len;
    return true;
}

static int add_step(struct parser *p, const struct step *step)
{
    struct marker *m = p->marker;

    if (m->count == m->cap) {
        size_t cap = m->cap ? 2 * m->cap : STEPS_FIRST;
        struct step *more = reallocarray(m->steps, cap, sizeof(*more));

        if (!more)
            return ERROR_NO_MEMORY;
        m->steps = more;
        m->cap = cap;
    }
    m->steps[m->count++] = *step;
    return 0;
}

static bool take_variable(struct parser *p, struct operand *ret)
{
    for (size_t i = 0; i < MARKER_VARIABLES; i++)
        if (take_word(p, names[i])) {
            *ret = (struct operand){(enum marker_variable)i, names[i]};
            return true;
        }
    for (size_t i = 0; i < sizeof old_names / sizeof *old_names; i++)
        if (take_word(p, old_names[i].name)) {
            *ret = (struct operand){old_names[i].variable, names[old_names[i].variable]};
            return true;
        }
    return false;
}

static int take_operand(struct parser *p, struct operand *ret)
{
    char quote = *p->at;

    if (take_variable(p, ret))
        return 0;
    if (quote != '\'' && quote != '"')
        return ERROR_BAD_REQUEST;
    char *text = p->at + 1;
    char *end = strchr(text, quote);
    if (!end)
        return ERROR_BAD_REQUEST;
    *end = '\0';
    if (strpbrk(text, "\\\n\r"))
        return ERROR_BAD_REQUEST;
    *ret = (struct operand){MARKER_VARIABLES, text};
    p->at = end + 1;
    return 0;
}

static int take_relation(struct parser *p, enum relation *ret)
{
    static const enum relation longest_first[] = {SAME,       EQUAL,         COMPATIBLE, NOT_EQUAL,
                                                  LESS_EQUAL, GREATER_EQUAL, LESS,       GREATER};

    if (take_word(p, "in")) {
        *ret = IN;
        return 0;
    }
    if (take_word(p, "not")) {
        if (*p->at != ' ' && *p->at != '\t')
            return ERROR_BAD_REQUEST;
        skip_blanks(p);
        *ret = NOT_IN;
        return take_word(p, "in") ? 0 : ERROR_BAD_REQUEST;
    }
    for (size_t i = 0; i < sizeof longest_first / sizeof *longest_first; i++)
        if (str_starts(p->at, relations[longest_first[i]])) {
            p->at += strlen(relations[longest_first[i]]);
            *ret = longest_first[i];
            return 0;
        }
    return ERROR_BAD_REQUEST;
}

/* Of two strings packaging takes the right one for the name of a variable. */
static void name_variable(struct step *step)
{
    if (step->left.variable != MARKER_VARIABLES || step->right.variable != MARKER_VARIABLES)
        return;
    for (size_t i = 0; i < MARKER_VARIABLES; i++)
        if (!strcmp(names[i], step->right.text))
            step->right.variable = (enum marker_variable)i;
}

static int parse_comparison(struct parser *p)
{
    struct step step = {.kind = STEP_COMPARE};
    int e = take_operand(p, &step.left);

    skip_blanks(p);
    if (!e)
        e = take_relation(p, &step.relation);
    skip_blanks(p);
    if (!e)
        e = take_operand(p, &step.right);
    if (e)
        return e;
    name_variable(&step);
    return add_step(p, &step);
}

static int parse_or(struct parser *p, unsigned depth);

static int parse_atom(struct parser *p, unsigned depth)
{
    int e;

    skip_blanks(p);
    if (*p->at == '(') {
        if (depth == MARKER_MAX_DEPTH)
            return ERROR_TOO_BIG;
        p->at++;
        e = parse_or(p, depth + 1);
        if (!e && *p->at != ')')
            e = ERROR_BAD_REQUEST;
        if (!e)
            p->at++;
    } else {
        e = parse_comparison(p);
    }
    skip_blanks(p);
    return e;
}

static int parse_and(struct parser *p, unsigned depth)
{
    const struct step both = {.kind = STEP_AND};
    int e = parse_atom(p, depth);

    while (!e && take_word(p, "and")) {
        e = parse_atom(p, depth);
        if (!e)
            e = add_step(p, &both);
    }
    return e;
}

static int parse_or(struct parser *p, unsigned depth)
{
    const struct step either = {.kind = STEP_OR};
    int e = parse_and(p, depth);

    while (!e && take_word(p, "or")) {
        e = parse_and(p, depth);
        if (!e)
            e = add_step(p, &either);
    }
    return e;
}

int marker_parse(const char *text, struct marker **ret)
{
    AUTO(marker_free) struct marker *marker = calloc(1, sizeof(*marker));

    if (strnlen(text, MARKER_MAX_BYTES + 1) > MARKER_MAX_BYTES)
        return ERROR_TOO_BIG;
    if (!marker)
        return ERROR_NO_MEMORY;
    marker->text = str_dup(text);
    if (!marker->text)
        return ERROR_NO_MEMORY;
    struct parser p = {marker, marker->text};
    int e = parse_or(&p, 0);
    if (!e && *p.at)
        e = ERROR_BAD_REQUEST;
    if (e)
        return e;
    *ret = marker;
    marker = NULL;
    return 0;
}

void marker_free(struct marker *marker)
{
    if (!marker)
        return;
    free(marker->text);
    free(marker->steps);
    free(marker);
}

/* --------------------------------------------------------------- evaluation */

/* Whether two names are one: lower case, each run of `-_.` one `-`. Any text may be a name here. */
static bool is_same_name(const char *a, const char *b)
{
    static const char dashes[] = "-_.";

    while (*a && *b) {
        size_t run = strspn(a, dashes);
        size_t other = strspn(b, dashes);

        if (!run != !other || (!run && tolower((unsigned char)*a) != tolower((unsigned char)*b)))
            return false;
        a += run ? run : 1;
        b += other ? other : 1;
    }
    return !*a && !*b;
}

static bool has_name(const struct marker_names *all, const char *name)
{
    for (size_t i = 0; i < all->count; i++)
        if (is_same_name(all->list[i], name))
            return true;
    return false;
}

static int compare_texts(const char *left, enum relation relation, const char *right, bool *ret)
{
    switch (relation) {
    case IN:
        *ret = strstr(right, left) != NULL;
        return 0;
    case NOT_IN:
        *ret = strstr(right, left) == NULL;
        return 0;
    case EQUAL:
    case LESS_EQUAL:
    case GREATER_EQUAL:
        *ret = strcmp(left, right) == 0;
        return 0;
    case NOT_EQUAL:
        *ret = strcmp(left, right) != 0;
        return 0;
    case LESS:
    case GREATER:
        *ret = false;
        return 0;
    case COMPATIBLE:
    case SAME:
        break;
    }
    return ERROR_BAD_REQUEST;
}

/* `extra` may stand on either side. Only equality is defined of a set; an empty one is "". */
static int compare_extra(const struct marker_names *extra, enum relation relation, const char *name,
                         bool is_left, bool *ret)
{
    if (!extra->count)
        return is_left ? compare_texts("", relation, name, ret)
                       : compare_texts(name, relation, "", ret);
    if (relation != EQUAL && relation != NOT_EQUAL)
        return ERROR_BAD_REQUEST;
    *ret = has_name(extra, name) == (relation == EQUAL);
    return 0;
}

/* A text beside a set: it is in the set or not, and never equal to it. */
static int compare_set(const struct marker_names *all, enum relation relation, const char *name,
                       bool *ret)
{
    switch (relation) {
    case IN:
        *ret = has_name(all, name);
        return 0;
    case NOT_IN:
        *ret = !has_name(all, name);
        return 0;
    case LESS:
    case LESS_EQUAL:
    case EQUAL:
    case GREATER_EQUAL:
    case GREATER:
        *ret = false;
        return 0;
    case NOT_EQUAL:
        *ret = true;
        return 0;
    case COMPATIBLE:
    case SAME:
        break;
    }
    return ERROR_BAD_REQUEST;
}

static bool wants_versions(enum marker_variable variable)
{
    return variable == MARKER_IMPLEMENTATION_VERSION || variable == MARKER_PLATFORM_RELEASE ||
           variable == MARKER_PYTHON_FULL_VERSION || variable == MARKER_PYTHON_VERSION;
}

/* The right side is a version behind the sign; where that is no specifier, both are texts. */
static int compare_strings(const char *left, enum relation relation, const char *right,
                           enum marker_variable key, bool *ret)
{
    AUTO(specifiers_free) struct specifiers *specifiers = NULL;

    if (wants_versions(key) && relation != IN && relation != NOT_IN && !strchr(right, ',')) {
        auto_free char *text = str_printf("%s%s", relations[relation], right);
        int e = text ? specifiers_parse(text, &specifiers) : ERROR_NO_MEMORY;

        if (e == ERROR_NO_MEMORY)
            return e;
        if (!e) {
            *ret = specifiers_contain(specifiers, left);
            return 0;
        }
    }
    return compare_texts(left, relation, right, ret);
}

/* Of a variable on the left the right side is a text, even where it is a variable's name: so does
 * packaging. */
static int compare(const struct step *step, const struct marker_environment *environment, bool *ret)
{
    bool is_left = step->left.variable != MARKER_VARIABLES;
    enum marker_variable key = is_left ? step->left.variable : step->right.variable;
    const char *other = is_left ? step->right.text : step->left.text;

    if (key == MARKER_VARIABLES)
        return ERROR_BAD_REQUEST;
    if (key == MARKER_EXTRA)
        return compare_extra(&environment->extra, step->relation, other, is_left, ret);
    if (key == MARKER_EXTRAS || key == MARKER_DEPENDENCY_GROUPS) {
        if (is_left)
            return ERROR_BAD_REQUEST;
        return compare_set(key == MARKER_EXTRAS ? &environment->extras : &environment->groups,
                           step->relation, other, ret);
    }
    return is_left ? compare_strings(environment->strings[key], step->relation, other, key, ret)
                   : compare_strings(other, step->relation, environment->strings[key], key, ret);
}

int marker_holds(const struct marker *marker, const struct marker_environment *environment,
                 bool *ret)
{
    auto_free bool *stack = calloc(marker->count, sizeof(*stack));
    size_t height = 0;

    if (!stack)
        return ERROR_NO_MEMORY;
    for (size_t i = 0; i < marker->count; i++) {
        const struct step *step = &marker->steps[i];

        if (step->kind == STEP_COMPARE) {
            int e = compare(step, environment, &stack[height++]);

            if (e)
                return e;
            continue;
        }
        height--;
        if (step->kind == STEP_AND)
            stack[height - 1] = stack[height - 1] && stack[height];
        else
            stack[height - 1] = stack[height - 1] || stack[height];
    }
    *ret = stack[0];
    return 0;
}

int marker_text_holds(const char *text, const struct marker_environment *environment, bool *ret)
{
    AUTO(marker_free) struct marker *marker = NULL;

    if (!text || !*text) {
        *ret = true;
        return 0;
    }
    int e = marker_parse(text, &marker);
    return e ? e : marker_holds(marker, environment, ret);
}
