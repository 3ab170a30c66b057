// SPDX-License-Identifier: Apache-2.0
/*
 * A version is split into pointers into its own text, without any copy. Numbers stay texts of
 * digits and are compared by length first, so that a hostile version with a thousand digits is
 * harmless. Parsing, writing and ordering follow packaging; tests compare them.
 */
#include "index/version.h"

#include <stddef.h>
#include <string.h>

#include "base/ascii.h"
#include "base/error.h"
#include "index/version_private.h"

static bool is_separator(char c)
{
    return c == '.' || c == '-' || c == '_';
}

static struct number number_of(const char *digits, size_t len)
{
    while (len > 0 && *digits == '0') {
        digits++;
        len--;
    }
    return (struct number){digits, len};
}

/* Reads the digits at *p, which may be none. */
static struct number take_number(const char **p)
{
    const char *start = *p;

    while (ascii_is_digit(**p))
        (*p)++;
    return number_of(start, (size_t)(*p - start));
}

static bool take_word(const char **p, const char *word)
{
    size_t len = strlen(word);

    if (strncasecmp(*p, word, len) != 0)
        return false;
    *p += len;
    return true;
}

/* Reads [sep] word [sep] [digits]. Returns the index of the word in the NULL-terminated list; -1
 * when no word follows, and *p then stays. */
static int take_part(const char **p, const char *const *words, struct number *ret_number)
{
    const char *at = *p;

    if (is_separator(*at))
        at++;
    for (int i = 0; words[i]; i++) {
        if (!take_word(&at, words[i]))
            continue;
        if (is_separator(*at))
            at++;
        *ret_number = take_number(&at);
        *p = at;
        return i;
    }
    return -1;
}

/* A number without '!' belongs to the release. */
static void take_epoch(const char **p, struct version *v)
{
    const char *at = *p;
    struct number n = take_number(&at);

    if (at == *p || *at != '!')
        return;
    v->epoch = n;
    *p = at + 1;
}

static bool take_release(const char **p, struct version *v)
{
    v->release = *p;
    if (!ascii_is_digit(**p))
        return false;
    do {
        (void)take_number(p);
    } while (**p == '.' && ascii_is_digit((*p)[1]) && (*p)++);
    v->release_len = (size_t)(*p - v->release);
    return true;
}

/* Each spelling maps to its letter of the normal form. */
static void take_pre(const char **p, struct version *v)
{
    static const char *const words[] = {"alpha", "a", "beta", "b", "preview",
                                        "pre",   "c", "rc",   NULL};
    static const char letters[] = "aabbrrrr";
    int i = take_part(p, words, &v->pre_number);

    if (i >= 0)
        v->pre = letters[i];
}

/* "1.0-1" is a post-release as well (PEP 440). */
static void take_post(const char **p, struct version *v)
{
    static const char *const words[] = {"post", "rev", "r", NULL};

    if (**p == '-' && ascii_is_digit((*p)[1])) {
        (*p)++;
        v->post = take_number(p);
        v->has_post = true;
    } else {
        v->has_post = take_part(p, words, &v->post) >= 0;
    }
}

/* Segments of letters and digits, separated by any separator. */
static bool take_local(const char **p, struct version *v)
{
    if (**p != '+')
        return true;
    v->local = ++*p;
    for (;;) {
        if (!ascii_is_alnum(**p))
            return false;
        while (ascii_is_alnum(**p))
            (*p)++;
        if (!is_separator(**p))
            break;
        (*p)++;
    }
    v->local_len = (size_t)(*p - v->local);
    return true;
}

/* The regular expression of PEP 440, appendix B, by hand. */
bool version_parse(const char *text, struct version *ret)
{
    static const char *const dev[] = {"dev", NULL};
    struct version v = {0};
    const char *p = text;

    while (ascii_is_space(*p))
        p++;
    if (*p == 'v' || *p == 'V')
        p++;
    take_epoch(&p, &v);
    if (!take_release(&p, &v))
        return false;
    take_pre(&p, &v);
    take_post(&p, &v);
    v.has_dev = take_part(&p, dev, &v.dev) >= 0;
    if (!take_local(&p, &v))
        return false;
    while (ascii_is_space(*p))
        p++;
    *ret = v;
    return *p == '\0';
}

/* A fixed buffer that remembers an overflow. */
struct writer {
    char text[NAME_MAX_BYTES + 1];
    size_t len;
    bool full;
};

static void put(struct writer *w, const char *s, size_t len)
{
    if (w->full || len > NAME_MAX_BYTES - w->len) {
        w->full = true;
        return;
    }
    for (size_t i = 0; i < len; i++)
        w->text[w->len++] = ascii_lower(s[i]);
    w->text[w->len] = '\0';
}

static void put_number(struct writer *w, const char *before, struct number n)
{
    put(w, before, strlen(before));
    put(w, n.len ? n.digits : "0", n.len ? n.len : 1);
}

/* The segment at *at; moves *at past it and its separator. */
static struct number next_segment(const char **at, const char *end)
{
    const char *start = *at;
    const char *p = start;

    while (p < end && ascii_is_alnum(*p))
        p++;
    *at = p < end ? p + 1 : end;
    return (struct number){start, (size_t)(p - start)};
}

static bool all_digits(struct number n)
{
    for (size_t i = 0; i < n.len; i++)
        if (!ascii_is_digit(n.digits[i]))
            return false;
    return true;
}

/* Writes the release or the local part: segments joined by dots, numbers without leading zeros. */
static void put_segments(struct writer *w, const char *text, size_t len)
{
    const char *end = text + len;
    const char *dot = "";

    for (const char *at = text; at < end; dot = ".") {
        struct number n = next_segment(&at, end);

        if (all_digits(n)) {
            put_number(w, dot, number_of(n.digits, n.len));
        } else {
            put(w, dot, strlen(dot));
            put(w, n.digits, n.len);
        }
    }
}

