// SPDX-License-Identifier: Apache-2.0
/* Any line as an address of a file and of an index: what becomes ours comes back as it was, and the
 * daemon's router takes the path for what it is. */
#include "../server/fake_origins.h"
#include "base/str.h"
#include "engine/mirrors/addresses.h"
#include "fuzz.h"
#include "server/route.h"

enum { MAX_BYTES = 64 << 10 };

static const char base[] = "http://localhost:8503";
static const char *const ours[] = {base, "https://wheels.lab/x", NULL};

/* Of an index a client asks for a project's page. */
static void check_route(const char *path, enum address_role role)
{
    size_t len = strlen(path);
    bool has_slash = len && path[len - 1] == '/';
    auto_free char *target =
        role == ADDRESS_FILE ? str_dup(path) : str_printf("%s%sx/", path, has_slash ? "" : "/");
    struct route route;

    require(target != NULL);
    if (strlen(target) > ROUTE_TARGET_MAX)
        return;
    require(route_parse(&fake_origins, target, &route) == 0);
    require(route.kind == (role == ADDRESS_FILE ? ROUTE_FILE : ROUTE_PAGE));
    if (role == ADDRESS_INDEX)
        require(route.project && strcmp(route.project, "x") == 0);
    route_release(&route);
}

static void check(const char *url, enum address_role role)
{
    const struct addresses a = {.origins = &fake_origins, .base = base, .ours = ours};
    auto_buf struct buf there;
    auto_buf struct buf back;
    const char *why = NULL;
    bool is_ours = !strncmp(url, base, strlen(base)) || !strncmp(url, ours[1], strlen(ours[1]));

    buf_init(&there, MAX_BYTES);
    buf_init(&back, MAX_BYTES);
    int r = addresses_to_ours(&a, url, role, &there, &why);
    if (r) {
        require(r != ADDRESSES_NONE || why != NULL);
        return;
    }
    require(!strncmp(there.data, base, strlen(base)));
    if (is_ours)
        return;
    require(addresses_to_official(&a, there.data, role, NULL, &back, &why) == 0);
    require(strcmp(back.data, url) == 0);
    check_route(there.data + strlen(base), role);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_free char *text = fuzz_text(data, size);
    char *rest = text;

    for (char *line; (line = fuzz_line(&rest));) {
        check(line, ADDRESS_FILE);
        check(line, ADDRESS_INDEX);
    }
    return 0;
}
