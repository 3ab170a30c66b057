// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What one page says of one file's bytes: digests, by any algorithm that clients check. Several of
 * one algorithm mean that the page names several; each is as good as the others.
 *
 * The form in which they are kept is a text: `sha256=<hex> sha512=<hex>`, ascending by algorithm
 * (base/digest.h) and value, hex in lower case, md5 and sha1 only where there is nothing better. So
 * equal sets are equal texts. Pure; any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"

enum {
    DIGESTS_MOST = 8,          /* more than that nobody means seriously: the rest is dropped */
    DIGESTS_TEXT = 8 * 138 + 1 /* bytes of the longest text, and a NUL */
};

struct digests {
    size_t count;
    struct {
        enum digest_algorithm algorithm;
        char hex[DIGEST_HEX];
    } list[DIGESTS_MOST];
};

/* Adds one as a page writes it, in upper or lower case; false when it is none. */
bool digests_add(struct digests *digests, enum digest_algorithm algorithm, const char *hex);
/* Adds those of `name=hex` parts between `separator`s: a fragment, an attribute, the text above.
 * What is no digest is passed over. */
void digests_add_text(struct digests *digests, const char *text, char separator);
/* Adds all of another set. */
void digests_add_set(struct digests *digests, const struct digests *others);
/* The text; "" when there is none. */
void digests_write(const struct digests *digests, char ret[DIGESTS_TEXT]);

/* The digests of bytes that come in blocks, by several algorithms at once: bit i of `algorithms` is
 * enum digest_algorithm i. One thread at a time. ERROR_NO_MEMORY.
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

/* Adds those of some bytes. ERROR_NO_MEMORY. */
int digests_add_bytes(struct digests *digests, uint32_t algorithms, const void *data, size_t len);

/* Of a text (or NULL): its only SHA-256; false when it has none, or several. */
bool digests_sha256(const char *text, char ret[SHA256_HEX]);
/* Of a text: whether it names two values of one algorithm. */
bool digests_are_ambiguous(const char *text);
