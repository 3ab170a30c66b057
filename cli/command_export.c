// SPDX-License-Identifier: Apache-2.0
/*
 * `wheelyard export`: writes a bundle of what the daemon holds. The daemon says which files these
 * are and what indexes said of them; their bytes are read from its folder.
 */
#include "cli/command_export.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "bundle/writer.h"
#include "cli/lock_set.h"
#include "cli/lock_with.h"
#include "cli/password.h"
#include "cli/percent.h"
#include "cli/pinned.h"
#include "cli/reach.h"
#include "config/argument.h"
#include "config/config.h"
#include "config/options.h"
#include "control/control_client.h"
#include "index/wheel.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, GO_ON = SET_GO };
enum { PLACES_MAX_BYTES = 4 << 10 };

static const char usage[] =
    "usage: wheelyard export (--all | --lock LOCK... | --pinned NAME) -o DIR [FLAGS]\n\n"
    "Writes a bundle for machines without a network: tar parts that hold wheels and sdists of\n"
    "the cache, and an index of them that pip and uv install from when it is unpacked. It is\n"
    "run as the daemon's user or root. Files of folder origins are not in it.\n\n"
    "  --all                  every file that the daemon holds whole\n"
    "  --lock LOCK            what this lock file wants; may be given several times. Targets,\n"
    "                         extras and groups are chosen as for `wheelyard prefetch`\n"
    "  --with pip,uv,...      what locks leave out, chosen as for `wheelyard prefetch`\n"
    "  --pinned NAME          what the set NAME of `wheelyard prefetch --pin` has\n"
    "  -o DIR                 folder for the parts; it must have no bundle yet\n"
    "  --name NAME            of the bundle and its parts: NAME.part001.tar; default: bundle\n"
    "  --split SIZE           most that a part may have: 4GB, 700MB; default: all in one\n"
    "  --since MANIFEST       manifest.json of an earlier bundle: what it has is not carried "
    "again\n"
    "  --sign KEY             minisign's secret key\n"
    "  --password-file FILE   its password; else the terminal is asked\n"
    "  --json                 one JSON object: what was written\n"
    "  --config FILE, --socket PATH   where the daemon is\n\n"
    "Exit: 0 done, 1 not, 2 usage, 3 no daemon.\n";

struct exporting {
    const char *folder, *name, *split, *since_path, *key, *password_file, *config, *socket;
    const char *pinned; /* the set whose files are meant; or NULL */
    bool all, as_json;
    struct lock_set set;
    const char *locks[LOCK_SET_LOCKS_MOST];
    size_t lock_count;
    bool lacks; /* a lock wants what is not held */
    struct control_client client;
    struct json *reply;
    const char *cache_dir; /* of the reply */
    struct minisign_secret secret;
    struct manifest *since;
    char since_sha256[SHA256_HEX];
    struct writer_options options;
    struct writer *writer;
    struct percent percent;
};

/* ---------------------------------------------------------------- arguments */

static int refuse(const char *what, const char *why)
{
    (void)fprintf(stderr, "wheelyard export: %s: %s\n", what, why);
    return EXIT_USAGE;
}

/* Flags with a value. */
static bool take_value(struct exporting *e, int argc, char **argv, int *i)
{
    const struct {
        const char *flag;
        const char **to;
    } table[] = {
        {"-o", &e->folder},      {"--output", &e->folder}, {"--pinned", &e->pinned},
        {"--name", &e->name},    {"--split", &e->split},   {"--since", &e->since_path},
        {"--sign", &e->key},     {"--config", &e->config}, {"--password-file", &e->password_file},
        {"--socket", &e->socket}};
    for (size_t k = 0; k < sizeof(table) / sizeof(*table); k++) {
        const char *value = argument_value(argc, argv, i, table[k].flag);
        if (value) {
            *table[k].to = value;
            return true;
        }
    }
    return false;
}

static int parse(int argc, char **argv, struct exporting *e)
{
    static const char *const flags[] = {"--all",           "--lock",     "--pinned", "-o",
                                        "--name",          "--split",    "--since",  "--sign",
                                        "--password-file", "--json",     "--config", "--socket",
                                        "--python",        "--platform", "--target", NULL};
    for (int i = 0; i < argc; i++) {
        const char *value;
        if (argument_is(argv[i], "--all"))
            e->all = true;
        else if (argument_is(argv[i], "--json"))
            e->as_json = true;
        else if ((value = argument_value(argc, argv, &i, "--lock"))) {
            if (e->lock_count == LOCK_SET_LOCKS_MOST)
                return refuse("--lock", "too many locks for one bundle");
            e->locks[e->lock_count++] = value;
        } else if (!take_value(e, argc, argv, &i) && !lock_set_take(&e->set, argc, argv, &i)) {
            argument_refuse("export", argv[i], flags);
            return EXIT_USAGE;
        }
    }
    if (e->all + (e->lock_count > 0) + (e->pinned != NULL) != 1 || !e->folder) {
        (void)fputs(usage, stderr);
        return EXIT_USAGE;
    }
    e->options = (struct writer_options){
        .folder = e->folder, .name = e->name ? e->name : "bundle", .date_s = clock_real_s()};
    if (!manifest_name_is_valid(e->options.name))
        return refuse(e->options.name, "no name of letters, digits and `._-`");
    if (e->split && (e->options.part_bytes = option_parse_size(e->split)) <= 0)
        return refuse(e->split, "not a size such as 4GB or 700MB");
    return GO_ON;
}

