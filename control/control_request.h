// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A request on the control socket: one line, a JSON array of strings such as
 * ["cache","rm","torch-2.9.0-...whl"]. Its words live as long as it does. Pure.
 */
#include <stddef.h>

enum { CONTROL_REQUEST_MAX_BYTES = 64 << 10, CONTROL_WORDS_MAX = 16 };

struct control_request {
    const char *words[CONTROL_WORDS_MAX];
    size_t count;
    struct json *document;
};

/* ERROR_BAD_REQUEST: no array of one to CONTROL_WORDS_MAX strings. ERROR_TOO_BIG. */
int control_request_parse(const char *line, size_t len, struct control_request *ret);
void control_request_release(struct control_request *request);
