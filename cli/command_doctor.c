// SPDX-License-Identifier: Apache-2.0
/* `wheelyard doctor`: checks the whole chain, one line for each check. It asks the daemon over the
 * control socket about everything that only the daemon has: its mirrors, through its proxy and CA,
 * and its disk. The rest is checked here: configuration, addresses, and the clients of this user in
 * this folder. A step that fails does not stop the next one, since one cause often shows in several
 * places. */
#include "cli/command_doctor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/folder.h"
#include "base/json.h"
#include "base/port.h"
#include "base/str.h"
#include "base/terminal.h"
#include "base/url.h"
#include "cli/doctor/doctor_problems.h"
#include "cli/doctor/doctor_stage.h"
#include "config/argument.h"
#include "config/config.h"
#include "config/setup.h"
#include "config/user.h"
#include "control/control_client.h"
#include "control/doctor_disk.h"
#include "control/findings.h"
#include "upstream/http_get.h"

enum { EXIT_WELL = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_UNREACHABLE = 3 };
enum {
    OUTPUT_MAX_BYTES = 4 << 20,
    STATUS_MAX_BYTES = 16 << 20,
    ANSWER_S = 10,    /* limit for one address */
    DIAGNOSE_S = 120, /* limit for the daemon, whose own limit is shorter */
    HOLDER_BYTES = 400,
};

static const char usage[] =
    "usage: wheelyard doctor [--index NAME] [--project NAME] [--url URL] [--json] [FLAGS]\n\n"
    "Checks the configuration, the daemon, its mirrors, folders of wheels, disk and clock, and\n"
    "the clients of this user in this folder (pip, uv, pixi, Poetry, PDM). Each check is one\n"
    "line: ok, warning or failed, and what to do. Each mirror gets three requests: a listing,\n"
    "and for one wheel a HEAD and a megabyte.\n\n"
    "  --index NAME    channel to check: cu126, nightly/cu130 ...; default: cu126, if it exists\n"
    "  --project NAME  project to ask for; default: one that the origin owns, or pip\n"
    "  --url URL       address of a daemon elsewhere, or of its index; checks only that address\n"
    "                  and the clients of this machine\n"
    "  --json          print one JSON object: {\"code\":0,\"checks\":[...]}\n"
    "  --config FILE   wheelyard's own configuration\n"
    "  --socket PATH   the daemon's control socket\n\n"
    "Exit: 0 nothing failed, 1 something failed, 2 wrong usage, 3 no daemon.\n";

/* One run: arguments, configuration, and the findings so far. */
struct doctor {
    const char *index, *project, *url, *config_file, *socket;
    char *url_own, *index_own; /* from a URL that names its index */
    bool as_json;
    bool is_elsewhere; /* the daemon runs on another machine */
    bool has_config;
    struct config config;
    struct findings findings;
    struct doctor_stage stage;
    bool reached; /* the daemon answered, by HTTP or the socket */
};

/* ------------------------------------------------------------ configuration */

/* The environment without any configuration of the user. */
static const char *bare_environment(const char *name)
{
    bool is_place =
        str_starts(name, "XDG_CACHE") || !strcmp(name, "HOME") || !strcmp(name, "CACHE_DIRECTORY");

    return is_place ? getenv(name) : NULL;
}

/* Each line of config_load becomes a finding. */
static void take_errors(struct doctor *d, char *text)
{
    for (char *line; (line = strsep(&text, "\n"));)
        if (*line)
            findings_add(
                &d->findings, FINDING_FAILED, "configuration", "configuration",
                "correct it; until then the daemon does not start, or keeps its old configuration",
                "%s", line);
}

/* A wrong configuration is a finding. The built-in one then stands in, so that the other checks can
 * run. */
static void look_at_configuration(struct doctor *d)
{
    auto_free char *errors = NULL;

    d->has_config = config_load_quietly(d->config_file, &d->config, &errors) == 0;
    if (d->has_config) {
        findings_add(&d->findings, FINDING_OK, "configuration", "configuration", NULL, "%s",
                     d->config.file ? d->config.file : "built-in");
    } else {
        struct config_request request = {.file = "/dev/null", .environment = bare_environment};

        take_errors(d, errors);
        d->has_config = config_load(&request, &d->config) == 0;
    }
}

/* ------------------------------------------------------------------ address */

