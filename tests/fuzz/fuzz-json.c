// SPDX-License-Identifier: Apache-2.0
/* Any text as JSON: what was read and written again reads as the same, and as a PEP 691 page it
 * keeps the promises of pages. */
#include "base/json.h"
#include "fuzz.h"
#include "index/listing.h"
#include "page_check.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    listing_global_init();
    return 0;
}

static void write_value(const struct json *value, struct buf *to);

static void write_members(const struct json *parent, bool is_object, struct buf *to)
{
    for (const struct json *e = json_first(parent); e; e = json_next(e)) {
        require(is_object == (json_name(e) != NULL));
        if (is_object)
            json_write_name(to, json_name(e));
        else
            json_write_comma(to);
        write_value(e, to);
    }
}

/* Values that nothing of ours reads (null, false, fractions) become null. */
static void write_value(const struct json *value, struct buf *to)
{
    bool is_object = json_is_object(value);

    if (is_object || json_is_array(value)) {
        buf_putc(to, is_object ? '{' : '[');
        write_members(value, is_object, to);
        buf_putc(to, is_object ? '}' : ']');
    } else if (json_string(value)) {
        json_write_string(to, json_string(value));
    } else if (json_is_true(value)) {
        buf_puts(to, "true");
    } else if (json_integer(value) >= 0) {
        buf_printf(to, "%lld", (long long)json_integer(value));
    } else {
        buf_puts(to, "null");
    }
}

static void check_rewriting(const char *text, size_t len)
{
    struct json *document = NULL;
    struct json *again = NULL;
    auto_buf struct buf first;
    auto_buf struct buf second;

    buf_init(&first, 1 << 20);
    buf_init(&second, 1 << 20);
    if (json_parse(text, len, &document) < 0)
        return;
    write_value(document, &first);
    require(first.error == 0);
    require(json_parse(first.data, first.len, &again) == 0);
    write_value(again, &second);
    require(fuzz_same(first.data, second.data));
    json_free(again);
    json_free(document);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_rewriting((const char *)data, size);
    page_check(data, size);
    return 0;
}
