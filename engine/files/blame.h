// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Whose bytes were bad, and what follows from it. A copy that was judged bad is remembered
 * (engine/files/refusals.h), so that its mirror is asked for this file after all others, and the
 * file not too often; blame is for a mirror whose bytes differ from those that a claim confirms: a
 * row of the catalogue, and a lie in the budget, which takes three files of to put a mirror out.
 *
 *     blame_recall(flying, options)        before the flight is born
 *     blame_refuse(flying, command)        as FLIGHT_REFUSE says
 *     blame_failed(flying, command)        FLIGHT_FAIL: no mirror had a good one
 *     blame_settle(flying, command)        FLIGHT_COMMIT: now it is known which copy is right
 *     blame_web_page(flying, ...)          a web page came in the place of the file
 *
 * Flight thread.
 */
#include "engine/mirrors/origins.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct engine;
struct flight_command;
struct flight_options;
struct download;
struct origin;

/* Fills in who is asked last, and who not at all. */
void blame_recall(struct download *download, struct flight_options *options);
void blame_refuse(struct download *download, const struct flight_command *command);
void blame_failed(struct download *download, const struct flight_command *command);
void blame_settle(struct download *download, const struct flight_command *command);
/* size: of the page. */
void blame_web_page(struct download *download, unsigned mirror, int64_t size, const char *sha256,
                    const char *stranger);
/* These mirrors (a bit set) may be asked again, whatever they call their file. */
void blame_allow(struct download *download, unsigned mirrors);
/* Four times a second: whose copy was bad before this flight is asked again when its time is over.
 */
void blame_on_tick(struct download *download, int64_t now_ms);
/* Mirrors that a transfer of its own, which looks at no ETag, is not to ask. */
unsigned blame_bars(const struct download *download);
/* The same of a file that passes by: no flight sees its bytes. expected: a SHA-256,
 * or what index/digests.h writes. */
void blame_passthrough(struct engine *engine, const struct origin *origin, const char *path,
                       unsigned mirror, const char *expected);
