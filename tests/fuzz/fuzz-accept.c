// SPDX-License-Identifier: Apache-2.0
/* Three lines: Accept, Accept-Encoding, Host. What is chosen is ours and was named; case
 * and empty elements of a list mean nothing; no name that is not ours is taken for one. */
#include <ctype.h>
#include <strings.h>

#include "base/str.h"
#include "fuzz.h"
#include "server/host.h"
#include "server/negotiate.h"

enum { NOTHING = -1 };

static int chosen(const char *accept)
{
    enum page_type type = (enum page_type)NOTHING;
    int r = negotiate_page(accept, NULL, &type);

    require(r == 0 || r == NEGOTIATE_NOTHING);
    require(r == 0 ? (int)type >= 0 && (int)type < PAGE_TYPES : (int)type == NOTHING);
    return (int)type;
}

/* The same list in other words. */
static char *respelled(const char *list)
{
    char *text = str_printf(", ,%s\t,", list);

    require(text != NULL);
    for (char *s = text; *s; s++)
        *s = (char)toupper((unsigned char)*s);
    return text;
}

static bool is_blank(const char *list)
{
    return list[strspn(list, " \t,")] == '\0';
}

/* The very type that was chosen, not just any of ours. */
static bool is_named(const char *list, int type)
{
    static const char *const names[PAGE_TYPES][2] = {
        [PAGE_TYPE_JSON] = {"application/vnd.pypi.simple.v1+json", ".latest+json"},
        [PAGE_TYPE_HTML_V1] = {"application/vnd.pypi.simple.v1+html", ".latest+html"},
        [PAGE_TYPE_HTML] = {"text/html", "text/*"},
    };
    return strchr(list, '*') || strcasestr(list, names[type][0]) ||
           strcasestr(list, names[type][1]);
}

static void check_type(const char *list)
{
    int type = chosen(list);

    /* Whatever else it names: who takes HTML gets something. */
    auto_free char *more = str_printf("%s,text/html", list);
    require(more != NULL && chosen(more) != NOTHING);
    if (type == NOTHING)
        return;
    require(strchr(negotiate_content_type((enum page_type)type), '/') != NULL);
    if (is_blank(list))
        return;
    require(is_named(list, type));
    auto_free char *other = respelled(list);
    require(chosen(other) == type);
}

static void check_coding(const char *list)
{
    auto_free char *other = respelled(list);
    enum page_coding coding = negotiate_coding(list);

    require(negotiate_coding(other) == coding);
    if (coding == PAGE_GZIP)
        require(strcasestr(list, "gzip") || strchr(list, '*'));
    if (coding == PAGE_ZSTD)
        require(strcasestr(list, "zstd") != NULL);
}

static void check_problem(const char *list)
{
    auto_free char *other = respelled(list);

    enum problem_type type = negotiate_problem(list);

    require(negotiate_problem(other) == type);
    if (type == PROBLEM_HTML)
        require(strcasestr(list, "html") != NULL);
    if (type == PROBLEM_TEXT)
        require(strcasestr(list, "text/") != NULL);
}

static void check_host(const char *host)
{
    static const char *const configured[] = {"wheels.lab", NULL};
    static const char *const ours[] = {"wheels.lab", "localhost", "box", "box.local",
                                       "box.example.org"};
    const struct host_names names = {.configured = configured, .own = "box.example.org"};

    if (host_check(&names, host) != 0)
        return;
    require(!strpbrk(host, "/@\\ \t?#,"));
    for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++) {
        const char *rest = host + strlen(ours[i]);

        if (strncasecmp(host, ours[i], strlen(ours[i])) == 0 &&
            (!*rest || *rest == ':' || (*rest == '.' && (!rest[1] || rest[1] == ':'))))
            return;
    }
    /* Else an address: digits and what stands between them. */
    require(host[strspn(host, *host == '[' ? "0123456789abcdefABCDEF.:[]" : "0123456789.:")] ==
            '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_free char *text = fuzz_text(data, size);
    char *rest = text;
    const char *accept = fuzz_line(&rest);
    const char *coding = rest ? fuzz_line(&rest) : NULL;

    check_type(accept);
    check_problem(accept);
    if (coding)
        check_coding(coding);
    if (rest)
        check_host(rest);
    return 0;
}
