// SPDX-License-Identifier: Apache-2.0
/* Which file of an origin a link of a page is, and where the mirror is asked for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/str.h"
#include "base/url.h"
#include "engine/mirrors/links.h"

#define WHEEL "demo-1.0-py3-none-any.whl"

static char *archive[] = {"https://archive.example/old/", NULL};
static char *none[] = {NULL};
static struct mirror mirrors[] = {
    {.name = "main",
     .layout = LAYOUT_SIMPLE,
     .index = "https://main.example/pypi/simple/{project}/",
     .files = "https://main.example/pypi/",
     .links = archive},
    {.name = "other",
     .layout = LAYOUT_SIMPLE,
     .index = "https://other.example/simple/{project}/",
     .files = "https://other.example/"},
};
static const struct origin origin = {.name = "pypi",
                                     .canonical = "https://files.example/",
                                     .aliases = none,
                                     .channels = none,
                                     .owns = none,
                                     .mirrors = mirrors,
                                     .mirror_count = 2};

#define MAIN "https://main.example/pypi/simple/demo/"
#define OTHER "https://other.example/simple/demo/"

static const struct {
    unsigned mirror;
    const char *page, *address; /* address NULL: as asked */
    const char *href;
    const char *path;  /* NULL: elsewhere */
    const char *place; /* NULL: `files` and the path */
} cases[] = {
    {0, MAIN, NULL, "../../packages/" WHEEL, "packages/" WHEEL, NULL},
    {0, MAIN, NULL, "https://files.example/packages/" WHEEL, "packages/" WHEEL, NULL},
    /* the query is asked for, and no part of the key */
    {0, MAIN, NULL, "../../packages/" WHEEL "?sig=AB%2Bc%3D&v=1#sha256=00", "packages/" WHEEL,
     "https://main.example/pypi/packages/" WHEEL "?sig=AB%2Bc%3D&v=1"},
    {0, MAIN, NULL, "../../a+b/" WHEEL "?rev=7", "a+b/" WHEEL,
     "https://main.example/pypi/a%2Bb/" WHEEL "?rev=7"},
    {0, MAIN, NULL, "../../packages/" WHEEL "?", "packages/" WHEEL,
     "https://main.example/pypi/packages/" WHEEL "?"},
    /* further prefixes: asked there, by the mirror that has them alone */
    {0, MAIN, NULL, "https://archive.example/old/packages/" WHEEL, "packages/" WHEEL,
     "https://archive.example/old/packages/" WHEEL},
    {1, OTHER, NULL, "https://archive.example/old/packages/" WHEEL, "packages/" WHEEL, NULL},
    {0, MAIN, NULL, "https://archive.example/" WHEEL, NULL, NULL},
    {0, MAIN, NULL, "https://nobody.example/packages/" WHEEL, NULL, NULL},
    /* a page that came from elsewhere: the same relative path at who was asked */
    {0, MAIN, "https://member.example/pypi/simple/demo/", "../../packages/" WHEEL,
     "packages/" WHEEL, NULL},
    {0, MAIN, "https://member.example/simple/demo/", "../../packages/" WHEEL "?x",
     "packages/" WHEEL, "https://main.example/pypi/packages/" WHEEL "?x"},
    {0, MAIN, "https://member.example/deep/er/simple/demo/index.html", "../../packages/" WHEEL,
     "packages/" WHEEL, NULL},
    {0, MAIN, "https://member.example/simple/demo/", WHEEL, "simple/demo/" WHEEL, NULL},
    {0, MAIN, "https://member.example/simple/demo/", "https://third.example/packages/" WHEEL, NULL,
     NULL},
    {0, MAIN, "https://member.example/simple/demo/", "http://member.example:81/packages/" WHEEL,
     NULL, NULL},
    /* above the prefix, and above the root, there is nothing */
    {0, MAIN, "https://member.example/x/y/simple/demo/", "../../../packages/" WHEEL, NULL, NULL},
    {1, OTHER, "https://member.example/a/b/c/demo/", "../../../../packages/" WHEEL, NULL, NULL},
    /* what a prefix covers is meant as it stands, wherever the page came from */
    {0, MAIN, "https://other.example/simple/demo/", "../../packages/" WHEEL, "packages/" WHEEL,
     NULL},
};

static void links_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *address = cases[i].address ? cases[i].address : cases[i].page;
        struct links *links;
        char *url = NULL, *path = NULL, *place = NULL;
        print_message("%s at %s\n", cases[i].href, address);
        assert_int_equal(url_resolve(address, cases[i].href, &url), 0);
        assert_int_equal(links_new(&origin, cases[i].mirror, cases[i].page, address, &links), 0);
        assert_int_equal(links_read(links, url, &path, &place), cases[i].path ? 0 : URL_ELSEWHERE);
        if (cases[i].path)
            assert_string_equal(path, cases[i].path);
        if (cases[i].place)
            assert_string_equal(place, cases[i].place);
        else
            assert_null(place);
        links_free(links);
        free(path);
        free(place);
        free(url);
    }
}

static struct listing *settled(unsigned near, unsigned far)
{
    struct listing *l;
    struct buf page;
    buf_init(&page, 1 << 16);
    buf_puts(&page, "<!DOCTYPE html><body>");
    for (unsigned i = 0; i < near; i++)
        buf_printf(&page, "<a href=\"demo-1.%u.tar.gz\">x</a>", i);
    for (unsigned i = 0; i < far; i++)
        buf_printf(&page, "<a href=\"https://h%u.example/demo-2.%u.tar.gz\">x</a>", i % 2, i);
    buf_puts(&page, "</body>");
    assert_int_equal(listing_parse(page.data, page.len, MAIN, &l), 0);
    assert_int_equal(links_settle(&origin, 0, MAIN, MAIN, l), 0);
    buf_release(&page);
    return l;
}

static void a_page_may_lose_some_links(void **state)
{
    (void)state;
    static const struct {
        unsigned near, far, had;
        bool lost;
    } pages[] = {
        {3, 0, 0, false}, {3, 0, 9, false}, /* it has fewer, and none is elsewhere */
        {3, 2, 0, false}, {3, 2, 5, false}, {3, 2, 6, true},
        {3, 3, 0, true},  {0, 1, 0, true},  {0, 0, 5, false},
    };
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        struct listing *l = settled(pages[i].near, pages[i].far);
        print_message("%u and %u of %u\n", pages[i].near, pages[i].far, pages[i].had);
        assert_int_equal(l->file_count, pages[i].near);
        assert_int_equal(l->elsewhere, pages[i].far);
        assert_int_equal(links_are_lost(l, pages[i].had), pages[i].lost);
        listing_free(l);
    }
}

static void the_complaint_names_hosts_and_key(void **state)
{
    (void)state;
    char text[256];
    struct listing *l = settled(1, 3);
    links_complain(l, text, sizeof(text));
    assert_non_null(strstr(text, "links = [\"https://h0.example/\", \"https://h1.example/\"]"));
    listing_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(links_are_read),
        cmocka_unit_test(a_page_may_lose_some_links),
        cmocka_unit_test(the_complaint_names_hosts_and_key),
    };
    listing_global_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
