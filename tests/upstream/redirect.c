// SPDX-License-Identifier: Apache-2.0
/* Redirects: where they may lead, what goes along, what the sink sees of them. */
#include "support.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"

static struct lab *lab;
static struct server *elsewhere; /* allowed, another host:port */
static struct server *forbidden; /* on loopback, configured by nobody */
static char echo[8192];          /* the last request that `elsewhere` or /end saw */

static bool serve_end(struct peer *p)
{
    memcpy(echo, p->request, sizeof(echo));
    peer_say(p, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nETag: \"end\"\r\n\r\n%s",
             p->is_head ? "" : "end");
    return true;
}

static void say_location(struct peer *p, int status, const char *location)
{
    peer_say(p,
             "HTTP/1.1 %d Moved\r\nLocation: %s\r\nETag: \"hop\"\r\nContent-Length: 4\r\n"
             "X-Hop: 1\r\n\r\n%s",
             status, location, p->is_head ? "" : "gone");
}

static const struct {
    const char *path, *location;
    int status;
} HOPS[] = {
    {"/dir/relative", "../end", 301},
    {"/absolute-path", "/end", 308},
    {"/spaces", "/end?a b", 302},
    {"/hop1", "/hop2", 302},
    {"/hop2", "/hop3", 303},
    {"/hop3", "/hop4", 307},
    {"/hop4", "/hop5", 301},
    {"/hop5", "/end", 301},
    {"/hop0", "/hop1", 301},
    {"/loop", "/loop", 302},
    {"/to-file", "file:///etc/passwd", 302},
    {"/to-ftp", "ftp://example.org/x", 302},
    {"/to-private", "http://10.0.0.1/", 302},
    {"/to-metadata", "http://169.254.169.254/latest", 302},
    {"/to-decimal", "http://2130706433/", 302},
    {"/to-hex", "http://0x7f.1/", 302},
    {"/to-mapped", "http://[::ffff:127.0.0.1]/", 302},
    {"/to-localhost", "http://localhost./", 302},
    {"/to-percent", "http://%31%32%37.0.0.1/", 302},
    {"/to-nonsense", "http://", 302},
};

static bool serve(struct peer *p)
{
    char url[128];
    if (strncmp(p->path, "/end", 4) == 0)
        return serve_end(p);
    if (strcmp(p->path, "/elsewhere") == 0 || strcmp(p->path, "/forbidden") == 0) {
        bool bad = p->path[1] == 'f';
        snprintf(url, sizeof(url), "http://evil:word@127.0.0.1:%d/x",
                 server_port(bad ? forbidden : elsewhere));
        say_location(p, 302, url);
        return true;
    }
    if (strcmp(p->path, "/big-body") == 0) {
        static const char junk[1 << 20];
        peer_say(p, "HTTP/1.1 302 Moved\r\nLocation: /end\r\nContent-Length: %zu\r\n\r\n",
                 sizeof(junk));
        peer_send(p, junk, sizeof(junk));
        return true;
    }
    for (size_t i = 0; i < sizeof(HOPS) / sizeof(HOPS[0]); i++)
        if (strcmp(p->path, HOPS[i].path) == 0) {
            say_location(p, HOPS[i].status, HOPS[i].location);
            return true;
        }
    peer_say(p, "HTTP/1.1 302 Moved\r\nContent-Length: 4\r\n\r\nlost"); /* no Location */
    return true;
}

static int setup(void **state)
{
    (void)state;
    char allowed[2][32];
    elsewhere = server_new(0x7f000001, serve_end, NULL);
    forbidden = server_new(0x7f000001, serve_end, NULL);
    lab = lab_new(serve, NULL, NULL, 4);
    /* Made anew with the list that can only be written now. */
    fetcher_free(lab->fetcher);
    snprintf(allowed[0], sizeof(allowed[0]), "%s", lab->allowed);
    snprintf(allowed[1], sizeof(allowed[1]), "127.0.0.1:%d", server_port(elsewhere));
    const char *list[] = {allowed[0], allowed[1], NULL};
    struct fetcher_options options = {.user_agent = "test",
                                      .proxy = "",
                                      .no_proxy = "",
                                      .allowed = list,
                                      .pool = lab->pool,
                                      .connect_timeout_ms = 10000,
                                      .stall_timeout_ms = 10000,
                                      .page_timeout_ms = 10000};
    return fetcher_new(&options, &lab->fetcher);
}

static int teardown(void **state)
{
    (void)state;
    lab_free(lab);
    server_free(elsewhere);
    server_free(forbidden);
    return 0;
}

static int get(const char *path, struct result *r)
{
    struct fetch_request q = lab_request(lab, path);
    return lab_run(lab, &q, r);
}

static void assert_ends_at(const char *path, const char *end)
{
    struct result r;
    assert_int_equal(get(path, &r), 0);
    assert_int_equal(gate_count(&r.heads), 1); /* of the last response alone */
    assert_int_equal(r.head.status, 200);
    assert_string_equal(r.etag, "\"end\"");
    assert_string_equal(r.final_url, lab_url(lab, end));
    assert_body(&r, "end");
    assert_int_equal(r.first_offset, 0);
    result_release(&r);
}

static void test_followed(void **state)
{
    (void)state;
    assert_ends_at("/dir/relative", "/end");
    assert_ends_at("/absolute-path", "/end");
    assert_ends_at("/spaces", "/end?a+b");
    assert_ends_at("/hop1", "/end"); /* five */
    assert_ends_at("/big-body", "/end");
}

