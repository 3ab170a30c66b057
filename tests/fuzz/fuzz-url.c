// SPDX-License-Identifier: Apache-2.0
/* Any text as a reference, an absolute URL, an escaped path: what is resolved is absolute and stays
 * what it is, and no key leads out of its folder. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool what)
{
    if (!what)
        abort();
}

static void check_below(const char *text)
{
    auto_free char *path = NULL;

    if (url_below("https://h.example/a/", text, &path) != 0)
        return;
    require(url_key_is_valid(path));
    require(path[0] != '/' && !strstr(path, "/../") && strncmp(path, "../", 3) != 0);
}

static void check_resolve(const char *text)
{
    auto_free char *first = NULL;
    auto_free char *second = NULL;
    struct url u;

    if (url_resolve("https://h.example/a/b/c?d", text, &first) != 0)
        return;
    require(url_parse(first, &u) == 0);
    require(u.path[0] == '/' && u.host[0] && !strstr(u.path, "/../") && !strstr(u.path, "/./"));
    url_release(&u);
    require(url_resolve("http://other.example/", first, &second) == 0);
    require(strcmp(first, second) == 0);
    check_below(first);
}

static void check_coding(const char *text, size_t len)
{
    auto_buf struct buf coded;
    auto_buf struct buf decoded;
    auto_buf struct buf again;

    buf_init(&decoded, 1 << 20);
    buf_init(&coded, 1 << 20);
    buf_init(&again, 1 << 20);
    if (url_decode(text, len, &decoded) != 0)
        return;
    require(strlen(decoded.data) == decoded.len);
    url_encode_path(&coded, decoded.data);
    if (coded.error)
        return;
    require(url_decode(coded.data, coded.len, &again) == 0);
    require(strcmp(again.data, decoded.data) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_free char *text = malloc(size + 1);

    require(text != NULL);
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    check_resolve(text);
    check_below(text);
    check_coding(text, strlen(text));
    return 0;
}