/* The advice depends on where the daemon should run. */
static void nobody_listens(struct doctor *d, const char *url, bool is_optional)
{
    findings_add(&d->findings, is_optional ? FINDING_WARNING : FINDING_FAILED, "daemon", url,
                 is_optional ? "set listen to the addresses that this machine has"
                 : d->is_elsewhere
                     ? "start the daemon there, with a listen that others reach; look "
                       "at firewalls"
                     : "start it: systemctl start wheelyard, or wheelyard serve",
                 "no daemon listens");
}

/* The port's owner decides the advice: a hanging wheelyard is restarted, another program is
 * stopped. */
static void taken(struct doctor *d, const char *url, const char *what)
{
    char holder[HOLDER_BYTES] = "";
    struct url parts;

    if (!d->is_elsewhere && url_parse(url, &parts) == 0) {
        port_holder(parts.port, holder, sizeof holder);
        url_release(&parts);
    }
    if (str_starts(holder, "wheelyard,"))
        findings_add(&d->findings, FINDING_FAILED, "daemon", url, "see its log; restart it",
                     "the daemon (%s) does not answer: %s", holder, what);
    else
        findings_add(&d->findings, FINDING_FAILED, "port", url,
                     "stop that program, or set listen to another port",
                     "the port is taken by another program%s%s%s: %s", *holder ? " (" : "", holder,
                     *holder ? ")" : "", what);
}

/* The cache is full: it has reached its own limit, or the disk has no room. */
static void look_at_state(struct doctor *d, const char *state, const struct json *cache)
{
    int64_t limit = json_integer(json_member(cache, "max_bytes"));
    char size[STR_SIZE];

    str_size(limit, " ", size);
    if (strcmp(state, "full") != 0)
        findings_add(&d->findings, FINDING_WARNING, "cache", "cache",
                     "see the daemon's log for what its disk refuses", "it is %s", state);
    else if (json_integer(json_member(cache, "bytes")) >= limit)
        findings_add(&d->findings, FINDING_WARNING, "cache", "cache",
                     "raise max_size, if its disk has room",
                     "it holds max_size (%s): what is new takes the place of something old", size);
    else
        findings_add(&d->findings, FINDING_WARNING, "cache", "cache",
                     "make room on its disk, or lower min_free",
                     "its disk is full, or has less free than min_free");
}

static void look_at_problems(struct doctor *d, const char *url, const struct json *status)
{
    const struct json *cache = json_member(status, "cache");
    const char *state = json_string(json_member(cache, "state"));

    if (state && strcmp(state, "ok") != 0)
        look_at_state(d, state, cache);
    doctor_problems(json_member(status, "problems"), url, &d->findings);
}

/* True when a wheelyard has answered. */
static bool judge_answer(struct doctor *d, const char *url, int status, const struct json *answer)
{
    const char *version = json_string(json_member(answer, "version"));
    const char *detail = json_string(json_member(answer, "detail"));
    int64_t uptime_s = json_integer(json_member(answer, "uptime_s"));

    if (status == 200 && version && json_is_array(json_member(answer, "mirrors"))) {
        bool same = strcmp(version, VERSION) == 0;
        const char *offline = json_is_true(json_member(answer, "offline")) ? ", offline" : "";

        findings_add(&d->findings, same || d->is_elsewhere ? FINDING_OK : FINDING_WARNING, "daemon",
                     url, same || d->is_elsewhere ? NULL : "restart it: this program is " VERSION,
                     "wheelyard %s%s, up for %" PRId64 " s", version, offline, uptime_s);
        look_at_problems(d, url, answer);
        return true;
    }
    if (status >= 400 && status < 500 && detail)
        findings_add(&d->findings, FINDING_FAILED, "daemon", url,
                     "is the name of this address in its hosts?", "HTTP %d: %s", status, detail);
    else
        taken(d, url, "what answers is not a wheelyard");
    return false;
}

/* Tells apart: nothing listens, something else listens, and a wheelyard. */
static void look_at_address(struct doctor *d, const char *url, bool is_optional)
{
    auto_buf struct buf body;
    struct json *answer = NULL;
    int status = 0;

    buf_init(&body, STATUS_MAX_BYTES);
    int r = http_get(url, "/-/status", "application/json", ANSWER_S, &status, &body);
    if (r == ERROR_UNREACHABLE)
        nobody_listens(d, url, is_optional);
    else if (r == ERROR_BAD_REQUEST)
        findings_add(&d->findings, FINDING_WARNING, "daemon", url, "ask the daemon's own address",
                     "only http is asked here");
    else if (r)
        taken(d, url, r == ERROR_TIMEOUT ? "no answer" : "it does not speak HTTP");
    else {
        (void)json_parse(body.data, body.len, &answer);
        d->reached |= judge_answer(d, url, status, answer);
    }
    json_free(answer);
}