static void test_too_many(void **state)
{
    (void)state;
    struct result r;
    assert_int_equal(get("/hop0", &r), ERROR_UPSTREAM_BROKEN);
    assert_string_equal(r.detail, "more than 5 redirects");
    assert_int_equal(gate_count(&r.heads), 0);
    result_release(&r);
    int before = server_requests(lab->server);
    assert_int_equal(get("/loop", &r), ERROR_UPSTREAM_BROKEN);
    assert_int_equal(server_requests(lab->server), before + 6);
    result_release(&r);
}

static void test_without_location(void **state)
{
    (void)state;
    struct result r;
    assert_int_equal(get("/no-location", &r), 0);
    assert_int_equal(r.head.status, 302);
    assert_body(&r, "lost");
    result_release(&r);
}

static void test_where_it_may_not_lead(void **state)
{
    (void)state;
    static const char *const paths[] = {"/to-file",    "/to-ftp",   "/to-private", "/to-metadata",
                                        "/to-decimal", "/to-hex",   "/to-mapped",  "/to-localhost",
                                        "/to-percent", "/forbidden"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct result r;
        assert_int_equal(get(paths[i], &r), ERROR_FORBIDDEN_ADDRESS);
        assert_int_equal(gate_count(&r.heads), 0);
        result_release(&r);
    }
    assert_int_equal(server_connections(forbidden), 0);
    struct result r;
    assert_int_equal(get("/to-nonsense", &r), ERROR_UPSTREAM_BROKEN);
    result_release(&r);
}

/* The message says what would allow it; and that does, for this request alone. */
static void test_where_a_request_may_be_led(void **state)
{
    (void)state;
    struct result r;
    char place[32], says[64];
    const char *redirects[] = {place, NULL};
    snprintf(place, sizeof(place), "127.0.0.1:%d", server_port(forbidden));
    snprintf(says, sizeof(says), "redirects = [\"%s\"]", place);
    assert_int_equal(get("/forbidden", &r), ERROR_FORBIDDEN_ADDRESS);
    assert_non_null(strstr(r.detail, says));
    result_release(&r);

    struct fetch_request q = lab_request(lab, "/forbidden");
    int before = server_requests(forbidden);
    q.redirects = redirects;
    assert_int_equal(lab_run(lab, &q, &r), 0);
    assert_int_equal(server_requests(forbidden), before + 1);
    result_release(&r);
    q.url = lab_url(lab, "/to-private");
    assert_int_equal(lab_run(lab, &q, &r), ERROR_FORBIDDEN_ADDRESS);
    result_release(&r);
}

static void test_credentials_stay(void **state)
{
    (void)state;
    struct result r;
    char url[128], end[128];
    snprintf(url, sizeof(url), "http://me:secret@%s/elsewhere", lab->allowed);
    snprintf(end, sizeof(end), "http://127.0.0.1:%d/x", server_port(elsewhere));
    struct fetch_request q = lab_request(lab, "/");
    q.url = url;
    q.from = 0;
    assert_int_equal(lab_run(lab, &q, &r), 0);
    assert_int_equal(server_requests(elsewhere), 1);
    assert_null(strstr(echo, "Authorization")); /* neither ours nor those of the Location */
    assert_non_null(strstr(echo, "\r\nRange: bytes=0-\r\n"));
    assert_string_equal(r.final_url, end);
    result_release(&r);

    snprintf(url, sizeof(url), "http://me:secret@%s/absolute-path", lab->allowed);
    assert_int_equal(lab_run(lab, &q, &r), 0);
    assert_non_null(strstr(echo, "\r\nAuthorization: Basic bWU6c2VjcmV0\r\n"));
    assert_string_equal(r.final_url, lab_url(lab, "/end"));
    result_release(&r);
}

static void test_head(void **state)
{
    (void)state;
    struct result r;
    struct fetch_request q = lab_request(lab, "/hop4");
    q.head = true;
    assert_int_equal(lab_run(lab, &q, &r), 0);
    assert_int_equal(r.head.total, 3);
    assert_true(strncmp(echo, "HEAD /end ", 10) == 0);
    result_release(&r);
}

static void test_allowed_anew(void **state)
{
    (void)state;
    struct result r;
    char now[32];
    snprintf(now, sizeof(now), "127.0.0.1:%d", server_port(forbidden));
    const char *wrong[] = {now, "no port", NULL}, *list[] = {lab->allowed, now, NULL};
    assert_int_equal(fetcher_allow(lab->fetcher, wrong), ERROR_CONFIG);
    assert_int_equal(get("/forbidden", &r), ERROR_FORBIDDEN_ADDRESS);
    result_release(&r);
    assert_int_equal(fetcher_allow(lab->fetcher, list), 0);
    int before = server_requests(forbidden);
    assert_int_equal(get("/forbidden", &r), 0);
    assert_int_equal(server_requests(forbidden), before + 1);
    result_release(&r);
    assert_int_equal(get("/elsewhere", &r), ERROR_FORBIDDEN_ADDRESS); /* not in the new list */
    result_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_followed),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_without_location),
        cmocka_unit_test(test_where_it_may_not_lead),
        cmocka_unit_test(test_where_a_request_may_be_led),
        cmocka_unit_test(test_credentials_stay),
        cmocka_unit_test(test_head),
        cmocka_unit_test(test_allowed_anew), /* last: the list stays */
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
