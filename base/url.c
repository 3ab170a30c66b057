// SPDX-License-Identifier: Apache-2.0
/*
 * A text is first split into the five components of RFC 3986 without any copy (struct span), then
 * checked and copied into a struct url. Resolving works on spans only. Everything that leaves this
 * file is a strict http(s) URL. Strangers write the links on pages, and a key made from a link
 * becomes a path on the disk.
 */
#include "base/url.h"

#include <ctype.h>
#include <string.h>

#include "base/ascii.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "base/utf8.h"

/* A key becomes a path on the disk, whose limit is 4 KiB; a DNS name has 253 bytes at most. */
enum { KEY_MAX_BYTES = 1024, HOST_MAX_BYTES = 255 };

/* A piece of a longer text. text is NULL when the component is absent, which differs from empty. */
struct span {
    const char *text;
    size_t len;
};

/* The five components of RFC 3986, appendix B. */
struct parts {
    struct span scheme;
    struct span authority;
    struct span path;
    struct span query;
    struct span fragment;
};

static bool has_space_or_control(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] <= ' ' || text[i] == 0x7F)
            return true;
    return false;
}

/* The length of a scheme at the start of the text; 0: there is none. */
static size_t scheme_length(const char *text, size_t len)
{
    if (len == 0 || !ascii_is_letter(text[0]))
        return 0;
    for (size_t i = 1; i < len; i++) {
        if (text[i] == ':')
            return i;
        if (!ascii_is_letter(text[i]) && !ascii_is_digit(text[i]) && !memchr("+-.", text[i], 3))
            return 0;
    }
    return 0;
}

/* Cuts `s` at the first `mark` and returns what follows it. */
static struct span cut_behind(struct span *s, char mark)
{
    const char *at = s->len ? memchr(s->text, mark, s->len) : NULL;
    struct span behind = {NULL, 0};

    if (!at)
        return behind;
    behind.text = at + 1;
    behind.len = s->len - (size_t)(at - s->text) - 1;
    s->len = (size_t)(at - s->text);
    return behind;
}

/* Never fails: any text has this form (RFC 3986, appendix B). */
static struct parts split(const char *text, size_t len)
{
    struct parts p = {0};
    struct span rest = {text, len};
    size_t n = scheme_length(text, len);

    if (n > 0) {
        p.scheme = (struct span){text, n};
        rest = (struct span){text + n + 1, len - n - 1};
    }
    p.fragment = cut_behind(&rest, '#');
    p.query = cut_behind(&rest, '?');
    if (rest.len >= 2 && rest.text[0] == '/' && rest.text[1] == '/') {
        const char *slash = memchr(rest.text + 2, '/', rest.len - 2);
        size_t end = slash ? (size_t)(slash - rest.text) : rest.len;

        p.authority = (struct span){rest.text + 2, end - 2};
        rest = (struct span){rest.text + end, rest.len - end};
    }
    p.path = rest;
    return p;
}

static bool is_http(struct span scheme)
{
    return (scheme.len == 4 && strncasecmp(scheme.text, "http", 4) == 0) ||
           (scheme.len == 5 && strncasecmp(scheme.text, "https", 5) == 0);
}

/* Never beyond `start`: ".." at the top stays at the top. */
static void drop_last_segment(struct buf *path, size_t start)
{
    if (path->len == start)
        return;
    while (path->len > start && path->data[--path->len] != '/')
        ;
    path->data[path->len] = '\0';
}

/* RFC 3986 5.2.4 for a path that begins with '/': a ".." removes the segment before it. */
static void add_without_dots(struct buf *to, const char *path, size_t len)
{
    size_t start = to->len;

    for (size_t i = 0; i < len;) {
        const char *slash = memchr(path + i + 1, '/', len - i - 1);
        size_t end = slash ? (size_t)(slash - path) : len;
        size_t n = end - i; /* with its leading slash */
        bool one = n == 2 && path[i + 1] == '.';
        bool two = n == 3 && path[i + 1] == '.' && path[i + 2] == '.';

        if (two)
            drop_last_segment(to, start);
        if (!one && !two)
            buf_add(to, path + i, n);
        else if (end == len)
            buf_putc(to, '/');
        i = end;
    }
}