/* All addresses of the configuration, since clients may use any of them. */
static void look_at_addresses(struct doctor *d)
{
    if (d->url) {
        look_at_address(d, d->url, false);
        return;
    }
    for (char **listen = d->has_config ? d->config.listen : NULL; listen && *listen; listen++) {
        auto_free char *url = setup_listen_url(*listen);

        if (url && !str_ends(url, ":0")) /* port 0: the kernel chose one */
            look_at_address(d, url, d->config.listen_is_default && d->reached);
    }
}

/* ------------------------------------------------------------------- daemon */

/* Its findings are appended in the order in which it sent them. */
static bool ask_daemon(struct doctor *d, struct control_client *client)
{
    struct json *reply = NULL;
    int r = control_client_ask(client, (const char *const[]){"doctor", d->index, d->project, NULL},
                               &reply);
    bool done = r == 0 && json_integer(json_member(reply, "code")) == 0;
    const char *message = json_string(json_member(reply, "message"));

    d->reached |= r == 0;
    if (done)
        findings_read_json(&d->findings, json_member(reply, "checks"));
    else
        findings_add(&d->findings, FINDING_FAILED, "control", "control socket",
                     "restart the daemon, and see its log", "%s",
                     r         ? "the daemon has gone away"
                     : message ? message
                               : "an empty answer");
    json_free(reply);
    return done;
}

/* True when the daemon has checked its disk. */
static bool look_through_daemon(struct doctor *d)
{
    struct control_client client;
    auto_buf struct buf places;
    const char *given = d->socket ? d->socket : user_environment("WHEELYARD_SOCKET");

    buf_init(&places, OUTPUT_MAX_BYTES);
    if (!given && d->has_config)
        given = d->config.socket;
    int r = control_client_open(given, DIAGNOSE_S, &client, &places);
    if (r == 0) {
        bool done = ask_daemon(d, &client);
        control_client_close(&client);
        return done;
    }
    findings_add(&d->findings, d->reached ? FINDING_WARNING : FINDING_FAILED, "control",
                 "control socket",
                 r == ERROR_DENIED ? "ask again as root, or as the daemon's user"
                 : d->reached      ? "name it with --socket"
                                   : "start the daemon, or name its socket with --socket",
                 "%s at %s: mirrors cannot be looked at",
                 r == ERROR_DENIED ? "not for this user" : "no daemon", places.data);
    return false;
}

/* Checks folders as this user; the daemon may have other rights. */
static void look_at_folders(struct doctor *d)
{
    for (size_t i = 0; i < d->config.origins.count; i++) {
        const struct origin *origin = &d->config.origins.list[i];
        const char *why = origin->directory ? folder_refuses(origin->directory) : NULL;

        if (why)
            findings_add(&d->findings, FINDING_WARNING, "folder", origin->name,
                         "correct directory, or mount it", "%s: %s", origin->directory, why);
        else if (origin->directory)
            findings_add(&d->findings, FINDING_OK, "folder", origin->name, NULL,
                         "%s can be read by this user", origin->directory);
    }
}

static void look_without_daemon(struct doctor *d)
{
    const struct engine_options *engine = &d->config.engine;

    doctor_disk(engine->cache_dir, engine->max_size, engine->min_free, true, &d->findings);
    look_at_folders(d);
}

/* ------------------------------------------------------------------ clients */

/* The daemon's URL for clients on this machine, without a final slash. */
static void write_base(const struct doctor *d, struct buf *to)
{
    if (d->url)
        buf_puts(to, d->url);
    else if (d->has_config)
        setup_base(to, d->config.listen[0]);
    while (to->len && to->data[to->len - 1] == '/')
        to->data[--to->len] = '\0';
}

static const char *index_for_clients(const struct doctor *d)
{
    if (*d->index || !d->has_config)
        return *d->index ? d->index : "cu126";
    return setup_example_index(&d->config.origins);
}

/* Every client is checked against the same list of our addresses; the proxies come last, when all
 * hosts are known. */
