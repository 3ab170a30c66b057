// SPDX-License-Identifier: Apache-2.0
/* What a proxy passes on, four lines of it. The last address of a list is the client, whatever
 * stands before it; what comes out fits into a page and into an address. */
#include <ctype.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "fuzz.h"
#include "server/forwarded.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const trusted[] = {"127.0.0.1", NULL};
    auto_free char *text = fuzz_text(data, size);
    char *lines[4] = {text, NULL, NULL, NULL};
    struct network_list list = {0};
    struct in6_addr peer, expected;
    struct forwarded from = {0};

    for (size_t i = 1; i < 4 && lines[i - 1]; i++) {
        lines[i] = strchr(lines[i - 1], '\n');
        if (lines[i])
            *lines[i]++ = '\0';
    }
    require(network_list_read(trusted, &list) == 0);
    require(network_address_parse("127.0.0.1", &peer) == 0);
    require(network_address_parse("203.0.113.5", &expected) == 0);
    const struct forwarded_headers headers = {
        .forwarded = lines[0], .scheme = lines[1], .host = lines[2], .prefix = lines[3]};
    if (forwarded_read(&headers, &list, &peer, &from) == 0) {
        require(!*from.prefix || (*from.prefix == '/' && isgraph((unsigned char)from.prefix[1])));
        require(!strpbrk(from.prefix, "<>\"'& %?#"));
        require(strlen(from.host) < sizeof(from.host));
    }
    auto_free char *chain = str_printf("%s, 203.0.113.5", text);
    const struct forwarded_headers appended = {.address = chain};
    require(forwarded_read(&appended, &list, &peer, &from) == 0);
    require(from.is_known && memcmp(&from.client, &expected, sizeof(expected)) == 0);
    network_list_release(&list);
    return 0;
}
