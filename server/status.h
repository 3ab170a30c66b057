// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What monitoring asks for. Health: the process answers. Ready: the port and the catalogue are
 * open, whatever the mirrors do. Status: everything, as JSON. */
#include "server/reply.h"

enum { STATUS_MAX_BYTES = 4 << 20 };

enum MHD_Result status_send_health(struct request *request);
enum MHD_Result status_send_ready(struct request *request);
enum MHD_Result status_send(struct request *request);

/* Suspends a request once, until the engine has refreshed its figures. True: it was suspended. */
bool status_must_wait(struct request *request);
/* The JSON object of /-/status; errors are the buffer's. */
void status_write(const struct site *site, struct buf *to);
