// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * /-/metrics: the figures of the daemon for Prometheus and its like. docs/monitoring.md names each
 * metric. Clients that accept application/openmetrics-text, or anything, get OpenMetrics 1.0, which
 * ends with "# EOF". Clients that name text/plain alone get the text format 0.0.4.
 *
 * The figures are those of /-/status and of the meter. Values of labels are names from the
 * configuration or words from lists of our own; none is a client's text, a path or an address.
 */
#include "server/reply.h"

struct json;

enum metrics_format { METRICS_OPEN, METRICS_TEXT };

/* What Accept asks for; NULL: no such header. Pure. */
enum metrics_format metrics_format_of(const char *accept);
/* Appends the whole exposition; errors are the buffer's. `status`: the object of /-/status. */
void metrics_write(enum metrics_format format, const struct json *status,
                   const struct meter_sums *sums, struct buf *to);
/* Waits once for a fresh status, like status_send. */
enum MHD_Result metrics_send(struct request *request);
