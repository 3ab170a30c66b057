// SPDX-License-Identifier: Apache-2.0
/*
 * `wheelyard prefetch`: the files of lock files enter the cache.
 *
 * Read the locks, choose the files of the targets, find origin and path of each, ask the daemon what
 * it holds: that is the plan. Then a few threads, each with a connection to the control socket, have
 * the daemon fetch one file after the other. The daemon resumes, verifies and keeps; the command may
 * be ended and run again.
 */
#include "cli/command_prefetch.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/str.h"
#include "base/terminal.h"
#include "cli/held.h"
#include "cli/lock_set.h"
#include "cli/pinned.h"
#include "cli/reach.h"
#include "config/argument.h"
#include "engine/files/sets.h"

enum { OUTPUT_MAX_BYTES = 256 << 20, FETCHERS = 3, SKIPS_SHOWN = 20 };

static const char usage[] =
    "usage: wheelyard prefetch LOCK... [--python V --platform P]... [FLAGS]\n\n"
    "Fetches the files that uv.lock, pylock.toml, pixi.lock, requirements.txt, poetry.lock or\n"
    "pdm.lock name into the cache of the running daemon, for a lab without a network or a fast\n"
    "first installation. It may be ended and run again: what is there is not fetched twice.\n\n"
    "  --python V         3.12; may be given several times\n"
    "  --platform P       linux_x86_64, manylinux_2_28_x86_64, macos_arm64, win_amd64 ...; may be\n"
    "                     given several times; every Python is combined with every platform\n"
    "  --target here      this machine's platform, with --python\n"
    "                     Without a target: every file of the lock, of all platforms\n"
    "  --extra NAME, --all-extras, --group NAME, --all-groups, --no-default-groups\n"
    "                     which optional parts of the lock are wanted\n"
    "  --environment NAME pixi's environment; default: default\n"
    "  --no-sdist         no source archives\n"
    "  --index NAME       the index on whose pages files without an address are looked up\n"
    "  --pin NAME         keep these files from eviction, as the set NAME, also those that are "
    "still\n"
    "                     to come; until `wheelyard cache unpin NAME`. Adds to a set that exists\n"
    "  --dry-run          print the plan, and fetch nothing\n"
    "  --json             print one JSON object\n"
    "  --url URL          address of the daemon; default: `listen` of the configuration\n"
    "  --socket PATH      control socket of the daemon; default: that of the configuration\n"
    "  --config FILE      wheelyard's own configuration, whose sites the addresses belong to\n\n"
    "Exit: 0 all is in the cache (--dry-run: can be), 1 not all, 2 wrong usage, 3 no daemon.\n";

static const char *const flags[] = {
    "--python", "--platform",    "--target",   "--extra",  "--all-extras", "--group",
    "--json",   "--environment", "--no-sdist", "--index",  "--dry-run",    "--all-groups",
    "--pin",    "--url",         "--socket",   "--config", "--help",       "--no-default-groups",
    NULL};

struct prefetch {
    char **locks;
    int lock_count;
    const char *socket, *pin; /* pin: the set that is to keep the files; or NULL */
    bool dry_run, as_json;
    struct lock_set set;
    struct control_client client;
    /* while it fetches; the threads share: */
    pthread_mutex_t lock;
    size_t next, done, failed;
    bool is_cut;         /* the daemon has gone away */
    struct buf problems; /* JSON, without brackets */
};

/* ---------------------------------------------------------------- arguments */

static int parse(struct prefetch *p, int argc, char **argv)
{
    p->locks = argv; /* in place: what is no flag moves to the front */
    for (int i = 0; i < argc; i++) {
        const char *value;
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
            return fputs(usage, stdout) < 0 || fflush(stdout) ? EXIT_NO : EXIT_YES;
        if (argv[i][0] != '-') {
            p->locks[p->lock_count++] = argv[i];
        } else if (argument_is(argv[i], "--dry-run")) {
            p->dry_run = true;
        } else if (argument_is(argv[i], "--json")) {
            p->as_json = true;
        } else if ((value = argument_value(argc, argv, &i, "--socket"))) {
            p->socket = value;
        } else if ((value = argument_value(argc, argv, &i, "--pin"))) {
            p->pin = value;
        } else if (!lock_set_take(&p->set, argc, argv, &i)) {
            argument_refuse("prefetch", argv[i], flags);
            return EXIT_USAGE;
        }
    }
    if (p->pin && !set_name_is_valid(p->pin)) {
        (void)fprintf(stderr, "wheelyard prefetch: %s: no name of letters, digits and `._-`\n",
                      p->pin);
        return EXIT_USAGE;
    }
    if (p->lock_count)
        return lock_set_check(&p->set);
    (void)fputs("wheelyard prefetch: which lock file? uv.lock, pylock.toml, requirements.txt ...\n",
                stderr);
    return EXIT_USAGE;
}

