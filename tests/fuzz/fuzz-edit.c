// SPDX-License-Identifier: Apache-2.0
/* Any text as somebody's configuration file: a change made twice is made once, nothing else is
 * lost, the diff accounts for every line, and what was changed is undone to the byte. */
#include "base/buf.h"
#include "cli/setup/edit.h"
#include "fuzz.h"

enum { MAX_BYTES = 1 << 20 };

static const struct edit ini = {
    .format = EDIT_INI,
    .heading = "[global]",
    .keys = {{"index-url", "http://h/simple", false}, {"trusted-host", "h", true}},
    .key_count = 2,
};
static const struct edit toml = {
    .heading = "[[index]]",
    .keys = {{"name", "\"wheelyard\"", false}, {"url", "\"http://h\"", false}},
    .key_count = 2,
};

static long count_lines(const char *text)
{
    long lines = 0;

    for (; *text; text++)
        lines += *text == '\n' || !text[1];
    return lines;
}

/* Lines of the diff's hunk that begin with `sign`. */
static long count_signs(const char *diff, char sign)
{
    const char *p = strstr(diff, "\n@@");
    long lines = 0;

    for (p = p ? strchr(p + 1, '\n') : NULL; p; p = strchr(p + 1, '\n'))
        lines += p[1] == sign;
    return lines;
}

static void check(const struct edit *edit, const char *old)
{
    auto_buf struct buf once;
    auto_buf struct buf twice;
    auto_buf struct buf diff;

    buf_init(&once, MAX_BYTES);
    buf_init(&twice, MAX_BYTES);
    buf_init(&diff, MAX_BYTES);
    edit_apply(edit, old, &once);
    edit_apply(edit, once.data, &twice);
    require(!once.error && !twice.error);
    require(strcmp(once.data, twice.data) == 0);
    edit_diff("f", old, once.data, &diff);
    require((diff.len == 0) == (strcmp(old, once.data) == 0));
    require(count_signs(diff.data, '+') - count_signs(diff.data, '-') ==
            count_lines(once.data) - count_lines(old));
}

static void check_undo(const struct edit *edit, const char *old)
{
    auto_buf struct buf changed;
    auto_buf struct buf undone;
    auto_buf struct buf without;

    buf_init(&changed, MAX_BYTES);
    buf_init(&undone, MAX_BYTES);
    buf_init(&without, MAX_BYTES);
    edit_apply(edit, old, &changed);
    require(edit_undo(edit, changed.data, old, &undone) == 0);
    require(strcmp(undone.data, old) == 0);
    /* With nothing known of before, our lines go, or it says that they cannot. */
    int r = edit_undo(edit, changed.data, NULL, &without);
    require(r == 0 || r == EDIT_MIXED);
    require(without.len <= changed.len);
    for (size_t key = 0; key < edit->key_count; key++) {
        char *value = edit_value(edit, changed.data, key);

        require(value != NULL);
        free(value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_free char *text = fuzz_text(data, size);

    check(&ini, text);
    check(&toml, text);
    check_undo(&ini, text);
    check_undo(&toml, text);
    return 0;
}
