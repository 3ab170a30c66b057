// SPDX-License-Identifier: Apache-2.0
/* A wheel of the input's bytes, behind a gap of zeros that the first byte chooses, so that its list
 * of members can be longer than what is read at first. It is read by ranges as a mirror's file is:
 * what is wanted lies inside the file and is not there yet, and there is an end to it. */
#include "base/error.h"
#include "fuzz.h"
#include "index/wheel.h"

enum { GAP = 600 };

static const char file[] = "torch-2.9.0+cu126-cp312-cp312-linux_x86_64.whl";

static bool is_there(const struct wheel_parts *parts, const struct wheel_run *want)
{
    for (unsigned i = 0; i < parts->count; i++)
        if (parts->list[i].from <= want->from &&
            want->to <= parts->list[i].from + (int64_t)parts->list[i].len)
            return true;
    return false;
}

static void add_part(struct wheel_parts *parts, const uint8_t *bytes, const struct wheel_run *want)
{
    require(want->from >= 0 && want->from < want->to && want->to <= parts->size);
    require(!is_there(parts, want));
    require(parts->count < WHEEL_PARTS_MOST);
    size_t len = (size_t)(want->to - want->from);
    char *data = malloc(len); /* with nothing behind it */
    require(data != NULL);
    memcpy(data, bytes + want->from, len);
    parts->list[parts->count++] = (struct wheel_part){want->from, data, len};
}

static void check_text(const struct buf *text)
{
    struct wheel_header header;
    require(text->len > 0 && text->len <= WHEEL_METADATA_MAX);
    require(wheel_header_read(text->data, text->len, &header) == 0);
    (void)wheel_header_fits(&header, file);
    wheel_header_release(&header);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    size_t gap = (size_t)data[0] * GAP, len = gap + size - 1;
    auto_free uint8_t *bytes = calloc(1, len + 1);
    require(bytes != NULL);
    memcpy(bytes + gap, data + 1, size - 1);

    struct wheel_parts parts = {.size = (int64_t)len};
    struct wheel_run want;
    const char *why = NULL;
    auto_buf struct buf text;
    buf_init(&text, WHEEL_METADATA_MAX);
    unsigned rounds = 0;
    int r;
    while ((r = wheel_metadata(&parts, file, &want, &why, &text)) == WHEEL_WANTS) {
        require(++rounds <= WHEEL_ROUNDS_MOST);
        add_part(&parts, bytes, &want);
    }
    require(r == 0 || ((r == ERROR_CORRUPT || r == ERROR_TOO_BIG) && why && *why && !text.len));
    if (r == 0)
        check_text(&text);
    int end = wheel_end(&parts, &want, &why); /* it needs nothing more */
    require(end == 0 || (end == ERROR_CORRUPT && r == ERROR_CORRUPT));
    for (unsigned i = 0; i < parts.count; i++)
        free((void *)(uintptr_t)parts.list[i].data);
    return 0;
}
