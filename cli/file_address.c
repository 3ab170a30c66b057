// SPDX-License-Identifier: Apache-2.0
#include "cli/file_address.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/url.h"

enum { PATH_MAX_BYTES = 64 << 10 };

int file_address_path(const char *text, char **ret_path)
{
    auto_buf struct buf path;
    buf_init(&path, PATH_MAX_BYTES);
    int r = url_decode(text, strcspn(text, "?#"), &path);
    char *taken = r ? NULL : buf_take(&path, NULL);
    if (!taken)
        return r ? r : ERROR_NO_MEMORY;
    *ret_path = taken;
    return 0;
}

int file_address_split(const char *address, char **ret_origin, char **ret_path)
{
    const char *at = strstr(address, "/files/");
    at = at ? at + strlen("/files/") : "";
    size_t len = strcspn(at, "/");
    if (!len || !at[len])
        return ERROR_BAD_REQUEST;
    auto_free char *origin = strndup(at, len);
    if (!origin)
        return ERROR_NO_MEMORY;
    int r = file_address_path(at + len + 1, ret_path);
    if (r)
        return r;
    *ret_origin = origin;
    origin = NULL;
    return 0;
}
