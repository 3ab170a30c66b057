// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A 404 that helps: what there is in place of what was asked for. From what is in memory, without
 * waiting. Each appends "; ..." to a detail, or nothing. Workers.
 */
#include "base/buf.h"
#include "engine/engine.h"

/* A project that is spelled nearly like it, or that the channel's name may be wrong. */
void hint_project(const struct origins *origins, const char *index, const char *project,
                  struct buf *to);
/* What the project's page has besides this file. */
void hint_file(struct engine *engine, const char *origin, const char *path, struct buf *to);
