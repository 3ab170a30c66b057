// SPDX-License-Identifier: Apache-2.0
/* Standard error is a pipe here: what a test reads from it is what a journal would get. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdbool.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"

enum { ORDERED = 2000, THREADS = 4 };
/* More than can be on its way: a pipe's 64 KiB, a batch being written, and a full queue. */
enum { FLOOD = 30000, QUEUE_LINES = 8192 };

struct captured {
    int read_fd;
    int saved_fd;
    pthread_t reader;
    struct buf text;
};

static int capture(void **state)
{
    static struct captured captured;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    captured = (struct captured){.read_fd = ends[0], .saved_fd = dup(STDERR_FILENO)};
    buf_init(&captured.text, 64 << 20);
    assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    (void)close(ends[1]);
    *state = &captured;
    return 0;
}

static void *read_all(void *arg)
{
    struct captured *captured = arg;
    char block[4096];
    ssize_t n;
    while ((n = read(captured->read_fd, block, sizeof(block))) > 0)
        buf_add(&captured->text, block, (size_t)n);
    return NULL;
}

static void start_reading(struct captured *captured)
{
    assert_int_equal(pthread_create(&captured->reader, NULL, read_all, captured), 0);
}

/* Everything that was written, once nobody can write any more. */
static const char *end_of_log(struct captured *captured)
{
    assert_true(dup2(captured->saved_fd, STDERR_FILENO) >= 0);
    assert_int_equal(pthread_join(captured->reader, NULL), 0);
    return captured->text.data;
}

static int release(void **state)
{
    struct captured *captured = *state;
    (void)dup2(captured->saved_fd, STDERR_FILENO);
    (void)close(captured->saved_fd);
    (void)close(captured->read_fd);
    buf_release(&captured->text);
    return 0;
}

static void lines_come_in_order_and_stop_writes_them_all(void **state)
{
    struct captured *captured = *state;
    start_reading(captured);
    assert_int_equal(log_start(), 0);
    for (int i = 0; i < ORDERED; i++)
        log_info("line %d", i);
    log_stop();
    auto_buf struct buf expected;
    buf_init(&expected, 1 << 20);
    for (int i = 0; i < ORDERED; i++)
        buf_printf(&expected, "line %d\n", i);
    assert_string_equal(end_of_log(captured), expected.data);
}

static void *write_some(void *arg)
{
    for (int i = 0; i < ORDERED; i++)
        log_info("%s %d", (const char *)arg, i);
    return NULL;
}

