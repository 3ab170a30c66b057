// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Hints for a 404: what exists in place of what was asked for. They use only what is in memory and
 * never wait. Each function appends "; ..." to a detail, or nothing. Worker threads. */
#include "base/buf.h"
#include "engine/engine.h"

/* Names a project with a similar spelling, or says that the channel's name may be wrong. */
void hint_project(const struct origins *origins, const char *index, const char *project,
                  struct buf *to);
/* Names other files on the project's page. */
void hint_file(struct engine *engine, const char *origin, const char *path, struct buf *to);