static int ask_password(void *context, char to[MINISIGN_PASSWORD_MAX])
{
    const struct exporting *e = context;
    return password_read(e->password_file, "Password of the secret key: ", to,
                         MINISIGN_PASSWORD_MAX);
}

static int read_key(struct exporting *e)
{
    struct minisign_password password = {.ask = ask_password, .context = e};
    const char *why = NULL;
    auto_buf struct buf text;
    buf_init(&text, MINISIGN_FILE_MAX);
    if (!e->key)
        return GO_ON;
    int r = file_read_all(e->key, &text);
    if (r)
        return refuse(e->key, r == FILE_MISSING ? "there is no such file" : error_text(r));
    r = minisign_secret_read(text.data, text.len, &password, &e->secret, &why);
    explicit_bzero(text.data, text.len);
    if (r == ERROR_BAD_REQUEST)
        return EXIT_USAGE; /* that was said */
    if (r == MINISIGN_WRONG_PASSWORD)
        return refuse(e->key, "the password is wrong");
    if (r)
        return refuse(e->key, why ? why : error_text(r));
    e->options.secret = &e->secret;
    return GO_ON;
}

static int read_since(struct exporting *e)
{
    auto_free char *why = NULL;
    auto_buf struct buf text;
    buf_init(&text, MANIFEST_MAX_BYTES);
    if (!e->since_path)
        return GO_ON;
    int r = file_read_all(e->since_path, &text);
    if (r == FILE_MISSING)
        return refuse(e->since_path, "there is no such file");
    if (r == 0)
        r = sha256_of(text.data, text.len, e->since_sha256);
    if (r == 0)
        r = manifest_read(text.data, text.len, &e->since, &why);
    if (r)
        return refuse(e->since_path, why ? why : error_text(r));
    e->options.since = e->since;
    e->options.since_sha256 = e->since_sha256;
    return GO_ON;
}

/* ---------------------------------------------------------------- the daemon */

static int ask(struct exporting *e)
{
    int code = reach_daemon(e->socket, e->config, &e->client);
    if (code)
        return code;
    code = e->pinned ? pinned_read("export", &e->client, e->pinned, &e->set.wanted) : GO_ON;
    int r =
        code == GO_ON
            ? control_client_ask(&e->client, (const char *const[]){"export", "ls", NULL}, &e->reply)
            : 0;
    control_client_close(&e->client);
    if (code != GO_ON)
        return code;
    if (r) {
        (void)fputs("wheelyard: the daemon has gone away\n", stderr);
        return EXIT_UNREACHABLE;
    }
    e->cache_dir = json_string(json_member(e->reply, "cache_dir"));
    if (e->cache_dir)
        return GO_ON;
    const char *message = json_string(json_member(e->reply, "message"));
    (void)fprintf(stderr, "wheelyard: %s\n", message ? message : "the daemon is too old for this");
    return EXIT_FAILED;
}

/* --------------------------------------------------------------------- files */

static int open_blob(const struct exporting *e, const char *sha256, int *ret_fd)
{
    auto_free char *path = str_printf("%s/blobs/%.2s/%s", e->cache_dir, sha256, sha256);
    int fd = path ? open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
    if (!path)
        return ERROR_NO_MEMORY;
    if (fd < 0)
        return ERROR_GONE;
    *ret_fd = fd;
    return 0;
}

static int add_part(struct wheel_parts *parts, int fd, struct wheel_run want)
{
    size_t len = (size_t)(want.to - want.from);
    auto_free char *data = malloc(len);
    if (!data)
        return ERROR_NO_MEMORY;
    if (parts->count == WHEEL_PARTS_MOST)
        return ERROR_CORRUPT;
    int r = file_read_at(fd, data, len, want.from);
    if (r)
        return r;
    parts->list[parts->count++] = (struct wheel_part){want.from, data, len};
    data = NULL;
    return 0;
}

