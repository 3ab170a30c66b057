// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Whether a running daemon has an index, from its own list. Blocks; main thread of a command. */
#include "base/buf.h"

/* 1: it has the index. 0: it does not, and `to` says what it has ("did you mean cu126? There are:
 * ..."). Below 0: unknown, because no daemon of this version answers. `base` is the daemon's URL,
 * `index` "" for PyPI alone. */
int setup_ask_index(const char *base, const char *index, struct buf *to);

/* Whether that daemon is offline and can answer for the index. 0: it is not offline, or holds
 * something for the index. 1: it is offline and holds nothing for it; `to` says so. Below 0:
 * unknown. */
int setup_ask_held(const char *base, const char *index, struct buf *to);
