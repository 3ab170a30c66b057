// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The findings of `wheelyard doctor`; one finding is the result of one check. The command makes
 * some, and the daemon sends others as JSON. They are shown in the order in which they were added.
 *
 *     struct findings findings = {0};
 *     findings_add(&findings, FINDING_OK, "disk", dir, NULL, "%s free", size);
 *     findings_add(&findings, FINDING_FAILED, "disk", dir, "lower min_free", "...", ...);
 *     if (findings.error) ...                 sticky: ERROR_NO_MEMORY, ERROR_TOO_BIG
 *     findings_release(&findings);
 *
 * The text may come from mirrors or from files of other users, so the printer must remove control
 * bytes. Not thread-safe.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"

enum { FINDINGS_MAX = 1000 };
enum finding_state { FINDING_OK, FINDING_WARNING, FINDING_FAILED };

struct finding {
    enum finding_state state;
    char *check;   /* the check, for machines: "mirror-ranges" */
    char *subject; /* its object: "pytorch/aliyun", a path, a client */
    char *text;    /* the result */
    char *remedy;  /* what to do; NULL: nothing */
};

struct findings {
    struct finding *list;
    size_t count;
    int error;
};

/* Copies its strings; remedy may be NULL. */
void findings_add(struct findings *findings, enum finding_state state, const char *check,
                  const char *subject, const char *remedy, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
void findings_release(struct findings *findings);

/* FINDING_OK when there are none. */
enum finding_state findings_worst(const struct findings *findings);

/* Writes a JSON array of {check, subject, state, text, remedy}, and reads one back. An element that
 * is not a finding is left out. */
void findings_write_json(const struct findings *findings, struct buf *to);
void findings_read_json(struct findings *findings, const struct json *array);

/* One line each: "failed   pytorch/aliyun    HTTP 503 for ...; wait, or take it out". */
void findings_write_text(const struct findings *findings, struct buf *to);
