// SPDX-License-Identifier: Apache-2.0
/* Requests through a proxy: the lab's server plays it, on a loopback address that nobody allowed.
 */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

static const char *const NOBODY[] = {NULL};

static bool serve(struct peer *p)
{
    if (str_starts(p->request, "CONNECT ")) {
        peer_say(p, "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
        return false;
    }
    if (str_ends(p->path, "/to-private")) {
        peer_say(p, "HTTP/1.1 302 Moved\r\nLocation: http://192.168.0.1/\r\n"
                    "Content-Length: 0\r\n\r\n");
        return true;
    }
    const char *to = strstr(p->path, "/to/");
    if (to) {
        peer_say(p, "HTTP/1.1 302 Moved\r\nLocation: http://%s/\r\nContent-Length: 0\r\n\r\n",
                 to + strlen("/to/"));
        return true;
    }
    if (str_ends(p->path, "/moved")) {
        peer_say(p, "HTTP/1.1 302 Moved\r\nLocation: http://second.invalid/y\r\n"
                    "Content-Length: 0\r\n\r\n");
        return true;
    }
    peer_say(p, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", strlen(p->request));
    peer_send(p, p->request, strlen(p->request));
    return true;
}

/* A fetcher whose proxy is the lab's server. Made in two steps: the port comes with the server. */
static struct lab *proxied_lab(bool by_environment, const char *no_proxy,
                               const char *const *allowed)
{
    struct lab *lab = lab_new(serve, NULL, NULL, 4);
    char url[64];
    fetcher_free(lab->fetcher);
    snprintf(url, sizeof(url), "http://pu:pw@%s", lab->allowed);
    if (by_environment) {
        setenv("http_proxy", url, 1);
        setenv("https_proxy", url, 1);
        setenv("no_proxy", no_proxy, 1);
    }
    struct fetcher_options options = {.user_agent = "test",
                                      .proxy = by_environment ? NULL : url,
                                      .no_proxy = by_environment ? NULL : no_proxy,
                                      .allowed = allowed,
                                      .pool = lab->pool,
                                      .connect_timeout_ms = 10000,
                                      .stall_timeout_ms = 10000,
                                      .page_timeout_ms = 10000};
    assert_int_equal(fetcher_new(&options, &lab->fetcher), 0);
    unsetenv("http_proxy");
    unsetenv("https_proxy");
    unsetenv("no_proxy");
    return lab;
}

static int get(struct lab *lab, const char *url, struct result *r)
{
    struct fetch_request q = lab_request(lab, "/");
    q.url = url;
    return lab_run(lab, &q, r);
}

static void assert_goes_through(struct lab *lab)
{
    struct result r;
    /* A name that no resolver knows: only the proxy can be asked for it. */
    assert_int_equal(get(lab, "http://me:secret@mirror.invalid/x", &r), 0);
    assert_true(str_starts(r.body.data, "GET http://mirror.invalid/x HTTP/1.1\r\n"));
    assert_non_null(strstr(r.body.data, "\r\nProxy-Authorization: Basic cHU6cHc=\r\n"));
    assert_string_equal(r.final_url, "http://mirror.invalid/x");
    result_release(&r);

    assert_int_equal(get(lab, "http://me:secret@mirror.invalid/moved", &r), 0);
    assert_true(str_starts(r.body.data, "GET http://second.invalid/y HTTP/1.1\r\n"));
    assert_null(strstr(r.body.data, "\r\nAuthorization:"));
    assert_string_equal(r.final_url, "http://second.invalid/y");
    result_release(&r);
    lab_free(lab);
}

static void test_by_option(void **state)
{
    (void)state;
    struct lab *lab = proxied_lab(false, "", NOBODY);
    setenv("no_proxy", "*", 1); /* too late: the environment was read, curl must not look again */
    assert_goes_through(lab);
    unsetenv("no_proxy");
}

static void test_by_environment(void **state)
{
    (void)state;
    assert_goes_through(proxied_lab(true, "", NOBODY));
}

static void test_no_proxy(void **state)
{
    (void)state;
    struct server *direct = server_new(0x7f000001, serve, NULL);
    char host[32], url[64];
    snprintf(host, sizeof(host), "127.0.0.1:%d", server_port(direct));
    snprintf(url, sizeof(url), "http://%s/x", host);
    const char *allowed[] = {host, NULL};
    for (int by_environment = 0; by_environment < 2; by_environment++) {
        struct lab *lab = proxied_lab(by_environment, "10.0.0.0/8, 127.0.0.1", allowed);
        struct result r;
        assert_int_equal(get(lab, url, &r), 0);
        assert_true(str_starts(r.body.data, "GET /x HTTP/1.1\r\n"));
        assert_int_equal(server_connections(direct), 1 + by_environment);
        assert_int_equal(server_connections(lab->server), 0);
        result_release(&r);
        lab_free(lab);
    }
    server_free(direct);
}

/* The proxy may be on loopback, what is asked through it may not. */
static void test_literals_are_refused(void **state)
{
    (void)state;
    struct lab *lab = proxied_lab(false, "", NOBODY);
    struct result r;
    static const char *const urls[] = {"http://127.0.0.1:22/", "https://10.0.0.1/", "http://[::1]/",
                                       "http://localhost:631/"};
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        assert_int_equal(get(lab, urls[i], &r), ERROR_FORBIDDEN_ADDRESS);
        result_release(&r);
    }
    assert_int_equal(server_connections(lab->server), 0);
    assert_int_equal(get(lab, "http://mirror.invalid/to-private", &r), ERROR_FORBIDDEN_ADDRESS);
    assert_int_equal(server_requests(lab->server), 1);
    result_release(&r);
    lab_free(lab);
}

/* Nobody sees to what a proxy resolves a name of its own network. */
static void test_local_names_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"printer", "nas.local",   "vault.internal", "ci.corp.",
                                        "box.lan", "x.home.arpa", "a.localhost"};
    struct lab *lab = proxied_lab(false, "", NOBODY);
    struct result r;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char url[128], place[64];
        const char *redirects[] = {place, NULL};
        snprintf(url, sizeof(url), "http://mirror.invalid/to/%s", names[i]);
        int before = server_requests(lab->server);
        assert_int_equal(get(lab, url, &r), ERROR_FORBIDDEN_ADDRESS);
        assert_non_null(strstr(r.detail, "redirects = ["));
        assert_int_equal(server_requests(lab->server), before + 1);
        result_release(&r);

        snprintf(place, sizeof(place), "%s:80", names[i]);
        struct fetch_request q = lab_request(lab, "/");
        q.url = url;
        q.redirects = redirects;
        assert_int_equal(lab_run(lab, &q, &r), 0);
        assert_int_equal(server_requests(lab->server), before + 3);
        result_release(&r);
    }
    lab_free(lab);
}

