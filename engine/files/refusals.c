// SPDX-License-Identifier: Apache-2.0
#include "engine/files/refusals.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/error.h"
#include "base/str.h"

/*
 * A refusal of a file begins with the first bad copy; every other copy renews it. It ends when
 * right bytes are known, or when it is forgotten on purpose, or an hour after the last bad copy. It
 * also ends when more than REFUSALS_MOST files have one and it is the oldest. The hash keeps the
 * order of insertion; a renewed refusal is inserted again. The simulator runs this file as the
 * daemon does.
 */
enum {
    WAIT_FIRST_MS = 2000,
    WAIT_MOST_MS = 60000,
    REMEMBERED_MS = 3600 * 1000,
};

/* The last bad copy of one mirror. */
struct copy {
    char sha256[SHA256_HEX];
    bool is_web_page;
    char *validator;
};

struct refusal {
    char *key; /* origin/path */
    unsigned mirrors;
    struct copy copy[FLIGHT_MIRRORS];
    unsigned failures;
    bool is_news; /* a copy was noted since the last failure */
    int64_t noted_ms, until_ms;
    char detail[REFUSALS_DETAIL];
    UT_hash_handle hh;
};

struct refusals {
    struct refusal *table;
};

int refusals_new(struct refusals **ret)
{
    *ret = calloc(1, sizeof(**ret));
    return *ret ? 0 : ERROR_NO_MEMORY;
}

static void refusal_drop(struct refusals *all, struct refusal *r)
{
    HASH_DEL(all->table, r);
    for (unsigned m = 0; m < FLIGHT_MIRRORS; m++)
        free(r->copy[m].validator);
    free(r->key);
    free(r);
}

void refusals_clear(struct refusals *all)
{
    while (all->table)
        refusal_drop(all, all->table);
}

void refusals_free(struct refusals *all)
{
    if (all)
        refusals_clear(all);
    free(all);
}

static struct refusal *find(struct refusals *all, const char *origin, const char *path)
{
    struct refusal *r = NULL;
    char *key = str_printf("%s/%s", origin, path);
    if (key)
        HASH_FIND_STR(all->table, key, r);
    free(key);
    return r;
}

/* One file more may exceed the limit: then the oldest goes. */
static struct refusal *add(struct refusals *all, const char *origin, const char *path)
{
    struct refusal *r = calloc(1, sizeof(*r));
    if (r)
        r->key = str_printf("%s/%s", origin, path);
    if (!r || !r->key) {
        free(r);
        return NULL;
    }
    HASH_ADD_KEYPTR(hh, all->table, r->key, strlen(r->key), r);
    if (HASH_COUNT(all->table) > REFUSALS_MOST)
        refusal_drop(all, all->table); /* the oldest */
    return r;
}

/* The last copy of each mirror counts; an older one is forgotten. */
void refusals_note(struct refusals *all, const char *origin, const char *path, unsigned mirror,
                   const char *sha256, bool is_web_page, const char *validator, const char *detail,
                   int64_t now_ms)
{
    struct refusal *r = find(all, origin, path);
    if (r) { /* it becomes the newest */
        HASH_DEL(all->table, r);
        HASH_ADD_KEYPTR(hh, all->table, r->key, strlen(r->key), r);
    } else {
        r = add(all, origin, path);
    }
    if (!r)
        return;
    struct copy *c = &r->copy[mirror];
    r->mirrors |= 1u << mirror;
    r->is_news = true;
    r->noted_ms = now_ms;
    str_copy(r->detail, sizeof(r->detail), detail);
    str_copy(c->sha256, sizeof(c->sha256), sha256);
    c->is_web_page = is_web_page;
    free(c->validator);
    c->validator = str_dup(validator);
}

/* The wait doubles with each failure. */
void refusals_failed(struct refusals *all, const char *origin, const char *path, int64_t now_ms)
{
    struct refusal *r = find(all, origin, path);
    if (!r || !r->is_news) /* nothing was fetched since: the file waits already */
        return;
    r->is_news = false;
    int64_t wait_ms = WAIT_FIRST_MS;
    for (unsigned i = 0; i < r->failures && wait_ms < WAIT_MOST_MS; i++)
        wait_ms *= 2;
    r->failures++;
    r->until_ms = now_ms + (wait_ms < WAIT_MOST_MS ? wait_ms : WAIT_MOST_MS);
}

/* Whether the mirror sent known bytes that are no web page. */
static bool has(const struct refusal *r, unsigned mirror)
{
    const struct copy *c = &r->copy[mirror];
    return (r->mirrors & (1u << mirror)) && c->sha256[0] && !c->is_web_page;
}

/* Mirrors that sent the same bytes, when several did. */
static unsigned agreeing(const struct refusal *r)
{
    unsigned best = 0;
    for (unsigned m = 0; m < FLIGHT_MIRRORS; m++) {
        unsigned same = 1u << m;
        for (unsigned o = m + 1; o < FLIGHT_MIRRORS; o++)
            if (has(r, m) && has(r, o) && strcmp(r->copy[m].sha256, r->copy[o].sha256) == 0)
                same |= 1u << o;
        if (same & (same - 1) && !best)
            best = same;
    }
    return best;
}

/* A refusal whose hour is over is dropped here, so no timer is needed. */
bool refusals_find(struct refusals *all, const char *origin, const char *path, int64_t now_ms,
                   struct refused_file *ret)
{
    struct refusal *r = find(all, origin, path);
    if (r && now_ms - r->noted_ms >= REMEMBERED_MS) {
        refusal_drop(all, r);
        r = NULL;
    }
    if (!r)
        return false;
    *ret = (struct refused_file){.mirrors = r->mirrors,
                                 .agreeing = agreeing(r),
                                 .waits = now_ms < r->until_ms,
                                 .until_ms = r->until_ms,
                                 .detail = r->detail};
    for (unsigned m = 0; m < FLIGHT_MIRRORS; m++) {
        ret->validator[m] = r->copy[m].validator;
        if (r->copy[m].is_web_page && !ret->waits) /* perhaps a portal's, so it leaves no trace */
            ret->mirrors &= ~(1u << m);
    }
    return true;
}

/* A mirror that sent the right bytes differs from nothing; one whose bytes are unknown is not
 * judged. */
unsigned refusals_settle(struct refusals *all, const char *origin, const char *path,
                         const char *sha256)
{
    struct refusal *r = find(all, origin, path);
    unsigned differ = 0;
    for (unsigned m = 0; r && m < FLIGHT_MIRRORS; m++)
        if (has(r, m) && strcmp(r->copy[m].sha256, sha256) != 0)
            differ |= 1u << m;
    if (r)
        refusal_drop(all, r);
    return differ;
}

void refusals_forget(struct refusals *all, const char *origin, const char *path)
{
    struct refusal *r = find(all, origin, path);
    if (r)
        refusal_drop(all, r);
}

/* A portal sends the same page for many files, so all files are searched. */
void refusals_forget_bytes(struct refusals *all, const char *sha256)
{
    struct refusal *r, *next;
    HASH_ITER(hh, all->table, r, next)
    {
        for (unsigned m = 0; m < FLIGHT_MIRRORS; m++)
            if (strcmp(r->copy[m].sha256, sha256) == 0) {
                r->mirrors &= ~(1u << m);
                r->copy[m].sha256[0] = '\0';
            }
        if (!r->mirrors)
            refusal_drop(all, r);
    }
}
