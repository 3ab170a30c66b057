// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The digests that one page names for one file, by any algorithm that clients check. A page may
 * name several of one algorithm; all of them count alike.
 *
 * They are stored as a text: `sha256=<hex> sha512=<hex>`, ascending by algorithm (base/digest.h)
 * and value, hex in lower case. md5 and sha1 appear only when nothing better does. Equal sets are
 * therefore equal texts. Pure; any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"

enum {
    DIGESTS_MOST = 8,          /* more are not meant seriously: the rest is dropped */
    DIGESTS_TEXT = 8 * 138 + 1 /* bytes of the longest text, and a NUL */
};

struct digests {
    size_t count;
    struct {
        enum digest_algorithm algorithm;
        char hex[DIGEST_HEX];
    } list[DIGESTS_MOST];
};

/* Adds one digest in upper or lower case; false when it is not valid. */
bool digests_add(struct digests *digests, enum digest_algorithm algorithm, const char *hex);
/* Adds the `name=hex` parts between `separator`s: a fragment, an attribute, or the text above.
 * Other parts are skipped. */
void digests_add_text(struct digests *digests, const char *text, char separator);
/* Adds all digests of another set. */
void digests_add_set(struct digests *digests, const struct digests *others);
/* Writes the text; "" for an empty set. */
void digests_write(const struct digests *digests, char ret[DIGESTS_TEXT]);

/*
 * Computes digests of bytes that come in blocks, by several algorithms at once: bit i of
 * `algorithms` is enum digest_algorithm i. One thread at a time. ERROR_NO_MEMORY.
 *
 *     digester_new(algorithms, &d);
 *     digester_add(d, block, len) ...
 *     digester_finish(d, &digests);   // adds them; then only digester_free
 */
struct digester;
int digester_new(uint32_t algorithms, struct digester **ret);
void digester_free(struct digester *d); /* NULL is legal */
int digester_add(struct digester *d, const void *data, size_t len);
int digester_finish(struct digester *d, struct digests *ret);

/* Adds the digests of these bytes. ERROR_NO_MEMORY. */
int digests_add_bytes(struct digests *digests, uint32_t algorithms, const void *data, size_t len);

/* The only SHA-256 of a text (or NULL); false when it has none or several. */
bool digests_sha256(const char *text, char ret[SHA256_HEX]);
/* Whether a text names two values of one algorithm. */
bool digests_are_ambiguous(const char *text);
