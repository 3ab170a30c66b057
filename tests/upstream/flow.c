// SPDX-License-Identifier: Apache-2.0
/* Time and pressure: stalls, pauses, an empty pool, cancelling, stopping. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "upstream/transfer.h"

enum { BIG_BYTES = 5 * SLAB_BYTES + 12345, SHORT_MS = 150, LONGER_MS = 2000 };

/* The server's side of a test: it says when it is where, and goes on when it is let. */
struct script {
    struct gate arrived, go;
};

static uint8_t pattern(size_t i)
{
    return (uint8_t)(i * 31 + (i >> 10));
}

static void say_big(struct peer *p)
{
    uint8_t *bytes = malloc(BIG_BYTES);
    for (size_t i = 0; i < BIG_BYTES; i++)
        bytes[i] = pattern(i);
    peer_say(p, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", BIG_BYTES);
    peer_send(p, bytes, BIG_BYTES);
    free(bytes);
}

static bool serve(struct peer *p)
{
    struct script *script = p->context;

    if (strcmp(p->path, "/gated-big") == 0)
        gate_wait(&script->go, 1);
    if (strcmp(p->path, "/big") == 0 || strcmp(p->path, "/gated-big") == 0) {
        say_big(p);
        return true;
    }
    if (strcmp(p->path, "/silent") == 0) {
        gate_raise(&script->arrived);
        peer_await_close(p);
    } else if (strcmp(p->path, "/trickle-head") == 0) {
        /* a line now and then never makes a header section */
        peer_say(p, "HTTP/1.1 200 OK\r\nX-A: 1\r\n");
        peer_await_close(p);
    } else if (strcmp(p->path, "/stall") == 0) {
        peer_say(p, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
        gate_raise(&script->arrived);
        peer_await_close(p);
    } else if (strcmp(p->path, "/steps") == 0) {
        peer_say(p, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc");
        gate_wait(&script->go, 1);
        peer_say(p, "def");
        return true;
    } else {
        peer_say(p, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        return true;
    }
    return false;
}

static struct script script;
static struct lab *lab;

static int setup(void **state)
{
    (void)state;
    gate_init(&script.arrived);
    gate_init(&script.go);
    lab = lab_new(serve, &script, NULL, 3);
    return 0;
}

static int setup_limited(int limit_ms)
{
    struct fetcher_options options = {.stall_timeout_ms = limit_ms, .page_timeout_ms = limit_ms};
    gate_init(&script.arrived);
    gate_init(&script.go);
    lab = lab_new(serve, &script, &options, 3);
    return 0;
}

static int setup_short(void **state)
{
    (void)state;
    return setup_limited(SHORT_MS);
}

/* For transfers that must not stall by themselves on a busy machine. */
static int setup_longer(void **state)
{
    (void)state;
    return setup_limited(LONGER_MS);
}

static int teardown(void **state)
{
    (void)state;
    lab_free(lab);
    return 0;
}

static void begin(const char *path, struct result *r)
{
    struct fetch_request q = lab_request(lab, path);
    lab_start(lab, &q, r);
}

static void assert_big(const struct result *r)
{
    assert_int_equal(r->body.len, BIG_BYTES);
    for (size_t i = 0; i < BIG_BYTES; i++)
        if ((uint8_t)r->body.data[i] != pattern(i))
            fail_msg("byte %zu is wrong", i);
}

static void test_stall(void **state)
{
    (void)state;
    static const char *const paths[] = {"/silent", "/stall", "/trickle-head"};
    for (int i = 0; i < 3; i++) {
        struct result r;
        result_init(&r);
        int64_t began_ms = clock_monotonic_ms();
        begin(paths[i], &r);
        assert_int_equal(result_wait(&r), ERROR_TIMEOUT);
        int64_t took_ms = clock_monotonic_ms() - began_ms;
        assert_true(took_ms >= SHORT_MS && took_ms < 30 * SHORT_MS);
        if (i == 1)
            assert_body(&r, "abc");
        result_release(&r);
    }
}

/* Silent, as a file and as a page, for longer than others may be. */
static void test_patience(void **state)
{
    (void)state;
    struct result patient[2], other;
    for (int i = 0; i < 2; i++) {
        struct fetch_request q = lab_request(lab, "/steps");
        q.patience_ms = 60000;
        q.is_page = i == 1;
        result_init(&patient[i]);
        lab_start(lab, &q, &patient[i]);
        gate_wait(&patient[i].datas, 1);
    }
    for (int i = 0; i < 2; i++) {
        result_init(&other);
        begin("/stall", &other);
        assert_int_equal(result_wait(&other), ERROR_TIMEOUT);
        result_release(&other);
    }
    gate_raise(&script.go);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(result_wait(&patient[i]), 0);
        assert_body(&patient[i], "abcdef");
        result_release(&patient[i]);
    }
}

static void test_page_time(void **state)
{
    (void)state;
    struct result r;
    result_init(&r);
    struct fetch_request q = lab_request(lab, "/silent");
    q.is_page = true;
    lab_start(lab, &q, &r);
    assert_int_equal(result_wait(&r), ERROR_TIMEOUT);
    result_release(&r);
}

/* Three bytes are no reason to wait for more: they arrive before the server goes on. */
static void test_few_bytes_are_handed_over(void **state)
{
    (void)state;
    struct result r;
    result_init(&r);
    begin("/steps", &r);
    gate_wait(&r.datas, 1);
    gate_raise(&script.go);
    assert_int_equal(result_wait(&r), 0);
    assert_body(&r, "abcdef");
    assert_int_equal(gate_count(&r.datas), 2);
    result_release(&r);
}

static void count_handed_over(void *context, struct slab *slab, int64_t offset)
{
    (void)slab, (void)offset;
    ++*(int *)context;
}

/* A client waits for the first bytes; for more of them it pays to wait, by a clock that stands. */
static void test_first_bytes_do_not_wait(void **state)
{
    (void)state;
    struct transfer_setup patient = {.stall_timeout_ms = 60000};
    struct slab slab = {.len = 3};
    int handed_over = 0;
    struct transfer t = {.setup = &patient,
                         .sink.on_data = count_handed_over,
                         .context = &handed_over,
                         .deadline_ms = INT64_MAX};
    int64_t wake_ms = INT64_MAX;

    t.slab = &slab;
    t.slab_since_ms = 1000;
    t.received = 3;
    assert_int_equal(transfer_tick(&t, 1000, &wake_ms), 0);
    assert_int_equal(handed_over, 1);

    t.slab = &slab;
    t.received = 6;
    assert_int_equal(transfer_tick(&t, 1001, &wake_ms), 0);
    assert_int_equal(handed_over, 1);
    assert_int_equal(transfer_tick(&t, wake_ms, &wake_ms), 0);
    assert_int_equal(handed_over, 2);
}

static void test_empty_pool_pauses(void **state)
{
    (void)state;
    struct result r, other;
    result_init(&r);
    result_init(&other);
    r.keeps_slabs = true;
    begin("/big", &r);
    gate_wait(&r.datas, 3); /* all there are */

    /* Somebody else needs one too; both wait, longer than a stall may last. */
    begin("/big", &other);
    struct result silent;
    result_init(&silent);
    begin("/silent", &silent);
    assert_int_equal(result_wait(&silent), ERROR_TIMEOUT);
    result_init(&silent);
    begin("/silent", &silent);
    assert_int_equal(result_wait(&silent), ERROR_TIMEOUT);
    assert_int_equal(gate_count(&r.datas), 3);
    assert_int_equal(gate_count(&r.done), 0);
    assert_int_equal(gate_count(&other.done), 0);

    r.keeps_slabs = false; /* the thread is paused: it looks again after the slabs are back */
    result_drop_slabs(&r);
    assert_int_equal(result_wait(&r), 0);
    assert_int_equal(result_wait(&other), 0);
    assert_big(&r);
    assert_big(&other);
    result_release(&r);
    result_release(&other);
}

static int setup_starving(void **state)
{
    (void)state;
    struct fetcher_options options = {.starved_timeout_ms = SHORT_MS};
    lab = lab_new(serve, &script, &options, 3);
    return 0;
}

/* Somebody never gives back what all receive into: the others end, and say why. */
static void test_starved_for_too_long(void **state)
{
    (void)state;
    struct result r, other;
    result_init(&r);
    result_init(&other);
    r.keeps_slabs = true;
    begin("/big", &r);
    gate_wait(&r.datas, 3); /* all there are */
    begin("/small", &other);
    assert_int_equal(result_wait(&other), ERROR_NO_MEMORY);
    assert_non_null(strstr(other.detail, "no room to receive into"));
    assert_int_equal(other.body.len, 0);
    assert_int_equal(result_wait(&r), ERROR_NO_MEMORY); /* it gets no more either */
    result_drop_slabs(&r);
    result_release(&r);
    result_release(&other);
}

static int pause_at_head(struct result *r)
{
    fetcher_pause(r->fetcher, r->id, true);
    return 0;
}

static void test_pause(void **state)
{
    (void)state;
    struct result r, other;
    result_init(&r);
    result_init(&other);
    r.head_hook = pause_at_head;
    begin("/gated-big", &r);
    gate_raise(&script.go); /* the id is known now */
    gate_wait(&r.heads, 1);
    begin("/silent", &other); /* longer than a stall */
    assert_int_equal(result_wait(&other), ERROR_TIMEOUT);
    assert_int_equal(gate_count(&r.datas), 0);
    assert_int_equal(gate_count(&r.done), 0);
    fetcher_pause(lab->fetcher, r.id, false);
    assert_int_equal(result_wait(&r), 0);
    assert_big(&r);
    result_release(&r);
    result_release(&other);
}

static int refuse(struct result *r)
{
    (void)r;
    return ERROR_UPSTREAM_STATUS;
}

static void test_refused_by_sink(void **state)
{
    (void)state;
    struct result r;
    result_init(&r);
    r.head_hook = refuse;
    begin("/big", &r);
    assert_int_equal(result_wait(&r), ERROR_UPSTREAM_STATUS);
    assert_string_equal(r.detail, "HTTP 200");
    assert_int_equal(r.body.len, 0);
    result_release(&r);
}

static void cancel_itself(struct result *r)
{
    fetcher_cancel(r->fetcher, r->id);
}

static int cancel_at_head(struct result *r)
{
    cancel_itself(r);
    return 0;
}

static void test_cancel_in_sinks(void **state)
{
    (void)state;
    struct result r;
    result_init(&r);
    r.head_hook = cancel_at_head;
    begin("/gated-big", &r);
    gate_raise(&script.go);
    assert_int_equal(result_wait(&r), ERROR_STOPPING);
    assert_int_equal(r.body.len, 0);
    result_release(&r);

    result_init(&r);
    r.data_hook = cancel_itself;
    begin("/gated-big", &r);
    assert_int_equal(result_wait(&r), ERROR_STOPPING);
    assert_int_equal(gate_count(&r.datas), 1); /* nothing more once it was cancelled */
    result_release(&r);
}

static void test_cancel_from_outside(void **state)
{
    (void)state;
    struct result r;
    result_init(&r);
    begin("/silent", &r);
    gate_wait(&script.arrived, 1);
    fetcher_cancel(lab->fetcher, r.id + 1000); /* nobody's */
    fetcher_cancel(lab->fetcher, r.id);
    assert_int_equal(result_wait(&r), ERROR_STOPPING);
    fetcher_cancel(lab->fetcher, r.id); /* over: ignored */
    fetcher_pause(lab->fetcher, r.id, true);
    result_release(&r);

    result_init(&r); /* while it is paused */
    r.head_hook = pause_at_head;
    begin("/gated-big", &r);
    gate_raise(&script.go);
    gate_wait(&r.heads, 1);
    fetcher_cancel(lab->fetcher, r.id);
    assert_int_equal(result_wait(&r), ERROR_STOPPING);
    result_release(&r);
}

static struct result second;

static void start_second(struct result *r)
{
    (void)r;
    begin("/small", &second);
}

static void test_start_in_sink(void **state)
{
    (void)state;
    struct result r;
    result_init(&r);
    result_init(&second);
    r.done_hook = start_second;
    begin("/small", &r);
    assert_int_equal(result_wait(&r), 0);
    assert_int_equal(result_wait(&second), 0);
    assert_true(second.id > r.id);
    assert_body(&second, "ok");
    result_release(&r);
    result_release(&second);
}

static void test_stop(void **state)
{
    (void)state;
    static const char *const paths[] = {"/silent", "/stall", "/big", "/big"};
    struct result r[4], late;
    for (int i = 0; i < 4; i++) {
        result_init(&r[i]);
        r[i].keeps_slabs = true;
        begin(paths[i], &r[i]);
    }
    gate_wait(&script.arrived, 2);
    result_init(&second);
    r[0].done_hook = start_second; /* begins when all is ending: told so, not forgotten */
    fetcher_stop(lab->fetcher);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(gate_count(&r[i].done), 1);
        assert_int_equal(result_wait(&r[i]), ERROR_STOPPING);
        result_release(&r[i]);
    }
    assert_int_equal(gate_count(&second.done), 1);
    assert_int_equal(second.error, ERROR_STOPPING);
    result_release(&second);

    result_init(&late);
    begin("/small", &late);
    assert_int_equal(gate_count(&late.done), 1);
    assert_int_equal(result_wait(&late), ERROR_STOPPING);
    result_release(&late);
    fetcher_stop(lab->fetcher); /* again: nothing left to do */
}

/* Starting and cancelling from several threads while transfers come and go: for the sanitizers. */
static void *start_and_cancel(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        struct result r;
        char url[64];
        result_init(&r);
        snprintf(url, sizeof(url), "http://%s/small", lab->allowed);
        struct fetch_request q = {.url = url, .from = -1, .to = -1, .max_bytes = 100};
        lab_start(lab, &q, &r);
        if (i % 3 == 0)
            fetcher_cancel(lab->fetcher, r.id);
        int error = result_wait(&r);
        assert_true(error == 0 || (i % 3 == 0 && error == ERROR_STOPPING));
        result_release(&r);
    }
    return NULL;
}

static void test_many_threads(void **state)
{
    (void)state;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, start_and_cancel, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_stall, setup_short, teardown),
        cmocka_unit_test_setup_teardown(test_patience, setup_short, teardown),
        cmocka_unit_test_setup_teardown(test_page_time, setup_short, teardown),
        cmocka_unit_test_setup_teardown(test_few_bytes_are_handed_over, setup, teardown),
        cmocka_unit_test(test_first_bytes_do_not_wait),
        cmocka_unit_test_setup_teardown(test_empty_pool_pauses, setup_longer, teardown),
        cmocka_unit_test_setup_teardown(test_starved_for_too_long, setup_starving, teardown),
        cmocka_unit_test_setup_teardown(test_pause, setup_longer, teardown),
        cmocka_unit_test_setup_teardown(test_refused_by_sink, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel_in_sinks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel_from_outside, setup, teardown),
        cmocka_unit_test_setup_teardown(test_start_in_sink, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_threads, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
