// SPDX-License-Identifier: Apache-2.0
#include "server/intact.h"

#include <microhttpd.h>
#include <string.h>

static bool is_of_other_rules(void)
{
    return MHD_get_version()[0] != '0';
}

void intact_begin(struct intact *intact, const char *target_end, const char *version)
{
    *intact = (struct intact){
        .next = version + strlen(version) + 1,
        .line_end = -1,
        .is_broken = version != target_end + 1,
    };
}

/* Pointers are compared before they are followed: a value that was moved is somewhere else. */
void intact_header(struct intact *intact, const char *key, const char *value)
{
    if (intact->is_broken || is_of_other_rules())
        return;
    if (intact->line_end < 0)
        intact->line_end = key == intact->next + 1;
    intact->is_broken = key != intact->next + intact->line_end;
    if (intact->is_broken)
        return;
    const char *expected = key + strlen(key) + 1;
    expected += strspn(expected, " \t");
    intact->is_broken = value != expected;
    intact->next = expected + strlen(expected) + 1;
}

bool intact_end(const struct intact *intact, const char *method, size_t header_size)
{
    if (is_of_other_rules())
        return true;
    ptrdiff_t left = method + header_size - intact->next;
    if (intact->line_end < 0) /* no headers: the empty line alone tells */
        return !intact->is_broken && (left == 1 || left == 3);
    return !intact->is_broken && left == 2 * intact->line_end + 1;
}
