// SPDX-License-Identifier: Apache-2.0
/* A line on the control socket. What is accepted has words, all of them strings of the input. */
#include "base/error.h"
#include "control/control_request.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct control_request request;
    auto_free char *line = fuzz_text(data, size);
    int r = control_request_parse(line, size, &request);

    require(r == 0 || r == ERROR_BAD_REQUEST || r == ERROR_TOO_BIG);
    if (r)
        return 0;
    require(request.count >= 1 && request.count <= CONTROL_WORDS_MAX);
    for (size_t i = 0; i < request.count; i++)
        require(request.words[i] && strlen(request.words[i]) <= 3 * size);
    control_request_release(&request);
    return 0;
}