/* Letters, digits, '.', '-', '_'; in brackets the digits of an IPv6 address. International names
 * must arrive as punycode. */
static bool host_is_valid(const char *host, size_t len, bool bracketed)
{
    if (len == 0 || len > HOST_MAX_BYTES)
        return false;
    for (size_t i = 0; i < len; i++) {
        bool plain = ascii_is_letter(host[i]) || ascii_is_digit(host[i]) || host[i] == '.';

        if (bracketed ? !isxdigit((unsigned char)host[i]) && host[i] != '.' && host[i] != ':'
                      : !plain && host[i] != '-' && host[i] != '_')
            return false;
    }
    return true;
}

/* An empty port after the colon means the standard one (RFC 3986 3.2.3). */
static int parse_port(struct span text, int standard, int *ret_port)
{
    int port = 0;

    if (text.len == 0) {
        *ret_port = standard;
        return 0;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (!ascii_is_digit(text.text[i]))
            return ERROR_BAD_REQUEST;
        port = port * 10 + (text.text[i] - '0');
        if (port > 65535)
            return ERROR_BAD_REQUEST;
    }
    if (port == 0)
        return ERROR_BAD_REQUEST;
    *ret_port = port;
    return 0;
}

/* Splits [user[:password]@]host[:port] and fills in host and port. Credentials are dropped. */
static int parse_authority(struct span authority, struct url *url, int standard_port)
{
    const char *at = authority.len ? memrchr(authority.text, '@', authority.len) : NULL;
    struct span host = authority;
    struct span port;
    bool bracketed;

    if (at) {
        host.len -= (size_t)(at + 1 - host.text);
        host.text = at + 1;
    }
    bracketed = host.len > 0 && host.text[0] == '[';
    if (bracketed) {
        struct span behind;

        host.text++;
        host.len--;
        behind = cut_behind(&host, ']');
        if (!behind.text || (behind.len > 0 && behind.text[0] != ':'))
            return ERROR_BAD_REQUEST;
        port = behind.len ? (struct span){behind.text + 1, behind.len - 1} : behind;
    } else {
        port = cut_behind(&host, ':');
    }
    if (!host_is_valid(host.text, host.len, bracketed))
        return ERROR_BAD_REQUEST;
    url->host = strndup(host.text, host.len);
    if (!url->host)
        return ERROR_NO_MEMORY;
    for (char *p = url->host; *p; p++)
        *p = ascii_lower(*p);
    return parse_port(port, standard_port, &url->port);
}

static int copy_optional(struct span s, char **ret)
{
    char *copy;

    if (!s.text)
        return 0;
    copy = strndup(s.text, s.len);
    if (!copy)
        return ERROR_NO_MEMORY;
    *ret = copy;
    return 0;
}

/* An empty path becomes "/", as HTTP requires. */
static int copy_path(struct span path, char **ret)
{
    auto_buf struct buf b;

    buf_init(&b, 2 * URL_MAX_BYTES);
    if (path.len > 0 && path.text[0] != '/')
        return ERROR_BAD_REQUEST;
    add_without_dots(&b, path.text, path.len);
    if (b.len == 0)
        buf_putc(&b, '/');
    if (b.error)
        return b.error;
    *ret = buf_take(&b, NULL);
    return 0;
}

/* Only http and https with a host pass; everything else on a page is no link of ours. */
static int build(const struct parts *p, struct url *url)
{
    bool secure = p->scheme.len == 5;
    int r;

    if (!is_http(p->scheme) || !p->authority.text)
        return ERROR_BAD_REQUEST;
    url->scheme = strdup(secure ? "https" : "http");
    if (!url->scheme)
        return ERROR_NO_MEMORY;
    r = parse_authority(p->authority, url, secure ? 443 : 80);
    if (r == 0)
        r = copy_path(p->path, &url->path);
    if (r == 0)
        r = copy_optional(p->query, &url->query);
    if (r == 0)
        r = copy_optional(p->fragment, &url->fragment);
    return r;
}

static int build_checked(const struct parts *p, struct url *ret_url)
{
    struct url url = {0};
    int r = build(p, &url);

    if (r < 0)
        url_release(&url);
    else
        *ret_url = url;
    return r;
}

/* Control bytes and spaces are refused, although browsers repair them: a repaired key would differ
 * from ours. */
