// SPDX-License-Identifier: Apache-2.0
/* `wheelyard cache`: asks the running daemon what it keeps. The daemon judges; this side parses
 * arguments, sends one request for each blob, and prints the replies. The exit code is the worst
 * code of all requests. Every text from the daemon may come from a mirror, so it is cleaned before
 * it is printed. */
#include "cli/command_cache.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/str.h"
#include "base/terminal.h"
#include "cli/claim_lines.h"
#include "cli/reach.h"
#include "config/argument.h"
#include "config/config.h"
#include "config/options.h"
#include "control/control_client.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_UNREACHABLE = 3 };
enum { SHORT_DIGEST = 12, PLACES_MAX_BYTES = 4 << 10 };

static const char default_rate[] = "100MB";

/* One command line, and the connection to the daemon. */
struct command {
    const char *socket; /* --socket, or NULL */
    bool as_json;
    const char *family; /* the first word of the requests: "cache", or "sets" */
    const char *rate;
    const char *rate_bytes_s; /* of verify, the last word of its requests; or NULL */
    char **blobs;
    int blob_count;
    struct control_client client;
};

/* ------------------------------------------------------------------ talking */

/* Sends a request and returns the code of its reply. *ret_reply (json_free it) is NULL without a
 * reply. */
static int ask(struct command *c, const char *word, const char *blob, struct json **ret_reply)
{
    *ret_reply = NULL;
    int r = control_client_ask(
        &c->client, (const char *const[]){c->family, word, blob, c->rate_bytes_s, NULL}, ret_reply);
    if (r == ERROR_TOO_BIG) {
        (void)fputs("wheelyard: the name is too long\n", stderr);
        return EXIT_USAGE;
    }
    if (r) {
        (void)fputs("wheelyard: the daemon has gone away\n", stderr);
        return EXIT_UNREACHABLE;
    }
    int64_t code = json_integer(json_member(*ret_reply, "code"));
    return code < 0 ? EXIT_FAILED : (int)code;
}

/* ----------------------------------------------------------------- printing */

/* Powers of 1024, right-aligned, so that sizes in a column compare at a glance. */
static void print_size(int64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double amount = (double)bytes;
    size_t unit = 0;
    for (; amount >= 1024 && unit < sizeof units / sizeof *units - 1; unit++)
        amount /= 1024;
    (void)printf(unit ? "%6.1f %-3s" : "%6.0f %-3s", amount, units[unit]);
}

/* A member's text, cleaned for a terminal. It lives in one of eight static buffers, used in turn.
 */
static const char *text_of(const struct json *object, const char *name)
{
    static char shown[8][2048];
    static unsigned turn;
    char *to = shown[turn++ % (sizeof(shown) / sizeof(shown[0]))];

    str_copy(to, sizeof(shown[0]), json_text(object, name));
    terminal_clean(to, strlen(to));
    return to;
}

/* How well the bytes are known to be right. */
static const char *level_of(const struct json *blob)
{
    const char *level = text_of(blob, "level");
    return *level ? level : "unchecked";
}

/* A partial file shows how much of it is there. */
static void print_flags(const struct json *blob)
{
    char flags[64] = "";
    int64_t size = json_integer(json_member(blob, "size"));
    int64_t present = json_integer(json_member(blob, "present"));
    if (!json_is_true(json_member(blob, "complete")))
        (void)snprintf(flags, sizeof flags, "partial,%d%%",
                       size > 0 ? (int)((double)present * 100 / (double)size) : 0);
    else
        (void)snprintf(flags, sizeof flags, "%s%s",
                       json_is_true(json_member(blob, "pinned")) ? "pinned," : "", level_of(blob));
    (void)printf("%-17s", flags);
}

static const char *time_of(const struct json *blob, const char *name, char to[CLOCK_TEXT])
{
    int64_t when_s = json_integer(json_member(blob, name));
    if (when_s <= 0)
        return "never";
    clock_rfc3339(when_s, to);
    return to;
}

/* Twelve digits of the digest are enough to name a blob in the next command. */
static void print_row(const struct json *blob)
{
    char used[CLOCK_TEXT];
    int64_t size = json_integer(json_member(blob, "size"));
    const char *sha256 = text_of(blob, "sha256");
    print_size(size < 0 ? 0 : size);
    (void)printf("  %-20s  %-*.*s  ", time_of(blob, "used", used), SHORT_DIGEST, SHORT_DIGEST,
                 *sha256 ? sha256 : "-");
    print_flags(blob);
    (void)printf("  %s\n", text_of(blob, "name"));
}

