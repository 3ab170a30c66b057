// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Replies. A reply is an MHD response under construction. A failure to build it or to add a header
 * is sticky; sending a failed reply closes the connection (MHD_NO).
 *
 *     struct reply reply = reply_of_text(data, len);
 *     reply_header(&reply, "ETag", etag);
 *     return reply_send(&reply, request, MHD_HTTP_OK);
 *
 * On the connection's worker only. Every reply_* that returns MHD_Result ends the request.
 */
#include <stdbool.h>

#include "base/buf.h"
#include "engine/engine.h"
#include "server/request.h"

struct reply {
    struct MHD_Response *response; /* NULL: failed */
    int64_t size; /* bytes of body, for the access line; 0 when body_read counts them */
};

struct reply reply_of_bytes(const void *data, size_t len); /* borrowed: they outlive the request */
struct reply reply_of_text(const char *text, size_t len);  /* copied */
/* The headers of a body that is not sent: HEAD, 304. size < 0: unknown. */
struct reply reply_of_promise(int64_t size);

/* Headers that every reply carries for browsers: guess no type, run nothing, show it in no frame.
 * The constructors above add them. */
void reply_guard(struct reply *reply);

/* A NULL or empty value adds nothing (MHD refuses empty ones). */
void reply_header(struct reply *reply, const char *name, const char *value);

enum MHD_Result reply_send(struct reply *reply, struct request *request, unsigned status);
/* The same for a shared response; its owner's reference stays. */
enum MHD_Result reply_send_shared(const struct reply *reply, struct request *request,
                                  unsigned status);

/* An error in the form that the client shows (negotiate_problem). `detail` NULL: the status says
 * everything. The caller may add headers before it sends the reply. */
struct reply reply_of_problem(const struct request *request, unsigned status, const char *detail);
enum MHD_Result reply_problem(struct request *request, unsigned status, const char *detail);

/* Sends the bytes as a 200 that nobody may store. A failed buffer becomes a 500. */
enum MHD_Result reply_buffer(struct request *request, const char *content_type,
                             const struct buf *body);

unsigned reply_status_of_error(int error);
unsigned reply_status_of_outcome(enum outcome outcome);
