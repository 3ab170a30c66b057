// SPDX-License-Identifier: Apache-2.0
/* `wheelyard verify`: are these bundles whole, and signed by the right key? */
#include "cli/command_verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "base/terminal.h"
#include "bundle/reader.h"
#include "cli/bundle_reading.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1 };
enum { LINE_MAX_BYTES = 64 << 10, OUTPUT_MAX_BYTES = 256 << 20, NAMES_SHOWN = 5 };

static const char usage[] =
    "usage: wheelyard verify PATH... [--key PUBLIC] [--unsigned] [--json] [--config FILE]\n\n"
    "Checks bundles: are they signed by the right key, and are all parts there and undamaged?\n"
    "PATH is a part (NAME.part001.tar), a manifest.json, or a folder with these, also one that\n"
    "parts were unpacked in. Parts come in any order, and several copies of one are fine. What is\n"
    "damaged or missing is named, part by part. No daemon is needed, and nothing is unpacked.\n"
    "(`wheelyard cache verify` is another thing: it checks what a running daemon keeps.)\n\n"
    "  --key PUBLIC   minisign's public key that the bundle must be signed with: its file, or\n"
    "                 the line in it that begins with RW; default: bundle_key of the "
    "configuration\n"
    "  --unsigned     takes bundles that are not signed, or whose key is not known: finds damage,\n"
    "                 but anybody may have made them\n"
    "  --json         one JSON object, with the names of all files that are needed again\n"
    "  --config FILE  the configuration\n\n"
    "Exit: 0 all bundles are whole and signed, 1 not, 2 usage.\n";

struct verify {
    struct bundle_arguments arguments;
    struct minisign_public public;
    bool has_public;
};

DEFINE_CLEANUP(struct reader, reader_free)

/* ----------------------------------------------------------------- judgement */

static bool is_good(const struct verify *v, const struct reader_bundle *bundle)
{
    return reader_is_whole(bundle) && bundle_is_trusted(bundle, v->arguments.takes_unsigned);
}

static bool all_good(const struct verify *v, const struct reader *reader)
{
    bool any = false;
    for (size_t i = 0; i < reader->bundle_count; i++) {
        if (reader->bundles[i].is_explained)
            continue;
        any = true;
        if (!is_good(v, &reader->bundles[i]))
            return false;
    }
    return any && reader->problem_count == 0;
}

static size_t count_elsewhere(const struct manifest *m)
{
    size_t count = 0;
    for (size_t i = 0; i < m->file_count; i++)
        count += m->files[i].bytes.piece_count == 0;
    return count;
}

static int64_t count_bytes(const struct manifest *m)
{
    int64_t bytes = 0;
    for (size_t i = 0; i < m->part_count; i++)
        bytes += m->parts[i].payload;
    return bytes;
}

static const char *trust_name(enum reader_trust trust)
{
    static const char *const names[] = {[READER_SIGNED] = "signed",
                                        [READER_NO_KEY] = "no-key",
                                        [READER_OTHER_KEY] = "other-key",
                                        [READER_REFUTED] = "refuted",
                                        [READER_UNSIGNED] = "unsigned"};
    return names[trust];
}

/* ------------------------------------------------------------------- people */

/* What strangers have written goes to a terminal. */
static void print_clean(struct buf *text)
{
    terminal_clean(text->data, text->len);
    (void)printf("%s\n", text->data);
}

static void print_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void print_line(const char *format, ...)
{
    auto_buf struct buf text;
    va_list args;
    buf_init(&text, LINE_MAX_BYTES);
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    print_clean(&text);
}

static void print_names(const struct reader_bundle *bundle, const struct reader_part *part)
{
    size_t shown = 0;
    for (size_t i = part->first_piece;
         i < part->first_piece + part->piece_count && shown < NAMES_SHOWN; i++)
        if (reader_lacks_file(bundle, i)) {
            const struct manifest_file *file = bundle->pieces[i].file;
            print_line("  %s/%s", file->origin, file->path);
            shown++;
        }
    if (part->files > shown)
        print_line("  and %zu more; --json names all", part->files - shown);
}

static void print_part(const struct reader_bundle *bundle, size_t k)
{
    auto_buf struct buf text;
    buf_init(&text, LINE_MAX_BYTES);
    if (bundle->parts[k].state == READER_GOOD)
        return;
    reader_part_text(bundle, k, &text);
    print_clean(&text);
    print_names(bundle, &bundle->parts[k]);
}

static void print_summary(const struct reader_bundle *bundle)
{
    const struct manifest *m = bundle->manifest;
    size_t elsewhere = count_elsewhere(m);
    char date[CLOCK_TEXT];
    clock_rfc3339(m->date_s, date);
    print_line("%s of %s: %zu parts, %zu files, %" PRId64 " MB", m->id, date, m->part_count,
               m->file_count - elsewhere, count_bytes(m) / 1000000);
    if (m->since_id)
        print_line("  continues %s, which has %zu more of its files", m->since_id, elsewhere);
}

static void print_verdict(const struct verify *v, const struct reader_bundle *bundle)
{
    static const char *const words[] = {[READER_SIGNED] = "signed",
                                        [READER_NO_KEY] = "signed, by a key that was not checked",
                                        [READER_OTHER_KEY] = "signed by another key",
                                        [READER_REFUTED] = "its signature is wrong",
                                        [READER_UNSIGNED] = "not signed"};
    const char *id = bundle->manifest->id;
    const char *whole = reader_is_whole(bundle) ? "whole" : "not whole";
    if (is_good(v, bundle) && bundle->trust == READER_SIGNED)
        print_line("%s is whole and signed by %s", id, bundle->key_id);
    else
        print_line("%s is %s; %s%s%s", id, whole, words[bundle->trust], *bundle->key_id ? ": " : "",
                   bundle->key_id);
}