static void print_rows(const struct json *reply)
{
    int64_t bytes = 0;
    unsigned count = 0;
    const struct json *blob = json_first(json_member(reply, "blobs"));
    for (; blob; blob = json_next(blob)) {
        print_row(blob);
        bytes += json_integer(json_member(blob, "present"));
        count++;
    }
    print_size(bytes);
    (void)printf("  %u %s\n", count, count == 1 ? "file" : "files");
}

/* Explains the level in one sentence, because its name alone says little. */
static void print_evidence(const struct json *blob)
{
    static const struct {
        const char *level, *means;
    } table[] = {
        {"authority", "an authority names the digest"},
        {"record", "every file in it agrees with its RECORD; no authority names the digest"},
        {"structure", "whole by its structure; no authority names the digest"},
        {"none", "nobody vouches for it"},
        {"unchecked", "not looked at yet; no authority names the digest"}};
    const char *level = level_of(blob), *means = "";
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(table[i].level, level) == 0)
            means = table[i].means;
    (void)printf("sha256    %s\nlevel     %s (%s)\n", text_of(blob, "sha256"), level, means);
    if (*text_of(blob, "level_why"))
        (void)printf("          %s\n", text_of(blob, "level_why"));
}

/* Prints the claims for each path of the blob, since different mirrors may list them. */
static void print_claims(const struct json *blob)
{
    enum { CLAIMS_BYTES = 64 << 10 };
    const char *name = "claims";
    for (; blob; blob = json_next(blob)) {
        auto_buf struct buf text;
        buf_init(&text, CLAIMS_BYTES);
        claim_lines_write(blob, &text);
        terminal_clean(text.data, text.len);
        for (const char *line = text.data; line && *line; name = "") {
            size_t len = strcspn(line, "\n");
            (void)printf("%-9s %.*s\n", name, (int)len, line);
            line += len + (line[len] == '\n');
        }
    }
}

/* One block per blob, with each of its paths. */
static void print_info(const struct json *reply)
{
    const struct json *blob = json_first(json_member(reply, "blobs"));
    char used[CLOCK_TEXT], verified[CLOCK_TEXT];
    bool complete = json_is_true(json_member(blob, "complete"));
    for (const struct json *path = blob; path; path = json_next(path))
        (void)printf("path      %s\n", text_of(path, "name"));
    if (complete)
        print_evidence(blob);
    int64_t size = json_integer(json_member(blob, "size"));
    if (size >= 0)
        (void)printf("size      %" PRId64 "\n", size);
    if (!complete)
        (void)printf("present   %" PRId64 "\n", json_integer(json_member(blob, "present")));
    const char *sets = text_of(blob, "sets");
    (void)printf("pinned    %s%s%s\n", json_is_true(json_member(blob, "pinned")) ? "yes" : "no",
                 *sets ? ": " : "", sets);
    (void)printf("used      %s\n", time_of(blob, "used", used));
    if (complete)
        (void)printf("checked   %s\n", time_of(blob, "verified", verified));
    if (*text_of(blob, "mirrors"))
        (void)printf("mirrors   %s\n", text_of(blob, "mirrors"));
    if (*text_of(blob, "etag"))
        (void)printf("etag      %s\n", text_of(blob, "etag"));
    print_claims(blob);
}

/* Prints what went wrong, and the rows that a name may have meant. */
static void print_failure(const struct json *reply)
{
    const char *message = text_of(reply, "message");
    if (*message)
        (void)fprintf(stderr, "wheelyard: %s\n", message);
    const struct json *blob = json_first(json_member(reply, "blobs"));
    for (; blob; blob = json_next(blob))
        (void)fprintf(stderr, "  %.*s  %s\n", SHORT_DIGEST, text_of(blob, "sha256"),
                      text_of(blob, "name"));
}

/* ----------------------------------------------------------------- commands */

/* For --json as it came. A bad verdict is a result and a failure: both are printed. */
static void print_reply(const struct command *c, const struct json *reply, int code,
                        void (*print)(const struct json *))
{
    if (c->as_json) {
        (void)fputs(c->client.reply.data, stdout);
        return;
    }
    if (code == EXIT_DONE || json_member(reply, "verdict"))
        print(reply);
    if (code != EXIT_DONE)
        print_failure(reply);
}

/* Sends one request and prints its reply. */
static int request(struct command *c, const char *word, const char *blob,
                   void (*print)(const struct json *))
{
    struct json *reply;
    int code = ask(c, word, blob, &reply);

    if (reply)
        print_reply(c, reply, code, print);
    json_free(reply);
    return code;
}

static void print_message(const struct json *reply)
{
    (void)puts(text_of(reply, "message"));
}

