// SPDX-License-Identifier: Apache-2.0
#include "server/negotiate.h"
#include "base/ascii.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

/* ------------------------------------------------------------------ lists with q */

/* One element of a header's list, with its q. */
struct element {
    const char *name; /* not terminated */
    size_t len;
    int q; /* thousandths */
};

static bool element_is(const struct element *e, const char *name)
{
    return e->len == strlen(name) && !strncasecmp(e->name, name, e->len);
}

/* A qvalue in thousandths; a malformed one counts as absent. */
static int q_parse(const char *s)
{
    if (*s != '0' && *s != '1')
        return 1000;
    int q = (*s++ - '0') * 1000;
    if (*s == '.')
        for (int weight = 100; weight && isdigit((unsigned char)*++s); weight /= 10)
            q += (*s - '0') * weight;
    return q > 1000 ? 1000 : q;
}

/* Reads the q among the parameters in [s, end). */
static int q_find(const char *s, const char *end)
{
    while (s < end && (s = memchr(s, ';', (size_t)(end - s)))) {
        s = ascii_skip_blanks(s + 1);
        if (s < end && (*s == 'q' || *s == 'Q')) {
            const char *value = ascii_skip_blanks(s + 1);
            if (*value == '=')
                return q_parse(ascii_skip_blanks(value + 1));
        }
    }
    return 1000;
}

/* The next element of a comma-separated list; skips empty ones. */
static bool element_next(const char **list, struct element *ret)
{
    const char *s = *list + strspn(*list, " \t,");
    if (!*s)
        return false;
    const char *end = s + strcspn(s, ",");
    ret->name = s;
    ret->len = strcspn(s, ",; \t");
    ret->q = q_find(s, end);
    *list = end;
    return true;
}

/* ------------------------------------------------------------------ types */

static const struct {
    const char *name;
    const char *latest; /* its other name in the specification, or NULL */
    const char *range;  /* type wildcard */
    const char *content_type;
} types[PAGE_TYPES] = {
    [PAGE_TYPE_JSON] = {"application/vnd.pypi.simple.v1+json",
                        "application/vnd.pypi.simple.latest+json", "application/*",
                        "application/vnd.pypi.simple.v1+json"},
    [PAGE_TYPE_HTML_V1] = {"application/vnd.pypi.simple.v1+html",
                           "application/vnd.pypi.simple.latest+html", "application/*",
                           "application/vnd.pypi.simple.v1+html"},
    [PAGE_TYPE_HTML] = {"text/html", NULL, "text/*", "text/html; charset=utf-8"},
};

const char *negotiate_content_type(enum page_type type)
{
    return types[type].content_type;
}

/* How closely an element names a type; a higher value is closer. */
enum { NOT_AT_ALL, BY_ANY, BY_RANGE, BY_NAME };

/* How closely an element names a type. */
static int element_names(const struct element *e, enum page_type type)
{
    if (element_is(e, types[type].name) ||
        (types[type].latest && element_is(e, types[type].latest)))
        return BY_NAME;
    if (element_is(e, types[type].range))
        return BY_RANGE;
    if (element_is(e, "*/*") || element_is(e, "*"))
        return BY_ANY;
    return NOT_AT_ALL;
}

/* How much a client wants a type. */
struct preference {
    int q;
    int closeness;
};

/* The closest match decides a type's q, whatever its place in the list (RFC 9110 12.5.1). */
static struct preference preference_of(const char *accept, enum page_type type)
{
    struct preference p = {0, NOT_AT_ALL};
    struct element e;
    while (element_next(&accept, &e)) {
        int closeness = element_names(&e, type);
        if (closeness > p.closeness || (closeness && closeness == p.closeness && e.q > p.q))
            p = (struct preference){e.q, closeness};
    }
    return p;
}

static bool preference_beats(struct preference a, struct preference b)
{
    if (a.q != b.q)
        return a.q > b.q;
    return a.closeness > b.closeness;
}

/* Exact names only: ?format= is written by people and scripts. */
static int type_of_format(const char *format, enum page_type *ret)
{
    struct element whole = {format, strlen(format), 0};
    for (enum page_type type = PAGE_TYPE_JSON; type <= PAGE_TYPE_HTML; type++)
        if (element_names(&whole, type) == BY_NAME) {
            *ret = type;
            return 0;
        }
    return NEGOTIATE_NOTHING;
}

static int type_of_accept(const char *accept, enum page_type *ret)
{
    /* The order of the enum decides ties. A lone `*` must give HTML, so the search begins there. */
    enum page_type best = PAGE_TYPE_HTML;
    struct preference most = preference_of(accept, best);
    for (enum page_type type = PAGE_TYPE_JSON; type < PAGE_TYPE_HTML; type++) {
        struct preference p = preference_of(accept, type);
        bool tie = p.q == most.q && p.closeness == most.closeness && p.closeness >= BY_RANGE;
        if (preference_beats(p, most) || (tie && best == PAGE_TYPE_HTML)) {
            most = p;
            best = type;
        }
    }
    if (most.q == 0)
        return NEGOTIATE_NOTHING;
    *ret = best;
    return 0;
}

/* The last result of this thread. Clients of one kind always send the same header, and parsing it
 * costs a tenth of a page's reply. */