/* The normal form: lower case, no leading zeros, dots as separators. */
static void put_version(struct writer *w, const struct version *v)
{
    if (v->epoch.len) {
        put_number(w, "", v->epoch);
        put(w, "!", 1);
    }
    put_segments(w, v->release, v->release_len);
    if (v->pre)
        put_number(w, v->pre == 'a' ? "a" : v->pre == 'b' ? "b" : "rc", v->pre_number);
    if (v->has_post)
        put_number(w, ".post", v->post);
    if (v->has_dev)
        put_number(w, ".dev", v->dev);
    if (v->local) {
        put(w, "+", 1);
        put_segments(w, v->local, v->local_len);
    }
}

int version_normalize(const char *text, char *ret)
{
    struct version v;
    struct writer w = {.len = 0};

    if (!version_parse(text, &v))
        return ERROR_BAD_REQUEST;
    put_version(&w, &v);
    if (w.full)
        return ERROR_BAD_REQUEST;
    memcpy(ret, w.text, w.len + 1);
    return 0;
}

/* Without leading zeros the longer number is the larger one. */
static int compare_numbers(struct number a, struct number b)
{
    if (a.len != b.len)
        return a.len < b.len ? -1 : 1;
    return a.len ? memcmp(a.digits, b.digits, a.len) : 0;
}

/* Missing segments count as zero. */
static int compare_releases(const struct version *a, const struct version *b)
{
    const char *p = a->release;
    const char *q = b->release;
    const char *p_end = p + a->release_len;
    const char *q_end = q + b->release_len;

    while (p < p_end || q < q_end) {
        struct number x = next_segment(&p, p_end);
        struct number y = next_segment(&q, q_end);
        int c = compare_numbers(number_of(x.digits, x.len), number_of(y.digits, y.len));

        if (c)
            return c;
    }
    return 0;
}

/* 1.dev0 < 1a0.dev0 < 1a0 < 1b0 < 1rc0 < 1 < 1.post0.dev0 < 1.post0 */
static int pre_rank(const struct version *v)
{
    if (v->pre)
        return v->pre == 'a' ? 1 : v->pre == 'b' ? 2 : 3;
    return v->has_dev && !v->has_post ? 0 : 4;
}

static int compare_words(struct number a, struct number b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n ? strncasecmp(a.digits, b.digits, n) : 0;

    if (c)
        return c;
    return a.len == b.len ? 0 : a.len < b.len ? -1 : 1;
}

/* A number is above a word; of two that agree so far, the longer is above. */
static int compare_locals(const struct version *a, const struct version *b)
{
    const char *p = a->local;
    const char *q = b->local;

    if (!p || !q)
        return (p != NULL) - (q != NULL);
    const char *p_end = p + a->local_len;
    const char *q_end = q + b->local_len;

    while (p < p_end && q < q_end) {
        struct number x = next_segment(&p, p_end);
        struct number y = next_segment(&q, q_end);
        bool x_digits = all_digits(x);
        bool y_digits = all_digits(y);
        int c;

        if (x_digits != y_digits)
            return x_digits ? 1 : -1;
        c = x_digits ? compare_numbers(number_of(x.digits, x.len), number_of(y.digits, y.len))
                     : compare_words(x, y);
        if (c)
            return c;
    }
    return (p < p_end) - (q < q_end);
}

/* Epoch, release, pre, post, dev, local: the sort key of packaging. */
int version_order(const struct version *a, const struct version *b)
{
    int c = compare_numbers(a->epoch, b->epoch);

    if (!c)
        c = compare_releases(a, b);
    if (!c)
        c = pre_rank(a) - pre_rank(b);
    if (!c && a->pre)
        c = compare_numbers(a->pre_number, b->pre_number);
    if (!c)
        c = a->has_post - b->has_post;
    if (!c)
        c = compare_numbers(a->post, b->post);
    /* A development release comes before its final release. */
    if (!c)
        c = b->has_dev - a->has_dev;
    if (!c)
        c = compare_numbers(a->dev, b->dev);
    return c ? c : compare_locals(a, b);
}

/* Texts that are no versions keep an order among themselves. */
int version_compare(const char *a, const char *b)
{
    struct version x;
    struct version y;
    bool x_valid = version_parse(a, &x);
    bool y_valid = version_parse(b, &y);

    if (x_valid && y_valid)
        return version_order(&x, &y);
    return x_valid || y_valid ? x_valid - y_valid : strcmp(a, b);
}

bool version_is_prerelease(const char *text)
{
    struct version v;

    return version_parse(text, &v) && (v.pre || v.has_dev);
}

size_t version_segments(const struct version *v)
{
    size_t count = 1;

    for (size_t i = 0; i < v->release_len; i++)
        count += v->release[i] == '.';
    return count;
}

/* For "== 1.2.*" and "~= 1.2". */
bool version_has_prefix(const struct version *v, const struct version *prefix, size_t segments)
{
    const char *p = v->release;
    const char *q = prefix->release;
    const char *p_end = p + v->release_len;
    const char *q_end = q + prefix->release_len;

    if (compare_numbers(v->epoch, prefix->epoch))
        return false;
    for (; segments; segments--) {
        struct number x = next_segment(&p, p_end);
        struct number y = next_segment(&q, q_end);

        if (compare_numbers(number_of(x.digits, x.len), number_of(y.digits, y.len)))
            return false;
    }
    return true;
}

bool version_is_same_release(const struct version *a, const struct version *b)
{
    return !compare_numbers(a->epoch, b->epoch) && !compare_releases(a, b) && a->pre == b->pre &&
           !compare_numbers(a->pre_number, b->pre_number);
}