static void print_collection(const struct json *reply)
{
    (void)printf("%" PRId64 " files evicted, %" PRId64 " bytes; %" PRId64 " orphans removed\n",
                 json_integer(json_member(reply, "evicted")),
                 json_integer(json_member(reply, "evicted_bytes")),
                 json_integer(json_member(reply, "orphans")));
}

static void print_verdict(const struct json *reply)
{
    const char *level = text_of(reply, "level"), *why = text_of(reply, "why");
    (void)printf("%-8s %-10s %s%s\n", text_of(reply, "verdict"), *level ? level : "-",
                 text_of(reply, "name"),
                 json_is_true(json_member(reply, "repaired")) ? " (fetched again)" : "");
    if (*why)
        (void)printf("         %s\n", why);
    (void)fflush(stdout);
}

/* Sends the same request for each blob; the worst code counts. */
static int each(struct command *c, const char *word, void (*print)(const struct json *))
{
    int worst = EXIT_DONE;
    for (int i = 0; i < c->blob_count && worst != EXIT_UNREACHABLE; i++) {
        int code = request(c, word, c->blobs[i], print);
        worst = code > worst ? code : worst;
    }
    return worst;
}

static int run_list(struct command *c)
{
    return request(c, "ls", NULL, print_rows);
}

static int run_info(struct command *c)
{
    return each(c, "find", print_info);
}

static int run_remove(struct command *c)
{
    return each(c, "rm", print_message);
}

static int run_pin(struct command *c)
{
    return each(c, "pin", print_message);
}

static void print_sets(const struct json *reply)
{
    const struct json *set = json_first(json_member(reply, "sets"));
    for (; set; set = json_next(set)) {
        int64_t files = json_integer(json_member(set, "files"));
        int64_t held = json_integer(json_member(set, "held"));
        print_size(json_integer(json_member(set, "bytes")));
        (void)printf("  %5" PRId64 " %s", files, files == 1 ? "file " : "files");
        if (held < files)
            (void)printf(", %" PRId64 " held", held);
        (void)printf("  %s\n", text_of(set, "name"));
    }
}

static int run_pins(struct command *c)
{
    c->family = "sets";
    return request(c, "ls", NULL, print_sets);
}

/* The name of a set goes before those of blobs, which have ORIGIN/PATH or `sha256:` as well. */
static int unpin(struct command *c, const char *name)
{
    struct json *reply;
    c->family = "sets";
    int code = ask(c, "drop", name, &reply);
    c->family = "cache";
    bool is_absent = json_is_true(json_member(reply, "absent"));
    if (!is_absent && reply)
        print_reply(c, reply, code, print_message);
    json_free(reply);
    return is_absent ? request(c, "unpin", name, print_message) : code;
}

static int run_unpin(struct command *c)
{
    int worst = EXIT_DONE;
    for (int i = 0; i < c->blob_count && worst != EXIT_UNREACHABLE; i++) {
        int code = unpin(c, c->blobs[i]);
        worst = code > worst ? code : worst;
    }
    return worst;
}

static int run_collect(struct command *c)
{
    return request(c, "gc", NULL, print_collection);
}

/* Checks each blob once, although several paths may name it. The rows are sorted by name, so
 * earlier rows are searched for the digest. */
static int verify_all(struct command *c)
{
    struct json *list;
    int worst = ask(c, "ls", NULL, &list);
    const struct json *first = json_first(json_member(list, "blobs"));
    for (const struct json *blob = first; blob && worst != EXIT_UNREACHABLE;
         blob = json_next(blob)) {
        const char *sha256 = text_of(blob, "sha256");
        const struct json *other = first;
        while (other != blob && strcmp(text_of(other, "sha256"), sha256) != 0)
            other = json_next(other);
        if (!*sha256 || other != blob)
            continue;
        int code = request(c, "verify", sha256, print_verdict);
        worst = code > worst ? code : worst;
    }
    json_free(list);
    return worst;
}

/* Without a blob every blob is checked. */
static int run_verify(struct command *c)
{
    auto_free char *rate_bytes_s = str_printf("%" PRId64, option_parse_size(c->rate));

    if (!rate_bytes_s)
        return EXIT_FAILED;
    c->rate_bytes_s = rate_bytes_s;
    return c->blob_count ? each(c, "verify", print_verdict) : verify_all(c);
}

/* ---------------------------------------------------------------- arguments */

