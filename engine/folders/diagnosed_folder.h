// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct origin;

enum { FOLDER_TEXT = 256 };

/* What the daemon last saw in an origin that is a folder of wheels. */
struct diagnosed_folder {
    const struct origin *origin;
    bool is_read;                    /* false: it is still being read for the first time */
    char failure[FOLDER_TEXT];       /* why it cannot be read, for people; or "" */
    size_t wheel_count, other_count; /* files that are listed */
    size_t refused_count;            /* files that are not; */
    char refused[FOLDER_TEXT];       /* one of those, and why */
};
