// SPDX-License-Identifier: Apache-2.0
/*
 * A list that only grows, then is written or released. A failure is sticky, so that the many
 * callers need no check of their own. The JSON form crosses the control socket; both ends are this
 * file.
 */
#include "control/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"

enum { TEXT_MAX_BYTES = 8 << 10, SUBJECT_COLUMNS = 20 };

static const char *const state_names[] = {"ok", "warning", "failed"};
enum { STATES = sizeof state_names / sizeof *state_names };

static void finding_release(struct finding *f)
{
    free(f->check);
    free(f->subject);
    free(f->text);
    free(f->remedy);
}

/* Takes over the finding's strings, also on failure. */
static void append(struct findings *to, struct finding *f)
{
    struct finding *list = NULL;
    bool is_whole = f->check && f->subject && f->text;

    if (to->count == FINDINGS_MAX)
        to->error = ERROR_TOO_BIG;
    else if (is_whole)
        list = reallocarray(to->list, to->count + 1, sizeof(*list));
    if (!list) {
        to->error = to->error ? to->error : ERROR_NO_MEMORY;
        finding_release(f);
        return;
    }
    to->list = list;
    list[to->count++] = *f;
}

void findings_add(struct findings *to, enum finding_state state, const char *check,
                  const char *subject, const char *remedy, const char *format, ...)
{
    struct buf text;
    va_list args;

    buf_init(&text, TEXT_MAX_BYTES);
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    append(to, &(struct finding){.state = state,
                                 .check = str_dup(check),
                                 .subject = str_dup(subject),
                                 .remedy = str_dup(remedy),
                                 .text = buf_take(&text, NULL)});
    buf_release(&text);
}

void findings_release(struct findings *findings)
{
    for (size_t i = 0; i < findings->count; i++)
        finding_release(&findings->list[i]);
    free(findings->list);
    *findings = (struct findings){.error = 0};
}

enum finding_state findings_worst(const struct findings *findings)
{
    enum finding_state worst = FINDING_OK;

    for (size_t i = 0; i < findings->count; i++)
        if (findings->list[i].state > worst)
            worst = findings->list[i].state;
    return worst;
}

/* --------------------------------------------------------------------- JSON */

/* Only strings, so that old and new versions understand each other. */
void findings_write_json(const struct findings *findings, struct buf *to)
{
    buf_putc(to, '[');
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *f = &findings->list[i];

        json_write_comma(to);
        buf_putc(to, '{');
        json_write_member(to, "check", f->check);
        json_write_member(to, "subject", f->subject);
        json_write_member(to, "state", state_names[f->state]);
        json_write_member(to, "text", f->text);
        json_write_member(to, "remedy", f->remedy);
        buf_putc(to, '}');
    }
    buf_putc(to, ']');
}

/* A state that this version does not know is skipped: the daemon may be newer than the command. */
void findings_read_json(struct findings *findings, const struct json *array)
{
    for (const struct json *f = json_first(array); f; f = json_next(f)) {
        const char *check = json_string(json_member(f, "check"));
        const char *subject = json_string(json_member(f, "subject"));
        const char *state = json_string(json_member(f, "state"));
        const char *text = json_string(json_member(f, "text"));
        int known = 0;

        while (state && known < STATES && strcmp(state, state_names[known]) != 0)
            known++;
        if (check && subject && text && state && known < STATES)
            findings_add(findings, (enum finding_state)known, check, subject,
                         json_string(json_member(f, "remedy")), "%s", text);
    }
}

/* --------------------------------------------------------------------- text */

/* The remedy comes after an arrow, on the same line, so that grep shows both. */
void findings_write_text(const struct findings *findings, struct buf *to)
{
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *f = &findings->list[i];

        buf_printf(to, "%-8s %-*s  %s", state_names[f->state], SUBJECT_COLUMNS, f->subject,
                   f->text);
        if (f->remedy)
            buf_printf(to, " -> %s", f->remedy);
        buf_putc(to, '\n');
    }
}