/* --------------------------------------------------------------------- plan */

static int mark_held(struct prefetch *p)
{
    struct held held;
    int r = held_ask(&p->client, &held);
    for (size_t i = 0; i < p->set.wanted.count && r == 0; i++) {
        struct wanted_file *f = &p->set.wanted.files[i];
        auto_free char *name = str_printf("%s/%s", f->origin, f->path);
        const struct json *row = name ? held_find(&held, name) : NULL;
        f->held = row && wanted_is(f, json_string(json_member(row, "sha256")));
    }
    held_release(&held);
    if (r == 0)
        return SET_GO;
    (void)fprintf(stderr, "wheelyard prefetch: %s\n",
                  r == ERROR_UNREACHABLE ? "the daemon has gone away" : error_text(r));
    return r == ERROR_UNREACHABLE ? EXIT_UNREACHABLE : EXIT_NO;
}

struct sums {
    size_t files, held, unsized, needed; /* needed: skips without which something is missing */
    int64_t bytes, held_bytes;
};

static struct sums sum(const struct wanted *w)
{
    struct sums s = {.files = w->count};
    for (size_t i = 0; i < w->count; i++) {
        const struct wanted_file *f = &w->files[i];
        int64_t size = f->size > 0 ? f->size : 0;
        s.unsized += f->size < 0;
        s.bytes += size;
        s.held += f->held;
        s.held_bytes += f->held ? size : 0;
    }
    for (size_t i = 0; i < w->skip_count; i++)
        s.needed += w->skips[i].is_needed;
    return s;
}

static void print_plan(const struct prefetch *p, const struct sums *s)
{
    for (size_t i = 0; i < p->set.wanted.skip_count && i < SKIPS_SHOWN; i++) {
        const struct wanted_skip *skip = &p->set.wanted.skips[i];
        auto_free char *line =
            str_printf("%s:%u: %s: %s", skip->lock, skip->line, skip->what, skip->reason);
        if (line)
            terminal_clean(line, strlen(line));
        (void)fprintf(stderr, "%s\n", line ? line : "");
    }
    if (p->set.wanted.skip_count > SKIPS_SHOWN)
        (void)fprintf(stderr, "and %zu more; --json names all\n",
                      p->set.wanted.skip_count - SKIPS_SHOWN);
    (void)printf("%zu files, %" PRId64 " MB", s->files, s->bytes / 1000000);
    if (s->unsized)
        (void)printf(" and %zu whose size is not known", s->unsized);
    (void)printf("; %zu are held, %zu are to be fetched (%" PRId64 " MB)\n", s->held,
                 s->files - s->held, (s->bytes - s->held_bytes) / 1000000);
    (void)fflush(stdout);
}

static void write_files(const struct prefetch *p, struct buf *to)
{
    json_write_name(to, "files");
    buf_putc(to, '[');
    for (size_t i = 0; i < p->set.wanted.count; i++) {
        const struct wanted_file *f = &p->set.wanted.files[i];
        json_write_comma(to);
        buf_putc(to, '{');
        json_write_member(to, "name", wanted_name(f));
        json_write_member(to, "origin", f->origin);
        json_write_member(to, "path", f->path);
        json_write_name(to, "size");
        if (f->size < 0)
            buf_puts(to, "null");
        else
            buf_printf(to, "%" PRId64, f->size);
        json_write_boolean(to, "held", f->held);
        buf_putc(to, '}');
    }
    buf_putc(to, ']');
}

static void write_skips(const struct prefetch *p, struct buf *to)
{
    json_write_name(to, "skipped");
    buf_putc(to, '[');
    for (size_t i = 0; i < p->set.wanted.skip_count; i++) {
        const struct wanted_skip *s = &p->set.wanted.skips[i];
        json_write_comma(to);
        buf_printf(to, "{\"line\":%u", s->line);
        json_write_member(to, "lock", s->lock);
        json_write_member(to, "what", s->what);
        json_write_member(to, "reason", s->reason);
        json_write_boolean(to, "needed", s->is_needed);
        buf_putc(to, '}');
    }
    buf_putc(to, ']');
}

static int print_json(const struct prefetch *p, const struct sums *s, int code)
{
    auto_buf struct buf text;
    buf_init(&text, OUTPUT_MAX_BYTES);
    buf_putc(&text, '{');
    write_files(p, &text);
    write_skips(p, &text);
    json_write_name(&text, "bytes");
    buf_printf(&text, "%" PRId64, s->bytes);
    json_write_name(&text, "problems");
    buf_printf(&text, "[%s]}\n", p->problems.len ? p->problems.data : "");
    return query_print(&text, code);
}

