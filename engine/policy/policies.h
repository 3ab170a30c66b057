// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The policies in force: judges files by them, and keeps their advisories. Both answers to a client,
 * the page and the file, are judged here and nowhere else.
 *
 * A file of advisories is read when a policy first names it, and again within two seconds after it
 * has changed. One that cannot be read changes nothing: the advisories that were read before stay
 * in force, and the problem "advisories" says so.
 */
#include "engine/loop/services.h"
#include "engine/policy/policy_views.h"

int policies_new(struct services *services, struct policies **ret);
void policies_free(struct policies *policies); /* NULL is legal */
/* Reads the advisories that these origins' policies name and that are not read yet. Blocks on the
 * disk: main thread, before the origins are in force. ERROR_NO_MEMORY. */
int policies_prepare(struct policies *policies, const struct origins *origins);
void policies_tick(struct policies *policies, int64_t now_ms); /* flight thread */

/* Whether a page may list a file. Any thread, never blocks on the disk. False: *ret says why. */
bool policies_admit(struct policies *policies, const struct policy_view *view,
                    const struct policy_file *file, struct policy_verdict *ret);

/* The same for a file at its own address. Its `.metadata` is judged as the file. */
bool policies_admit_file(struct policies *policies, const struct origin *origin, const char *path,
                         const struct policy_file *file, struct policy_verdict *ret);
/* Judges bytes that nobody has named the digest of before they came. True: they must not go out, and
 * `why` says so; the next request is refused at once. Flight thread. */
bool policies_refuse_bytes(struct policies *policies, const struct origin *origin, const char *path,
                           const char *sha256, char why[POLICY_REASON_BYTES]);
/* The digest of bytes of a file that were refused like that. Any thread. */
bool policies_refused_digest(struct policies *policies, const char *origin, const char *path,
                             char ret_sha256[SHA256_HEX]);
/* Which facts the second verdict may depend on; 0 also where there is no policy. */
unsigned policies_need(struct policies *policies, const struct origin *origin, const char *path,
                       const struct policy_file *file);
