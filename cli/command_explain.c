// SPDX-License-Identifier: Apache-2.0
/* `wheelyard explain`: which file an installer takes, or why it takes none. It reads the same page
 * as a client (cli/query.h) and chooses by the same rules (index/choice.h), so its answer needs no
 * guess about the daemon. */
#include "cli/command_explain.h"

#include <gnu/libc-version.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "base/url.h"
#include "cli/claim_lines.h"
#include "cli/query.h"
#include "upstream/http_get.h"

enum { OUTPUT_MAX_BYTES = 1 << 20, HIDDEN_MOST = 10 };

static const struct query_command command = {
    .name = "explain",
    .takes_target = true,
    .usage =
        "usage: wheelyard explain REQUIREMENT --python VERSION [--platform NAME] [--index NAME]\n"
        "                         [FLAGS]\n\n"
        "Says which file of the index an installer takes for REQUIREMENT ('torch==2.9.0'), or why\n"
        "none fits and what would. For example:\n\n"
        "    wheelyard explain torch --python 3.13 --index cu126\n\n"
        "  --index NAME       cu126, nightly/cu130 ...; default: a channel whose mirrors have the\n"
        "                     project, newest CUDA first; without one: simple, PyPI alone\n"
        "  --python VERSION   3.13; 3.13t is the build without the global lock\n"
        "  --platform NAME    win_amd64, manylinux_2_28_x86_64, macosx_14_0_arm64 ...; default:\n"
        "                     this machine; linux_* means this machine's glibc\n"
        "  --json             print one JSON object\n"
        "  --url URL          address of the daemon or of the index; default: `listen` of the\n"
        "                     configuration\n"
        "  --config FILE      wheelyard's own configuration\n\n"
        "Exit: 0 a file fits, 1 no file fits, 2 wrong usage, 3 no daemon.\n",
};

/* The minor version of this machine's glibc 2.x; 0 for any other libc. */
static int own_glibc(void)
{
    int major = 0;
    int minor = 0;

    (void)sscanf(gnu_get_libc_version(), "%3d.%3d", &major, &minor);
    return major == 2 ? minor : 0;
}

static const char *index_name(const struct query *a)
{
    return *a->index ? a->index : "simple";
}

/* Writes each line of `text` indented. */
static void indent(const char *text, const char *before, struct buf *to)
{
    while (*text) {
        size_t len = strcspn(text, "\n");

        buf_printf(to, "  %s%.*s\n", before, (int)len, text);
        text += len + (text[len] == '\n');
    }
}

static void line(struct buf *to, const char *name, const char *value)
{
    if (value && *value)
        buf_printf(to, "  %-9s%s\n", name, value);
}

/* What is known about the requirement, before it is printed. */
struct explanation {
    struct query query;
    struct choice *choice; /* NULL: the page does not exist */
    size_t best;
    char tag[3 * (TAG_MAX_BYTES + 1)];
    struct json *claims;        /* of the best file; NULL: the daemon sent none */
    struct buf reasons, others; /* lines; `reasons` are about newer versions when a file fits */
};

/* Whether the requirement means a hidden file. A version that cannot be read counts as meant. */
static bool means(const struct query *a, const char *file)
{
    struct file_name name;
    bool is_meant = true;

    if (file_name_parse(file, &name))
        return true;
    if (name.version && a->specifiers)
        is_meant = specifiers_contain(a->specifiers, name.version);
    file_name_release(&name);
    return is_meant;
}

/* What policies of the daemon hide from the page, one after the other. */
static const struct json *next_hidden(const struct query *a, const struct json *last)
{
    const struct json *row = last ? json_next(last) : json_first(json_member(a->page, "_hidden"));

    while (row && !means(a, json_text(row, "filename")))
        row = json_next(row);
    return row;
}

/* The first few: a list of what is allowed may hide thousands. */
static void write_hidden(const struct query *a, const char *before, const char *between,
                         struct buf *to)
{
    size_t count = 0;

