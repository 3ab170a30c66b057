// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Whether a running daemon has an index, by the list that it gives of them. Blocks; main thread of
 * a command. */
#include "base/buf.h"

/* 1: it has; 0: it has not, and `to` says what it has ("did you mean cu126? There are: ..."). Below
 * 0: nobody says, because none answers, or none of this version. `base` is the daemon's address,
 * `index` "" for PyPI alone. */
int setup_ask_index(const char *base, const char *index, struct buf *to);