/* The subcommands; the least and most number of blobs they take. */
static const struct action {
    const char *word, *arguments, *help;
    int least, most; /* blobs */
    int (*run)(struct command *command);
} actions[] = {
    {"ls", "", "list what is kept: size, last use, digest, marks, path", 0, 0, run_list},
    {"info", " BLOB...", "show all that is known about a blob", 1, INT32_MAX, run_info},
    {"rm", " BLOB...", "remove blobs that are not pinned; their readers read on", 1, INT32_MAX,
     run_remove},
    {"pin", " BLOB...", "keep blobs from eviction and removal", 1, INT32_MAX, run_pin},
    {"pins", "", "list the sets that `prefetch --pin` keeps: size, files, name", 0, 0, run_pins},
    {"unpin", " SET|BLOB...", "allow eviction and removal again", 1, INT32_MAX, run_unpin},
    {"gc", "", "evict to max_size and min_free; remove orphans and quarantine", 0, 0, run_collect},
    {"verify", " [BLOB...]", "compare blobs with their digests; fetch again what is wrong", 0,
     INT32_MAX, run_verify},
};
enum { ACTIONS = sizeof actions / sizeof *actions };

static int usage(FILE *to, int code)
{
    (void)fputs("usage: wheelyard cache COMMAND [BLOB...] [FLAGS]\n\n"
                "Shows or changes what the running daemon keeps.\n\n",
                to);
    for (size_t i = 0; i < ACTIONS; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "%s%s", actions[i].word, actions[i].arguments);
        (void)fprintf(to, "  %-18s %s\n", text, actions[i].help);
    }
    (void)fprintf(
        to,
        "\nBLOB is a file name, ORIGIN/PATH, or the beginning of a SHA-256.\n\n"
        "  --json             print the daemon's answers, one JSON object per line\n"
        "  --rate SIZE/s      verify: how much to read per second; default %s/s\n"
        "  --socket PATH      the daemon's control socket; default: that of the configuration,\n"
        "                     else the usual places (man wheelyard)\n\n"
        "Exit: 0 done or right, 1 not done or wrong, 2 wrong usage, 3 no daemon.\n",
        default_rate);
    return code;
}

static int wrong(const char *argument, const char *what)
{
    (void)fprintf(stderr, "wheelyard cache: %s: %s\n", argument, what);
    return EXIT_USAGE;
}

/* The "/s" is optional: "100MB" is clear enough. */
static int set_rate(struct command *c, char *text)
{
    size_t len = strlen(text);
    if (len > 2 && strcmp(text + len - 2, "/s") == 0)
        text[len - 2] = '\0';
    c->rate = text;
    return option_parse_size(text) > 0 ? EXIT_DONE : wrong(text, "not a rate such as 100MB/s");
}

/* Flags may stand anywhere. Blobs are moved to the front of argv; after `--` every argument is a
 * blob. */
static int parse(int argc, char **argv, struct command *c)
{
    static const char *const flags[] = {"--json", "--socket", "--rate", NULL};
    bool only_blobs = false;
    c->blobs = argv;
    for (int i = 0; i < argc; i++) {
        const char *value;
        if (only_blobs || argv[i][0] != '-') {
            argv[c->blob_count++] = argv[i];
        } else if (strcmp(argv[i], "--") == 0) {
            only_blobs = true;
        } else if (argument_is(argv[i], "--json")) {
            c->as_json = true;
        } else if ((value = argument_value(argc, argv, &i, "--socket"))) {
            c->socket = value;
        } else if ((value = argument_value(argc, argv, &i, "--rate"))) {
            int r = set_rate(c, (char *)(uintptr_t)value);
            if (r)
                return r;
        } else {
            argument_refuse("cache", argv[i], flags);
            return EXIT_USAGE;
        }
    }
    return EXIT_DONE;
}

static void refuse_command(const char *word)
{
    const char *words[ACTIONS + 1] = {NULL};

    for (size_t i = 0; i < ACTIONS; i++)
        words[i] = actions[i].word;
    argument_refuse_word("cache", "command", word, words);
}

/* Arguments are checked completely before the daemon is asked for anything. */
int command_cache(int argc, char **argv)
{
    const struct action *action = NULL;
    struct command c = {.family = "cache", .rate = default_rate};
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return usage(stdout, EXIT_DONE);
    for (size_t i = 0; i < ACTIONS && argc > 0; i++)
        if (strcmp(argv[0], actions[i].word) == 0)
            action = &actions[i];
    if (!action && argc > 0)
        refuse_command(argv[0]);
    if (!action)
        return usage(stderr, EXIT_USAGE);
    int code = parse(argc - 1, argv + 1, &c);
    if (code)
        return code;
    if (c.blob_count < action->least || c.blob_count > action->most)
        return wrong(action->word, action->least ? "which blob?" : "takes no blob");
    code = reach_daemon(c.socket, NULL, &c.client);
    if (code)
        return code;
    code = action->run(&c);
    control_client_close(&c.client);
    return fflush(stdout) ? EXIT_FAILED : code;
}
