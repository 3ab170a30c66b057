// SPDX-License-Identifier: Apache-2.0
/* What is asked for each page that is built must not read what is known of all other projects. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "cache/catalogue_program.h"
#include "tests/cache/scratch.h"

static const unsigned of_a_project[] = {EACH_CLAIM, EACH_METADATA, EACH_LISTED_OF, EACH_FIRST_SEEN};
enum { COUNT = sizeof(of_a_project) / sizeof(of_a_project[0]) };

static int on_step(void *context, const struct sql_row *row)
{
    const char *step = sql_row_text(row, 3);
    *(int *)context += strstr(step, "project=?") != NULL;
    return 0;
}

static void a_projects_rows_are_found_by_its_name(void **state)
{
    (void)state;
    char *plans[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        plans[i] =
            str_printf("EXPLAIN QUERY PLAN %s", catalogue_program.statements[of_a_project[i]]);
    struct sql_program program = catalogue_program;
    program.statements = (const char *const *)plans;
    program.statement_count = COUNT;
    struct sql *sql = NULL;
    assert_int_equal(sql_open("plans", &program, &sql), 0);
    const struct sql_value values[] = {{.type = SQL_NULL}, {.type = SQL_NULL}};
    for (unsigned i = 0; i < COUNT; i++) {
        int found = 0;
        assert_int_equal(sql_query(sql, i, values, on_step, &found), 0);
        if (found != 1)
            fail_msg("%s: reads more than the project's", plans[i]);
    }
    sql_close(sql);
    for (size_t i = 0; i < COUNT; i++)
        free(plans[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_projects_rows_are_found_by_its_name),
    };
    return cmocka_run_group_tests(tests, scratch_enter, scratch_leave);
}
