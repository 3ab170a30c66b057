// SPDX-License-Identifier: Apache-2.0
/*
 * HTML pages. A scan finds the tags and gives libxml2 only those that matter, one at a time: <a>,
 * <base>, <meta>. Scripts, tables and cut characters in texts therefore never reach it, and a tag
 * that it cannot read costs that tag alone. libxml2 has two weak spots, which are bounded before it
 * sees a byte. It compares each attribute of a tag with all earlier ones, and it is slow with stray
 * ampersands.
 *
 * The scan follows the HTML standard where it matters: quotes in attributes, comments, and elements
 * whose text is raw. Its position only moves forward.
 */
#include <libxml/HTMLparser.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/utf8.h"
#include "index/amount.h"
#include "index/listing_private.h"

/* The attribute comparisons that one page may cost; about a second. */
enum { WORK_MAX = 1 << 28, WORK_AMPERSAND = 64 };
/* The longest part of a directory listing's row after its link's start tag: name, size, date. */
enum { ROW_MAX = 1024 };

/* The state of one page: the scan's, and what libxml2's callbacks need. */
struct reader {
    struct listing_builder *builder;
    htmlParserCtxtPtr parser;
    size_t work;
    bool wanted;        /* a tag was fed and is not reported yet; more than one is never taken */
    const char *behind; /* the end of the tag that is being read */
    const char *end;    /* of the page */
    bool base_seen;
    bool is_html;
    bool is_open, is_ended; /* <html> or <body>, and the end tag of either */
    int error;              /* of a callback */
};

/* A tag as the scan sees it: <name ...> or </name ...>. */
struct tag {
    const char *start;
    const char *name;
    size_t name_len;
    const char *end; /* after '>' */
};

static const char *attribute(const xmlChar **attributes, const char *name)
{
    for (; attributes && attributes[0]; attributes += 2)
        if (strcmp((const char *)attributes[0], name) == 0)
            return attributes[1] ? (const char *)attributes[1] : "";
    return NULL;
}

/* Digits only, and few enough for 64 bits. */
static int64_t parse_size(const char *text)
{
    int64_t size = 0;

    if (!text || !*text || strlen(text) > 16)
        return -1;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -1;
        size = size * 10 + (*text - '0');
    }
    return size;
}

/* The length of the rest of the row in which the link stands. */
static size_t row_length(const struct reader *r)
{
    size_t left = (size_t)(r->end - r->behind);
    size_t len = left < ROW_MAX ? left : ROW_MAX;

    for (const char *p = r->behind; (p = memchr(p, '<', len - (size_t)(p - r->behind))); p++) {
        size_t more = len - (size_t)(p - r->behind);
        bool next = more > 2 && (p[1] | 0x20) == 'a' && (p[2] == ' ' || p[2] == '\n');

        if (next ||
            (more > 4 && (strncasecmp(p, "</tr", 4) == 0 || strncasecmp(p, "</ul", 4) == 0 ||
                          strncasecmp(p, "</li", 4) == 0))) {
            len = (size_t)(p - r->behind);
            break;
        }
    }
    return len;
}

/* Reads date and size after the link's text, which may contain numbers itself. */
static void read_row(const struct reader *r, struct link *link)
{
    size_t len = row_length(r);
    const char *text = memmem(r->behind, len, "</", 2);

    link->modified = date_find(r->behind, len, &link->modified_utc);
    link->about_size = text ? amount_find(text, len - (size_t)(text - r->behind)) : -1;
}

/* PEP 714's name first, then PEP 658's. */
static void on_anchor(struct reader *r, const xmlChar **attributes)
{
    const char *metadata = attribute(attributes, "data-core-metadata");
    struct link link = {
        .href = attribute(attributes, "href"),
        .requires_python = attribute(attributes, "data-requires-python"),
        .yanked_reason = attribute(attributes, "data-yanked"),
        .upload_time = attribute(attributes, "data-upload-time"),
        .size = parse_size(attribute(attributes, "data-size")),
        .is_delisted = attribute(attributes, "data-delisted") != NULL,
    };

    if (!link.href)
        return;
    read_row(r, &link);
    if (!metadata)
        metadata = attribute(attributes, "data-dist-info-metadata");
    if (metadata)
        link_set_metadata(&link, metadata);
    link.yanked = link.yanked_reason != NULL;
    r->error = builder_add_link(r->builder, &link);
}