struct memo {
    char text[192];
    int result;
    int chosen;
};

static bool memo_has(const struct memo *m, const char *text)
{
    return m->text[0] && strcmp(m->text, text) == 0;
}

/* The key is copied: the header's text goes with its request. */
static void memo_take(struct memo *m, const char *text, int result, int chosen)
{
    size_t len = strlen(text);
    m->result = result;
    m->chosen = chosen;
    m->text[0] = '\0'; /* a longer header is parsed each time */
    if (len < sizeof(m->text))
        memcpy(m->text, text, len + 1);
}

/* An empty Accept counts as none, which is everything. */
int negotiate_page(const char *accept, const char *format, enum page_type *ret)
{
    static _Thread_local struct memo memo;
    if (format)
        return type_of_format(format, ret);
    if (!accept || !accept[strspn(accept, " \t,")])
        accept = "*/*";
    if (!memo_has(&memo, accept)) {
        enum page_type type = PAGE_TYPE_HTML;
        int r = type_of_accept(accept, &type);
        memo_take(&memo, accept, r, type);
    }
    if (memo.result == 0)
        *ret = (enum page_type)memo.chosen;
    return memo.result;
}

/* NULL-terminated rows: the types that ask for each form. */
static const char *const problem_names[][8] = {
    [PROBLEM_JSON] = {"application/problem+json", "application/json", "application/*",
                      "application/vnd.pypi.simple.v1+json",
                      "application/vnd.pypi.simple.latest+json", "*/*", "*"},
    [PROBLEM_HTML] = {"text/html", "application/xhtml+xml", "application/vnd.pypi.simple.v1+html",
                      "application/vnd.pypi.simple.latest+html"},
    [PROBLEM_TEXT] = {"text/plain", "text/*"},
};
enum { PROBLEM_TYPES = sizeof(problem_names) / sizeof(problem_names[0]) };

/* The form that a client asks for with this element; -1: none of ours. */
static int problem_of(const struct element *e)
{
    for (int type = 0; type < PROBLEM_TYPES; type++)
        for (const char *const *name = problem_names[type]; *name; name++)
            if (element_is(e, *name))
                return type;
    return -1;
}

/* The highest q decides; among equals the first in the list. */
enum problem_type negotiate_problem(const char *accept)
{
    enum problem_type best = PROBLEM_JSON;
    int most = 0;
    struct element e;
    while (accept && element_next(&accept, &e)) {
        int type = problem_of(&e);
        if (type >= 0 && e.q > most) {
            best = (enum problem_type)type;
            most = e.q;
        }
    }
    return best;
}

/* The q of a coding by one of its names; -1: not named. */
static int coding_q(const char *accept_encoding, const char *name, const char *alias)
{
    int q = -1;
    struct element e;
    while (accept_encoding && element_next(&accept_encoding, &e))
        if (element_is(&e, name) || element_is(&e, alias))
            q = e.q;
    return q;
}

/* A client that ranks identity above all codings gets no coding. */
static enum page_coding coding_of(const char *accept_encoding)
{
    int gzip = coding_q(accept_encoding, "gzip", "x-gzip");
    int zstd = coding_q(accept_encoding, "zstd", "zstd");
    if (gzip < 0)
        gzip = coding_q(accept_encoding, "*", "*");
    int most = gzip > zstd ? gzip : zstd;
    if (most <= 0 || most < coding_q(accept_encoding, "identity", "identity"))
        return PAGE_IDENTITY;
    return zstd == most ? PAGE_ZSTD : PAGE_GZIP;
}

enum page_coding negotiate_coding(const char *accept_encoding)
{
    static _Thread_local struct memo memo;
    if (!accept_encoding)
        return PAGE_IDENTITY;
    if (!memo_has(&memo, accept_encoding))
        memo_take(&memo, accept_encoding, 0, coding_of(accept_encoding));
    return (enum page_coding)memo.chosen;
}

const char *negotiate_coding_name(enum page_coding coding)
{
    switch (coding) {
    case PAGE_IDENTITY:
        return NULL;
    case PAGE_GZIP:
        return "gzip";
    case PAGE_ZSTD:
        return "zstd";
    }
    return NULL;
}

/* ------------------------------------------------------------------ validators */

/* A weak tag of the client matches: a 304 needs only equal content. */
bool negotiate_none_match(const char *if_none_match, const char *etag)
{
    if (!if_none_match)
        return false;
    const char *s = ascii_skip_blanks(if_none_match);
    if (*s == '*')
        return true;
    size_t len = strlen(etag);
    while (*s) {
        s += strspn(s, " \t,");
        if (s[0] == 'W' && s[1] == '/')
            s += 2;
        /* A tag may hold a comma, so it is walked from quote to quote. */
        const char *close = *s == '"' ? strchr(s + 1, '"') : NULL;
        if (!close)
            return false;
        if ((size_t)(close + 1 - s) == len && !memcmp(s, etag, len))
            return true;
        s = close + 1;
    }
    return false;
}

bool negotiate_if_range(const char *if_range, const char *etag)
{
    if (!if_range)
        return true;
    const char *s = ascii_skip_blanks(if_range);
    size_t len = strlen(etag);
    return !strncmp(s, etag, len) && !*ascii_skip_blanks(s + len);
}
