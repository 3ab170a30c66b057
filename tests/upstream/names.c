// SPDX-License-Identifier: Apache-2.0
/*
 * What names lead to. Runs in mount and network namespaces of its own, with a hosts file and a
 * resolver that listens and never answers; where those may not be made, the test is skipped.
 */
#include "support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"

enum { SKIPPED = 77 };
static const uint32_t FAKE_IP = 0xc6120001; /* 198.18.0.1 */

static int resolver; /* UDP 127.0.0.1:53 */

static bool serve(struct peer *p)
{
    peer_say(p, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    return true;
}

static void await_question(void)
{
    char question[512];
    assert_true(recv(resolver, question, sizeof(question), 0) > 0);
}

static struct fetch_request request_for(struct lab *lab, const char *host, int port)
{
    static char url[128];
    snprintf(url, sizeof(url), "http://%s:%d/", host, port);
    struct fetch_request q = lab_request(lab, "/");
    q.url = url;
    return q;
}

/* Without QUICK_EXIT, curl would wait here until the resolver's own patience (ten seconds) ends. */
static void test_silent_resolver(void **state)
{
    (void)state;
    struct lab *lab = lab_new(serve, NULL, NULL, 4);
    struct result silent, other, left;
    result_init(&silent);
    result_init(&left);
    struct fetch_request q = request_for(lab, "silent.example", 80);
    int64_t began_ms = clock_monotonic_ms();
    lab_start(lab, &q, &silent);
    await_question();

    q = lab_request(lab, "/");
    assert_int_equal(lab_run(lab, &q, &other), 0);
    assert_body(&other, "ok");
    assert_int_equal(gate_count(&silent.done), 0);
    fetcher_cancel(lab->fetcher, silent.id);
    assert_int_equal(result_wait(&silent), ERROR_STOPPING);
    q = request_for(lab, "left.example", 80);
    lab_start(lab, &q, &left);
    await_question();
    fetcher_stop(lab->fetcher);
    assert_int_equal(result_wait(&left), ERROR_STOPPING);
    lab_free(lab);
    assert_true(clock_monotonic_ms() - began_ms < 4000);
    result_release(&silent);
    result_release(&other);
    result_release(&left);
}

static void test_resolver_timeout(void **state)
{
    (void)state;
    struct fetcher_options options = {.connect_timeout_ms = 200};
    struct lab *lab = lab_new(serve, NULL, &options, 2);
    struct result r;
    struct fetch_request q = request_for(lab, "slow.example", 80);
    int64_t began_ms = clock_monotonic_ms();
    assert_int_equal(lab_run(lab, &q, &r), ERROR_TIMEOUT);
    int64_t took_ms = clock_monotonic_ms() - began_ms;
    assert_true(took_ms >= 190 && took_ms < 4000);
    result_release(&r);
    lab_free(lab);
}

static void test_private_answer(void **state)
{
    (void)state;
    struct lab *lab = lab_new(serve, NULL, NULL, 2);
    struct result r;
    int port = server_port(lab->server);
    struct fetch_request q = request_for(lab, "mirror.lab", port);
    assert_int_equal(lab_run(lab, &q, &r), ERROR_FORBIDDEN_ADDRESS);
    assert_int_equal(server_connections(lab->server), 0);
    result_release(&r);
    lab_free(lab);
}

static void test_private_answer_for_a_configured_name(void **state)
{
    (void)state;
    struct server *server = server_new(INADDR_LOOPBACK, serve, NULL);
    char allowed[64];
    const char *list[] = {allowed, NULL};
    snprintf(allowed, sizeof(allowed), "mirror.lab:%d", server_port(server));
    struct fetcher_options options = {.allowed = list};
    struct lab *lab = lab_new(serve, NULL, &options, 2);
    struct result r;
    struct fetch_request q = request_for(lab, "mirror.lab", server_port(server));
    assert_int_equal(lab_run(lab, &q, &r), 0);
    assert_body(&r, "ok");
    result_release(&r);

    /* The same address under a name that nobody configured. */
    q = request_for(lab, "other.lab", server_port(server));
    assert_int_equal(lab_run(lab, &q, &r), ERROR_FORBIDDEN_ADDRESS);
    assert_int_equal(server_connections(server), 1);
    result_release(&r);
    lab_free(lab);
    server_free(server);
}

static void test_fake_ip(void **state)
{
    (void)state;
    struct server *server = server_new(FAKE_IP, serve, NULL);
    struct lab *lab = lab_new(serve, NULL, NULL, 2);
    struct result r;
    struct fetch_request q = request_for(lab, "fake.lab", server_port(server));
    assert_int_equal(lab_run(lab, &q, &r), 0);
    assert_body(&r, "ok");
    result_release(&r);
    lab_free(lab);
    server_free(server);
}

static bool write_over(const char *path, const char *text)
{
    char name[] = "/tmp/wheelyard-names-XXXXXX";
    int fd = mkstemp(name);
    if (fd < 0)
        return false;
    bool done = write(fd, text, strlen(text)) == (ssize_t)strlen(text) &&
                mount(name, path, NULL, MS_BIND, NULL) == 0;
    close(fd);
    unlink(name);
    return done;
}

static bool interface_up(const char *name, uint32_t ipv4)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct ifreq request = {.ifr_flags = IFF_UP | IFF_RUNNING};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(ipv4)};
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    memcpy(&request.ifr_addr, &address, sizeof(address));
    bool done = ioctl(fd, SIOCSIFADDR, &request) == 0;
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    done = done && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    close(fd);
    return done;
}

static bool make_world(void)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (unshare(CLONE_NEWNS | CLONE_NEWNET) < 0 &&
        unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET) < 0)
        return false;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return false;
    resolver = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return interface_up("lo", INADDR_LOOPBACK) && interface_up("lo:1", FAKE_IP) &&
           write_over("/etc/resolv.conf", "nameserver 127.0.0.1\n") &&
           write_over("/etc/nsswitch.conf", "hosts: files dns\n") &&
           write_over("/etc/hosts", "127.0.0.1 localhost mirror.lab other.lab\n"
                                    "198.18.0.1 fake.lab\n") &&
           bind(resolver, (struct sockaddr *)&address, sizeof(address)) == 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_private_answer),
        cmocka_unit_test(test_private_answer_for_a_configured_name),
        cmocka_unit_test(test_fake_ip),
        cmocka_unit_test(test_silent_resolver),
        cmocka_unit_test(test_resolver_timeout),
    };
    if (!make_world()) {
        fprintf(stderr, "skipped: no namespaces of our own (%s)\n", strerror(errno));
        return SKIPPED;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