static void on_base(struct reader *r, const xmlChar **attributes)
{
    const char *href = attribute(attributes, "href");

    if (!href || r->base_seen)
        return;
    r->base_seen = true;
    r->error = builder_set_base(r->builder, href);
}

/* PEP 629 and PEP 792. */
static void on_meta(struct reader *r, const xmlChar **attributes)
{
    const char *name = attribute(attributes, "name");
    const char *content = attribute(attributes, "content");

    if (!name || !content)
        return;
    if (strcmp(name, "pypi:repository-version") == 0)
        r->builder->listing->is_simple = true;
    else if (strcmp(name, "pypi:project-status") == 0)
        r->error = builder_set_status(r->builder, content);
    else if (strcmp(name, "pypi:project-status-reason") == 0)
        r->error = builder_set_status_reason(r->builder, content);
}

/* Only the tag that was just fed is wanted; libxml2 also reports elements that it adds itself. */
static void on_start(void *context, const xmlChar *name, const xmlChar **attributes)
{
    struct reader *r = context;

    if (!r->wanted || r->error)
        return;
    if (strcmp((const char *)name, "a") == 0)
        on_anchor(r, attributes);
    else if (strcmp((const char *)name, "base") == 0)
        on_base(r, attributes);
    else if (strcmp((const char *)name, "meta") == 0)
        on_meta(r, attributes);
    else
        return;
    r->wanted = false;
}

static void free_parser(htmlParserCtxtPtr parser)
{
    if (!parser)
        return;
    xmlFreeDoc(parser->myDoc);
    htmlFreeParserCtxt(parser);
}

static int feed(struct reader *r, const char *text, size_t len)
{
    /* Its return value reports any oddity of the page; only the callbacks count. */
    int error = htmlParseChunk(r->parser, text, (int)len, 0);

    return error == XML_ERR_NO_MEMORY ? ERROR_NO_MEMORY : r->error;
}

