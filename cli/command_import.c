// SPDX-License-Identifier: Apache-2.0
/*
 * `wheelyard import`: the files of bundles enter the cache of the running daemon.
 *
 * Signature first, then every byte of every part, then one file after the other: the daemon gets the
 * open part with offset and length, copies and hashes once more, and keeps the file or refuses it.
 * So a file is there whole or not at all, and the command may be run again after any end.
 */
#include "cli/command_import.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "base/terminal.h"
#include "bundle/reader.h"
#include "cli/bundle_reading.h"
#include "cli/held.h"
#include "cli/reach.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_UNREACHABLE = 3 };
enum { OUTPUT_MAX_BYTES = 256 << 20, ROW_MAX_BYTES = 64 << 10, LINE_MAX_BYTES = 64 << 10 };
enum { BLOCK_BYTES = 1 << 20, GAPS_SHOWN = 5 };

static const char usage[] =
    "usage: wheelyard import PATH... [--key PUBLIC] [FLAGS]\n\n"
    "Puts the files of bundles into the cache of the running daemon. PATH is a part\n"
    "(NAME.part001.tar), a manifest.json, or a folder with these; they come in any order and from\n"
    "several media. What is damaged or missing is named, the rest is imported; run it again when\n"
    "the missing part has come.\n\n"
    "  --key PUBLIC   minisign's public key that bundles must be signed with: its file, or the\n"
    "                 line in it that begins with RW; default: bundle_key of the configuration\n"
    "  --unsigned     takes bundles that are not signed, or whose key is not known: anybody may\n"
    "                 have made them\n"
    "  --json         print one JSON object\n"
    "  --socket PATH  control socket of the daemon; default: that of the configuration\n"
    "  --config FILE  wheelyard's own configuration\n\n"
    "Exit: 0 all files of the bundles are in the cache, 1 not all, 2 wrong usage, 3 no daemon.\n";

struct import {
    struct bundle_arguments arguments;
    struct control_client client;
    struct held held;                     /* for gaps */
    size_t kept, known, refused, lacking; /* files, of all bundles */
    bool has_gap;
    struct buf problems, gaps; /* JSON arrays without their brackets */
};

DEFINE_CLEANUP(struct reader, reader_free)

/* ------------------------------------------------------------------- saying */

