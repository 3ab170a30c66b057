// SPDX-License-Identifier: Apache-2.0
/* Any text as a reference, an absolute URL, an escaped path: what is resolved is absolute and stays
 * what it is, and no key leads out of its folder. */
#include "base/url.h"
#include "fuzz.h"

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

/* From a key to an address and back. */
static void check_key(const char *key)
{
    static const char prefix[] = "https://h.example/a%2Bb/";
    auto_buf struct buf url;
    auto_free char *back = NULL;

    buf_init(&url, URL_MAX_BYTES);
    if (!url_key_is_valid(key))
        return;
    buf_puts(&url, prefix);
    url_encode_path(&url, key);
    require(url.error == 0 && !strpbrk(url.data, "?#+ \\"));
    require(url_below(prefix, url.data, &back) == 0);
    require(strcmp(back, key) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_free char *text = fuzz_text(data, size);

    check_resolve(text);
    check_below(text);
    check_coding(text, strlen(text));
    check_key(text);
    return 0;
}