/* The prologue brings libxml2 to the state of a body. */
static int new_parser(struct reader *r)
{
    static const char prologue[] = "<!DOCTYPE html><html><body>";
    htmlSAXHandler handler = {.startElement = on_start, .initialized = 1};

    free_parser(r->parser);
    r->parser = htmlCreatePushParserCtxt(&handler, r, NULL, 0, NULL, XML_CHAR_ENCODING_UTF8);
    if (!r->parser)
        return ERROR_NO_MEMORY;
    htmlCtxtUseOptions(r->parser, HTML_PARSE_NONET | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING |
                                      HTML_PARSE_RECOVER | HTML_PARSE_IGNORE_ENC);
    return feed(r, prologue, strlen(prologue));
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static bool is_named(const struct tag *tag, const char *name)
{
    return strlen(name) == tag->name_len && strncasecmp(tag->name, name, tag->name_len) == 0;
}

static bool is_one_of(const struct tag *tag, const char *const *names)
{
    for (; *names; names++)
        if (is_named(tag, *names))
            return true;
    return false;
}

/* An upper bound of libxml2's work, wherever it sees quotes begin and end: an attribute needs a
 * blank or a quote before it. */
static size_t work_of(const struct tag *tag)
{
    size_t breaks = 1;
    size_t ampersands = 0;

    for (const char *p = tag->start; p < tag->end; p++) {
        if (*p == '"' || *p == '\'' || (is_blank(*p) && !is_blank(p[-1])))
            breaks++;
        else if (*p == '&')
            ampersands++;
    }
    return breaks * breaks + ampersands * WORK_AMPERSAND;
}

/* Gives libxml2 one tag. When earlier bytes left it in the middle of another tag, tries again with
 * a new parser. */
static int read_tag(struct reader *r, const struct tag *tag)
{
    size_t len = (size_t)(tag->end - tag->start);
    int e = builder_count_link(r->builder);

    r->work += work_of(tag);
    if (e < 0 || r->work > WORK_MAX)
        return ERROR_TOO_BIG;
    if (memchr(tag->start, '\0', len) || !utf8_is_valid(tag->start, len)) {
        r->builder->listing->skipped++;
        return 0;
    }
    r->wanted = true;
    r->behind = tag->end;
    e = feed(r, tag->start, len);
    if (e == 0 && r->wanted) {
        e = new_parser(r);
        if (e == 0)
            e = feed(r, tag->start, len);
    }
    if (e == 0 && r->wanted)
        r->builder->listing->skipped++;
    /* Closed at once, so that its stack of open elements does not grow. */
    r->wanted = false;
    if (e == 0 && is_named(tag, "a"))
        e = feed(r, "</a>", 4);
    return e;
}

/* Finds the '>' of a tag as browsers do: quotes count only at the start of a value. NULL when there
 * is none before `end`. */
static const char *find_tag_end(const char *p, const char *end)
{
    enum { NAMES, BEFORE_VALUE, UNQUOTED, QUOTED } state = NAMES;
    char quote = 0;

    for (; p < end; p++) {
        if (state == QUOTED) {
            if (*p == quote)
                state = NAMES;
        } else if (*p == '>') {
            return p + 1;
        } else if (state == NAMES) {
            if (*p == '=')
                state = BEFORE_VALUE;
        } else if (state == UNQUOTED) {
            if (is_blank(*p))
                state = NAMES;
        } else if (*p == '"' || *p == '\'') {
            state = QUOTED;
            quote = *p;
        } else if (!is_blank(*p)) {
            state = UNQUOTED;
        }
    }
    return NULL;
}

/* Finds the end of the tag at p (its '<'). Returns 0 with ret->end == NULL when the page ends
 * inside it, ERROR_TOO_BIG when the tag is too long. */
static int scan_tag(const char *p, const char *end, struct tag *ret)
{
    struct tag tag = {.start = p, .name = p[1] == '/' ? p + 2 : p + 1};
    const char *limit = end - p > LISTING_MAX_TAG ? p + LISTING_MAX_TAG : end;
    const char *q = tag.name;

    while (q < limit && !is_blank(*q) && *q != '>' && *q != '/')
        q++;
    tag.name_len = (size_t)(q - tag.name);
    tag.end = find_tag_end(q, limit);
    if (!tag.end && limit < end)
        return ERROR_TOO_BIG;
    *ret = tag;
    return 0;
}

/* "</scripty>" does not end <script>. */
static bool ends_raw_text(const struct tag *tag, const char *p, const char *end)
{
    size_t left = (size_t)(end - p);
    char behind;

    if (left < tag->name_len + 2 || p[1] != '/' ||
        strncasecmp(p + 2, tag->name, tag->name_len) != 0)
        return false;
    behind = left > tag->name_len + 2 ? p[2 + tag->name_len] : '>';
    return is_blank(behind) || behind == '>' || behind == '/';
}

/* The end of the text of <script> and similar elements: only at their own end tag. */
static const char *find_raw_end(const struct tag *tag, const char *end)
{
    const char *p = tag->end;

    for (; (p = memchr(p, '<', (size_t)(end - p))); p++)
        if (ends_raw_text(tag, p, end))
            return p;
    return NULL;
}

/* The position after the "-->" of the comment at p; "<!-->" is complete. */
static const char *find_comment_end(const char *p, const char *end)
{
    const char *start = p + 2;

    for (p = start; (p = memchr(p, '>', (size_t)(end - p))); p++)
        if (p - start >= 2 && p[-1] == '-' && p[-2] == '-')
            return p + 1;
    return NULL;
}

/* The page ends inside an element, so links may be lost. */
static void note_unclosed(struct reader *r)
{
    r->builder->listing->skipped++;
    r->builder->listing->is_cut = true;
}

/* Moves *at past the start or end tag there. */
static int take_tag(struct reader *r, const char **at, const char *end)
{
    static const char *const raw[] = {"script", "style", "textarea", "title", NULL};
    static const char *const read[] = {"a", "base", "meta", NULL};
    static const char *const html[] = {"html", "head", "body",  "a",  "base", "meta",
                                       "pre",  "h1",   "table", "ul", NULL};
    static const char *const frame[] = {"html", "body", NULL};
    struct tag tag;
    int e = scan_tag(*at, end, &tag);
    const char *next;

    if (e < 0)
        return e;
    next = tag.end;
    if (next && tag.name == tag.start + 1) {
        r->is_html = r->is_html || is_one_of(&tag, html);
        r->is_open = r->is_open || is_one_of(&tag, frame);
        if (is_one_of(&tag, raw))
            next = find_raw_end(&tag, end);
        else if (is_one_of(&tag, read))
            e = read_tag(r, &tag);
    } else if (next && is_one_of(&tag, frame)) {
        r->is_ended = true;
    }
    if (!next)
        note_unclosed(r);
    *at = next ? next : end;
    return e;
}

/* PyPI and its copies end a page with this comment; `close` is the position after it. */
static void read_serial(struct reader *r, const char *comment, const char *close)
{
    static const char mark[] = "<!--SERIAL ";
    static const char end[] = "-->";
    size_t len = (size_t)(close - comment);
    char digits[17] = "";

    if (len < sizeof(mark) + sizeof(end) - 2 || strncmp(comment, mark, strlen(mark)) != 0)
        return;
    len -= strlen(mark) + strlen(end);
    if (len >= sizeof(digits))
        return;
    memcpy(digits, comment + strlen(mark), len);
    int64_t serial = parse_size(digits);
    if (serial > 0)
        r->builder->listing->last_serial = serial;
}

/* Moves *at past the comment, doctype or processing instruction there. */
static void take_declaration(struct reader *r, const char **at, const char *end)
{
    static const char doctype[] = "<!doctype html";
    const char *p = *at;
    size_t left = (size_t)(end - p);
    const char *close;

    if (left >= strlen(doctype) && strncasecmp(p, doctype, strlen(doctype)) == 0)
        r->is_html = true;
    if (left >= 4 && memcmp(p, "<!--", 4) == 0) {
        close = find_comment_end(p, end);
        if (close)
            read_serial(r, p, close);
    } else {
        close = memchr(p, '>', left);
        close = close ? close + 1 : NULL;
    }
    if (!close)
        note_unclosed(r);
    *at = close ? close : end;
}

/* Moves from '<' to '<'; all other bytes are skipped by memchr. */
static int scan(struct reader *r, const char *p, const char *end)
{
    int e = 0;

    while (e == 0 && p < end && (p = memchr(p, '<', (size_t)(end - p)))) {
        char next = p + 1 < end ? p[1] : '\0';

        if (ascii_is_letter(next) || (next == '/' && p + 2 < end && ascii_is_letter(p[2])))
            e = take_tag(r, &p, end);
        else if (next == '!' || next == '?' || next == '/')
            take_declaration(r, &p, end);
        else
            p++;
    }
    return e;
}

void listing_global_init(void)
{
    xmlInitParser();
}

/* A page without any known tag is not HTML, whatever its label. */
int listing_read_html(struct listing_builder *b, const char *page, size_t len)
{
    struct reader r = {.builder = b, .end = page + len};
    int e = new_parser(&r);

    if (e == 0)
        e = scan(&r, page, page + len);
    free_parser(r.parser);
    if (e < 0)
        return e;
    if (r.is_open && !r.is_ended)
        b->listing->is_cut = true;
    return r.is_html ? 0 : ERROR_BAD_LISTING;
}
