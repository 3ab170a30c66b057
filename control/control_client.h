// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The client's end of the control socket (control/control.h): one line each way.
 *
 *     r = control_client_open(given, timeout_s, &client, &places);
 *     r = control_client_ask(&client, (const char *const[]){"cache", "ls", NULL}, &reply);
 *     ... json_integer(json_member(reply, "code")) ...
 *     json_free(reply);
 *     control_client_close(&client);
 *
 * Blocks; a command's main thread.
 */
#include "base/buf.h"
#include "base/json.h"

struct control_client {
    int fd;
    struct buf reply; /* the last reply as it came, with its line end */
};

/* `given` is --socket; NULL: the environment's path or the usual ones. timeout_s: how long a reply
 * may take; 0: no limit. ERROR_UNREACHABLE: no daemon listens there. ERROR_DENIED: a daemon of
 * another user does. On failure `ret_places` (buf_init it) lists the paths, joined by ", ". */
int control_client_open(const char *given, int timeout_s, struct control_client *ret,
                        struct buf *ret_places);
void control_client_close(struct control_client *client);

/* `words` is NULL-terminated. ERROR_TOO_BIG: the request. ERROR_UNREACHABLE: the daemon has gone,
 * or took too long. Free *ret_reply with json_free. */
int control_client_ask(struct control_client *client, const char *const *words,
                       struct json **ret_reply);
/* The same, and the daemon gets a copy of the descriptor `fd`. */
int control_client_ask_with(struct control_client *client, const char *const *words, int fd,
                            struct json **ret_reply);
