// SPDX-License-Identifier: Apache-2.0
/*
 * The life of a map, as its bytes show it:
 *
 *     zeros         map_format writes the strings, then the header with its checksum
 *     live          map_mark sets bytes of the live table, each after its data was written
 *     sealed        map_seal copies the table, then its checksum, over the older sealed copy
 *     opened        map_open proves the header and picks the table that counts
 *     adopted       map_adopt makes the live table that one; then live again
 *
 * The order of the writes is what survives a crash, so every step writes the bytes that prove it
 * last. All offsets follow from the file's size, and map_open proves that they lie in the block
 * before it reads anything after the header. The file of the map is removed with its partial, after
 * a commit or a discard.
 */
#include "cache/map.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

static const char MAGIC[8] = {'w', 'h', 'e', 'e', 'l', 'm', 'a', 'p'}; /* no NUL */

enum {
    LAYOUT = 1, /* a map of another layout is not read: its partial starts again */
    PAGE = 4096,
    STRINGS = 512, /* where they begin: the header has its own sector */
    SEAL = 16,     /* generation and checksum, before each sealed copy */
};

#define FILE_MAX (INT64_C(1) << 40)

/* The header as it is on the disk. */
struct header {
    char magic[8];
    uint32_t layout, chunk; /* these also check the machine's byte order */
    int64_t size;
    int64_t created_s;
    uint32_t strings_len, mirror_count;
    uint64_t checksum;         /* of the members above and the strings */
    char boot_id[MAP_BOOT_ID]; /* not in the checksum: map_adopt changes it alone */
};

_Static_assert(sizeof(struct header) <= STRINGS, "the header fits its sector");
_Static_assert(STRINGS + MAP_ABOUT_MAX <= MAP_HEAD, "the strings fit the head");
_Static_assert(MAP_HEAD % PAGE == 0, "tables begin on pages");

/* The head of a sealed copy as it is on the disk. */
struct seal {
    uint64_t generation; /* from 1; 0: never sealed */
    uint64_t checksum;   /* of the header's checksum, the generation and the table */
};
_Static_assert(sizeof(struct seal) == SEAL, "no padding on disk");

/* ------------------------------------------------------------------ sizes and places */

static size_t chunks_of(int64_t size)
{
    return (size_t)((size + MAP_CHUNK - 1) / MAP_CHUNK);
}

static size_t up_to_page(size_t len)
{
    return (len + PAGE - 1) / PAGE * PAGE;
}

/* Three tables, each on pages of its own. */
int64_t map_size(int64_t file_size)
{
    if (file_size < 1 || file_size > FILE_MAX)
        return ERROR_TOO_BIG;
    size_t chunks = chunks_of(file_size);
    return (int64_t)(MAP_HEAD + up_to_page(chunks) + 2 * up_to_page(SEAL + chunks));
}

/* A copy holds the table only, without padding. */
int64_t map_copy_size(int64_t file_size)
{
    if (file_size < 1 || file_size > FILE_MAX)
        return ERROR_TOO_BIG;
    return (int64_t)chunks_of(file_size);
}

/* The offset of a sealed copy. */
static size_t seal_at(size_t chunks, int which)
{
    return MAP_HEAD + up_to_page(chunks) + (size_t)which * up_to_page(SEAL + chunks);
}

static struct header read_header(const void *block)
{
    struct header header;
    memcpy(&header, block, sizeof(header));
    return header;
}

/* Reads only the size, which never changes; map_rebase may be changing the rest. */
static int64_t read_size(const void *block)
{
    int64_t size;
    memcpy(&size, (const char *)block + offsetof(struct header, size), sizeof(size));
    return size;
}

/* ------------------------------------------------------------------ checksums */

#define FNV_START UINT64_C(14695981039346656037)

/* FNV-1a. */
static uint64_t fnv(uint64_t sum, const void *data, size_t len)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < len; i++)
        sum = (sum ^ p[i]) * UINT64_C(1099511628211);
    return sum;
}

/* Everything before the checksum, and the strings; not the boot id, which changes. */
static uint64_t header_checksum(const struct header *header, const char *strings)
{
    uint64_t sum = fnv(FNV_START, header, offsetof(struct header, checksum));
    return fnv(sum, strings, header->strings_len);
}

