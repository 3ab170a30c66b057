// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Which mirror sent bad bytes, and what follows from it. A copy that was judged bad is remembered
 * (engine/files/refusals.h): its mirror is asked for this file after all others, and not too often.
 * Blame is more: a mirror's bytes differ from those that a claim confirms. It is a row of the
 * catalogue, and a lie in the budget; three files with lies take a mirror out for a while.
 *
 *     blame_recall(download, options)      before the flight begins
 *     blame_refuse(download, command)      as FLIGHT_REFUSE says
 *     blame_failed(download, command)      FLIGHT_FAIL: no mirror had a good copy
 *     blame_settle(download, command)      FLIGHT_COMMIT: the right copy is known now
 *     blame_web_page(download, ...)        a web page came in place of the file
 *
 * Flight thread.
 */
#include "engine/mirrors/origins.h"
#include "engine/mirrors/portal_report.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct files;
struct flight_command;
struct flight_options;
struct download;
struct origin;

/* Fills in which mirrors are asked last, and which not at all. */
void blame_recall(struct download *download, struct flight_options *options);
void blame_refuse(struct download *download, const struct flight_command *command);
void blame_failed(struct download *download, const struct flight_command *command);
void blame_settle(struct download *download, const struct flight_command *command);
/* size: of the page. */
void blame_web_page(struct download *download, unsigned mirror, int64_t size, const char *sha256,
                    const char *stranger);
/* Whether a captive portal sent a page in the place of that file: then it is no mirror's, and `why`
 * says so. Of `page`: size, sha256 and stranger. */
bool blame_portal(struct services *services, const struct origin *origin, const char *path,
                  unsigned mirror, struct web_page page, char *why, size_t size);
/* These mirrors (a bit set) may be asked again, whatever they call their file. */
void blame_allow(struct download *download, unsigned mirrors);
/* Four times a second: mirrors that were bad before this download are asked again when their time
 * is over. */
void blame_on_tick(struct download *download, int64_t now_ms);
/* Mirrors that a passthrough is not to ask, because it compares no ETag. */
unsigned blame_bars(const struct download *download);
/* The same for a passthrough: no flight sees its bytes. expected: a SHA-256, or the form of
 * index/digests.h. */
void blame_passthrough(struct files *files, const struct origin *origin, const char *path,
                       unsigned mirror, const char *expected);
