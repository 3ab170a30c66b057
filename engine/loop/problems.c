// SPDX-License-Identifier: Apache-2.0
/*
 * The list of problems for an administrator, in services->problems.
 *
 *     absent --problems_note--> noted (the newest first) --problems_over--> absent
 *
 * A problem is one kind + origin + path; a second note replaces its text and keeps its date. The
 * list has a fixed length. When it is full a new problem pushes out the oldest one. Flight thread.
 */
#include "engine/loop/problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"

enum { PROBLEMS_MOST = 64 };

struct problem {
    char kind[32], origin[64], path[512], detail[512];
    int64_t since_s;
};

static struct problem *find_problem(struct services *s, const char *kind, const char *origin,
                                    const char *path)
{
    struct problem key; /* cut like the paths in the list, so that a long path is found again */
    str_copy(key.path, sizeof(key.path), path);
    for (unsigned i = 0; i < s->problem_count; i++)
        if (strcmp(s->problems[i].kind, kind) == 0 && strcmp(s->problems[i].path, key.path) == 0 &&
            strcmp(s->problems[i].origin, origin) == 0)
            return &s->problems[i];
    return NULL;
}

void problems_over(struct services *s, const char *kind, const char *origin, const char *path)
{
    struct problem *p = find_problem(s, kind, origin, path);
    if (!p)
        return;
    struct problem *end = s->problems + s->problem_count--;
    memmove(p, p + 1, (size_t)(end - (p + 1)) * sizeof(*p));
}

/* The list is one array, made with the first problem. A new problem moves the others back by
 * one. */
bool problems_note(struct services *s, const char *kind, const char *origin, const char *path,
                   const char *format, ...)
{
    if (!s->problems && !(s->problems = calloc(PROBLEMS_MOST, sizeof(*s->problems))))
        return false;
    struct problem *p = find_problem(s, kind, origin, path);
    bool is_new = !p;
    if (is_new) {
        if (s->problem_count < PROBLEMS_MOST)
            s->problem_count++;
        memmove(s->problems + 1, s->problems, (s->problem_count - 1) * sizeof(*s->problems));
        p = s->problems;
        p->since_s = clock_real_s();
    }
    str_copy(p->kind, sizeof(p->kind), kind);
    str_copy(p->origin, sizeof(p->origin), origin);
    str_copy(p->path, sizeof(p->path), path);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(p->detail, sizeof(p->detail), format, args);
    va_end(args);
    return is_new;
}

void problems_free(struct services *s)
{
    free(s->problems);
}

/* The newest stands first, as an administrator reads it. */
void problems_write(struct services *s, struct buf *to)
{
    json_write_name(to, "problems");
    buf_putc(to, '[');
    for (unsigned i = 0; i < s->problem_count; i++) {
        const struct problem *p = &s->problems[i];
        char since[CLOCK_TEXT];
        clock_rfc3339(p->since_s, since);
        json_write_comma(to);
        buf_putc(to, '{');
        json_write_member(to, "kind", p->kind);
        json_write_member(to, "origin", p->origin);
        json_write_member(to, "path", p->path);
        json_write_member(to, "detail", p->detail);
        json_write_member(to, "since", since);
        buf_putc(to, '}');
    }
    buf_putc(to, ']');
}