int url_parse(const char *text, struct url *ret_url)
{
    size_t len = strlen(text);
    struct parts p;

    if (len > URL_MAX_BYTES || has_space_or_control(text, len))
        return ERROR_BAD_REQUEST;
    p = split(text, len);
    return build_checked(&p, ret_url);
}

void url_release(struct url *url)
{
    free(url->scheme);
    free(url->host);
    free(url->path);
    free(url->query);
    free(url->fragment);
    *url = (struct url){0};
}

bool url_is_loopback(const char *host)
{
    return !strcmp(host, "localhost") || str_starts(host, "127.") || !strcmp(host, "::1");
}

static bool is_standard_port(const struct url *url)
{
    return url->port == (strcmp(url->scheme, "https") == 0 ? 443 : 80);
}

/* The canonical text: no default port, brackets only around IPv6. */
static void write_url(struct buf *to, const struct url *url)
{
    bool bracketed = strchr(url->host, ':') != NULL;

    buf_printf(to, "%s://%s%s%s", url->scheme, bracketed ? "[" : "", url->host,
               bracketed ? "]" : "");
    if (!is_standard_port(url))
        buf_printf(to, ":%d", url->port);
    buf_puts(to, url->path);
    if (url->query)
        buf_printf(to, "?%s", url->query);
    if (url->fragment)
        buf_printf(to, "#%s", url->fragment);
}

/* RFC 3986 5.2.3: the reference's path replaces what follows the base's last slash. */
static void merge_paths(struct buf *to, const struct parts *base, struct span reference)
{
    const char *slash = base->path.len ? memrchr(base->path.text, '/', base->path.len) : NULL;

    if (slash)
        buf_add(to, base->path.text, (size_t)(slash + 1 - base->path.text));
    else
        buf_putc(to, '/');
    buf_add(to, reference.text, reference.len);
}

/* RFC 3986 5.2.2; `merged` holds the path when it had to be put together. */
static struct parts transform(const struct parts *base, const struct parts *reference,
                              struct buf *merged)
{
    struct parts t = *reference;

    if (t.scheme.text)
        return t;
    t.scheme = base->scheme;
    if (t.authority.text)
        return t;
    t.authority = base->authority;
    if (t.path.len == 0) {
        t.path = base->path;
        if (!t.query.text)
            t.query = base->query;
    } else if (t.path.text[0] != '/') {
        merge_paths(merged, base, t.path);
        t.path = (struct span){merged->data, merged->len};
    }
    return t;
}

/* HTML strips white space around href (URL standard, 4.1). */
static struct span trim(const char *text)
{
    struct span s = {text, strlen(text)};

    while (s.len > 0 && (unsigned char)s.text[0] <= ' ') {
        s.text++;
        s.len--;
    }
    while (s.len > 0 && (unsigned char)s.text[s.len - 1] <= ' ')
        s.len--;
    return s;
}

/* HTML allows white space around a reference, so it is trimmed first. */
int url_resolve(const char *base, const char *reference, char **ret_text)
{
    struct span r = trim(reference);
    size_t base_len = strlen(base);
    auto_buf struct buf merged;
    auto_buf struct buf text;
    struct parts base_parts;
    struct parts parts;
    struct url url;
    int error;

    buf_init(&merged, 2 * URL_MAX_BYTES);
    buf_init(&text, URL_MAX_BYTES);
    if (base_len > URL_MAX_BYTES || r.len > URL_MAX_BYTES || has_space_or_control(base, base_len) ||
        has_space_or_control(r.text, r.len))
        return ERROR_BAD_REQUEST;
    base_parts = split(base, base_len);
    if (!is_http(base_parts.scheme))
        return ERROR_BAD_REQUEST;
    parts = split(r.text, r.len);
    parts = transform(&base_parts, &parts, &merged);
    if (merged.error)
        return merged.error;
    error = build_checked(&parts, &url);
    if (error < 0)
        return error;
    write_url(&text, &url);
    url_release(&url);
    if (text.error)
        return text.error == ERROR_TOO_BIG ? ERROR_BAD_REQUEST : text.error;
    *ret_text = buf_take(&text, NULL);
    return 0;
}

