// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Whether MHD's strings are all that a client sent. MHD 0.9 cuts lines into strings where they
 * stand, so a NUL byte in a target or value hides what follows it, and a folded line is glued
 * together elsewhere: others in front of us may have read such a request differently. Here the
 * strings must follow each other without a gap, from the request line to the end of the header
 * section, with one kind of line end.
 *
 *     strict_begin(&intact, target_end, version);    where the target's NUL stands
 *     strict_header(&intact, key, value);            each, as they came
 *     strict_end(&intact, method, header_size)       false: something was hidden
 *
 * MHD 1 refuses such requests itself and lays out strings by other rules: with it all is intact.
 * Only on the connection's worker, while MHD runs the request's first call.
 */
#include <stdbool.h>
#include <stddef.h>

struct strict {
    const char *next; /* where the next string must begin, but for the end of a line */
    int line_end;     /* bytes between a line's NUL and the next line: 0 (LF), 1 (CR LF), -1 */
    bool is_broken;
};

void strict_begin(struct strict *strict, const char *target_end, const char *version);
void strict_header(struct strict *strict, const char *key, const char *value);
/* `method` is where the section begins. */
bool strict_end(const struct strict *strict, const char *method, size_t header_size);