/* Starts from the header's checksum, so that a copy belongs to this map only. */
static uint64_t seal_checksum(const struct header *header, uint64_t generation,
                              const uint8_t *table)
{
    uint64_t sum = fnv(FNV_START, &header->checksum, sizeof(header->checksum));
    sum = fnv(sum, &generation, sizeof(generation));
    return fnv(sum, table, chunks_of(header->size));
}

/* ------------------------------------------------------------------ format */

/* The strings one after the other: '+' and the text with its NUL, or '-' for NULL. */
struct writer {
    char *at;
    size_t left;
    bool full;
};

/* An overflow is remembered; the caller checks once at the end. */
static void write_string(struct writer *w, const char *text)
{
    size_t len = text ? strlen(text) + 2 : 1;
    if (w->full || len > w->left) {
        w->full = true;
        return;
    }
    w->at[0] = text ? '+' : '-';
    if (text)
        memcpy(w->at + 1, text, len - 1);
    w->at += len;
    w->left -= len;
}

static uint32_t write_mirrors(struct writer *w, const struct map_about *about)
{
    uint32_t count = 0;
    while (count < MAP_MIRRORS && about->mirrors[count])
        write_string(w, about->mirrors[count++]);
    return count;
}

static int write_strings(char *strings, const struct map_about *about, struct header *ret)
{
    struct writer w = {.at = strings, .left = MAP_ABOUT_MAX};
    write_string(&w, about->origin);
    write_string(&w, about->path);
    write_string(&w, about->etag);
    write_string(&w, about->validator_etag);
    write_string(&w, about->validator_date);
    write_string(&w, about->validator_mirror);
    ret->mirror_count = write_mirrors(&w, about);
    ret->strings_len = (uint32_t)(w.at - strings);
    return w.full ? ERROR_TOO_BIG : 0;
}

/* The header is written last: without it the block is no map. */
int map_format(void *block, const struct map_about *about)
{
    if (map_size(about->size) < 0)
        return ERROR_TOO_BIG;
    char *strings = (char *)block + STRINGS;
    struct header header;
    memset(&header, 0, sizeof(header)); /* the padding is written too */
    int r = write_strings(strings, about, &header);
    if (r)
        return r;
    memcpy(header.magic, MAGIC, sizeof(MAGIC));
    header.layout = LAYOUT;
    header.chunk = MAP_CHUNK;
    header.size = about->size;
    header.created_s = about->created_s;
    header.checksum = header_checksum(&header, strings);
    str_copy(header.boot_id, sizeof(header.boot_id), about->boot_id);
    memcpy(block, &header, sizeof(header));
    return 0;
}

/* ------------------------------------------------------------------ marks and seals */

/* Release order: a reader that sees a mark also sees the write before it. */
void map_mark(void *block, int64_t from, int64_t to, unsigned mirror)
{
    int64_t size = read_size(block);
    uint8_t *live = (uint8_t *)block + MAP_HEAD;
    uint8_t value = (uint8_t)(1 + (mirror < MAP_MIRRORS ? mirror : MAP_NO_MIRROR));
    size_t end = to >= size ? chunks_of(size) : (size_t)(to > 0 ? to / MAP_CHUNK : 0);

    for (size_t i = from > 0 ? chunks_of(from) : 0; i < end; i++)
        if (__atomic_load_n(&live[i], __ATOMIC_RELAXED) == 0)
            __atomic_store_n(&live[i], value, __ATOMIC_RELEASE);
}

/* Copies byte by byte, because marks go on meanwhile. */
void map_seal_begin(const void *block, void *copy)
{
    const uint8_t *live = (const uint8_t *)block + MAP_HEAD;
    uint8_t *to = copy;
    size_t chunks = chunks_of(read_size(block));
    for (size_t i = 0; i < chunks; i++)
        to[i] = __atomic_load_n(&live[i], __ATOMIC_ACQUIRE);
}

/* The generation of a sealed copy; 0 when it was never written or is torn. */
static uint64_t sealed_generation(const void *block, const struct header *header, int which)
{
    const uint8_t *at = (const uint8_t *)block + seal_at(chunks_of(header->size), which);
    struct seal seal;
    memcpy(&seal, at, sizeof(seal));
    if (seal.generation == UINT64_MAX || /* no generation could follow it */
        seal.checksum != seal_checksum(header, seal.generation, at + SEAL))
        return 0;
    return seal.generation;
}