    for (const struct json *h = next_hidden(a, NULL); h; h = next_hidden(a, h))
        if (count++ < HIDDEN_MOST)
            buf_printf(to, "%s%s%s%s\n", before, json_text(h, "filename"), between,
                       json_text(h, "reason"));
    if (count > HIDDEN_MOST)
        buf_printf(to, "%zu more files are hidden by policy\n", count - HIDDEN_MOST);
}

/* All of them. */
static void write_json_hidden(const struct query *a, struct buf *to)
{
    json_write_name(to, "hidden");
    buf_putc(to, '[');
    for (const struct json *h = next_hidden(a, NULL); h; h = next_hidden(a, h)) {
        json_write_comma(to);
        buf_putc(to, '{');
        json_write_member(to, "filename", json_text(h, "filename"));
        json_write_member(to, "reason", json_text(h, "reason"));
        buf_putc(to, '}');
    }
    buf_putc(to, ']');
}

/* Only lines that have a value. */
static void print_file(const struct explanation *e, struct buf *to)
{
    const struct query *a = &e->query;
    const struct json *f = a->entries[e->best];
    const char *href = json_string(json_member(f, "url"));
    auto_free char *url = NULL;
    auto_buf struct buf text;

    buf_init(&text, OUTPUT_MAX_BYTES);
    buf_printf(to, "%s\n", a->files[e->best].name);
    line(to, "tag", *e->tag ? e->tag : "none: a source archive, which has to be built");
    query_write_size(a, e->best, " ", &text);
    line(to, "size", text.data);
    line(to, "sha256", json_string(json_member(json_member(f, "hashes"), "sha256")));
    buf_clear(&text);
    query_write_mirrors(a, e->best, &text);
    line(to, "mirrors", text.data);
    if (a->files[e->best].yanked)
        line(to, "yanked", "yes, and taken only because it is pinned");
    if (href && url_resolve(a->page_url, href, &url) == 0)
        line(to, "url", url);
    buf_clear(&text);
    claim_lines_write(e->claims, &text);
    indent(text.data, "claim    ", to);
    indent(e->reasons.data, "newer: ", to);
    buf_clear(&text);
    write_hidden(a, "hidden: ", ": ", &text);
    indent(text.data, "", to);
}

static void print_none(const struct explanation *e, struct buf *to)
{
    const struct query *a = &e->query;

    buf_printf(to, "nothing fits %s for Python %s on %s in %s\n", a->requirement, a->python,
               a->platform, index_name(a));
    auto_buf struct buf hidden;

    buf_init(&hidden, OUTPUT_MAX_BYTES);
    write_hidden(a, "", " is hidden by policy: ", &hidden);
    indent(hidden.data, "", to);
    indent(e->reasons.data, "", to);
    indent(e->others.data, "", to);
}

/* The same facts as the text, with names that stay. */
static void print_json(const struct explanation *e, struct buf *to)
{
    const struct query *a = &e->query;
    bool fits = e->best != CHOICE_NONE;

    buf_putc(to, '{');
    json_write_member(to, "requirement", a->requirement);
    json_write_member(to, "project", a->project);
    json_write_member(to, "index", index_name(a));
    json_write_member(to, "python", a->python);
    json_write_member(to, "platform", a->platform);
    json_write_boolean(to, "fits", fits);
    if (fits) {
        json_write_integer(to, "versions", (int64_t)choice_version_count(e->choice));
        json_write_name(to, "file");
        buf_putc(to, '{');
        query_write_file(a, e->best, to);
        json_write_member(to, "tag", e->tag);
        claim_lines_copy(e->claims, to);
        buf_putc(to, '}');
    }
    json_write_name(to, fits ? "newer" : "reasons");
    query_write_lines(e->reasons.data, to);
    if (next_hidden(a, NULL))
        write_json_hidden(a, to);
    if (!fits) {
        json_write_name(to, "others");
        query_write_lines(e->others.data, to);
    }
    buf_puts(to, "}\n");
}

