// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct origin;

enum { FOLDER_TEXT = 256 };

/* An origin that is a folder of wheels, as the daemon last saw it. */
struct diagnosed_folder {
    const struct origin *origin;
    bool is_read;                    /* else it still is, for the first time */
    char failure[FOLDER_TEXT];       /* it cannot be read: why, for people; or "" */
    size_t wheel_count, other_count; /* that are listed */
    size_t refused_count;            /* that are not; */
    char refused[FOLDER_TEXT];       /* one of them, and why */
};
