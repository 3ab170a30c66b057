// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The other end of the control socket (control/control.h): a command asks, one line each way.
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
    struct buf reply; /* the last one as it came, with its line end */
};

/* `given` is --socket, or NULL for the environment's and the usual places. timeout_s: how long a
 * reply may take; 0: as long as it does. ERROR_UNREACHABLE: nobody listens there; ERROR_DENIED:
 * somebody does, for another user. On failure `ret_places` (buf_init it) has the places, with ", "
 * between them. */
int control_client_open(const char *given, int timeout_s, struct control_client *ret,
                        struct buf *ret_places);
void control_client_close(struct control_client *client);

/* `words` is NULL-terminated. ERROR_TOO_BIG: the request; ERROR_UNREACHABLE: the daemon has gone
 * away, or took too long. json_free(*ret_reply). */
int control_client_ask(struct control_client *client, const char *const *words,
                       struct json **ret_reply);
/* The same, and the daemon gets a copy of the descriptor `fd`. */
int control_client_ask_with(struct control_client *client, const char *const *words, int fd,
                            struct json **ret_reply);
