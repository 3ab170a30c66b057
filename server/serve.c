// SPDX-License-Identifier: Apache-2.0
/*
 * The life of the daemon, on the main thread:
 *
 * - start: configuration -> log -> engine -> HTTP -> control socket -> READY -> signals
 * - SIGHUP: reads the configuration again -> engine, HTTP; a mistake changes nothing
 * - SIGTERM, SIGINT: no more commands, no new connections -> GRACE_MS for short requests -> engine
 * (resumes every suspended request) -> HTTP (cuts what is left) -> log
 *
 * A stop has STOP_MAX_S; then an alarm ends the process, whatever hangs.
 */
#include "server/serve.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "config/config.h"
#include "control/control.h"
#include "server/activation.h"
#include "server/audit.h"
#include "server/banner.h"
#include "server/httpd.h"
#include "server/notify.h"
#include "server/reload.h"
#include "server/watchdog.h"

enum { GRACE_MS = 2000, STOP_MAX_S = 4, INSTANCE_BYTES = 8 };
enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* Everything that a running daemon consists of; one exists, on the stack of command_serve. */
struct daemon {
    struct config_request request; /* of the start; a reload asks the same */
    struct config config;          /* of the start */
    struct config **reloaded;      /* later ones: the engine points into all of them */
    size_t reload_count;
    const struct origins *origins; /* in force: of one of these */
    int inherited[HTTPD_ADDRESSES_MAX];
    size_t inherited_count;
    struct watchdog watchdog;
    char instance[2 * INSTANCE_BYTES + 1];
    bool announces;
    struct engine *engine;
    struct httpd *httpd;
    struct audit *audit;
    struct control *control;
    struct banner *banner;
    sigset_t signals;
};

/* ------------------------------------------------------------------ process */

/* A signal handler: only write and _exit are safe here. */
static void give_up(int number)
{
    static const char text[] = "stopping took too long, leaving\n";
    (void)number;
    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    _exit(EXIT_FAILED);
}

/* Call it before any thread starts, so that all threads leave the signals to sigwait. */
static void take_signals(sigset_t *ret)
{
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGALRM, give_up);
    sigemptyset(ret);
    sigaddset(ret, SIGTERM);
    sigaddset(ret, SIGINT);
    sigaddset(ret, SIGHUP);
    pthread_sigmask(SIG_BLOCK, ret, NULL);
}

/* The soft limit is 1024 on most systems, for the sake of programs that use select(). */
static void raise_fd_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* A random name of this run, which Via carries to find loops. */
static int make_instance(char ret[2 * INSTANCE_BYTES + 1])
{
    unsigned char bytes[INSTANCE_BYTES];
    if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
        return ERROR_IO;
    str_hex(ret, bytes, sizeof(bytes));
    return 0;
}

/* ------------------------------------------------------------------ start */

/* The most common failure of a first start, so it names the cause and the way out. */
static void say_cache_dir_failed(const char *dir, int error)
{
    auto_free char *refusal = error == ERROR_DENIED ? file_refusal(dir) : NULL;
    if (refusal)
        log_error("cannot open cache directory %s: %s; give it to this user, or set cache_dir to "
                  "another one",
                  dir, refusal);
    else if (error == ERROR_DENIED)
        log_error("cannot open cache directory %s: a file in it belongs to another user; give all "
                  "of it to this one (chown -R), or set cache_dir to another one",
                  dir);
    else
        log_error("cannot open cache directory %s: %s", dir, error_text(error));
}

/* Why the cache may not lie there, as half a sentence; NULL: it may. A user who can write there
 * decides what everybody installs. A link leads to a place that its owner can change later. A
 * daemon that is not root accepts a link of root's, because systemd makes one for DynamicUser=. */
static const char *cache_dir_refusal(const char *dir)
{
    auto_free char *path = str_dup(dir);
    size_t len = path ? strlen(path) : 0;
    struct stat st;
    while (len > 1 && path[len - 1] == '/') /* with a slash, lstat would follow the link */
        path[--len] = '\0';
    if (!path || lstat(path, &st) < 0)
        return NULL; /* engine_open creates it, or says what is wrong */
    if (S_ISLNK(st.st_mode) && (st.st_uid != 0 || geteuid() == 0))
        return "it is a link; set cache_dir to the folder that it leads to";
    if (stat(path, &st) == 0 && (st.st_mode & S_IWOTH))
        return "every user of this machine may write there; take that right away (chmod o-w), or "
               "set cache_dir to another one";
    return NULL;
}