/* Which sealed copy counts, and its generation (0: none). */
static int newest_seal(const void *block, const struct header *header, uint64_t *ret_generation)
{
    uint64_t first = sealed_generation(block, header, 0);
    uint64_t second = sealed_generation(block, header, 1);
    *ret_generation = first > second ? first : second;
    return first > second ? 0 : 1;
}

/* The table first, then the seal that proves it. */
void map_seal(void *block, const void *copy)
{
    struct header header = read_header(block);
    size_t chunks = chunks_of(header.size);
    struct seal seal;
    int which = 1 - newest_seal(block, &header, &seal.generation);
    uint8_t *at = (uint8_t *)block + seal_at(chunks, which);

    seal.generation++;
    seal.checksum = seal_checksum(&header, seal.generation, copy);
    memcpy(at + SEAL, copy, chunks);
    memcpy(at, &seal, sizeof(seal));
}

/* In this order a power cut leaves either the old seal or the new one, and never one that promises
 * too much. */
int map_sync(void *block, const void *copy, const struct map_disk *disk)
{
    int r = disk->sync_data(disk->context);
    if (r)
        return r;
    map_seal(block, copy);
    return disk->sync_map(disk->context);
}

/* ------------------------------------------------------------------ opening */

/* A cursor over the strings of an untrusted block. */
struct reader {
    const char *at;
    size_t left;
    bool bad;
};

/* Every length is checked against what is left: the bytes are untrusted. */
static const char *read_string(struct reader *r)
{
    const char *text = r->at + 1;
    if (r->bad || r->left == 0) {
        r->bad = true;
        return NULL;
    }
    size_t len = 1;
    if (*r->at == '+') {
        const char *nul = memchr(text, '\0', r->left - 1);
        r->bad = !nul;
        len = nul ? (size_t)(nul - r->at) + 1 : r->left;
    } else {
        r->bad = *r->at != '-';
        text = NULL;
    }
    r->at += len;
    r->left -= len;
    return r->bad ? NULL : text;
}

/* A file without origin and path cannot be found again, so both must be there. */
static int read_about(const void *block, const struct header *header, struct map_about *ret)
{
    struct reader r = {.at = (const char *)block + STRINGS, .left = header->strings_len};
    memset(ret, 0, sizeof(*ret));
    ret->origin = read_string(&r);
    ret->path = read_string(&r);
    ret->etag = read_string(&r);
    ret->validator_etag = read_string(&r);
    ret->validator_date = read_string(&r);
    ret->validator_mirror = read_string(&r);
    for (uint32_t i = 0; i < header->mirror_count; i++) {
        ret->mirrors[i] = read_string(&r);
        if (!ret->mirrors[i])
            return ERROR_CORRUPT;
    }
    ret->size = header->size;
    ret->created_s = header->created_s;
    memcpy(ret->boot_id, header->boot_id, MAP_BOOT_ID);
    ret->boot_id[MAP_BOOT_ID - 1] = '\0';
    return r.bad || r.left || !ret->origin || !ret->path ? ERROR_CORRUPT : 0;
}

/* The checksum comes last, because it reads strings_len bytes. */
static bool header_is_good(const void *block, size_t len, const struct header *header)
{
    int64_t needed = map_size(header->size);
    return memcmp(header->magic, MAGIC, sizeof(MAGIC)) == 0 && header->layout == LAYOUT &&
           header->chunk == MAP_CHUNK && needed > 0 && (uint64_t)needed <= len &&
           header->mirror_count <= MAP_MIRRORS && header->strings_len <= MAP_ABOUT_MAX &&
           header->checksum == header_checksum(header, (const char *)block + STRINGS);
}

/* An unknown boot id never equals another one. */
static bool is_boot(const struct header *header, const char *boot_id)
{
    return *boot_id && strnlen(header->boot_id, MAP_BOOT_ID) < MAP_BOOT_ID &&
           strcmp(header->boot_id, boot_id) == 0;
}

/* The table that counts in this boot; NULL: none. */
static const uint8_t *table_of(const void *block, const struct header *header, bool same_boot)
{
    uint64_t generation;
    if (same_boot)
        return (const uint8_t *)block + MAP_HEAD;
    int which = newest_seal(block, header, &generation);
    if (generation == 0)
        return NULL;
    return (const uint8_t *)block + seal_at(chunks_of(header->size), which) + SEAL;
}

