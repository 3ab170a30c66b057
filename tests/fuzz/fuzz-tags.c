// SPDX-License-Identifier: Apache-2.0
/* Any lines as Python, platform and the file name of a wheel: every tag of a target is found again
 * at its place or before it, and what has a rank fits in both halves. */
#include <stdio.h>

#include "base/buf.h"
#include "base/error.h"
#include "fuzz.h"
#include "index/hint.h"
#include "index/tags.h"

static void check_one(const struct tags *tags, size_t rank)
{
    char tag[3 * (TAG_MAX_BYTES + 1)];
    char file[sizeof tag + 16];
    struct wheel_tags wheel;

    tags_write(tags, rank, tag);
    (void)snprintf(file, sizeof file, "a-1-%s.whl", tag);
    require(wheel_tags_parse(file, &wheel));
    int found = tags_rank(tags, &wheel);
    require(found >= 0 && (size_t)found <= rank);
    require(tags_fit_python(tags, &wheel) && tags_fit_platform(tags, &wheel));
}

static void check_wheel(const struct tags *tags, const char *file)
{
    struct wheel_tags wheel;
    char label[NAME_MAX_BYTES + 1];

    if (!wheel_tags_parse(file, &wheel))
        return;
    wheel_tags_python_label(&wheel, label);
    require(*label);
    wheel_tags_platform_label(&wheel, label);
    require(*label);
    if (!tags || tags_rank(tags, &wheel) < 0)
        return;
    require((size_t)tags_rank(tags, &wheel) < tags_count(tags));
    require(tags_fit_python(tags, &wheel) && tags_fit_platform(tags, &wheel));
}

/* Any text as the page that is searched for a hint. */
static void check_hint(const char *file, const char *page)
{
    auto_buf struct buf hint;

    buf_init(&hint, 4096);
    hint_of_file(file, page, page, &hint);
    require(!hint.error || hint.error == ERROR_TOO_BIG);
    if (hint_is_near(page, file))
        require(hint_is_near(page, page));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_free char *text = fuzz_text(data, size);
    char *rest = text;
    const char *lines[3] = {"", "", ""};
    char label[NAME_MAX_BYTES + 1];
    struct tags *tags = NULL;

    for (size_t i = 0; i < 3 && rest; i++)
        lines[i] = fuzz_line(&rest);
    int r = tags_expand(lines[0], lines[1], size % 50, &tags);
    require(r == 0 || r == ERROR_BAD_REQUEST);
    platform_label(lines[1], label);
    for (size_t i = 0; tags && i < tags_count(tags); i += 1 + tags_count(tags) / 16)
        check_one(tags, i);
    check_wheel(tags, lines[2]);
    check_hint(lines[2], rest ? rest : lines[0]);
    tags_free(tags);
    return 0;
}