static int start_engine(struct daemon *daemon)
{
    struct engine_options options = daemon->config.engine;
    daemon->origins = options.origins = &daemon->config.origins;
    const char *refusal = cache_dir_refusal(options.cache_dir);
    if (refusal) {
        log_error("cannot use cache directory %s: %s", options.cache_dir, refusal);
        return ERROR_CONFIG;
    }
    if (options.credentials && access(options.credentials, R_OK)) {
        log_error("cannot read the credentials %s: %s", options.credentials, strerror(errno));
        return ERROR_CONFIG;
    }
    (void)umask(077); /* other users get the cache's files by HTTP, not from the disk */
    options.user_agent = "wheelyard/" VERSION;
    options.instance = daemon->instance;
    int r = engine_open(&options, &daemon->engine);
    if (r == ERROR_IN_USE)
        log_error("cache directory %s is in use by another daemon", options.cache_dir);
    else if (r)
        say_cache_dir_failed(options.cache_dir, r);
    return r;
}

static struct httpd_access access_of(const struct config *config)
{
    return (struct httpd_access){
        .hosts = (const char *const *)config->hosts,
        .allow_clients = (const char *const *)config->allow_clients,
        .trusted_proxies = (const char *const *)config->trusted_proxies,
    };
}

/* The addresses were checked when the configuration was read. */
static int start_httpd(struct daemon *daemon)
{
    struct httpd_listen listen[HTTPD_ADDRESSES_MAX];
    size_t count = 0;
    for (char **text = daemon->config.listen; *text && count < HTTPD_ADDRESSES_MAX; text++) {
        int r = config_split_listen(*text, listen[count].host, &listen[count].port);
        if (r)
            return r;
        count++;
    }
    if (daemon->inherited_count && !daemon->config.listen_is_default)
        log_warning("listen is not used: the service manager has opened the sockets");
    struct httpd_options options = {
        .engine = daemon->engine,
        .origins = &daemon->config.origins,
        .listen = listen,
        .listen_count = count,
        .listen_is_default = daemon->config.listen_is_default,
        .inherited = daemon->inherited,
        .inherited_count = daemon->inherited_count,
        .workers = daemon->config.workers,
        .access = access_of(&daemon->config),
        .instance = daemon->instance,
        .audit = daemon->audit,
    };
    return httpd_start(&options, &daemon->httpd);
}

/* READY is sent last: from then on every request is answered. */
static int daemon_start(struct daemon *daemon)
{
    int r = make_instance(daemon->instance);
    if (r == 0)
        r = start_engine(daemon);
    if (r == 0)
        r = audit_new(daemon->engine, daemon->config.audit_log, &daemon->audit);
    if (r == 0)
        r = start_httpd(daemon);
    if (r)
        return r;
    control_start(daemon->engine, daemon->config.socket, &daemon->control);
    const char *const *addresses = httpd_addresses(daemon->httpd);
    log_info("wheelyard " VERSION " started instance=%s", daemon->instance);
    banner_addresses(addresses, stdout);
    if (daemon->announces) {
        banner_clients(addresses[0], &daemon->config.origins, stdout);
        (void)banner_probe(daemon->engine, &daemon->config.origins, stdout, &daemon->banner);
    }
    watchdog_init(&daemon->watchdog, daemon->engine, notify_watchdog_us());
    notify_ready("serving");
    return 0;
}

/* ------------------------------------------------------------------ reload */

/* Makes room in the list first, so that nothing fails after the new configuration is in use. */
static int reload_keep(struct daemon *daemon, struct config *fresh)
{
    struct config **reloaded =
        reallocarray(daemon->reloaded, daemon->reload_count + 1, sizeof(struct config *));
    if (!reloaded)
        return ERROR_NO_MEMORY;
    daemon->reloaded = reloaded;
    daemon->reloaded[daemon->reload_count++] = fresh;
    return 0;
}

/* The old origins stay in force when nothing about them changed, so that loaded pages stay valid.
 */
static int reload_apply(struct daemon *daemon, struct config *fresh)
{
    int r = reload_keep(daemon, fresh);
    if (r) {
        reload_free(fresh);
        return r;
    }
    struct engine_options options = fresh->engine;
    const struct httpd_access access = access_of(fresh);
    options.origins = reload_is_same_origins(daemon->origins, &fresh->origins) ? daemon->origins
                                                                               : &fresh->origins;
    r = engine_reload(daemon->engine, &options);
    if (r == 0)
        r = httpd_reload(daemon->httpd, options.origins, &access);
    if (r)
        return r;
    daemon->origins = options.origins;
    audit_reopen(daemon->audit, fresh->audit_log);
    log_set_level(fresh->log_level);
    return 0;
}

