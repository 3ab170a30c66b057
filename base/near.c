// SPDX-License-Identifier: Apache-2.0
/*
 * The distance of Damerau and Levenshtein, in its restricted form: no letter is edited twice. Names
 * of flags, keys and channels are short, so a small table on the stack is enough.
 */
#include "base/near.h"

#include <ctype.h>
#include <string.h>

static char folded(char c)
{
    return c == '_' ? '-' : (char)tolower((unsigned char)c);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The usual table, of which only three rows are kept: rows[i % 3] belongs to the first i letters of
 * a. */
size_t near_distance(const char *a, const char *b)
{
    size_t rows[3][NEAR_BYTES_MAX + 1];
    size_t a_len = strlen(a), b_len = strlen(b);

    if (a_len > NEAR_BYTES_MAX || b_len > NEAR_BYTES_MAX)
        return NEAR_FAR;
    for (size_t j = 0; j <= b_len; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3];

        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            char x = folded(a[i - 1]), y = folded(b[j - 1]);

            row[j] = least(above[j - 1] + (x != y), least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && x == folded(b[j - 2]) && y == folded(a[i - 2]))
                row[j] = least(row[j], rows[(i - 2) % 3][j - 2] + 1);
        }
    }
    return rows[a_len % 3][b_len];
}

/* A third of the letters may be wrong; of two letters none. */
static size_t tolerance(const char *typed)
{
    return strlen(typed) / 3;
}

/* Among equally near names the first offered wins. */
void near_offer(struct near *near, const char *name)
{
    size_t distance = near_distance(near->typed, name);

    if (distance > tolerance(near->typed) || (near->best && distance >= near->distance))
        return;
    near->best = name;
    near->distance = distance;
}

const char *near_find(const char *typed, const char *const *names)
{
    struct near near = {.typed = typed};

    for (; *names; names++)
        near_offer(&near, *names);
    return near.best;
}
