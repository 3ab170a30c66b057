// SPDX-License-Identifier: Apache-2.0
#include "server/setup.h"

#include <string.h>

#include "base/str.h"

const char *setup_example_index(const struct origins *origins)
{
    struct index_view view;
    static const char popular[] = "cu126";
    if (origins_index(origins, popular, &view) == 0)
        return popular;
    for (size_t i = 0; i < origins->count; i++)
        for (char **channel = origins->list[i].channels; *channel; channel++)
            if (!strchr(*channel, '*'))
                return *channel;
    return origins->index_count ? origins->indexes[0].name : "";
}

void setup_base(struct buf *to, const char *address)
{
    static const char *const local[] = {"127.0.0.1:", "[::1]:", "0.0.0.0:", "[::]:"};
    buf_puts(to, "http://");
    for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++)
        if (str_starts(address, local[i])) {
            buf_printf(to, "localhost:%s", address + strlen(local[i]));
            return;
        }
    buf_puts(to, address);
}

void setup_write(struct buf *to, const char *base, const char *index)
{
    const char *slash = *index ? "/" : "";
    const char *project = *index ? "torch" : "requests";
    buf_printf(to, "pip   pip install %s --index-url %s%s%s/simple\n", project, base, slash, index);
    buf_printf(to, "uv    uv pip install %s --index-url %s%s%s/simple\n", project, base, slash,
               index);
    buf_printf(to, "pixi  [tool.pixi.pypi-options] index-url = \"%s%s%s/simple\"\n", base, slash,
               index);
}
