// SPDX-License-Identifier: Apache-2.0
#include "control/control_place.h"

#include <string.h>

#include "base/str.h"

/* A path whose allocation failed is left out; the others may still work. */
size_t control_places(const char *given, const char *(*environment)(const char *name),
                      char *ret[CONTROL_PLACES])
{
    size_t count = 0;
    if (given && *given) {
        ret[0] = strdup(given);
        return ret[0] ? 1 : 0;
    }
    const char *systemd = environment("RUNTIME_DIRECTORY");
    const char *session = environment("XDG_RUNTIME_DIR");
    if (systemd && *systemd == '/') /* systemd joins several by colons; the first is used */
        ret[count++] = str_printf("%.*s/control.sock", (int)strcspn(systemd, ":"), systemd);
    if (session && *session == '/')
        ret[count++] = str_printf("%s/wheelyard/control.sock", session);
    ret[count++] = strdup("/run/wheelyard/control.sock");
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (ret[i])
            ret[kept++] = ret[i];
    return kept;
}
