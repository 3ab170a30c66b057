// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Whether the bytes of a whole file are the right ones: what FLIGHT_JUDGE asks
 * (engine/flight/flight.h).
 *
 *     judge_start           the flight is whole and hashed
 *       by_claims           what is claimed of the file, against its digest: known at once
 *       by_structure        nothing is claimed: what the bytes are (engine/files/soundness.h)
 *     tell                  flight_on_judged, then download_drain
 *
 * A step that takes time (a read of the disk, a page that is asked for again) is a job, or a
 * callback, that goes on with the same judgement and ends in tell. Meanwhile readers come and go,
 * and the flight may be cut or end: it ignores an answer to a question that it withdrew, so a
 * judgement needs no cancelling. It holds a reference to the flight's owner and one to the partial,
 * whose bytes [0, size) stay as they are until it is told. Flight thread, but for its jobs.
 */
struct flight_command;
struct download;

void judge_start(struct download *download, const struct flight_command *command);
