// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What `wheelyard doctor` has found out, by the command itself and by the daemon: one finding is
 * one check. They are added in the order in which they are shown; the daemon's come as JSON.
 *
 *     struct findings findings = {0};
 *     findings_add(&findings, FINDING_OK, "disk", dir, NULL, "%s free", size);
 *     findings_add(&findings, FINDING_FAILED, "disk", dir, "lower min_free", "...", ...);
 *     if (findings.error) ...                 sticky: ERROR_NO_MEMORY, ERROR_TOO_BIG
 *     findings_release(&findings);
 *
 * Text of strangers (mirrors, files of others) may stand in it: whoever prints it takes control
 * bytes out. Not thread-safe.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"

enum { FINDINGS_MAX = 1000 };
enum finding_state { FINDING_OK, FINDING_WARNING, FINDING_FAILED };

struct finding {
    enum finding_state state;
    char *check;   /* which check, for machines: "mirror-ranges" */
    char *subject; /* of what: "pytorch/aliyun", a path, a client */
    char *text;    /* what is so */
    char *remedy;  /* what to do; NULL where there is nothing to do */
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

/* FINDING_OK of none. */
enum finding_state findings_worst(const struct findings *findings);

/* A JSON array of {check, subject, state, text, remedy}, and back: what is no finding is left out.
 */
void findings_write_json(const struct findings *findings, struct buf *to);
void findings_read_json(struct findings *findings, const struct json *array);

/* One line each: "failed   pytorch/aliyun    HTTP 503 for ...; wait, or take it out". */
void findings_write_text(const struct findings *findings, struct buf *to);

/* "5.2 GB", in powers of ten as the configuration has them. */
enum { FINDINGS_SIZE_TEXT = 32 };
void findings_size(int64_t bytes, char ret[FINDINGS_SIZE_TEXT]);
