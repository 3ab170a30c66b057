// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Disk space for all of a file, once a client reads it whole. A disk that is too small is known
 * early, and two downloads do not count on the same bytes. Nobody waits for the reservation: bytes
 * come and go out meanwhile.
 *
 *     reserve_begin(download)        when download->reserved says how much, and there is a
 *                                    partial; a failure ends in flight_on_disk_error
 *     reserve_give_back(download)    gives back what was reserved and not written
 *
 * Both go through the partial's writer lane. It keeps their order, and no write reaches space that
 * is being given back. Flight thread.
 */
struct download;

enum { RESERVE_LEAST_BYTES = 1 << 20 }; /* a smaller file is written as fast as reserved */

/* does nothing when it was begun, or when it is too early */
void reserve_begin(struct download *download);
void reserve_give_back(struct download *download);
