// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The disk for all of a file, once somebody reads it whole: so that a disk that is too small is
 * known early, and two downloads do not count on the same bytes. Nobody waits for it: bytes come
 * and go out meanwhile.
 *
 *     reserve_begin(flying)        when flying->reserved says how much, and there is a partial;
 *                                  failing ends in flight_on_disk_error
 *     reserve_give_back(flying)    what was reserved and not written
 *
 * Both go by way of the partial's writer lane, which keeps their order, and keeps writes out of
 * what is being given back. Flight thread.
 */
struct download;

enum { RESERVE_LEAST_BYTES = 1 << 20 }; /* what is smaller is written as fast as reserved */

void reserve_begin(struct download *download); /* nothing when it was begun, or it is too early */
void reserve_give_back(struct download *download);