/* Fills `runs`, or only counts them (NULL). A value that no mark writes counts as no mark. */
static size_t runs_of(const uint8_t *table, const struct header *header, struct map_run *runs)
{
    size_t count = 0;
    unsigned before = 0;
    for (size_t i = 0; i < chunks_of(header->size); i++) {
        unsigned value = table[i] <= 1 + MAP_NO_MIRROR ? table[i] : 0;
        if (value > header->mirror_count)
            value = 1 + MAP_NO_MIRROR;
        int64_t from = (int64_t)i * MAP_CHUNK;
        int64_t to = header->size - from > MAP_CHUNK ? from + MAP_CHUNK : header->size;
        if (value && value != before)
            count++;
        if (value && runs && value != before)
            runs[count - 1] = (struct map_run){.from = from, .mirror = value - 1};
        if (value && runs)
            runs[count - 1].to = to;
        before = value;
    }
    return count;
}

/* Counts the runs first, then allocates exactly that many. */
int map_open(const void *block, size_t len, const char *boot_id, struct map_opened *ret)
{
    struct map_opened opened = {0};
    if (len < MAP_HEAD)
        return ERROR_CORRUPT;
    struct header header = read_header(block);
    if (!header_is_good(block, len, &header) || read_about(block, &header, &opened.about))
        return ERROR_CORRUPT;
    opened.same_boot = is_boot(&header, boot_id);
    const uint8_t *table = table_of(block, &header, opened.same_boot);
    opened.run_count = table ? runs_of(table, &header, NULL) : 0;
    if (opened.run_count) {
        opened.runs = calloc(opened.run_count, sizeof(*opened.runs));
        if (!opened.runs)
            return ERROR_NO_MEMORY;
        (void)runs_of(table, &header, opened.runs);
    }
    *ret = opened;
    return 0;
}

void map_opened_release(struct map_opened *opened)
{
    free(opened->runs);
    opened->runs = NULL;
    opened->run_count = 0;
}

/* Clears a torn seal. The next seal has the same generation, and after a power cut halves of both
 * could pass for one whole. */
static void forget_torn(void *block, const struct header *header)
{
    size_t chunks = chunks_of(header->size);
    for (int which = 0; which < 2; which++)
        if (!sealed_generation(block, header, which))
            memset((uint8_t *)block + seal_at(chunks, which), 0, SEAL);
}

/* The table, then the boot id: a kill in between leaves a map that only its seal proves. */
void map_adopt(void *block, const char *boot_id)
{
    struct header header = read_header(block);
    uint8_t *live = (uint8_t *)block + MAP_HEAD;
    if (is_boot(&header, boot_id))
        return;
    const uint8_t *table = table_of(block, &header, false);
    if (table)
        memcpy(live, table, chunks_of(header.size));
    else
        memset(live, 0, chunks_of(header.size));
    forget_torn(block, &header);
    memset(header.boot_id, 0, sizeof(header.boot_id));
    str_copy(header.boot_id, sizeof(header.boot_id), boot_id);
    atomic_signal_fence(
        memory_order_seq_cst); /* a kill must not leave the boot id without the table */
    memcpy((char *)block + offsetof(struct header, boot_id), header.boot_id,
           sizeof(header.boot_id));
}

/* The header is copied first, because the new strings overwrite the old ones that it reads. */
int map_rebase(void *block, const char *etag, const char *date, const char *mirror)
{
    char old[MAP_HEAD];
    struct map_about about;
    memcpy(old, block, sizeof(old));
    struct header header = read_header(old);
    int r = read_about(old, &header, &about);
    if (r)
        return r;
    about.validator_etag = etag;
    about.validator_date = date;
    about.validator_mirror = mirror;
    char *to = block;
    r = write_strings(to + STRINGS, &about, &header);
    header.checksum = r ? 0 : header_checksum(&header, to + STRINGS);
    memcpy(to + offsetof(struct header, strings_len), &header.strings_len,
           sizeof(header.strings_len));
    memcpy(to + offsetof(struct header, checksum), &header.checksum, sizeof(header.checksum));
    return r;
}
