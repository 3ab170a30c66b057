// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Problems: what an administrator should know, the newest first, at most 64. Flight thread. */
#include <stdbool.h>

#include "engine/loop/services.h"

/* Adds a problem or replaces its text. True: it was not in the list before. */
bool problems_note(struct services *services, const char *kind, const char *origin,
                   const char *path, const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Removes a problem that is over. Nothing happens when it is not in the list. */
void problems_over(struct services *services, const char *kind, const char *origin,
                   const char *path);
/* Appends the JSON member "problems". */
void problems_write(struct services *services, struct buf *to);
void problems_free(struct services *services);
