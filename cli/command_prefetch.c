// SPDX-License-Identifier: Apache-2.0
/*
 * `wheelyard prefetch`: the files of lock files enter the cache.
 *
 * Read the locks, choose the files of the targets, find origin and path of each, ask the daemon what
 * it holds and how fast its mirrors are: that is the plan. Then the daemon fetches one file after
 * the other (cli/fetching.h). It resumes, verifies and keeps; the command may be ended and run
 * again.
 */
#include "cli/command_prefetch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/str.h"
#include "cli/fetching.h"
#include "cli/held.h"
#include "cli/lock_set.h"
#include "cli/lock_with.h"
#include "cli/pinned.h"
#include "cli/reach.h"
#include "config/argument.h"
#include "engine/files/sets.h"

enum { OUTPUT_MAX_BYTES = 256 << 20, SKIPS_SHOWN = 20 };

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
    "  --with pip,uv,...  what locks leave out, such as installers and what builds source "
    "archives:\n"
    "                     the newest release of each that fits each target, or NAME==VERSION, "
    "from\n"
    "                     our own index pages; their own dependencies are not looked at\n"
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

static const char *const flags[] = {"--python",
                                    "--platform",
                                    "--target",
                                    "--extra",
                                    "--all-extras",
                                    "--group",
                                    "--json",
                                    "--environment",
                                    "--no-sdist",
                                    "--index",
                                    "--dry-run",
                                    "--all-groups",
                                    "--pin",
                                    "--with",
                                    "--url",
                                    "--socket",
                                    "--config",
                                    "--help",
                                    "--no-default-groups",
                                    NULL};

struct prefetch {
    char **locks;
    int lock_count;
    const char *socket, *pin; /* pin: the set that is to keep the files; or NULL */
    bool dry_run, as_json;
    struct lock_set set;
    struct control_client client;
    struct fetching fetching;
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
        if (f->held && f->size < 0)
            f->size = json_integer(json_member(row, "size"));
    }
    held_release(&held);
    if (r == 0)
        return SET_GO;
    (void)fprintf(stderr, "wheelyard prefetch: %s\n",
                  r == ERROR_UNREACHABLE ? "the daemon has gone away" : error_text(r));
    return r == ERROR_UNREACHABLE ? EXIT_UNREACHABLE : EXIT_NO;
}

struct sums {
    size_t files, held, unsized, added; /* added: by --with */
    size_t needed;                      /* skips without which something is missing */
    int64_t bytes, held_bytes;
    int64_t seconds; /* that the rest will take; -1: not known */
};

static struct sums sum(const struct wanted *w)
{
    struct sums s = {.files = w->count};
    for (size_t i = 0; i < w->count; i++) {
        const struct wanted_file *f = &w->files[i];
        int64_t size = f->size > 0 ? f->size : 0;
        s.unsized += f->size < 0;
        s.bytes += size;
        s.added += f->is_added;
        s.held += f->held;
        s.held_bytes += f->held ? size : 0;
    }
    for (size_t i = 0; i < w->skip_count; i++)
        s.needed += w->skips[i].is_needed;
    return s;
}

/* The rates that the mirrors of an origin have shown, without those that are not to be asked. */
static int64_t rate_of(const struct json *status, const char *origin)
{
    int64_t rate = 0;
    const struct json *m = json_first(json_member(status, "mirrors"));
    for (; m; m = json_next(m)) {
        const char *state = json_text(m, "state");
        int64_t shown = json_integer(json_member(m, "rate_bytes_s"));
        bool is_asked = strcmp(state, "ok") == 0 || strcmp(state, "slow") == 0;
        if (is_asked && shown > 0 && strcmp(json_text(m, "origin"), origin) == 0)
            rate += shown;
    }
    return rate;
}

/* Files are sorted by origin. One origin after the other: their lines may be one and the same. */
static int64_t seconds_of(const struct wanted *w, const struct json *status)
{
    double seconds = 0;
    for (size_t i = 0, end; i < w->count; i = end) {
        int64_t bytes = 0;
        for (end = i; end < w->count && strcmp(w->files[end].origin, w->files[i].origin) == 0;
             end++)
            if (!w->files[end].held && w->files[end].size > 0)
                bytes += w->files[end].size;
        int64_t rate = rate_of(status, w->files[i].origin);
        if (bytes && !rate)
            return -1;
        seconds += bytes ? (double)bytes / (double)rate : 0;
    }
    return (int64_t)(seconds + 0.5);
}

