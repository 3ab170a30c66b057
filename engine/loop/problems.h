// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Problems: what an administrator should know; newest first, bounded. Flight thread. */
#include <stdbool.h>

#include "engine/loop/core.h"

/* Whether it was not there before. */
bool core_problem(struct engine *engine, const char *kind, const char *origin, const char *path,
                  const char *format, ...) __attribute__((format(printf, 5, 6)));
/* It is not so any more. */
void core_problem_over(struct engine *engine, const char *kind, const char *origin,
                       const char *path);
/* Appends the member "problems". */
void problems_write(struct engine *engine, struct buf *to);
void problems_free(struct engine *engine);
