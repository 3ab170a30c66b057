// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Whether MHD's strings are everything that a client sent. MHD 0.9 cuts lines into strings in
 * place. A NUL byte in a target or value then hides what follows it, and a folded line is moved
 * elsewhere. A proxy in front may read such a request differently. So the strings must follow each
 * other without a gap, from the request line to the end of the headers, with one kind of line end.
 *
 *     strict_begin(&strict, target_end, version);    target_end: the target's NUL
 *     strict_header(&strict, key, value);            each header, in order
 *     strict_end(&strict, method, header_size)       false: something was hidden
 *
 * MHD 1 refuses such requests itself and lays out strings differently; strict_end is then always
 * true. Only on the connection's worker, while MHD runs the request's first call.
 */
#include <stdbool.h>
#include <stddef.h>

struct strict {
    const char *next; /* where the next string must begin, apart from a line end */
    int line_end;     /* bytes between a line's NUL and the next line: 0 (LF), 1 (CR LF), -1 */
    bool is_broken;
};

void strict_begin(struct strict *strict, const char *target_end, const char *version);
void strict_header(struct strict *strict, const char *key, const char *value);
/* `method` is where the header section begins. */
bool strict_end(const struct strict *strict, const char *method, size_t header_size);
