// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Problems: what an administrator should know; newest first, bounded. Flight thread. */
#include <stdbool.h>

#include "engine/loop/loop.h"

/* Whether it was not there before. */
bool problems_note(struct engine *engine, const char *kind, const char *origin, const char *path,
                   const char *format, ...) __attribute__((format(printf, 5, 6)));
/* It is not so any more. */
void problems_over(struct engine *engine, const char *kind, const char *origin, const char *path);
/* Appends the member "problems". */
void problems_write(struct engine *engine, struct buf *to);
void problems_free(struct engine *engine);
