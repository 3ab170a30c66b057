// SPDX-License-Identifier: Apache-2.0
#include "engine/mirrors/portal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/str.h"
#include "engine/mirrors/origins.h"

/*
 * Life of a portal:
 *
 *     nothing is known -> up to PAGES web pages are remembered, REMEMBERED_MS each
 *         -> the same page for a second file, or a page from a stranger's host: the portal is open
 *         -> portal_over: something else than a web page came, and all is forgotten
 *
 * While a portal is open, every web page in the place of a file counts as its page. The flight
 * thread owns it; times come in as arguments.
 */
enum { PAGES = 8, REMEMBERED_MS = 600 * 1000, BEGINNING = 256 };

struct seen_page {
    uint64_t file;
    char sha256[SHA256_HEX];
    int64_t ms; /* -1: none */
};

struct portal {
    bool is_open;
    unsigned next;
    struct seen_page page[PAGES];
};

/* Every place is so old that it counts as empty. */
static void forget(struct portal *p)
{
    *p = (struct portal){0};
    for (unsigned i = 0; i < PAGES; i++)
        p->page[i].ms = -REMEMBERED_MS;
}

int portal_new(struct portal **ret)
{
    *ret = malloc(sizeof(**ret));
    if (!*ret)
        return ERROR_NO_MEMORY;
    forget(*ret);
    return 0;
}

void portal_free(struct portal *p)
{
    free(p);
}

/* Parameters of the type, such as a charset, do not matter. */
bool portal_is_web_page(const char *content_type)
{
    static const char *const types[] = {"text/html", "application/xhtml+xml"};
    size_t len = content_type ? strcspn(content_type, "; \t") : 0;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (len == strlen(types[i]) && strncasecmp(content_type, types[i], len) == 0)
            return true;
    return false;
}

/* Skips what a page may begin with. The digest of the beginning is enough to compare: portals
 * often put the time or an address further down. */
bool portal_begins_page(const void *body, size_t len, char sha256[SHA256_HEX])
{
    const unsigned char *at = body;
    const unsigned char *end = at + len;
    if (len >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0) /* a byte order mark */
        at += 3;
    while (at < end && (*at == ' ' || (*at >= '\t' && *at <= '\r')))
        at++;
    return at < end && *at == '<' &&
           sha256_of(body, len < BEGINNING ? len : BEGINNING, sha256) == 0;
}

/* ---------------------------------------------------------------- strangers */

/* host[:port] of a URL, or an empty string. */
static void host_of(const char *url, const char **ret, size_t *ret_len)
{
    const char *start = url ? strstr(url, "://") : NULL;
    *ret = "";
    *ret_len = 0;
    if (!start)
        return;
    start += 3;
    size_t len = strcspn(start, "/?#");
    for (size_t i = len; i > 0; i--)
        if (start[i - 1] == '@') { /* credentials */
            start += i;
            len -= i;
            break;
        }
    *ret = start;
    *ret_len = len;
}

static bool is_at(const char *url, const char *host, size_t len)
{
    const char *own;
    size_t own_len;
    host_of(url, &own, &own_len);
    return own_len == len && strncasecmp(own, host, len) == 0;
}

/* Compares hosts with ports, as a redirect names them. */
char *portal_stranger(const struct origins *origins, const char *url)
{
    const char *host;
    size_t len;
    host_of(url, &host, &len);
    if (!len)
        return NULL;
    for (size_t i = 0; i < origins->count; i++)
        for (size_t m = 0; m < origins->list[i].mirror_count; m++) {
            const struct mirror *mirror = &origins->list[i].mirrors[m];
            if (is_at(mirror->files, host, len) || is_at(mirror->index, host, len))
                return NULL;
        }
    return strndup(host, len);
}

/* -------------------------------------------------------------- recognition */

/* The page is remembered in any case: it may be the first of two. */
bool portal_note(struct portal *p, uint64_t file, const char *sha256, const char *stranger,
                 int64_t now_ms)
{
    for (unsigned i = 0; i < PAGES && !p->is_open; i++) {
        const struct seen_page *page = &p->page[i];
        p->is_open = now_ms - page->ms < REMEMBERED_MS && page->file != file &&
                     strcmp(page->sha256, sha256) == 0;
    }
    p->is_open |= stranger != NULL; /* a stranger's host needs no second page */
    struct seen_page *page = &p->page[p->next++ % PAGES];
    page->file = file;
    page->ms = now_ms;
    str_copy(page->sha256, sizeof(page->sha256), sha256);
    return p->is_open;
}

bool portal_is_open(const struct portal *p)
{
    return p->is_open;
}

bool portal_over(struct portal *p)
{
    bool was_open = p->is_open;
    forget(p);
    return was_open;
}
