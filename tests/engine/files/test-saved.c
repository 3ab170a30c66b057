// SPDX-License-Identifier: Apache-2.0
/* Who sent what, as the saved map of a partial remembers it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/files/progress.h"
#include "engine/files/saved.h"

enum { CHUNK = MAP_CHUNK, SIZE = 10 * CHUNK + 100, TEXT = 400 };

static struct partial p;
static struct saved saved;

static int open_map(void **state)
{
    (void)state;
    struct map_about about = {
        .origin = "o", .path = "p", .size = SIZE, .mirrors = {"a", "b", "c"}, .boot_id = "boot"};
    p = (struct partial){.saved = &saved};
    saved = (struct saved){.len = (size_t)map_size(SIZE), .size = SIZE};
    saved.block = calloc(1, saved.len);
    for (unsigned m = 0; m < FLIGHT_MIRRORS; m++)
        saved.place[m] = m;
    assert_non_null(saved.block);
    return map_format(saved.block, &about);
}

static int close_map(void **state)
{
    (void)state;
    extents_release(&p.written);
    for (unsigned m = 0; m < FLIGHT_MIRRORS; m++)
        extents_release(&p.sent[m]);
    free(saved.block);
    return 0;
}

/* What a resumed flight would be told: from-to:mirror, in chunks; ? when no single mirror sent it.
 */
static void expect(const char *text)
{
    struct map_opened opened;
    char got[TEXT] = "";
    assert_int_equal(map_open(saved.block, saved.len, "boot", &opened), 0);
    for (size_t i = 0; i < opened.run_count; i++) {
        const struct map_run *r = &opened.runs[i];
        size_t len = strlen(got);
        char who[2] = {r->mirror < MAP_MIRRORS ? (char)('0' + r->mirror) : '?'};
        (void)snprintf(got + len, sizeof(got) - len, "%s%lld-%lld:%s", len ? " " : "",
                       (long long)r->from / CHUNK, (long long)(r->to + CHUNK - 1) / CHUNK, who);
    }
    map_opened_release(&opened);
    assert_string_equal(got, text);
}

static void in_pieces_of_one(void **state)
{
    (void)state;
    saved_mark(&p, 0, CHUNK / 2, 1);
    expect("");
    saved_mark(&p, CHUNK / 2, 3 * CHUNK - 1, 1);
    expect("0-2:1");
    saved_mark(&p, 3 * CHUNK - 1, 3 * CHUNK, 1);
    expect("0-3:1");
}

/* A chunk that two mirrors filled belongs to neither, from whichever side it was completed. */
static void where_two_meet(void **state)
{
    (void)state;
    saved_mark(&p, 0, 2 * CHUNK + 1, 0);
    saved_mark(&p, 5 * CHUNK + 7, 8 * CHUNK, 0);
    saved_mark(&p, 2 * CHUNK + 1, 5 * CHUNK + 7, 2);
    expect("0-2:0 2-3:? 3-5:2 5-6:? 6-8:0");
    saved_mark(&p, 8 * CHUNK, 8 * CHUNK + 1, 1);
    saved_mark(&p, 8 * CHUNK + 2, 9 * CHUNK, 1);
    saved_mark(&p, 8 * CHUNK + 1, 8 * CHUNK + 2, 0); /* in the middle */
    expect("0-2:0 2-3:? 3-5:2 5-6:? 6-8:0 8-9:?");
}

static void the_short_last_chunk(void **state)
{
    (void)state;
    saved_mark(&p, 10 * CHUNK, 10 * CHUNK + 50, 0);
    expect("");
    saved_mark(&p, 10 * CHUNK + 50, SIZE, 1);
    expect("10-11:?");
}

/* A mirror that came into the configuration after the map was begun has no place in it. */
static void a_mirror_that_the_map_does_not_know(void **state)
{
    (void)state;
    saved.place[1] = MAP_NO_MIRROR;
    saved.place[2] = 0;
    saved_mark(&p, 0, CHUNK, 1);
    saved_mark(&p, CHUNK, 2 * CHUNK, 2);
    expect("0-1:? 1-2:0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(in_pieces_of_one, open_map, close_map),
        cmocka_unit_test_setup_teardown(where_two_meet, open_map, close_map),
        cmocka_unit_test_setup_teardown(the_short_last_chunk, open_map, close_map),
        cmocka_unit_test_setup_teardown(a_mirror_that_the_map_does_not_know, open_map, close_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