static void say(struct import *m, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A problem: on the standard error, or for --json. */
static void say(struct import *m, const char *format, ...)
{
    auto_buf struct buf text;
    va_list args;
    buf_init(&text, LINE_MAX_BYTES);
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    if (m->arguments.as_json) {
        json_write_comma(&m->problems);
        json_write_string(&m->problems, text.error ? "" : text.data);
        return;
    }
    terminal_clean(text.data, text.len);
    (void)fprintf(stderr, "wheelyard import: %s\n", text.data);
}

/* ------------------------------------------------------------------- a file */

static void write_row(const struct manifest_file *file, struct buf *row)
{
    buf_putc(row, '{');
    json_write_member(row, "requires-python", file->requires_python);
    json_write_member(row, "upload-time", file->upload_time);
    if (file->yanked && file->yanked_reason) {
        json_write_member(row, "yanked", file->yanked_reason);
    } else if (file->yanked) {
        json_write_boolean(row, "yanked", true);
    }
    buf_putc(row, '}');
}

static int copy_piece(const struct reader_place *from, int to, int64_t *at)
{
    auto_free char *block = malloc(BLOCK_BYTES);
    int r = block ? 0 : ERROR_NO_MEMORY;
    for (int64_t done = 0; r == 0 && done < from->length;) {
        int64_t left = from->length - done;
        size_t len = left < BLOCK_BYTES ? (size_t)left : BLOCK_BYTES;
        r = file_read_at(from->fd, block, len, from->offset + done);
        if (r == 0)
            r = file_write_at(to, block, len, *at);
        done += (int64_t)len;
        *at += (int64_t)len;
    }
    return r;
}

/* Pieces of a file that is larger than a part, put together in a file that nobody else sees. */
static int join(const struct reader_bundle *bundle, size_t first, size_t count, FILE **ret)
{
    FILE *joined = tmpfile();
    int64_t at = 0;
    int r = joined ? 0 : error_from_errno(errno);
    for (size_t i = first; r == 0 && i < first + count; i++) {
        struct reader_place place;
        r = reader_place(bundle, i, &place);
        if (r)
            break;
        r = copy_piece(&place, fileno(joined), &at);
        (void)close(place.fd);
    }
    if (r && joined)
        (void)fclose(joined);
    else
        *ret = joined;
    return r;
}

/* BUNDLE_GO_ON, or the exit code when there is no daemon any more. */
static int hand_over(struct import *m, const struct manifest_file *file, int fd, int64_t offset)
{
    char from[24], length[24];
    struct json *reply = NULL;
    auto_buf struct buf row;
    buf_init(&row, ROW_MAX_BYTES);
    write_row(file, &row);
    (void)snprintf(from, sizeof from, "%" PRId64, offset);
    (void)snprintf(length, sizeof length, "%" PRId64, file->bytes.size);
    int r = control_client_ask_with(&m->client,
                                    (const char *const[]){"add", file->origin, file->path, from,
                                                          length, file->bytes.sha256, "bundle",
                                                          row.error ? "{}" : row.data, NULL},
                                    fd, &reply);
    if (r == ERROR_UNREACHABLE) {
        say(m, "the daemon has gone away; run the command again when it is there");
        return EXIT_UNREACHABLE;
    }
    const char *state = json_string(json_member(reply, "state"));
    const char *message = json_string(json_member(reply, "message"));
    m->kept += state && strcmp(state, "kept") == 0;
    m->known += state && strcmp(state, "held") == 0;
    m->refused += !state;
    if (!state)
        say(m, "%s/%s: %s", file->origin, file->path,
            r                     ? error_text(r)
            : message && *message ? message
                                  : "refused");
    json_free(reply);
    return BUNDLE_GO_ON;
}

static int import_file(struct import *m, const struct reader_bundle *bundle, size_t first,
                       size_t count)
{
    const struct manifest_file *file = bundle->pieces[first].file;
    for (size_t i = first; i < first + count; i++)
        if (bundle->found[i].state != READER_GOOD) {
            m->lacking++; /* said with its part */
            return BUNDLE_GO_ON;
        }
    struct reader_place place = {.fd = -1};
    FILE *joined = NULL;
    int r = count > 1 ? join(bundle, first, count, &joined) : reader_place(bundle, first, &place);
    if (r) {
        m->refused++;
        say(m, "%s/%s: %s", file->origin, file->path, error_text(r < 0 ? r : ERROR_IO));
        return BUNDLE_GO_ON;
    }
    int code = hand_over(m, file, joined ? fileno(joined) : place.fd, joined ? 0 : place.offset);
    if (joined)
        (void)fclose(joined);
    else
        (void)close(place.fd);
    return code;
}

/* ----------------------------------------------------------------- a bundle */

static const char *refusal(const struct reader_bundle *bundle)
{
    static const char *const why[] = {
        [READER_SIGNED] = "",
        [READER_NO_KEY] = "no key is known to check its signature by: --key PUBLIC",
        [READER_OTHER_KEY] = "it is signed by another key",
        [READER_REFUTED] = "its signature is wrong: it is forged or damaged",
        [READER_UNSIGNED] = "it is not signed"};
    return bundle->why ? bundle->why : why[bundle->trust];
}

static int import_bundle(struct import *m, const struct reader_bundle *bundle)
{
    if (!bundle->manifest || !bundle_is_trusted(bundle, m->arguments.takes_unsigned)) {
        m->has_gap = true;
        say(m, "%s: not imported: %s", bundle->path, refusal(bundle));
        return BUNDLE_GO_ON;
    }
    for (size_t k = 0; k < bundle->manifest->part_count; k++) {
        auto_buf struct buf text;
        buf_init(&text, LINE_MAX_BYTES);
        if (bundle->parts[k].state == READER_GOOD)
            continue;
        m->has_gap = true;
        reader_part_text(bundle, k, &text);
        say(m, "%s", text.data);
    }
    int code = BUNDLE_GO_ON;
    for (size_t i = 0; i < bundle->piece_count && code == BUNDLE_GO_ON;) {
        const struct layout_piece *p = &bundle->pieces[i];
        size_t count = p->member->piece_count;
        if (p->file && p->member == &p->file->bytes)
            code = import_file(m, bundle, i, count);
        i += count;
    }
    return code;
}

/* -------------------------------------------------------------------- gaps */

/* What a lock wants, and no bundle has brought. */
static void report_lock(struct import *m, const struct manifest_lock *lock)
{
    auto_buf struct buf names, json;
    size_t missing = 0;
    buf_init(&names, LINE_MAX_BYTES);
    buf_init(&json, OUTPUT_MAX_BYTES);
    for (size_t i = 0; i < lock->file_count; i++) {
        if (held_find(&m->held, lock->files[i]))
            continue;
        if (missing++ < GAPS_SHOWN)
            buf_printf(&names, "%s%s", missing > 1 ? ", " : "", lock->files[i]);
        json_write_comma(&json);
        json_write_string(&json, lock->files[i]);
    }
    if (!missing)
        return;
    m->has_gap = true;
    say(m, "%s needs %zu file%s that no bundle brought: %s%s", lock->name, missing,
        missing == 1 ? "" : "s", names.data, missing > GAPS_SHOWN ? " ..." : "");
    json_write_comma(&m->gaps);
    buf_putc(&m->gaps, '{');
    json_write_member(&m->gaps, "lock", lock->name);
    json_write_name(&m->gaps, "files");
    buf_printf(&m->gaps, "[%s]}", json.data);
}

static bool has_all_pieces(const struct reader_bundle *bundle, size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++)
        if (bundle->found[i].state != READER_GOOD)
            return false;
    return true;
}

