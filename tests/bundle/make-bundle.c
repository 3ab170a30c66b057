// SPDX-License-Identifier: Apache-2.0
/*
 * make-bundle FOLDER NAME DATE_S PART_BYTES [SECRET_KEY [SINCE]]: writes a bundle of the files that
 * standard input names, one JSON object a line: {"origin","path","file","sha256"?,"size"?,
 * "requires-python"?,"yanked"?,"upload-time"?,"metadata"?}. `file` and `metadata` are paths.
 * SECRET_KEY "-" is none; its password is "password". Prints "parts files carried bytes"; what went
 * wrong goes to standard error, with exit 1.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "bundle/writer.h"

enum { INPUT_MAX = 64 << 20, BLOCK = 1 << 20 };

/* Where the bytes of a file are, by its place in the input. */
struct given {
    char *key, *file, *metadata;
};

struct input {
    struct given *list;
    size_t count;
};

static int open_place(void *context, const struct manifest_file *file, bool is_metadata,
                      int *ret_fd)
{
    struct input *places = context;
    auto_free char *key = str_printf("%s/%s", file->origin, file->path);
    for (size_t i = 0; key && i < places->count; i++) {
        if (strcmp(places->list[i].key, key) != 0)
            continue;
        const char *path = is_metadata ? places->list[i].metadata : places->list[i].file;
        *ret_fd = open(path, O_RDONLY | O_CLOEXEC);
        return *ret_fd < 0 ? ERROR_IO : 0;
    }
    return ERROR_IO;
}

static int measure(const char *path, struct manifest_member *member)
{
    struct sha256 *sha;
    auto_free char *block = malloc(BLOCK);
    FILE *file = fopen(path, "rbe");
    if (!file || !block || sha256_new(&sha))
        return ERROR_IO;
    member->size = 0;
    for (size_t n; (n = fread(block, 1, BLOCK, file)) > 0; member->size += (int64_t)n)
        (void)sha256_add(sha, block, n);
    int r = sha256_finish(sha, member->sha256);
    sha256_free(sha);
    (void)fclose(file);
    return r;
}

static char *text_of(const struct json *row, const char *name)
{
    return str_dup(json_string(json_member(row, name)));
}

static int add(struct writer *w, const struct json *row, struct input *places)
{
    struct manifest_file file = {.metadata.size = -1};
    struct given *place = &places->list[places->count++];
    struct file_name name;
    const char *digest = json_string(json_member(row, "sha256"));
    file.origin = text_of(row, "origin");
    file.path = text_of(row, "path");
    file.requires_python = text_of(row, "requires-python");
    file.upload_time = text_of(row, "upload-time");
    file.yanked_reason = text_of(row, "yanked");
    file.yanked = json_member(row, "yanked") != NULL;
    *place = (struct given){.key = str_printf("%s/%s", file.origin, file.path),
                            .file = text_of(row, "file"),
                            .metadata = text_of(row, "metadata")};
    (void)file_name_parse(str_last_segment(file.path), &name);
    file.kind = name.kind;
    file.project = str_dup(name.project ? name.project : "none");
    file_name_release(&name);
    file.bytes.size = json_integer(json_member(row, "size"));
    int r = digest && file.bytes.size >= 0 ? 0 : measure(place->file, &file.bytes);
    if (r == 0 && place->metadata)
        r = measure(place->metadata, &file.metadata);
    if (digest)
        str_copy(file.bytes.sha256, SHA256_HEX, digest);
    if (r == 0)
        r = writer_add(w, &file);
    manifest_file_release(&file);
    return r;
}

static int add_all(struct writer *w, struct input *places)
{
    auto_buf struct buf input;
    buf_init(&input, INPUT_MAX);
    int r = file_read_to_end(0, &input);
    char *line, *rest = input.data;
    places->list = calloc(input.len + 1, sizeof(*places->list));
    while (r == 0 && places->list && (line = strsep(&rest, "\n"))) {
        struct json *row = NULL;
        if (!*line)
            continue;
        r = json_parse(line, strlen(line), &row);
        if (r == 0)
            r = add(w, row, places);
        json_free(row);
    }
    return r;
}

static int ask(void *context, char to[MINISIGN_PASSWORD_MAX])
{
    (void)context;
    str_copy(to, MINISIGN_PASSWORD_MAX, "password");
    return 0;
}

static int read_secret(const char *path, struct minisign_secret *secret)
{
    struct minisign_password password = {.ask = ask};
    const char *why = "";
    auto_buf struct buf text;
    buf_init(&text, MINISIGN_FILE_MAX);
    int r = file_read_all(path, &text);
    if (r == 0)
        r = minisign_secret_read(text.data, text.len, &password, secret, &why);
    if (r)
        (void)fprintf(stderr, "%s: %d: %s\n", path, r, why);
    return r;
}

static int read_since(const char *path, struct writer_options *options, char sha256[SHA256_HEX])
{
    struct manifest *since = NULL;
    auto_free char *why = NULL;
    auto_buf struct buf text;
    buf_init(&text, MANIFEST_MAX_BYTES);
    int r = file_read_all(path, &text);
    if (r == 0)
        r = sha256_of(text.data, text.len, sha256);
    if (r == 0)
        r = manifest_read(text.data, text.len, &since, &why);
    if (r)
        (void)fprintf(stderr, "%s: %s\n", path, why ? why : error_text(r));
    options->since = since;
    options->since_sha256 = sha256;
    return r;
}

int main(int argc, char **argv)
{
    struct minisign_secret secret;
    struct writer_options options;
    struct writer_summary summary;
    struct input places = {.list = NULL};
    struct writer_source source = {.open = open_place, .context = &places};
    struct writer *w = NULL;
    char sha256[SHA256_HEX];
    if (argc < 5)
        return 2;
    options = (struct writer_options){.folder = argv[1],
                                      .name = argv[2],
                                      .date_s = strtoll(argv[3], NULL, 10),
                                      .part_bytes = strtoll(argv[4], NULL, 10)};
    if (argc > 5 && strcmp(argv[5], "-") != 0) {
        if (read_secret(argv[5], &secret))
            return 1;
        options.secret = &secret;
    }
    if (argc > 6 && read_since(argv[6], &options, sha256))
        return 1;
    int r = writer_new(&options, &w);
    if (r == 0)
        r = add_all(w, &places);
    if (r == 0)
        r = writer_run(w, &source, &summary);
    if (r)
        (void)fprintf(stderr, "%s\n", w && *writer_why(w) ? writer_why(w) : error_text(r));
    else
        (void)printf("%zu %zu %zu %" PRId64 "\n", summary.parts, summary.files, summary.carried,
                     summary.bytes);
    writer_free(w);
    return r ? 1 : 0;
}
