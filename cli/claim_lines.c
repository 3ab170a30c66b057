// SPDX-License-Identifier: Apache-2.0
#include "cli/claim_lines.h"

#include <stdbool.h>

/* The daemon's answer has more members than people need. Both forms here keep only those that a
 * user can act on, so that a later daemon may add members without a change of this output. */

static const char *text_of(const struct json *claim, const char *name)
{
    const char *text = json_string(json_member(claim, name));
    return text ? text : "";
}

static bool is_so(const struct json *claim, const char *name)
{
    return json_is_true(json_member(claim, name));
}

/* "believed" is a claim that counts alone; when claims contradict each other, each is only
 * "accepted". */
void claim_lines_write(const struct json *object, struct buf *to)
{
    const struct json *claim = json_first(json_member(object, "claims"));
    bool disputed = is_so(object, "disputed");

    for (; claim; claim = json_next(claim)) {
        const char *said = text_of(claim, "said");

        buf_printf(to, "%s: %s=%s", text_of(claim, "mirror"), text_of(claim, "algorithm"),
                   text_of(claim, "value"));
        if (*said)
            buf_printf(to, " said %s", said);
        buf_printf(to, " (%s%s%s)\n", text_of(claim, "state"),
                   is_so(claim, "counts") ? (disputed ? ", accepted" : ", believed") : "",
                   is_so(claim, "conflict") ? ", in conflict" : "");
    }
}

void claim_lines_copy(const struct json *object, struct buf *to)
{
    static const char *const texts[] = {"mirror", "algorithm", "value", "said", "state"};
    static const char *const flags[] = {"site", "counts", "conflict"};
    const struct json *claim = json_first(json_member(object, "claims"));

    json_write_name(to, "claims");
    buf_putc(to, '[');
    for (; claim; claim = json_next(claim)) {
        json_write_comma(to);
        buf_putc(to, '{');
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
            if (*text_of(claim, texts[i]))
                json_write_member(to, texts[i], text_of(claim, texts[i]));
        for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
            json_write_name(to, flags[i]);
            buf_puts(to, is_so(claim, flags[i]) ? "true" : "false");
        }
        buf_putc(to, '}');
    }
    buf_putc(to, ']');
}