static void threads_keep_their_own_order(void **state)
{
    struct captured *captured = *state;
    static const char *const names[THREADS] = {"a", "b", "c", "d"};
    pthread_t threads[THREADS];
    int seen[THREADS] = {0};

    start_reading(captured);
    assert_int_equal(log_start(), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_some, (void *)(uintptr_t)names[i]),
                         0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    log_stop();
    for (const char *at = end_of_log(captured); *at; at = strchr(at, '\n') + 1) {
        int *number = &seen[at[0] - 'a'];
        assert_int_equal(strtol(at + 2, NULL, 10), (*number)++);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(seen[i], ORDERED);
}

static void a_line_stays_one_line(void **state)
{
    static const char one_line[] = "path=/a?status=200?[2J?\xc3\xa9\n";
    struct captured *captured = *state;
    char *big = malloc(20000);
    assert_non_null(big);
    memset(big, 'x', 19999);
    big[19999] = '\0';

    start_reading(captured);
    assert_int_equal(log_start(), 0);
    log_info("path=%s", "/a\nstatus=200\x1b[2J\x7f\xc3\xa9");
    log_info("%s", big);
    log_stop();
    free(big);
    const char *text = end_of_log(captured);
    assert_memory_equal(text, one_line, sizeof(one_line) - 1);
    const char *second = strchr(text, '\n') + 1;
    assert_ptr_equal(strchr(second, '\n'), text + captured->text.len - 1);
    assert_in_range(strlen(second), 8000, 8192);
}

static void what_is_above_the_level_is_not_written(void **state)
{
    struct captured *captured = *state;
    start_reading(captured);
    assert_int_equal(log_start(), 0);
    log_debug("unseen");
    log_set_level(LOG_LEVEL_WARNING);
    log_info("unseen");
    log_warning("seen");
    log_set_level(LOG_LEVEL_INFO);
    log_stop();
    assert_string_equal(end_of_log(captured), "seen\n");
}

static void the_caller_writes_before_start_and_after_stop(void **state)
{
    struct captured *captured = *state;
    char text[64];
    log_info("before");
    assert_int_equal(read(captured->read_fd, text, sizeof(text)), 7);
    assert_int_equal(log_start(), 0);
    log_stop();
    log_stop();
    log_info("after");
    assert_int_equal(read(captured->read_fd, text, sizeof(text)), 6);
    assert_memory_equal(text, "after\n", 6);
}

/* The pipe is read here, while the log runs: nobody stops it, and nothing follows the line. */
static void a_line_is_written_while_the_log_runs(void **state)
{
    struct captured *captured = *state;
    char text[64];
    assert_int_equal(log_start(), 0);
    log_info("alone");
    assert_int_equal(read(captured->read_fd, text, sizeof(text)), 6);
    log_error("urgent");
    assert_int_equal(read(captured->read_fd, text, sizeof(text)), 7);
    log_stop();
}

/* Nobody reads, so the writer hangs: callers must not, and every line is written or counted. */
static void what_does_not_fit_is_counted(void **state)
{
    struct captured *captured = *state;
    assert_int_equal(log_start(), 0);
    for (int i = 0; i < FLOOD; i++)
        log_info("flood %d", i);
    start_reading(captured);
    log_stop();

    long next = 0, dropped = 0, written = 0;
    for (const char *at = end_of_log(captured); *at; at = strchr(at, '\n') + 1) {
        if (strncmp(at, "flood ", 6) == 0) {
            assert_int_equal(strtol(at + 6, NULL, 10), next++);
            written++;
            continue;
        }
        assert_int_equal(strncmp(at, "log queue full, ", 16), 0);
        long lost = strtol(at + 16, NULL, 10);
        assert_true(lost > 0);
        dropped += lost;
        next += lost; /* the count stands where the lines are missing */
    }
    assert_true(dropped > 0);
    assert_true(written >= QUEUE_LINES);
    assert_int_equal(written + dropped, FLOOD);
}

#define captured_test(f) cmocka_unit_test_setup_teardown(f, capture, release)

static void a_line_that_comes_again_is_counted(void **state)
{
    struct captured *captured = *state;
    start_reading(captured);
    assert_int_equal(log_start(), 0);
    for (int i = 0; i < 15; i++)
        log_repeated(LOG_LEVEL_INFO, "dead mirror=%s", "m1");
    log_repeated(LOG_LEVEL_INFO, "dead mirror=%s", "m2");
    log_settle(); /* their minute is not over */
    log_stop();
    const char *text = end_of_log(captured);
    assert_string_equal(text,
                        "dead mirror=m1\ndead mirror=m2\ndead mirror=m1 (repeated 14 times)\n");
}

static void more_lines_than_are_remembered_lose_none(void **state)
{
    struct captured *captured = *state;
    enum { LINES = 200 };
    start_reading(captured);
    assert_int_equal(log_start(), 0);
    for (int i = 0; i < LINES; i++)
        for (int n = 0; n < 2; n++)
            log_repeated(LOG_LEVEL_INFO, "line %d.", i);
    log_stop();
    const char *text = end_of_log(captured);
    for (int i = 0; i < LINES; i++) {
        char line[64];
        (void)snprintf(line, sizeof(line), "line %d.\n", i);
        assert_non_null(strstr(text, line));
        (void)snprintf(line, sizeof(line), "line %d. (repeated 1 times)\n", i);
        assert_non_null(strstr(text, line));
    }
}

int main(void)
{
    (void)unsetenv("JOURNAL_STREAM");
    const struct CMUnitTest tests[] = {
        captured_test(lines_come_in_order_and_stop_writes_them_all),
        captured_test(threads_keep_their_own_order),
        captured_test(a_line_stays_one_line),
        captured_test(what_is_above_the_level_is_not_written),
        captured_test(the_caller_writes_before_start_and_after_stop),
        captured_test(a_line_is_written_while_the_log_runs),
        captured_test(what_does_not_fit_is_counted),
        captured_test(a_line_that_comes_again_is_counted),
        captured_test(more_lines_than_are_remembered_lose_none),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
