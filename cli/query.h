// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The common part of `wheelyard wheels`, `explain` and `indexes`: arguments, and the page of the
 * running daemon.
 *
 *     code = query_parse(argc, argv, &command, &a);   QUERY_GO, or the exit code after a message
 *     code = query_fetch(&a);                          QUERY_GO, or the exit code
 *     ... a.project, a.specifiers, a.files, a.file_count ...
 *     query_release(&a);
 *
 * Main thread of a command.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/json.h"
#include "index/choice.h"

enum { EXIT_YES = 0, EXIT_NO = 1, EXIT_USAGE = 2, EXIT_UNREACHABLE = 3, QUERY_GO = -1 };

struct query_command {
    const char *name;
    const char *usage; /* the whole text */
    bool takes_target; /* --python and --platform */
};

struct query {
    const struct query_command *command;
    const char *requirement, *index; /* index "" is PyPI alone */
    bool has_index;           /* the user named it; otherwise query_fetch chooses one and says so */
    const char *url, *config; /* as given, or NULL */
    const char *python;       /* or NULL */
    char *url_own, *index_own; /* from a URL that names its index, or chosen */
    char platform[TAG_MAX_BYTES + 1];
    bool as_json;
    bool is_trying; /* trying an index that may lack the project: no messages */
    char project[NAME_MAX_BYTES + 1];
    struct specifiers *specifiers;
    /* from the page: */
    char *page_url;
    struct json *page;
    const struct json **entries; /* the page's object of each file */
    struct choice_file *files;
    size_t file_count;
    char *refusal; /* why the daemon has no such page (404); there are then no files */
};

int query_parse(int argc, char **argv, const struct query_command *command, struct query *ret);
int query_fetch(struct query *query);
/* Both for a command that needs a project's page beside its own arguments; index, url and config
 * NULL: as without that flag. `command` lives as long as *ret, which is released in any case. */
struct query_place {
    const char *index, *url, *config;
};
int query_page(const struct query_command *command, const char *project,
               const struct query_place *place, struct query *ret);
/* One GET, from `url` or from each address of `config` until one answers. Sets page_url. Returns
 * the exit code, after a message on failure. */
int query_ask(struct query *query, const char *target, int *ret_status, struct buf *body);
void query_release(struct query *query);

/* Writes name, URL, size, digest, mirrors and more of a file as members of an open JSON object. */
void query_write_file(const struct query *query, size_t file, struct buf *to);
/* "aliyun, nju"; QUERY_DELISTED when no mirror lists it any more; "" when the page does not say. */
#define QUERY_DELISTED "delisted"
void query_write_mirrors(const struct query *query, size_t file, struct buf *to);
bool query_is_delisted(const struct query *query, size_t file);
/* "868 MB" or "2.6 GB" with `separator` " "; "~868 MB" when a listing rounded it; "?" when unknown.
 */
void query_write_size(const struct query *query, size_t file, const char *separator,
                      struct buf *to);
/* The lines of `text` as a JSON array of strings. */
void query_write_lines(const char *text, struct buf *to);
/* Prints the text and returns `code`, or a failure. Control bytes, which a mirror may have put into
 * its page, become `?`, because a terminal would obey them. */
int query_print(struct buf *text, int code);