/* METADATA out of the wheel itself. ERROR_CORRUPT, ERROR_TOO_BIG: it has none that can be read. */
static int read_metadata(int fd, int64_t size, const char *path, struct buf *to)
{
    struct wheel_parts parts = {.size = size};
    struct wheel_run want;
    const char *why;
    int r = WHEEL_WANTS;
    for (int i = 0; r == WHEEL_WANTS && i < WHEEL_ROUNDS_MOST; i++) {
        r = wheel_metadata(&parts, str_last_segment(path), &want, &why, to);
        if (r == WHEEL_WANTS) {
            int added = add_part(&parts, fd, want);
            r = added ? added : r;
        }
    }
    for (unsigned i = 0; i < parts.count; i++)
        free((void *)(uintptr_t)parts.list[i].data);
    return r == WHEEL_WANTS ? ERROR_CORRUPT : r;
}

static int open_metadata(int blob, const struct manifest_file *file, int *ret_fd)
{
    auto_close int fd = memfd_create("metadata", MFD_CLOEXEC);
    auto_buf struct buf text;
    buf_init(&text, WHEEL_METADATA_MAX);
    int r = read_metadata(blob, file->bytes.size, file->path, &text);
    if (r == 0)
        r = fd < 0 ? ERROR_IO : file_write_at(fd, text.data, text.len, 0);
    if (r)
        return r;
    *ret_fd = fd;
    fd = -1;
    return 0;
}

static int open_file(void *context, const struct manifest_file *file, bool is_metadata, int *ret_fd)
{
    auto_close int fd = -1;
    int r = open_blob(context, file->bytes.sha256, &fd);
    if (r)
        return r;
    if (is_metadata)
        return open_metadata(fd, file, ret_fd);
    *ret_fd = fd;
    fd = -1;
    return 0;
}

/* What the wheel says where its index said nothing; METADATA's size and digest. */
static int look_into(const struct exporting *e, struct manifest_file *row)
{
    struct wheel_header header = {.name = NULL};
    auto_close int fd = -1;
    auto_buf struct buf text;
    buf_init(&text, WHEEL_METADATA_MAX);
    if (row->kind != FILE_WHEEL)
        return 0;
    int r = open_blob(e, row->bytes.sha256, &fd);
    if (r == 0)
        r = read_metadata(fd, row->bytes.size, row->path, &text);
    if (r == ERROR_CORRUPT || r == ERROR_TOO_BIG)
        return 0; /* installers read it from the wheel then, as ever */
    if (r == 0)
        r = wheel_header_read(text.data, text.len, &header);
    if (r)
        return r;
    row->metadata.size = (int64_t)text.len;
    if (!row->requires_python) {
        row->requires_python = header.requires_python;
        header.requires_python = NULL;
    }
    wheel_header_release(&header);
    return sha256_of(text.data, text.len, row->metadata.sha256);
}

static char *text_of(const struct json *object, const char *name)
{
    return str_dup(json_string(json_member(object, name)));
}

static struct wanted_file *find_wanted(const struct exporting *e, const struct json *said)
{
    const char *origin = json_string(json_member(said, "origin"));
    const char *path = json_string(json_member(said, "path"));
    struct wanted_file *f = origin && path ? wanted_find(&e->set.wanted, origin, path) : NULL;
    return f && wanted_is(f, json_string(json_member(said, "sha256"))) ? f : NULL;
}

/* Whether the row goes into the bundle. */
static bool is_chosen(struct exporting *e, const struct json *said)
{
    struct wanted_file *f = e->all ? NULL : find_wanted(e, said);
    if (f)
        f->held = true;
    return e->all || f;
}

/* What the locks want, and where they stand in the manifest. */
static int add_locks(struct exporting *e)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < e->set.lock_count; i++) {
        const struct lock_set_lock *l = &e->set.locks[i];
        struct manifest_lock lock = {
            .name = (char *)(uintptr_t)l->name, .files = l->files, .file_count = l->file_count};
        memcpy(lock.sha256, l->sha256, sizeof(lock.sha256));
        r = writer_add_lock(e->writer, &lock);
    }
    for (size_t i = 0; i < e->set.wanted.count && !e->all; i++) {
        const struct wanted_file *f = &e->set.wanted.files[i];
        if (f->held)
            continue;
        e->lacks = true;
        (void)fprintf(stderr, "wheelyard export: %s is not held; `wheelyard prefetch` fetches it\n",
                      wanted_name(f));
    }
    return r;
}

