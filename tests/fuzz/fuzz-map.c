// SPDX-License-Identifier: Apache-2.0
/* The first byte chooses the file's size, the second whether the header is left alone and whether
 * its checksum is made good again, so that what is behind it is reached; the rest is laid over a
 * map. What is told lies inside the file, and adopting, marking and sealing what was accepted stays
 * inside the block. */
#include "cache/map.h"
#include "fuzz.h"

static const char BOOT[] = "11111111-1111-1111-1111-111111111111";
static const char OTHER[] = "22222222-2222-2222-2222-222222222222";

static void check_runs(const struct map_opened *opened)
{
    int64_t size = opened->about.size, end = 0;

    require(size > 0 && opened->about.origin && opened->about.path);
    require(strlen(opened->about.origin) + strlen(opened->about.path) < MAP_ABOUT_MAX);
    for (size_t i = 0; i < MAP_MIRRORS && opened->about.mirrors[i]; i++)
        require(strlen(opened->about.mirrors[i]) < MAP_ABOUT_MAX);
    for (size_t i = 0; i < opened->run_count; i++) {
        const struct map_run *run = &opened->runs[i];
        require(run->from >= end && run->from < run->to && run->to <= size);
        require(run->from % MAP_CHUNK == 0 && (run->to % MAP_CHUNK == 0 || run->to == size));
        require(run->mirror == MAP_NO_MIRROR ||
                (run->mirror < MAP_MIRRORS && opened->about.mirrors[run->mirror]));
        end = run->to;
    }
}

/* What one boot is told, the next one adopts; then all of it is written and sealed. */
static void go_on(void *block, size_t len, int64_t size)
{
    struct map_opened opened, again;

    require(map_open(block, len, OTHER, &opened) == 0);
    map_adopt(block, OTHER);
    require(map_open(block, len, OTHER, &again) == 0 && again.same_boot);
    require(again.run_count == opened.run_count);
    map_opened_release(&opened);
    map_opened_release(&again);

    auto_free void *copy = malloc((size_t)map_copy_size(size));
    require(copy != NULL);
    map_mark(block, 0, size, 0);
    map_seal_begin(block, copy);
    map_seal(block, copy);
    map_adopt(block, BOOT);
    require(map_open(block, len, BOOT, &again) == 0);
    check_runs(&again);
    int64_t bytes = 0;
    for (size_t i = 0; i < again.run_count; i++)
        bytes += again.runs[i].to - again.runs[i].from;
    map_opened_release(&again);
    require(bytes <= size);
}

static void check(void *block, size_t len)
{
    struct map_opened opened;

    if (map_open(block, len, BOOT, &opened))
        return;
    int64_t size = opened.about.size;
    check_runs(&opened);
    map_opened_release(&opened);
    require(map_size(size) > 0 && (uint64_t)map_size(size) <= len);
    go_on(block, len, size);
}

/* A map over which the input's bytes come: two bytes of place, one of length, then that many. */
static void scribble(uint8_t *block, size_t len, size_t from, const uint8_t *data, size_t size)
{
    while (size >= 3) {
        size_t at = from + (size_t)(data[0] | data[1] << 8) % (len - from);
        size_t count = data[2];
        data += 3, size -= 3;
        count = count < size ? count : size;
        count = count < len - at ? count : len - at;
        memcpy(block + at, data, count);
        data += count, size -= count;
    }
}

/* As map.c computes it: 64-bit FNV-1a of what is before it, and of the strings. */
static void repair(uint8_t *block)
{
    enum { STRINGS_LEN = 32, CHECKSUM = 40, STRINGS = 512 };
    uint64_t sum = UINT64_C(14695981039346656037);
    uint32_t len;
    memcpy(&len, block + STRINGS_LEN, sizeof(len));
    for (uint32_t i = 0; i < CHECKSUM; i++)
        sum = (sum ^ block[i]) * UINT64_C(1099511628211);
    for (uint32_t i = 0; i < len && i < MAP_ABOUT_MAX; i++)
        sum = (sum ^ block[STRINGS + i]) * UINT64_C(1099511628211);
    memcpy(block + CHECKSUM, &sum, sizeof(sum));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct map_about about = {.origin = "o", .path = "p", .mirrors = {"a", "b"}};
    if (size < 2)
        return 0;
    about.size = 1 + (int64_t)data[0] * 50000;
    memcpy(about.boot_id, BOOT, sizeof(BOOT));
    size_t len = (size_t)map_size(about.size);
    auto_free uint8_t *block = calloc(1, len);
    require(block != NULL);
    require(map_format(block, &about) == 0);
    scribble(block, len, data[1] & 1 ? MAP_HEAD : 0, data + 2, size - 2);
    if (data[1] & 2)
        repair(block);
    check(block, len);

    auto_free uint8_t *raw = malloc(size); /* as it is, in a block with no byte behind it */
    require(raw != NULL);
    memcpy(raw, data, size);
    check(raw, size);
    return 0;
}
