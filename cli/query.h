// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What `wheelyard wheels` and `wheelyard explain` have in common: their arguments, and the page of
 * the running daemon that they are about.
 *
 *     code = query_parse(argc, argv, &command, &a);   QUERY_GO, or the exit code: all is said
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
    const char *usage; /* all of it */
    bool takes_target; /* --python and --platform */
};

struct query {
    const struct query_command *command;
    const char *requirement, *index; /* index "" is PyPI alone */
    bool has_index;                  /* it was named; else query_fetch chooses, and says so */
    const char *url, *config;        /* as given, or NULL */
    const char *python;              /* or NULL */
    char *url_own, *index_own;       /* of an address that names its index, or chosen */
    char platform[TAG_MAX_BYTES + 1];
    bool as_json;
    bool is_trying; /* an index that may not have it: nothing is said of that */
    char project[NAME_MAX_BYTES + 1];
    struct specifiers *specifiers;
    /* of the page: */
    char *page_url;
    struct json *page;
    const struct json **entries; /* what the page says of each file */
    struct choice_file *files;
    size_t file_count;
    char *refusal; /* why the daemon has no such page (404); then there are no files */
};

int query_parse(int argc, char **argv, const struct query_command *command, struct query *ret);
int query_fetch(struct query *query);
/* One GET, from `url` or else from each address that `config` listens on until one answers: sets
 * page_url. The exit code; what went wrong is said. */
int query_ask(struct query *query, const char *target, int *ret_status, struct buf *body);
void query_release(struct query *query);

/* Name, address, size, digest, mirrors and so on of a file, as members of an open JSON object. */
void query_write_file(const struct query *query, size_t file, struct buf *to);
/* "aliyun, nju"; QUERY_DELISTED when nobody lists it any more; "" when the page does not say. */
#define QUERY_DELISTED "delisted"
void query_write_mirrors(const struct query *query, size_t file, struct buf *to);
bool query_is_delisted(const struct query *query, size_t file);
/* "868 MB" with `separator` " ", "2.6 GB"; "~868 MB" as a listing rounds it; "?" when nobody says.
 */
void query_write_size(const struct query *query, size_t file, const char *separator,
                      struct buf *to);
/* The lines of `text` as a JSON array of strings. */
void query_write_lines(const char *text, struct buf *to);
/* Prints, and gives the exit code back unless that failed. Control bytes, which a mirror may have
 * put into its page, become `?`: a terminal would obey them. */
int query_print(struct buf *text, int code);
