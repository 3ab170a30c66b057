// SPDX-License-Identifier: Apache-2.0
/* Three lines: the size of a file, Range, If-Range. What is sent lies inside the file and is what
 * was asked; the canonical spelling of a range means the same. */
#include <stdio.h>

#include "fuzz.h"
#include "server/negotiate.h"
#include "server/range.h"

static void check_spelling(struct range range)
{
    char text[80] = "";

    if (range.kind == RANGE_BOUNDED)
        (void)snprintf(text, sizeof(text), "bytes=%lld-%lld", (long long)range.first,
                       (long long)range.last);
    else if (range.kind == RANGE_OPEN)
        (void)snprintf(text, sizeof(text), "bytes=%lld-", (long long)range.first);
    else
        (void)snprintf(text, sizeof(text), "bytes=-%lld", (long long)range.last);
    struct range again = range_parse(text);
    require(again.kind == range.kind && again.first == range.first && again.last == range.last);
}

static void check_range(struct range range, int64_t size)
{
    int64_t from = -1;
    int64_t to = -1;

    require(range.first >= 0 && range.last >= 0);
    if (range_resolve(range, size, &from, &to)) {
        require(from == -1 && to == -1);
        require(range.kind == RANGE_SUFFIX ? range.last == 0 || size == 0 : range.first >= size);
        return;
    }
    require(0 <= from && from < to && to <= size);
    if (range.kind == RANGE_SUFFIX)
        require(to == size && (to - from == range.last || (from == 0 && size <= range.last)));
    else
        require(from == range.first);
    if (range.kind == RANGE_OPEN)
        require(to == size);
    if (range.kind == RANGE_BOUNDED)
        require(to - 1 <= range.last && (to == size || to - 1 == range.last));
}

/* A range may go out only for the very bytes that the client has the rest of. */
static void check_if_range(const char *header)
{
    static const char etag[] = "\"sha256-0a\"";
    static const char *const others[] = {"\"sha256-0A\"", "\"sha256-0\"", "\"\""};
    const char *trimmed = header + strspn(header, " \t");

    if (!negotiate_if_range(header, etag))
        return;
    require(strncmp(trimmed, etag, strlen(etag)) == 0);
    require(trimmed[strlen(etag) + strspn(trimmed + strlen(etag), " \t")] == '\0');
    require(negotiate_none_match(header, etag));
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        require(!negotiate_if_range(header, others[i]));
}

static void check_none_match(const char *header)
{
    static const char etag[] = "\"sha256-0a\"";

    if (negotiate_none_match(header, etag))
        require(strstr(header, etag) || header[strspn(header, " \t")] == '*');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_free char *text = fuzz_text(data, size);
    char *rest = text;
    int64_t bytes = strtoll(fuzz_line(&rest), NULL, 10) & INT64_MAX;
    const char *header = rest ? fuzz_line(&rest) : NULL;
    struct range range = range_parse(header);

    if (range.kind != RANGE_NONE) {
        check_spelling(range);
        check_range(range, bytes);
    }
    if (rest) {
        check_if_range(rest);
        check_none_match(rest);
    }
    return 0;
}
