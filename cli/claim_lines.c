// SPDX-License-Identifier: Apache-2.0
/*
 * The daemon's answer has more members than people need. Both forms here keep only those that a
 * user can act on, so that a later daemon may add members without a change of this output.
 */
#include "cli/claim_lines.h"

#include <stdbool.h>

/* "believed" is a claim that counts alone; when claims contradict each other, each is only
 * "accepted". */
void claim_lines_write(const struct json *object, struct buf *to)
{
    const struct json *claim = json_first(json_member(object, "claims"));
    bool disputed = json_is_true(json_member(object, "disputed"));

    for (; claim; claim = json_next(claim)) {
        const char *said = json_text(claim, "said");

        buf_printf(to, "%s: %s=%s", json_text(claim, "mirror"), json_text(claim, "algorithm"),
                   json_text(claim, "value"));
        if (*said)
            buf_printf(to, " said %s", said);
        buf_printf(to, " (%s%s%s)\n", json_text(claim, "state"),
                   json_is_true(json_member(claim, "counts"))
                       ? (disputed ? ", accepted" : ", believed")
                       : "",
                   json_is_true(json_member(claim, "conflict")) ? ", in conflict" : "");
    }
}

/* Empty texts are left out, flags are always written. */
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
            if (*json_text(claim, texts[i]))
                json_write_member(to, texts[i], json_text(claim, texts[i]));
        for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
            json_write_boolean(to, flags[i], json_is_true(json_member(claim, flags[i])));
        }
        buf_putc(to, '}');
    }
    buf_putc(to, ']');
}
