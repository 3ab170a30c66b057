// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The screen of `wheelyard status`: the object of /-/status as lines of text. Pure. */
#include "base/buf.h"
#include "base/json.h"

/* Appends the screen; errors are the buffer's. `url`: where the object came from. */
void status_screen_write(const struct json *status, const char *url, struct buf *to);
