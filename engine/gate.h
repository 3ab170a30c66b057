// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The gate: every file that a client asks for passes here first, in whichever form: whole, a range,
 * HEAD, `.metadata`, held or not. Without a policy it costs one comparison.
 *
 * What a policy needs to know of the file is asked of the page that lists it, which is loaded if
 * need be. A file whose age nobody knows is refused where min_age holds. So is one whose page cannot
 * be had, with the page's own refusal.
 */
#include "engine/files/file.h"
#include "engine/loop/wait.h"

struct engine;

/* 0 with *ret NULL: the file may go out. 0 with *ret: a refusal, to be given to the client.
 * ENGINE_WAIT. ERROR_NO_MEMORY. Any thread. */
int gate_look(struct engine *engine, const struct file_query *query, struct waiter *waiter,
              struct file **ret);
