// SPDX-License-Identifier: Apache-2.0
#include "control/control_request.h"

#include "base/error.h"
#include "base/json.h"

/* Words point into the document, so a request allocates nothing of its own. */
static int take_words(const struct json *array, struct control_request *request)
{
    if (!json_is_array(array))
        return ERROR_BAD_REQUEST;
    for (const struct json *word = json_first(array); word; word = json_next(word)) {
        const char *text = json_string(word);
        if (!text || request->count == CONTROL_WORDS_MAX)
            return ERROR_BAD_REQUEST;
        request->words[request->count++] = text;
    }
    return request->count ? 0 : ERROR_BAD_REQUEST;
}

/* The line comes from a local process of the same user, but is still bounded in bytes and words. */
int control_request_parse(const char *line, size_t len, struct control_request *ret)
{
    struct control_request request = {.count = 0};
    if (len > CONTROL_REQUEST_MAX_BYTES)
        return ERROR_TOO_BIG;
    int r = json_parse(line, len, &request.document);
    if (r)
        return r == ERROR_NO_MEMORY ? r : ERROR_BAD_REQUEST;
    r = take_words(request.document, &request);
    if (r)
        control_request_release(&request);
    else
        *ret = request;
    return r;
}

void control_request_release(struct control_request *request)
{
    json_free(request->document);
    request->document = NULL;
}
