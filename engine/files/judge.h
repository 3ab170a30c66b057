// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Whether the bytes of a whole file are the right ones: the answer to FLIGHT_JUDGE
 * (engine/flight/flight.h).
 *
 *     judge_start           the flight is whole and hashed
 *       by_claims           compares its digest with the claims: known at once
 *       by_structure        no page claims a digest: checks the bytes themselves
 *     tell                  flight_on_judged, then download_drain
 *
 * A step that takes time (a read of the disk, a page that is asked for again) is a job or a
 * callback. It continues the same judgement and ends in tell. Meanwhile readers come and go, and
 * the flight may be cut or end. The flight ignores an answer to a question that it withdrew, so a
 * judgement is never cancelled. It holds a reference to the download and one to the partial, whose
 * bytes [0, size) stay as they are until the end. Flight thread, except for the jobs.
 */
struct flight_command;
struct download;

void judge_start(struct download *download, const struct flight_command *command);
