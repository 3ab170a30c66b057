// SPDX-License-Identifier: Apache-2.0
/*
 * A set is a small sorted array without duplicates, so that two pages that name the same digests in
 * another order give the same text. Digests from pages are only claims; engine/claims/ decides what
 * is believed.
 */
#include "index/digests.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* The digits in lower case, if their number is right for the algorithm. */
static bool normalize(enum digest_algorithm algorithm, const char *text, size_t len,
                      char ret[DIGEST_HEX])
{
    if (len != digest_hex_length(algorithm))
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (c >= 'A' && c <= 'F')
            c = (char)(c + ('a' - 'A'));
        if ((c < '0' || c > '9') && (c < 'a' || c > 'f'))
            return false;
        ret[i] = c;
    }
    ret[len] = '\0';
    return true;
}

/* Inserts in order; an equal digest is there already. */
static bool add(struct digests *d, enum digest_algorithm algorithm, const char *text, size_t len)
{
    char hex[DIGEST_HEX];
    size_t at = 0;

    if (!normalize(algorithm, text, len, hex))
        return false;
    for (; at < d->count; at++) {
        int order = (int)d->list[at].algorithm - (int)algorithm;

        if (order == 0)
            order = strcmp(d->list[at].hex, hex);
        if (order == 0)
            return true;
        if (order > 0)
            break;
    }
    if (d->count == DIGESTS_MOST)
        return true;
    memmove(&d->list[at + 1], &d->list[at], (d->count - at) * sizeof(d->list[0]));
    d->list[at].algorithm = algorithm;
    memcpy(d->list[at].hex, hex, len + 1);
    d->count++;
    return true;
}

bool digests_add(struct digests *d, enum digest_algorithm algorithm, const char *hex)
{
    return add(d, algorithm, hex, strlen(hex));
}

static void add_part(struct digests *d, const char *part, size_t len)
{
    const char *sign = memchr(part, '=', len);
    enum digest_algorithm algorithm;

    if (sign && digest_find(part, (size_t)(sign - part), &algorithm))
        (void)add(d, algorithm, sign + 1, len - (size_t)(sign + 1 - part));
}

void digests_add_text(struct digests *d, const char *text, char separator)
{
    while (text) {
        const char *next = strchr(text, separator);

        add_part(d, text, next ? (size_t)(next - text) : strlen(text));
        text = next ? next + 1 : NULL;
    }
}

/* Weak digests are left out as soon as there is a strong one. */
void digests_write(const struct digests *d, char ret[DIGESTS_TEXT])
{
    bool has_strong = d->count && d->list[0].algorithm < DIGEST_WEAK;
    char *at = ret;

    *at = '\0';
    for (size_t i = 0; i < d->count; i++) {
        if (has_strong && d->list[i].algorithm >= DIGEST_WEAK)
            break; /* weak digests come last */
        if (i)
            *at++ = ' ';
        at = stpcpy(at, digest_name(d->list[i].algorithm));
        *at++ = '=';
        at = stpcpy(at, d->list[i].hex);
    }
}

void digests_add_set(struct digests *d, const struct digests *others)
{
    for (size_t i = 0; i < others->count; i++)
        (void)digests_add(d, others->list[i].algorithm, others->list[i].hex);
}

/* One running digest for each algorithm that was asked for. */
struct digester {
    struct digest *list[DIGEST_ALGORITHMS]; /* NULL: not wanted */
};

/* One digest per wanted algorithm; all see the same blocks. */
int digester_new(uint32_t algorithms, struct digester **ret)
{
    struct digester *d = calloc(1, sizeof(*d));
    int r = d ? 0 : ERROR_NO_MEMORY;

    for (int a = 0; a < DIGEST_ALGORITHMS && r == 0; a++)
        if (algorithms & (1u << a))
            r = digest_new((enum digest_algorithm)a, &d->list[a]);
    if (r) {
        digester_free(d);
        return r;
    }
    *ret = d;
    return 0;
}

void digester_free(struct digester *d)
{
    for (int a = 0; d && a < DIGEST_ALGORITHMS; a++)
        digest_free(d->list[a]);
    free(d);
}

int digester_add(struct digester *d, const void *data, size_t len)
{
    int r = 0;

    for (int a = 0; a < DIGEST_ALGORITHMS && r == 0; a++)
        if (d->list[a])
            r = digest_add(d->list[a], data, len);
    return r;
}

int digester_finish(struct digester *d, struct digests *ret)
{
    char hex[DIGEST_HEX];
    int r = 0;

    for (int a = 0; a < DIGEST_ALGORITHMS && r == 0; a++) {
        if (!d->list[a])
            continue;
        r = digest_finish(d->list[a], hex);
        if (r == 0)
            (void)digests_add(ret, (enum digest_algorithm)a, hex);
    }
    return r;
}

/* For small bodies; files are hashed while they arrive. */
int digests_add_bytes(struct digests *digests, uint32_t algorithms, const void *data, size_t len)
{
    struct digester *d = NULL;
    int r = digester_new(algorithms, &d);

    if (r == 0)
        r = digester_add(d, data, len);
    if (r == 0)
        r = digester_finish(d, digests);
    digester_free(d);
    return r;
}

/* The text is sorted, so its SHA-256 comes first. */
bool digests_sha256(const char *text, char ret[SHA256_HEX])
{
    static const char name[] = "sha256=";

    if (!text || strncmp(text, name, sizeof(name) - 1) != 0)
        return false;
    text += sizeof(name) - 1;
    if (strlen(text) < SHA256_HEX - 1 ||
        strncmp(text + SHA256_HEX - 1, " sha256=", strlen(" sha256=")) == 0)
        return false;
    memcpy(ret, text, SHA256_HEX - 1);
    ret[SHA256_HEX - 1] = '\0';
    return true;
}

/* Neighbours in the sorted text have the same algorithm. */
bool digests_are_ambiguous(const char *text)
{
    const char *last = text;

    for (const char *next; (next = strchr(last, ' ')); last = next + 1) {
        size_t len = strcspn(last, "=") + 1;

        if (strncmp(last, next + 1, len) == 0)
            return true;
    }
    return false;
}
