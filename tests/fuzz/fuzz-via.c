// SPDX-License-Identifier: Apache-2.0
/* What a client writes as Via: only names of wheelyards come out, few of them, and cleaning what is
 * clean changes nothing. */
#include <ctype.h>
#include <string.h>

#include "base/cleanup.h"
#include "fuzz.h"
#include "server/via.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char own[] = "1.1 wheelyard-";
    auto_free char *text = fuzz_text(data, size);
    auto_free char *clean = via_clean(text);
    size_t count = 0;

    if (!clean)
        return 0;
    for (const char *s = clean; *s; count++) {
        require(strncmp(s, own, sizeof(own) - 1) == 0);
        s += sizeof(own) - 1;
        require(isxdigit((unsigned char)*s));
        while (isxdigit((unsigned char)*s))
            s++;
        require(!*s || strncmp(s, ", 1", 3) == 0);
        s += *s ? 2 : 0;
    }
    require(count <= VIA_NAMES_MAX + 1);
    require((via_judge(clean, "no instance") == VIA_TOO_LONG) == (count > VIA_NAMES_MAX));
    auto_free char *again = via_clean(clean);
    require(again && strcmp(again, clean) == 0);
    return 0;
}
