// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The control socket: how the commands of this program reach the daemon. A Unix stream socket that
 * the owner alone may open, and whose other end must be the same user or root.
 *
 *     control_start(engine, config.socket, &control);
 *     control_stop(control);                             before engine_stop
 *
 * Each request is a line (control/control_request.h), each reply one line, a JSON object:
 *
 *     {"code":0,"message":"","blobs":[...]}
 *
 * `code` is the exit code of the command. One thread talks to all clients and waits for none of
 * them: silent ones are dropped after IDLE_MS. What a request asks is done on lanes of its own,
 * because it waits for the disk.
 */
struct control;
struct engine;

/* `given` is the configured place, or NULL for the usual ones. On failure the daemon goes on
 * without (several may run; the log says why): *ret is NULL then, which control_stop takes. */
void control_start(struct engine *engine, const char *given, struct control **ret);
void control_stop(struct control *control);
