// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The control socket, through which the commands of this program reach the daemon. It is a Unix
 * stream socket that only its owner may open, and the peer must be the same user or root.
 *
 *     control_start(engine, config.socket, &control);
 *     control_stop(control);                             before engine_stop
 *
 * Each request is one line (control/control_request.h), each reply one line with a JSON object:
 *
 *     {"code":0,"message":"","blobs":[...]}
 *
 * `code` is the exit code of the command. One thread talks to all clients and waits for none of
 * them; a silent client is dropped after IDLE_MS. The requests themselves run on lanes, because they
 * wait for the disk or a mirror. ["status"] has the engine's members of /-/status.
 */
struct control;
struct engine;

/* `given` is the configured path, or NULL for the usual ones. Without a socket the daemon still
 * runs, because several daemons may share a machine. The log says why, and *ret is NULL, which
 * control_stop accepts. */
void control_start(struct engine *engine, const char *given, struct control **ret);
void control_stop(struct control *control);