static void print_bundle(const struct verify *v, const struct reader_bundle *bundle)
{
    if (!bundle->manifest) {
        print_line("%s: this bundle is not believed: %s%s%s", bundle->path, bundle->why,
                   *bundle->key_id ? ": " : "", bundle->key_id);
        return;
    }
    print_summary(bundle);
    for (size_t k = 0; k < bundle->manifest->part_count; k++)
        print_part(bundle, k);
    print_verdict(v, bundle);
}

static void print(const struct verify *v, const struct reader *reader)
{
    for (size_t i = 0; i < reader->problem_count; i++)
        print_line("%s", reader->problems[i]);
    for (size_t i = 0; i < reader->bundle_count; i++)
        if (!reader->bundles[i].is_explained)
            print_bundle(v, &reader->bundles[i]);
    if (reader->bundle_count == 0)
        print_line("there is no bundle here");
}

/* --------------------------------------------------------------------- JSON */

static void write_number(struct buf *to, const char *name, int64_t value)
{
    json_write_name(to, name);
    buf_printf(to, "%" PRId64, value);
}

static void write_part(struct buf *to, const struct reader_bundle *bundle, size_t k)
{
    static const char *const states[] = {"unknown", "good", "damaged", "missing"};
    const struct reader_part *part = &bundle->parts[k];
    char name[MANIFEST_PART_NAME];
    manifest_part_name(bundle->manifest->name, k, name);
    json_write_comma(to);
    buf_putc(to, '{');
    json_write_member(to, "name", name);
    json_write_member(to, "state", states[part->state]);
    json_write_member(to, "damage", part->damage);
    json_write_name(to, "files");
    buf_putc(to, '[');
    for (size_t i = part->first_piece; i < part->first_piece + part->piece_count; i++)
        if (reader_lacks_file(bundle, i)) {
            const struct manifest_file *file = bundle->pieces[i].file;
            auto_free char *path = str_printf("%s/%s", file->origin, file->path);
            json_write_comma(to);
            json_write_string(to, path ? path : "");
        }
    buf_puts(to, "]}");
}

static void write_manifest(struct buf *to, const struct reader_bundle *bundle)
{
    const struct manifest *m = bundle->manifest;
    char date[CLOCK_TEXT];
    clock_rfc3339(m->date_s, date);
    json_write_member(to, "id", m->id);
    json_write_member(to, "date", date);
    json_write_member(to, "since", m->since_id);
    write_number(to, "files", (int64_t)m->file_count);
    write_number(to, "elsewhere", (int64_t)count_elsewhere(m));
    write_number(to, "bytes", count_bytes(m));
    json_write_name(to, "parts");
    buf_putc(to, '[');
    for (size_t k = 0; k < m->part_count; k++)
        write_part(to, bundle, k);
    buf_putc(to, ']');
}

static void write_bundle(struct buf *to, const struct verify *v, const struct reader_bundle *bundle)
{
    json_write_comma(to);
    buf_putc(to, '{');
    json_write_member(to, "path", bundle->path);
    json_write_member(to, "sha256", bundle->sha256);
    json_write_member(to, "trust", trust_name(bundle->trust));
    json_write_member(to, "key", *bundle->key_id ? bundle->key_id : NULL);
    json_write_member(to, "why", bundle->why);
    json_write_name(to, "good");
    buf_puts(to, is_good(v, bundle) ? "true" : "false");
    if (bundle->manifest)
        write_manifest(to, bundle);
    buf_putc(to, '}');
}

static int print_json(const struct verify *v, const struct reader *reader)
{
    auto_buf struct buf text;
    buf_init(&text, OUTPUT_MAX_BYTES);
    buf_printf(&text, "{\"good\":%s,\"problems\":[", all_good(v, reader) ? "true" : "false");
    for (size_t i = 0; i < reader->problem_count; i++) {
        json_write_comma(&text);
        json_write_string(&text, reader->problems[i]);
    }
    buf_puts(&text, "],\"bundles\":[");
    for (size_t i = 0; i < reader->bundle_count; i++)
        if (!reader->bundles[i].is_explained)
            write_bundle(&text, v, &reader->bundles[i]);
    buf_puts(&text, "]}\n");
    if (text.error || fputs(text.data, stdout) < 0)
        return text.error ? text.error : ERROR_IO;
    return 0;
}

/* ------------------------------------------------------------------ command */

static int run(struct verify *v)
{
    AUTO(reader_free) struct reader *reader = NULL;
    struct reader_options options = {.key = v->has_public ? &v->public : NULL,
                                     .takes_unsigned = v->arguments.takes_unsigned};
    int r = reader_open(&options, v->arguments.paths, v->arguments.path_count, &reader);
    if (r == 0)
        r = bundle_check(reader);
    if (r == 0 && v->arguments.as_json)
        r = print_json(v, reader);
    else if (r == 0)
        print(v, reader);
    if (r) {
        (void)fprintf(stderr, "wheelyard verify: %s\n", error_text(r));
        return EXIT_FAILED;
    }
    return fflush(stdout) == 0 && all_good(v, reader) ? EXIT_DONE : EXIT_FAILED;
}

int command_verify(int argc, char **argv)
{
    struct verify v = {.arguments = {.command = "verify", .usage = usage}};
    const struct bundle_arguments *a = &v.arguments;
    int code = bundle_parse(&v.arguments, argc, argv);
    if (code == BUNDLE_GO_ON)
        code = bundle_find_key("verify", a->key, a->config, &v.public, &v.has_public);
    return code == BUNDLE_GO_ON ? run(&v) : code;
}
