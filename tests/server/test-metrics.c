// SPDX-License-Identifier: Apache-2.0
/* The meter under many threads, and the text that is made of it. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "server/meter.h"
#include "server/metrics.h"

enum { THREADS = 20, REQUESTS = 5000 };

/* More threads than blocks, so some share one. */
static void *count_some(void *meter)
{
    for (int i = 0; i < REQUESTS; i++)
        meter_count(meter, &(struct meter_seen){.route = i % METER_ROUTES,
                                                .cache = i % METER_CACHES,
                                                .status = i % 10 ? 200 : 502,
                                                .bytes = 3,
                                                .first_ms = i,
                                                .is_complete = i % 4});
    return NULL;
}

static void test_no_count_is_lost(void **state)
{
    struct meter *meter;
    struct meter_sums sums;
    pthread_t thread[THREADS];
    uint64_t requests = 0, bytes = 0, failed = 0, cut = 0, buckets = 0;
    (void)state;
    assert_int_equal(meter_new(&meter), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, count_some, meter), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    meter_read(meter, &sums);
    for (int r = 0; r < METER_ROUTES; r++) {
        for (int c = 0; c < METER_CACHES; c++) {
            requests += sums.requests[r][c];
            bytes += sums.bytes[r][c];
        }
        for (int b = 0; b < METER_BUCKETS; b++)
            buckets += sums.bucket[r][b];
        failed += sums.failed[r];
        cut += sums.cut[r];
    }
    assert_int_equal(requests, THREADS * REQUESTS);
    assert_int_equal(buckets, THREADS * REQUESTS);
    assert_int_equal(bytes, 3 * THREADS * REQUESTS);
    assert_int_equal(failed, THREADS * REQUESTS / 10);
    assert_int_equal(cut, THREADS * REQUESTS / 4);
    meter_free(meter);
}

static void test_a_bound_belongs_to_its_bucket(void **state)
{
    struct meter *meter;
    struct meter_sums sums;
    (void)state;
    assert_int_equal(meter_new(&meter), 0);
    for (int b = 0; b < METER_BOUNDS; b++)
        for (int past = 0; past < 2; past++)
            meter_count(meter,
                        &(struct meter_seen){.status = 200, .first_ms = meter_bound_ms[b] + past});
    meter_count(meter, &(struct meter_seen){.status = 0, .first_ms = -5});
    meter_read(meter, &sums);
    assert_int_equal(sums.bucket[METER_HOME][0], 1);
    for (int b = 1; b < METER_BOUNDS; b++)
        assert_int_equal(sums.bucket[METER_HOME][b], 2);
    assert_int_equal(sums.bucket[METER_HOME][METER_BOUNDS], 1);
    meter_free(meter);
}

static void test_words_of_x_cache(void **state)
{
    (void)state;
    for (enum meter_cache c = METER_HIT; c < METER_CACHES; c++)
        assert_int_equal(meter_cache_of(meter_cache_name(c)), c);
    assert_int_equal(meter_cache_of(NULL), METER_NONE);
    assert_int_equal(meter_cache_of("anything"), METER_NONE);
}

static void test_accept(void **state)
{
    (void)state;
    assert_int_equal(metrics_format_of(NULL), METRICS_OPEN);
    assert_int_equal(metrics_format_of("*/*"), METRICS_OPEN);
    assert_int_equal(metrics_format_of("text/plain"), METRICS_TEXT);
    assert_int_equal(metrics_format_of("application/openmetrics-text;version=1.0.0;q=0.5,"
                                       "text/plain;version=0.0.4;q=0.2"),
                     METRICS_OPEN);
}

/* Names are checked when the configuration is read; the writer does not rely on it. */
static void test_labels_are_escaped(void **state)
{
    static const char status[] =
        "{\"version\":\"1\",\"mirrors\":[{\"origin\":\"o\\\"\\\\\",\"name\":\"m\\nx\","
        "\"state\":\"ok\",\"bytes\":7}],\"cache\":{\"free_bytes\":-1,\"bytes\":5}}";
    static const struct meter_sums none;
    struct json *document;
    (void)state;
    assert_int_equal(json_parse(status, strlen(status), &document), 0);
    auto_buf struct buf text;
    buf_init(&text, 1 << 20);
    metrics_write(METRICS_OPEN, document, &none, &text);
    assert_int_equal(text.error, 0);
    assert_non_null(strstr(text.data, "wheelyard_mirror_received_bytes_total{origin=\"o\\\"\\\\\","
                                      "mirror=\"m\\nx\"} 7\n"));
    assert_non_null(strstr(text.data, "\nwheelyard_cache_bytes 5\n"));
    assert_null(strstr(text.data, "wheelyard_cache_free_bytes"));
    json_free(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_count_is_lost),
        cmocka_unit_test(test_a_bound_belongs_to_its_bucket),
        cmocka_unit_test(test_words_of_x_cache),
        cmocka_unit_test(test_accept),
        cmocka_unit_test(test_labels_are_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