static int64_t ask_seconds(struct prefetch *p)
{
    struct json *status = NULL;
    int r = control_client_ask(&p->client, (const char *const[]){"status", NULL}, &status);
    int64_t seconds = r ? -1 : seconds_of(&p->set.wanted, status);
    json_free(status);
    return seconds;
}

static void print_time(const struct sums *s)
{
    char text[BAR_TIME];
    bar_time(s->seconds, text);
    if (s->held == s->files)
        return;
    if (s->seconds < 0)
        (void)printf(
            "how long it takes is not known: some of these mirrors have sent nothing yet\n");
    else
        (void)printf("about %s at the rates that the mirrors have shown\n", text);
}

/* The releases that --with has chosen: no lock tells which. */
static void print_added(const struct wanted *w)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->files[i].is_added)
            (void)printf("--with: %s\n", wanted_name(&w->files[i]));
}

static void print_plan(const struct prefetch *p, const struct sums *s)
{
    wanted_say_skips(&p->set.wanted, SKIPS_SHOWN);
    if (p->set.wanted.skip_count > SKIPS_SHOWN)
        (void)fprintf(stderr, "and %zu more; --json names all\n",
                      p->set.wanted.skip_count - SKIPS_SHOWN);
    (void)printf("%zu files, %" PRId64 " MB", s->files, s->bytes / 1000000);
    if (s->unsized)
        (void)printf(" and %zu whose size is not known", s->unsized);
    if (s->added)
        (void)printf(", %zu of them by --with", s->added);
    (void)printf("; %zu are held, %zu are to be fetched (%" PRId64 " MB)\n", s->held,
                 s->files - s->held, (s->bytes - s->held_bytes) / 1000000);
    print_added(&p->set.wanted);
    print_time(s);
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
        json_write_boolean(to, "added", f->is_added);
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
    json_write_name(&text, "seconds");
    if (s->seconds < 0)
        buf_puts(&text, "null");
    else
        buf_printf(&text, "%" PRId64, s->seconds);
    json_write_boolean(&text, "stopped", p->fetching.is_stopped);
    json_write_name(&text, "problems");
    buf_printf(&text, "[%s]}\n", p->fetching.problems.len ? p->fetching.problems.data : "");
    return query_print(&text, code);
}

/* ------------------------------------------------------------------- command */

/* All that is asked of the daemon before it fetches. SET_GO, or the exit code. */
static int make_plan(struct prefetch *p, struct sums *ret)
{
    int code = mark_held(p);
    if (code != SET_GO)
        return code;
    *ret = sum(&p->set.wanted);
    ret->seconds = ask_seconds(p);
    if (!p->as_json)
        print_plan(p, ret);
    return p->pin && !p->dry_run ? pinned_add("prefetch", &p->client, p->pin, &p->set.wanted)
                                 : SET_GO;
}

static int carry_out(struct prefetch *p, const struct sums *s)
{
    int code = s->needed ? EXIT_NO : EXIT_YES;
    int fetched = p->dry_run ? EXIT_YES : fetching_run(&p->fetching);
    code = fetched > code ? fetched : code;
    return p->as_json ? print_json(p, s, code) : code;
}

static int reach(struct prefetch *p)
{
    int code = reach_daemon(p->socket, p->set.config_file, &p->client);
    return code ? code : SET_GO;
}

/* A daemon that is not there is said before the locks are read. Their pages may take long to come,
 * and the daemon drops a silent client, so it is reached once more. */
static int run(struct prefetch *p)
{
    struct sums sums;
    int code = reach(p);
    if (code != SET_GO)
        return code;
    control_client_close(&p->client);
    for (int i = 0; i < p->lock_count && code == SET_GO; i++)
        code = lock_set_read(&p->set, p->locks[i]);
    if (code == SET_GO && p->set.with)
        code = lock_with_add(&p->set, p->set.with);
    if (code == SET_GO)
        code = reach(p);
    if (code != SET_GO)
        return code;
    wanted_settle(&p->set.wanted);
    code = make_plan(p, &sums);
    control_client_close(&p->client);
    return code == SET_GO ? carry_out(p, &sums) : code;
}

int command_prefetch(int argc, char **argv)
{
    struct prefetch p = {.set = {.command = {.name = "prefetch", .usage = usage}}};
    int code = parse(&p, argc, argv);
    p.fetching = (struct fetching){.command = "prefetch",
                                   .socket = p.socket,
                                   .config = p.set.config_file,
                                   .wanted = &p.set.wanted,
                                   .is_quiet = p.as_json};
    if (code == SET_GO)
        code = lock_set_load(&p.set);
    if (code == SET_GO)
        code = run(&p);
    fetching_release(&p.fetching);
    lock_set_release(&p.set);
    return code;
}