static void test_tunnel_refused(void **state)
{
    (void)state;
    struct lab *lab = proxied_lab(false, "", NOBODY);
    struct result r;
    assert_int_equal(get(lab, "https://me:secret@mirror.invalid/", &r), ERROR_UNREACHABLE);
    assert_int_equal(gate_count(&r.heads), 0); /* the proxy's answer is not the mirror's */
    assert_null(strstr(r.detail, "secret"));
    assert_null(strstr(r.detail, "pw"));
    result_release(&r);
    lab_free(lab);
}

static void test_bad_proxy_keeps_its_password(void **state)
{
    (void)state;
    struct fetcher_options options = {.proxy = "gopher://pu:pw@127.0.0.1:1"};
    struct lab *lab = lab_new(serve, NULL, &options, 2);
    struct result r;
    assert_int_equal(get(lab, "http://mirror.invalid/", &r), ERROR_UNREACHABLE);
    assert_null(strstr(r.detail, "pw"));
    result_release(&r);
    lab_free(lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_option),
        cmocka_unit_test(test_by_environment),
        cmocka_unit_test(test_no_proxy),
        cmocka_unit_test(test_literals_are_refused),
        cmocka_unit_test(test_local_names_are_refused),
        cmocka_unit_test(test_tunnel_refused),
        cmocka_unit_test(test_bad_proxy_keeps_its_password),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