static int hex_value(char c)
{
    if (ascii_is_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Control bytes never reach a key, a log line or the disk. */
int url_decode(const char *text, size_t len, struct buf *ret)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c == '%') {
            int high = len - i > 2 ? hex_value(text[i + 1]) : -1;
            int low = len - i > 2 ? hex_value(text[i + 2]) : -1;

            if (high < 0 || low < 0)
                return ERROR_BAD_REQUEST;
            c = (unsigned char)(high << 4 | low);
            i += 2;
        }
        if (c < ' ' || c == 0x7F)
            return ERROR_BAD_REQUEST;
        buf_putc(ret, (char)c);
    }
    return ret->error;
}

/* Everything that some server treats specially is escaped, above all '+'. */
void url_encode_path(struct buf *to, const char *path)
{
    static const char kept[] = "-._~/!$'()*,:;=@";

    for (; *path; path++) {
        if (ascii_is_letter(*path) || ascii_is_digit(*path) || strchr(kept, *path))
            buf_putc(to, *path);
        else
            buf_printf(to, "%%%02X", (unsigned char)*path);
    }
}

/* Default ports are equal across schemes: a mirror may list http and serve https. */
static bool same_place(const struct url *a, const struct url *b)
{
    return strcmp(a->host, b->host) == 0 &&
           (a->port == b->port || (is_standard_port(a) && is_standard_port(b)));
}

/* Decodes the prefix once; pages have thousands of links. */
int url_prefix_init(const char *text, struct url_prefix *ret)
{
    auto_buf struct buf path;
    struct url url = {0};
    buf_init(&path, URL_MAX_BYTES);
    int r = url_parse(text, &url);
    if (r == 0)
        r = url_decode(url.path, strlen(url.path), &path);
    if (r < 0) {
        url_release(&url);
        return r;
    }
    *ret = (struct url_prefix){.url = url};
    ret->path = buf_take(&path, &ret->len);
    return 0;
}

void url_prefix_release(struct url_prefix *prefix)
{
    url_release(&prefix->url);
    free(prefix->path);
    *prefix = (struct url_prefix){.len = 0};
}

int url_prefix_rest(const struct url_prefix *prefix, const struct url *url, const char *path,
                    const char **ret_rest)
{
    if (!same_place(&prefix->url, url) || !str_starts(path, prefix->path))
        return URL_ELSEWHERE;
    /* With an escaped slash two resources would become one key. */
    if (strcasestr(url->path, "%2f") || !url_key_is_valid(path + prefix->len))
        return ERROR_BAD_REQUEST;
    *ret_rest = path + prefix->len;
    return 0;
}

/* Cheap checks first: most links of a page lie elsewhere. */
int url_below(const char *prefix, const char *text, char **ret_path)
{
    struct url_prefix top = {.len = 0};
    struct url below = {0};
    auto_buf struct buf path;
    const char *rest;
    buf_init(&path, URL_MAX_BYTES);
    int r = url_prefix_init(prefix, &top);
    if (r == 0)
        r = url_parse(text, &below);
    if (r == 0 && !same_place(&top.url, &below))
        r = URL_ELSEWHERE;
    if (r == 0)
        r = url_decode(below.path, strlen(below.path), &path);
    if (r == 0)
        r = url_prefix_rest(&top, &below, path.data, &rest);
    if (r == 0 && !(*ret_path = strdup(rest)))
        r = ERROR_NO_MEMORY;
    url_release(&below);
    url_prefix_release(&top);
    return r;
}

/* "." and ".." would leave the folder that a key names on the disk. */
static bool segment_is_valid(const char *s, size_t len)
{
    return len > 0 && !(len == 1 && s[0] == '.') && !(len == 2 && s[0] == '.' && s[1] == '.');
}

/* A key becomes a path on the disk and a column of the catalogue. */
bool url_key_is_valid(const char *path)
{
    size_t len = strlen(path);

    if (len == 0 || len > KEY_MAX_BYTES || !utf8_is_valid(path, len))
        return false;
    for (const char *p = path; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7F || *p == '\\')
            return false;
    for (const char *p = path;; p++) {
        size_t n = strcspn(p, "/");

        if (!segment_is_valid(p, n))
            return false;
        p += n;
        if (!*p)
            return true;
    }
}