static int read_locks(struct exporting *e)
{
    if (!e->lock_count)
        return GO_ON;
    e->set.config_file = e->config;
    int code = lock_set_check(&e->set);
    if (code == SET_GO)
        code = lock_set_load(&e->set);
    for (size_t i = 0; i < e->lock_count && code == SET_GO; i++)
        code = lock_set_read(&e->set, e->locks[i]);
    if (code == SET_GO && e->set.with)
        code = lock_with_add(&e->set, e->set.with);
    wanted_settle(&e->set.wanted);
    for (size_t i = 0; i < e->set.wanted.skip_count; i++)
        e->lacks |= e->set.wanted.skips[i].is_needed;
    wanted_say_skips(&e->set.wanted, SIZE_MAX);
    return code;
}

static int add_row(struct exporting *e, const struct json *said)
{
    const char *kind = json_string(json_member(said, "kind"));
    const char *sha256 = json_string(json_member(said, "sha256"));
    struct manifest_file row = {.origin = text_of(said, "origin"),
                                .path = text_of(said, "path"),
                                .project = text_of(said, "project"),
                                .requires_python = text_of(said, "requires-python"),
                                .upload_time = text_of(said, "upload-time"),
                                .yanked_reason = text_of(said, "yanked"),
                                .metadata.size = -1};
    row.kind = kind && strcmp(kind, "sdist") == 0 ? FILE_SDIST : FILE_WHEEL;
    row.yanked = json_member(said, "yanked") != NULL;
    row.bytes.size = json_integer(json_member(said, "size"));
    int r = row.origin && row.path && row.project && sha256 && str_is_sha256(sha256)
                ? 0
                : ERROR_CORRUPT;
    if (r == 0)
        memcpy(row.bytes.sha256, sha256, SHA256_HEX);
    if (r == 0)
        r = look_into(e, &row);
    if (r == 0)
        r = writer_add(e->writer, &row);
    if (r)
        (void)fprintf(stderr, "wheelyard export: %s: %s\n", row.path ? row.path : "?",
                      *writer_why(e->writer) ? writer_why(e->writer) : error_text(r));
    manifest_file_release(&row);
    return r;
}

/* ------------------------------------------------------------------- writing */

static void show_progress(void *context, int64_t done, int64_t total)
{
    struct exporting *e = context;
    percent_show(&e->percent, done, total);
}

static void print_summary(const struct exporting *e, const struct writer_summary *summary)
{
    if (e->as_json) {
        auto_buf struct buf text;
        buf_init(&text, PLACES_MAX_BYTES);
        buf_printf(&text, "{\"parts\":%zu,\"files\":%zu,\"carried\":%zu,\"bytes\":%" PRId64,
                   summary->parts, summary->files, summary->carried, summary->bytes);
        json_write_member(&text, "folder", e->folder);
        (void)printf("%s}\n", text.data);
        return;
    }
    (void)printf("%s: %zu parts, %zu files (%zu of them in earlier bundles), %" PRId64 " MB%s\n",
                 e->folder, summary->parts, summary->files, summary->files - summary->carried,
                 summary->bytes / 1000000, e->key ? ", signed" : ", not signed");
}

static int write_bundle(struct exporting *e)
{
    struct writer_source source = {.open = open_file, .context = e};
    struct writer_summary summary;
    percent_begin(&e->percent);
    e->options.progress = show_progress;
    e->options.context = e;
    int r = writer_new(&e->options, &e->writer);
    const struct json *row = json_first(json_member(e->reply, "files"));
    for (; r == 0 && row; row = json_next(row))
        if (is_chosen(e, row) && (r = add_row(e, row)))
            return EXIT_FAILED;
    if (r == 0)
        r = add_locks(e);
    if (r == 0)
        r = writer_run(e->writer, &source, &summary);
    percent_end(&e->percent);
    if (r) {
        (void)fprintf(stderr, "wheelyard export: %s\n",
                      e->writer && *writer_why(e->writer) ? writer_why(e->writer) : error_text(r));
        return EXIT_FAILED;
    }
    print_summary(e, &summary);
    return fflush(stdout) || e->lacks ? EXIT_FAILED : EXIT_DONE;
}

int command_export(int argc, char **argv)
{
    struct exporting e = {.set = {.command = {.name = "export", .usage = usage}}};
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return fputs(usage, stdout) < 0 || fflush(stdout) ? EXIT_FAILED : EXIT_DONE;
    int code = parse(argc, argv, &e);
    if (code == GO_ON)
        code = read_since(&e);
    if (code == GO_ON)
        code = read_locks(&e);
    if (code == GO_ON)
        code = ask(&e);
    if (code == GO_ON)
        code = read_key(&e);
    if (code == GO_ON)
        code = write_bundle(&e);
    writer_free(e.writer);
    lock_set_release(&e.set);
    manifest_free(e.since);
    json_free(e.reply);
    minisign_secret_forget(&e.secret);
    return code;
}