static void look_at_clients(struct doctor *d)
{
    const char *index = index_for_clients(d);
    struct doctor_stage *stage = &d->stage;
    auto_buf struct buf base;

    buf_init(&base, URL_MAX_BYTES);
    write_base(d, &base);
    auto_free char *url = str_printf("%s/%s%ssimple", base.data, index, *index ? "/" : "");
    auto_free char *setup = str_printf("--url %s --index %s", base.data, *index ? index : "simple");
    if (!url || !setup || doctor_stage_init(stage, &d->findings))
        return;
    for (char **listen = d->has_config ? d->config.listen : NULL; listen && *listen; listen++)
        doctor_stage_add_listen(stage, *listen, d->config.hosts);
    doctor_stage_add_url(stage, url);
    stage->index_url = url;
    stage->setup = setup;
    doctor_pip(stage);
    doctor_uv(stage);
    doctor_pixi(stage);
    doctor_poetry(stage);
    doctor_pdm(stage);
    doctor_proxies(stage);
    doctor_stage_release(stage);
}

/* ---------------------------------------------------------------- the whole */

/* One write of the whole text, cleaned, so that findings never mix with errors. */
static int print(struct doctor *d, int code)
{
    auto_buf struct buf text;

    buf_init(&text, OUTPUT_MAX_BYTES);
    if (d->as_json) {
        buf_printf(&text, "{\"code\":%d,\"checks\":", code);
        findings_write_json(&d->findings, &text);
        buf_puts(&text, "}\n");
    } else {
        findings_write_text(&d->findings, &text);
    }
    if (text.error || d->findings.error) {
        (void)fprintf(stderr, "wheelyard doctor: %s\n",
                      error_text(text.error ? text.error : d->findings.error));
        return EXIT_FAILED;
    }
    terminal_clean(text.data, text.len);
    return fwrite(text.data, 1, text.len, stdout) != text.len || fflush(stdout) ? EXIT_FAILED
                                                                                : code;
}

/* Returns "no daemon" only when neither HTTP nor the socket answered. */
static int run(struct doctor *d)
{
    if (!d->is_elsewhere)
        look_at_configuration(d);
    look_at_addresses(d);
    if (!d->is_elsewhere && !look_through_daemon(d) && d->has_config)
        look_without_daemon(d);
    look_at_clients(d);
    int code = findings_worst(&d->findings) == FINDING_FAILED ? EXIT_FAILED : EXIT_WELL;
    return print(d, d->reached ? code : EXIT_UNREACHABLE);
}

/* ---------------------------------------------------------------- arguments */

static int wrong(const char *argument, const char *what)
{
    (void)fprintf(stderr, "wheelyard doctor: %s: %s\n", argument, what);
    return EXIT_USAGE;
}

/* A table of flags, because all of them but one take a value. */
static int parse(int argc, char **argv, struct doctor *d)
{
    const struct {
        const char *name, **to;
    } flags[] = {{"--index", &d->index},
                 {"--project", &d->project},
                 {"--url", &d->url},
                 {"--config", &d->config_file},
                 {"--socket", &d->socket}};
    enum { FLAGS = sizeof flags / sizeof *flags };
    static const char *const names[] = {"--json",   "--index",  "--project", "--url",
                                        "--config", "--socket", NULL};

    for (int i = 0; i < argc; i++) {
        const char *value = NULL;

        if (argument_is(argv[i], "--json")) {
            d->as_json = true;
            continue;
        }
        for (size_t f = 0; f < FLAGS && !value; f++)
            if ((value = argument_value(argc, argv, &i, flags[f].name)))
                *flags[f].to = value;
        if (!value) {
            argument_refuse("doctor", argv[i], names);
            return EXIT_USAGE;
        }
    }
    if (strcmp(d->index, "simple") == 0)
        d->index = "";
    setup_take_url(&d->url, &d->index, &d->url_own, &d->index_own);
    if (*d->index && !origins_is_index_name(d->index))
        return wrong(d->index, "not the name of an index, such as cu126");
    if (d->url && !str_starts(d->url, "http://") && !str_starts(d->url, "https://"))
        return wrong(d->url, "not a URL such as http://wheels.lab:8503");
    return EXIT_WELL;
}

int command_doctor(int argc, char **argv)
{
    struct doctor d = {.index = "", .project = ""};

    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return fputs(usage, stdout) < 0 || fflush(stdout) ? EXIT_FAILED : EXIT_WELL;
    int code = parse(argc, argv, &d);
    d.is_elsewhere = d.url && !d.socket;
    if (code == EXIT_WELL)
        code = run(&d);
    free(d.url_own);
    free(d.index_own);
    findings_release(&d.findings);
    if (d.has_config)
        config_release(&d.config);
    return code;
}
