// SPDX-License-Identifier: Apache-2.0
/*
 * The page is written anew for each visit. Its table of mirrors is made from the same JSON as
 * /-/status, so both always agree. Every text from outside goes through page_escape. The digest of
 * the style sheet below stands in the policy of server/reply.c.
 */
#include "server/home.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/str.h"
#include "config/setup.h"
#include "server/status.h"

enum { HOME_MAX_BYTES = 1 << 20, SETUP_MAX_BYTES = 8 << 10 };

static void write_head(struct buf *to)
{
    buf_puts(to, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                 "<title>wheelyard</title>\n<style>body{font:16px/1.5 sans-serif;max-width:50em;"
                 "margin:2em auto;padding:0 1em}pre{overflow:auto;background:#f4f4f4;padding:1em}"
                 "td,th{text-align:left;padding-right:2em}</style>\n</head>\n<body>\n"
                 "<h1>wheelyard " VERSION "</h1>\n"
                 "<p>Python package indexes over mirrors: PyTorch's flat wheel listings and PyPI "
                 "under one address, every byte fetched once and kept.</p>\n");
}

/* The client sees the address that it used itself: behind a proxy only that one works, and only a
 * proxy that is trusted can say that it is https, or below a path. */
static void write_setup(struct buf *to, const struct request *request)
{
    const struct forwarded *from = &request->forwarded;
    const char *host = request_host(request);
    auto_free char *base = str_printf("http%s://%s%s", from->is_https ? "s" : "",
                                      host ? host : "localhost", from->prefix);
    auto_buf struct buf lines;
    buf_init(&lines, SETUP_MAX_BYTES);
    if (base)
        setup_write(&lines, base, setup_example_index(request->site->origins));
    buf_puts(to, "<h2>Clients</h2>\n<pre>");
    page_escape(to, lines.data);
    buf_puts(to, "</pre>\n");
}

/* A pattern stands for every channel that matches it, so the page shows it without a link. */
static void write_index(struct buf *to, const char *name, const char *about)
{
    bool linked = !strchr(name, '*');
    buf_puts(to, "<li>");
    if (linked) {
        buf_puts(to, "<a href=\"");
        page_escape(to, name);
        buf_puts(to, *name ? "/simple/\">/" : "simple/\">/");
    } else {
        buf_puts(to, "/");
    }
    page_escape(to, name);
    buf_puts(to, *name ? "/simple/" : "simple/");
    buf_puts(to, linked ? "</a> " : " ");
    page_escape(to, about);
    buf_puts(to, "</li>\n");
}

/* Named indexes first, then the channels of each origin. */
static void write_indexes(struct buf *to, const struct origins *origins)
{
    buf_puts(to, "<h2>Indexes</h2>\n<ul>\n");
    write_index(to, "", "");
    for (size_t i = 0; i < origins->index_count; i++)
        write_index(to, origins->indexes[i].name, "");
    for (size_t i = 0; i < origins->count; i++)
        for (char **channel = origins->list[i].channels; *channel; channel++)
            write_index(to, *channel, origins->list[i].name);
    buf_puts(to, "</ul>\n<p>The channels that mirrors have, of those that a pattern allows: <a "
                 "href=\"-/indexes\">indexes</a>. An address without <code>simple/</code>, such as "
                 "<code>/cu126/</code>, leads to the one with it.</p>\n");
}

static void write_cell(struct buf *to, const struct json *row, const char *name)
{
    buf_puts(to, "<td>");
    page_escape(to, json_text(row, name));
    buf_puts(to, "</td>");
}

/* From the status JSON, so that this page and /-/status cannot disagree. */
static void write_mirrors(struct buf *to, const struct site *site)
{
    auto_buf struct buf text;
    struct json *status = NULL;
    buf_init(&text, STATUS_MAX_BYTES);
    status_write(site, &text);
    if (text.error || json_parse(text.data, text.len, &status))
        return;
    buf_puts(to,
             "<h2>Mirrors</h2>\n<table>\n<tr><th>origin<th>mirror<th>state<th>last error</tr>\n");
    const struct json *row = json_first(json_member(status, "mirrors"));
    for (; row; row = json_next(row)) {
        buf_puts(to, "<tr>");
        write_cell(to, row, "origin");
        write_cell(to, row, "name");
        write_cell(to, row, "state");
        write_cell(to, row, "last_error");
        buf_puts(to, "</tr>\n");
    }
    buf_puts(to, "</table>\n");
    json_free(status);
}

/* Waits once for the status, like /-/status. */
enum MHD_Result home_send(struct request *request)
{
    if (status_must_wait(request))
        return MHD_YES;
    auto_buf struct buf page;
    buf_init(&page, HOME_MAX_BYTES);
    write_head(&page);
    write_setup(&page, request);
    write_indexes(&page, request->site->origins);
    write_mirrors(&page, request->site);
    buf_puts(&page, "<p>More: <a href=\"-/status\">status</a></p>\n</body>\n</html>\n");
    return reply_buffer(request, "text/html; charset=utf-8", &page);
}