/* Chooses a file and fills `reasons` and `others`. */
static int judge(struct explanation *e, const struct tags *tags)
{
    struct query *a = &e->query;

    e->best = CHOICE_NONE;
    if (a->refusal) {
        buf_printf(&e->reasons, "%s\n", a->refusal);
        return 0;
    }
    int r = choice_make(tags, a->specifiers, a->files, a->file_count, &e->choice);
    if (r)
        return r;
    e->best = choice_best(e->choice);
    choice_write_reasons(e->choice, e->best != CHOICE_NONE, &e->reasons);
    if (e->best == CHOICE_NONE)
        choice_write_others(e->choice, &e->others);
    else
        choice_tag(e->choice, e->tag);
    return e->reasons.error;
}

/* Asks for the claims of the file by its address ".../files/pytorch/cu126/x.whl". Without an answer
 * nothing is printed about claims. */
static void ask_claims(struct explanation *e)
{
    static const char folder[] = "/files/";
    struct query *a = &e->query;
    const char *href = json_string(json_member(a->entries[e->best], "url"));
    auto_free char *url = NULL, *page_url = NULL, *target = NULL;
    auto_buf struct buf body;
    int status = 0;

    buf_init(&body, HTTP_GET_MAX_BYTES);
    if (!href || url_resolve(a->page_url, href, &url))
        return;
    const char *file = strstr(url, folder);
    if (!file)
        return;
    target = str_printf("/-/claims/%.*s", (int)strcspn(file + strlen(folder), "?#"),
                        file + strlen(folder));
    page_url = a->page_url;
    a->page_url = NULL;
    if (target && query_ask(a, target, &status, &body) == QUERY_GO && status == 200)
        (void)json_parse(body.data, body.len, &e->claims);
    free(a->page_url);
    a->page_url = page_url;
    page_url = NULL;
}

/* Fetch, judge, ask for claims, print; the exit code says whether a file fits. */
static int explain(struct explanation *e, const struct tags *tags)
{
    auto_buf struct buf text;
    buf_init(&text, OUTPUT_MAX_BYTES);
    int code = query_fetch(&e->query);
    if (code != QUERY_GO)
        return code;
    int r = judge(e, tags);
    if (r) {
        (void)fprintf(stderr, "wheelyard: %s\n", error_text(r));
        return EXIT_NO;
    }
    if (e->best != CHOICE_NONE)
        ask_claims(e);
    if (e->query.as_json)
        print_json(e, &text);
    else if (e->best == CHOICE_NONE)
        print_none(e, &text);
    else
        print_file(e, &text);
    return query_print(&text, e->best == CHOICE_NONE ? EXIT_NO : EXIT_YES);
}

/* Checks the target before it asks the daemon. */
static int run(struct explanation *e)
{
    struct query *a = &e->query;
    struct tags *tags;

    if (!a->python) {
        (void)fputs("wheelyard explain: which Python? --python 3.13\n", stderr);
        return EXIT_USAGE;
    }
    int r = tags_expand(a->python, a->platform, own_glibc(), &tags);
    if (r) {
        (void)fprintf(stderr, "wheelyard explain: %s, %s: not a Python and a platform%s\n",
                      a->python, a->platform, " such as 3.13, win_amd64");
        return r == ERROR_BAD_REQUEST ? EXIT_USAGE : EXIT_NO;
    }
    int code = explain(e, tags);
    tags_free(tags);
    return code;
}

int command_explain(int argc, char **argv)
{
    struct explanation e = {.best = CHOICE_NONE};
    int code = query_parse(argc, argv, &command, &e.query);

    buf_init(&e.reasons, OUTPUT_MAX_BYTES);
    buf_init(&e.others, OUTPUT_MAX_BYTES);
    if (code == QUERY_GO)
        code = run(&e);
    buf_release(&e.reasons);
    buf_release(&e.others);
    choice_free(e.choice);
    json_free(e.claims);
    query_release(&e.query);
    return code;
}
