// SPDX-License-Identifier: Apache-2.0
/* TLS: whom we trust, and the step down to http. `openssl s_server` plays the mirror; where there
 * is none, the test is skipped. */
#include "support.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"

enum { SKIPPED = 77 };

static char directory[] = "/tmp/wheelyard-tls-XXXXXX";
static char ca_file[64];
static pid_t child;
static int port;
static struct server *plain; /* http, where redirects lead */

static bool serve(struct peer *p)
{
    peer_say(p, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain");
    return true;
}

static bool make_file(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");
    if (!file)
        return false;
    fputs(text, file);
    return fclose(file) == 0;
}

/* s_server -HTTP sends files that hold whole responses; it says on stdout where it listens. */
static bool run_server(void)
{
    int out[2];
    if (pipe(out) < 0 || (child = fork()) < 0)
        return false;
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(out[1], STDOUT_FILENO);
        execlp("openssl", "openssl", "s_server", "-HTTP", "-4", "-accept", "0", "-cert", "cert.pem",
               "-key", "key.pem", (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    FILE *words = fdopen(out[0], "r");
    char line[256];
    while (port == 0 && fgets(line, sizeof(line), words))
        if (strncmp(line, "ACCEPT", 6) == 0)
            port = (int)strtol(strrchr(line, ':') + 1, NULL, 10);
    /* `words` stays open: the server must be able to write. */
    return port != 0;
}

static bool make_world(void)
{
    char moved[160];
    if (!mkdtemp(directory) || chdir(directory) < 0 ||
        system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
               "-keyout key.pem -out cert.pem -subj /CN=lab -addext subjectAltName=IP:127.0.0.1 "
               ">/dev/null 2>&1") != 0)
        return false;
    plain = server_new(0x7f000001, serve, NULL);
    snprintf(moved, sizeof(moved),
             "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%d/\r\nContent-Length: 0\r\n\r\n",
             server_port(plain));
    snprintf(ca_file, sizeof(ca_file), "%s/cert.pem", directory);
    return make_file("moved", moved) &&
           make_file("answer", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") && run_server();
}

static void end_world(void)
{
    static const char *const files[] = {"cert.pem", "key.pem", "moved", "answer"};
    if (child > 0) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    if (plain)
        server_free(plain);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        unlink(files[i]);
    rmdir(directory);
}

static int get(const char *host, const char *path, const char *ca, bool allow_plain,
               struct result *r)
{
    char tls_at[32], plain_at[32], url[64];
    const char *allowed[] = {tls_at, allow_plain ? plain_at : NULL, NULL};
    snprintf(tls_at, sizeof(tls_at), "%s:%d", host, port);
    snprintf(plain_at, sizeof(plain_at), "127.0.0.1:%d", server_port(plain));
    snprintf(url, sizeof(url), "https://%s/%s", tls_at, path);
    struct fetcher_options options = {.allowed = allowed, .ca_file = ca};
    struct lab *lab = lab_new(serve, NULL, &options, 2);
    struct fetch_request q = lab_request(lab, "/");
    q.url = url;
    int error = lab_run(lab, &q, r);
    lab_free(lab);
    return error;
}

static void test_trusted(void **state)
{
    (void)state;
    struct result r;
    assert_int_equal(get("127.0.0.1", "answer", ca_file, false, &r), 0);
    assert_body(&r, "ok");
    result_release(&r);
}

static void test_not_trusted(void **state)
{
    (void)state;
    struct result r;
    assert_int_equal(get("127.0.0.1", "answer", NULL, false, &r), ERROR_UNREACHABLE);
    assert_int_equal(gate_count(&r.heads), 0);
    assert_non_null(strstr(r.detail, "certificate"));
    result_release(&r);
    /* the certificate is good, but another host's */
    assert_int_equal(get("127.0.0.2", "answer", ca_file, false, &r), ERROR_UNREACHABLE);
    assert_int_equal(gate_count(&r.heads), 0);
    result_release(&r);
}

static void test_down_to_http(void **state)
{
    (void)state;
    struct result r;
    assert_int_equal(get("127.0.0.1", "moved", ca_file, false, &r), ERROR_FORBIDDEN_ADDRESS);
    assert_int_equal(server_connections(plain), 0);
    result_release(&r);
    assert_int_equal(get("127.0.0.1", "moved", ca_file, true, &r), 0);
    assert_body(&r, "plain");
    result_release(&r);
}

static void test_missing_bundle(void **state)
{
    (void)state;
    struct slab_pool *pool = NULL;
    struct fetcher *fetcher = NULL;
    assert_int_equal(slab_pool_new(1, &pool), 0);
    struct fetcher_options options = {
        .user_agent = "test", .ca_file = "/nowhere/ca.pem", .pool = pool};
    assert_int_equal(fetcher_new(&options, &fetcher), ERROR_CONFIG);
    assert_null(fetcher);
    slab_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trusted),
        cmocka_unit_test(test_not_trusted),
        cmocka_unit_test(test_down_to_http),
        cmocka_unit_test(test_missing_bundle),
    };
    int failed = SKIPPED;
    if (make_world())
        failed = cmocka_run_group_tests(tests, NULL, NULL);
    else
        fprintf(stderr, "skipped: no openssl s_server to talk to\n");
    end_world();
    return failed;
}
