// SPDX-License-Identifier: Apache-2.0
/* Any text as a link of a mirror's page, and as the address that the page came from: a file that it
 * leads to is a legal key, is asked for below a prefix of the configuration and at no other host,
 * and read there it is the same file. First line: which mirror; second: the page's address, or
 * nothing where it came from where it was asked; the rest: one link a line. */
#include "base/error.h"
#include "base/str.h"
#include "base/url.h"
#include "engine/mirrors/links.h"
#include "fuzz.h"

enum { MIRRORS = 2 };

static char main_name[] = "main", other_name[] = "other", pypi[] = "pypi";
static char main_index[] = "https://main.example/pypi/simple/{project}/";
static char main_files[] = "https://main.example/pypi/",
            archive[] = "https://archive.example/old+/";
static char other_index[] = "https://other.example:8443/simple/{project}/";
static char other_files[] = "https://other.example:8443/", canonical[] = "https://files.example/";
static char alias[] = "http://[2001:db8::1]/a%2Bb/";
static char *links_of_main[] = {archive, NULL}, *none[] = {NULL}, *aliases[] = {alias, NULL};
static struct mirror mirrors[MIRRORS] = {
    {.name = main_name,
     .layout = LAYOUT_SIMPLE,
     .index = main_index,
     .files = main_files,
     .links = links_of_main},
    {.name = other_name, .layout = LAYOUT_SIMPLE, .index = other_index, .files = other_files},
};
static const struct origin origin = {.name = pypi,
                                     .canonical = canonical,
                                     .aliases = aliases,
                                     .channels = none,
                                     .owns = none,
                                     .mirrors = mirrors,
                                     .mirror_count = MIRRORS};
static const char *const pages[MIRRORS] = {"https://main.example/pypi/simple/demo/",
                                           "https://other.example:8443/simple/demo/"};

/* What the mirror is asked for the file, when its page says nothing else. */
static char *plain_place(const struct mirror *mirror, const char *path)
{
    struct buf url;
    buf_init(&url, URL_MAX_BYTES);
    buf_puts(&url, mirror->files);
    url_encode_path(&url, path);
    if (url.error) {
        buf_release(&url);
        return NULL;
    }
    return buf_take(&url, NULL);
}

/* Where it is asked for it is the same file. */
static void read_again(const struct links *links, const char *url, const char *path)
{
    char *again = NULL, *place = NULL;
    require(links_read(links, url, &again, &place) == 0);
    require(fuzz_same(again, path));
    free(again);
    free(place);
}

static void check(const struct links *links, unsigned mirror, const char *path, const char *place)
{
    const struct mirror *m = &mirrors[mirror];
    require(path && url_key_is_valid(path));
    if (place) {
        bool own = str_starts(place, m->files);
        for (char *const *link = m->links; link && *link; link++)
            own |= str_starts(place, *link);
        require(own);
        read_again(links, place, path);
    }
    auto_free char *plain = plain_place(m, path);
    if (plain)
        read_again(links, plain, path);
}

static void read_link(unsigned mirror, const char *address, const char *href)
{
    auto_free char *url = NULL, *path = NULL, *place = NULL;
    struct links *links;
    if (url_resolve(address, href, &url))
        return;
    require(links_new(&origin, mirror, pages[mirror], address, &links) == 0);
    int r = links_read(links, url, &path, &place);
    require(r == 0 || r == URL_ELSEWHERE || r == ERROR_BAD_REQUEST || r == ERROR_TOO_BIG);
    if (r == 0)
        check(links, mirror, path, place);
    else
        require(!path && !place);
    links_free(links);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_free char *text = fuzz_text(data, size);
    char *rest = text, *line;
    const char *first = fuzz_line(&rest), *address = rest ? fuzz_line(&rest) : "";
    unsigned mirror = *first == '1';

    if (!*address)
        address = pages[mirror];
    while (rest && (line = fuzz_line(&rest)))
        read_link(mirror, address, line);
    return 0;
}