/* The daemon continues in any case, with the new configuration or with the old one. */
static void daemon_reload(struct daemon *daemon)
{
    struct config *fresh = NULL;
    notify_reloading();
    int r = reload_read(&daemon->request, &daemon->config, &fresh);
    if (r == 0)
        r = reload_apply(daemon, fresh);
    if (r)
        log_error("reload refused: %s; the old configuration stays in force", error_text(r));
    else
        log_info("configuration reloaded file=%s", fresh->file ? fresh->file : "built-in");
    notify_ready(r ? "serving; the last reload was refused, see the log" : "serving");
}

/* ------------------------------------------------------------------ stop */

/* Returns 0 when no signal came before the watchdog's next turn. */
static int next_signal(const struct daemon *daemon)
{
    int64_t wait_ms = watchdog_wait_ms(&daemon->watchdog, clock_monotonic_ms());
    struct timespec wait = {.tv_sec = (time_t)(wait_ms / 1000),
                            .tv_nsec = (long)(wait_ms % 1000) * 1000000};
    int number = wait_ms < 0 ? sigwaitinfo(&daemon->signals, NULL)
                             : sigtimedwait(&daemon->signals, NULL, &wait);
    return number < 0 ? 0 : number;
}

/* Ends with the first signal that is not SIGHUP. */
static void daemon_wait(struct daemon *daemon)
{
    int number;
    while ((number = next_signal(daemon)) == 0 || number == SIGHUP) {
        if (number == SIGHUP)
            daemon_reload(daemon);
        if (watchdog_turn(&daemon->watchdog, clock_monotonic_ms()))
            notify_alive();
    }
    log_info("stopping signal=%s", sigabbrev_np(number));
}

/* Also called after a failed start: every part may be missing. */
static void daemon_stop(struct daemon *daemon)
{
    notify_stopping();
    (void)alarm(STOP_MAX_S);
    control_stop(daemon->control);
    if (daemon->httpd) {
        httpd_quiesce(daemon->httpd);
        if (!httpd_wait_idle(daemon->httpd, GRACE_MS))
            log_info("cutting requests that are still running");
    }
    if (daemon->engine)
        engine_stop(daemon->engine);
    if (daemon->httpd)
        httpd_stop(daemon->httpd);
    banner_free(daemon->banner);
    httpd_free(daemon->httpd);
    audit_free(daemon->audit);
    if (daemon->engine)
        engine_free(daemon->engine);
    for (size_t i = 0; i < daemon->reload_count; i++)
        reload_free(daemon->reloaded[i]);
    free(daemon->reloaded);
    (void)alarm(0);
}

/* The watchdog and sockets of the manager are taken over before the first thread. */
static int daemon_run(struct daemon *daemon)
{
    take_signals(&daemon->signals);
    raise_fd_limit();
    log_set_level(daemon->config.log_level);
    /* It changes the environment, so it runs before any thread that may read it. */
    int r = activation_take(daemon->inherited, HTTPD_ADDRESSES_MAX, &daemon->inherited_count);
    if (r == 0)
        r = log_start();
    if (r == 0)
        r = daemon_start(daemon);
    if (r == 0)
        daemon_wait(daemon);
    daemon_stop(daemon);
    log_stop();
    return r ? EXIT_FAILED : EXIT_SUCCESS;
}

/* ------------------------------------------------------------------ command */

/* Removes `--announce` from the arguments: it concerns this start only and is not configuration. */
static bool take_announce(int *argc, char **argv)
{
    bool found = false;
    int kept = 0;
    for (int i = 0; i < *argc; i++) {
        if (!strcmp(argv[i], "--announce"))
            found = true;
        else
            argv[kept++] = argv[i];
    }
    *argc = kept;
    return found;
}

int command_serve(int argc, char **argv)
{
    struct daemon daemon = {.announces = isatty(STDOUT_FILENO)};

    if (take_announce(&argc, argv))
        daemon.announces = true;
    int r = config_parse_flags(argc, argv, &daemon.request);
    if (r == CONFIG_HELP) {
        (void)puts(
            "usage: wheelyard serve [FLAGS]\n\n"
            "Runs the daemon in the foreground. The log goes to standard error. SIGHUP reads the\n"
            "configuration again, SIGTERM and SIGINT (Ctrl-C) end the daemon. Without file and "
            "flags\n"
            "it listens on localhost:8503 and asks public mirrors.\n\n"
            "  --announce                       print the lines for clients, and whether mirrors\n"
            "                                   answer, also when the output is no terminal");
        config_usage(stdout);
        (void)puts("\nExit: 0 ended by a signal, 1 failed (the port is taken, the cache directory "
                   "cannot be\nwritten ...), 2 wrong usage or configuration.");
        return EXIT_SUCCESS;
    }
    if (r == 0)
        r = config_load(&daemon.request, &daemon.config);
    if (r)
        return r == ERROR_CONFIG ? EXIT_USAGE : EXIT_FAILED;
    int code = daemon_run(&daemon);
    config_release(&daemon.config);
    return code;
}
