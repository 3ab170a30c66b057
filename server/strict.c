// SPDX-License-Identifier: Apache-2.0
/*
 * The check compares addresses inside MHD's read buffer. Each string must begin where the one
 * before it ended, so every hidden byte shows as a gap.
 */
#include "server/strict.h"

#include <microhttpd.h>
#include <string.h>

/* MHD 1 and later. */
static bool is_of_other_rules(void)
{
    return MHD_get_version()[0] != '0';
}

/* The version must follow the target directly, else a NUL byte hides something. */
void strict_begin(struct strict *strict, const char *target_end, const char *version)
{
    *strict = (struct strict){
        .next = version + strlen(version) + 1,
        .line_end = -1,
        .is_broken = version != target_end + 1,
    };
}

/* Compares pointers before it reads through them: a value that MHD moved is in another buffer. */
void strict_header(struct strict *strict, const char *key, const char *value)
{
    if (strict->is_broken || is_of_other_rules())
        return;
    if (strict->line_end < 0)
        strict->line_end = key == strict->next + 1;
    strict->is_broken = key != strict->next + strict->line_end;
    if (strict->is_broken)
        return;
    const char *expected = key + strlen(key) + 1;
    expected += strspn(expected, " \t");
    strict->is_broken = value != expected;
    strict->next = expected + strlen(expected) + 1;
}

bool strict_end(const struct strict *strict, const char *method, size_t header_size)
{
    if (is_of_other_rules())
        return true;
    ptrdiff_t left = method + header_size - strict->next;
    if (strict->line_end < 0) /* without headers only the empty line tells the line end */
        return !strict->is_broken && (left == 1 || left == 3);
    return !strict->is_broken && left == 2 * strict->line_end + 1;
}