/* Files of the bundle that were there to be imported, and are not held now. */
static size_t count_absent(const struct import *m, const struct reader_bundle *bundle)
{
    size_t absent = 0;
    for (size_t i = 0; i < bundle->piece_count;) {
        const struct layout_piece *p = &bundle->pieces[i];
        size_t count = p->member->piece_count;
        if (p->file && p->member == &p->file->bytes && has_all_pieces(bundle, i, count)) {
            auto_free char *name = str_printf("%s/%s", p->file->origin, p->file->path);
            absent += name && !held_find(&m->held, name);
        }
        i += count;
    }
    return absent;
}

/* In a cache that is too small the last files of a bundle take the place of the first ones. */
static void report_evicted(struct import *m, const struct reader *reader)
{
    size_t absent = 0;
    for (size_t i = 0; i < reader->bundle_count; i++) {
        const struct reader_bundle *bundle = &reader->bundles[i];
        if (bundle->manifest && !bundle->is_explained &&
            bundle_is_trusted(bundle, m->arguments.takes_unsigned))
            absent += count_absent(m, bundle);
    }
    if (absent <= m->refused)
        return;
    m->has_gap = true;
    say(m,
        "the cache is too small for all files of the bundle: %zu had to go to make room for "
        "others; "
        "raise max_size, or make room on its disk, and run the command again",
        absent - m->refused);
}

static void report_gaps(struct import *m, const struct reader *reader)
{
    if (held_ask(&m->client, &m->held) == 0) /* without an answer all are missing */
        report_evicted(m, reader);
    for (size_t i = 0; i < reader->bundle_count; i++) {
        const struct manifest *manifest = reader->bundles[i].manifest;
        bool counts =
            manifest && bundle_is_trusted(&reader->bundles[i], m->arguments.takes_unsigned);
        for (size_t k = 0; counts && k < manifest->lock_count; k++)
            report_lock(m, &manifest->locks[k]);
    }
}

/* ------------------------------------------------------------------ command */

static int print(struct import *m, int code)
{
    if (!m->arguments.as_json) {
        (void)printf("%zu files imported, %zu were there already", m->kept, m->known);
        if (m->refused + m->lacking)
            (void)printf(", %zu were refused, %zu are damaged or missing", m->refused, m->lacking);
        (void)putchar('\n');
        return fflush(stdout) ? EXIT_FAILED : code;
    }
    auto_buf struct buf text;
    buf_init(&text, OUTPUT_MAX_BYTES);
    buf_printf(&text, "{\"kept\":%zu,\"held\":%zu,\"refused\":%zu,\"lacking\":%zu,", m->kept,
               m->known, m->refused, m->lacking);
    buf_printf(&text, "\"problems\":[%s],\"gaps\":[%s]}\n", m->problems.data, m->gaps.data);
    return text.error || fputs(text.data, stdout) < 0 || fflush(stdout) ? EXIT_FAILED : code;
}

static int import_all(struct import *m, struct reader *reader)
{
    int code = BUNDLE_GO_ON, any = 0;
    for (size_t i = 0; i < reader->problem_count; i++) {
        m->has_gap = true;
        say(m, "%s", reader->problems[i]);
    }
    for (size_t i = 0; i < reader->bundle_count && code == BUNDLE_GO_ON; i++) {
        if (reader->bundles[i].is_explained)
            continue;
        any = 1;
        code = import_bundle(m, &reader->bundles[i]);
    }
    if (!any)
        say(m, "there is no bundle here");
    if (code != BUNDLE_GO_ON)
        return code;
    report_gaps(m, reader);
    return any && !m->has_gap && !m->refused && !m->lacking ? EXIT_DONE : EXIT_FAILED;
}

static int run(struct import *m, const struct reader_options *options)
{
    AUTO(reader_free) struct reader *reader = NULL;
    int r = reader_open(options, m->arguments.paths, m->arguments.path_count, &reader);
    if (r == 0)
        r = bundle_check(reader);
    if (r) {
        (void)fprintf(stderr, "wheelyard import: %s\n", error_text(r));
        return EXIT_FAILED;
    }
    int code = reach_daemon(m->arguments.socket, m->arguments.config, &m->client);
    if (code)
        return code;
    buf_init(&m->problems, OUTPUT_MAX_BYTES);
    buf_init(&m->gaps, OUTPUT_MAX_BYTES);
    buf_puts(&m->problems, "");
    buf_puts(&m->gaps, "");
    code = print(m, import_all(m, reader));
    buf_release(&m->problems);
    buf_release(&m->gaps);
    held_release(&m->held);
    control_client_close(&m->client);
    return code;
}

int command_import(int argc, char **argv)
{
    struct import m = {.arguments = {.command = "import", .usage = usage, .takes_socket = true}};
    struct bundle_arguments *a = &m.arguments;
    struct minisign_public public;
    bool has_public = false;
    int code = bundle_parse(a, argc, argv);
    if (code == BUNDLE_GO_ON)
        code = bundle_find_key("import", a->key, a->config, &public, &has_public);
    if (code != BUNDLE_GO_ON)
        return code;
    const struct reader_options options = {.key = has_public ? &public : NULL,
                                           .takes_unsigned = a->takes_unsigned};
    return run(&m, &options);
}