/* ------------------------------------------------------------------ fetching */

/* Under the lock. */
static void tell(struct prefetch *p, const struct wanted_file *f, const char *why)
{
    p->done++;
    p->failed += why != NULL;
    if (why) {
        auto_free char *line = str_printf("%s: %s", wanted_name(f), why);
        json_write_comma(&p->problems);
        json_write_string(&p->problems, line ? line : why);
        if (line)
            terminal_clean(line, strlen(line));
        if (!p->as_json)
            (void)fprintf(stderr, "wheelyard prefetch: %s\n", line ? line : why);
    } else if (!p->as_json) {
        (void)printf("%zu of %zu: %s\n", p->done, p->set.wanted.count, wanted_name(f));
        (void)fflush(stdout);
    }
}

static struct wanted_file *next_file(struct prefetch *p)
{
    struct wanted_file *f = NULL;
    pthread_mutex_lock(&p->lock);
    while (!f && !p->is_cut && p->next < p->set.wanted.count) {
        struct wanted_file *this = &p->set.wanted.files[p->next++];
        if (this->held)
            p->done++;
        else
            f = this;
    }
    pthread_mutex_unlock(&p->lock);
    return f;
}

static void fetch(struct prefetch *p, struct control_client *client, struct wanted_file *f)
{
    struct json *reply = NULL;
    int r = control_client_ask(
        client, (const char *const[]){"fetch", f->origin, f->path, f->digests, NULL}, &reply);
    const char *message = json_string(json_member(reply, "message"));
    bool done = r == 0 && json_integer(json_member(reply, "code")) == 0;
    pthread_mutex_lock(&p->lock);
    p->is_cut |= r == ERROR_UNREACHABLE;
    tell(p, f, done ? NULL : r ? "the daemon has gone away" : message ? message : "not fetched");
    f->held = done;
    pthread_mutex_unlock(&p->lock);
    json_free(reply);
}

static void *fetch_main(void *context)
{
    struct prefetch *p = context;
    struct control_client client;
    struct wanted_file *f = next_file(p);
    if (!f)
        return NULL;
    if (reach_daemon(p->socket, p->set.config_file, &client)) {
        pthread_mutex_lock(&p->lock);
        p->is_cut = true;
        pthread_mutex_unlock(&p->lock);
        return NULL;
    }
    for (; f; f = next_file(p))
        fetch(p, &client, f);
    control_client_close(&client);
    return NULL;
}

static int fetch_all(struct prefetch *p)
{
    pthread_t threads[FETCHERS];
    size_t count = 0;
    while (count < FETCHERS && pthread_create(&threads[count], NULL, fetch_main, p) == 0)
        count++;
    if (!count)
        (void)fetch_main(p);
    for (size_t i = 0; i < count; i++)
        (void)pthread_join(threads[i], NULL);
    if (p->is_cut) {
        (void)fputs("wheelyard prefetch: run the command again when the daemon is there\n", stderr);
        return EXIT_UNREACHABLE;
    }
    return p->failed ? EXIT_NO : EXIT_YES;
}

/* ------------------------------------------------------------------- command */

static int carry_out(struct prefetch *p)
{
    int code = mark_held(p);
    if (code != SET_GO)
        return code;
    struct sums s = sum(&p->set.wanted);
    code = s.needed ? EXIT_NO : EXIT_YES;
    if (!p->as_json)
        print_plan(p, &s);
    if (!p->dry_run && p->pin) {
        int pinned = pinned_add("prefetch", &p->client, p->pin, &p->set.wanted);
        if (pinned != SET_GO)
            return pinned;
    }
    if (!p->dry_run) {
        int fetched = fetch_all(p);
        code = fetched > code ? fetched : code;
    }
    return p->as_json ? print_json(p, &s, code) : code;
}

static int run(struct prefetch *p)
{
    int code = reach_daemon(p->socket, p->set.config_file, &p->client);
    if (code)
        return code;
    code = SET_GO;
    for (int i = 0; i < p->lock_count && code == SET_GO; i++)
        code = lock_set_read(&p->set, p->locks[i]);
    if (code == SET_GO) {
        wanted_settle(&p->set.wanted);
        code = carry_out(p);
    }
    control_client_close(&p->client);
    return code;
}

int command_prefetch(int argc, char **argv)
{
    struct prefetch p = {.lock = PTHREAD_MUTEX_INITIALIZER,
                         .set = {.command = {.name = "prefetch", .usage = usage}}};
    int code = parse(&p, argc, argv);
    buf_init(&p.problems, OUTPUT_MAX_BYTES);
    if (code == SET_GO)
        code = lock_set_load(&p.set);
    if (code == SET_GO)
        code = run(&p);
    buf_release(&p.problems);
    lock_set_release(&p.set);
    return code;
}
