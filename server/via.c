// SPDX-License-Identifier: Apache-2.0
/*
 * A loop of wheelyards would fetch for ever. Each daemon adds its own random name to Via, and
 * refuses a request that carries that name already. The names are checked byte by byte, because
 * anything else that a client writes would reach the mirrors.
 */
#include "server/via.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/ascii.h"
#include "base/buf.h"
#include "base/str.h"

enum { VIA_MAX_BYTES = 1 << 10 };

static const char prefix[] = "wheelyard-";

/* A token of RFC 9110 5.6.2. */
static size_t token_length(const char *s)
{
    size_t len = 0;
    while (isalnum((unsigned char)s[len]) || (s[len] && strchr("!#$%&'*+-.^_`|~", s[len])))
        len++;
    return len;
}

/* Skips [protocol-name "/"] protocol-version; NULL when there is none. */
static const char *skip_protocol(const char *s)
{
    size_t len = token_length(s);
    if (!len)
        return NULL;
    s += len;
    if (*s == '/') {
        len = token_length(++s);
        if (!len)
            return NULL;
        s += len;
    }
    return *s == ' ' || *s == '\t' ? ascii_skip_blanks(s) : NULL;
}

/* A comment may have comments in it, and quoted pairs. NULL: it does not end. */
static const char *skip_comment(const char *s)
{
    size_t depth = 0;
    do {
        if (*s == '\\' && s[1])
            s++;
        else if (*s == '(')
            depth++;
        else if (*s == ')')
            depth--;
        else if (!*s)
            return NULL;
        s++;
    } while (depth);
    return ascii_skip_blanks(s);
}

/* host[:port] or a pseudonym. */
static size_t received_length(const char *s)
{
    return strcspn(s, " \t,()\"");
}

/* Reads one entry at `s`. Returns its end (a comma or the NUL), or NULL when it is malformed. */
static const char *take_entry(const char *s, const char **ret_name, size_t *ret_len)
{
    s = skip_protocol(s);
    if (!s)
        return NULL;
    *ret_name = s;
    *ret_len = received_length(s);
    if (!*ret_len)
        return NULL;
    s = ascii_skip_blanks(s + *ret_len);
    if (*s == '(')
        s = skip_comment(s);
    return s && (!*s || *s == ',') ? s : NULL;
}

/* "wheelyard-" and hex digits: the only names that are passed on. */
static bool is_wheelyard(const char *name, size_t len)
{
    size_t before = sizeof(prefix) - 1;
    if (len <= before || len > 64 || strncmp(name, prefix, before) != 0)
        return false;
    for (size_t i = before; i < len; i++)
        if (!isxdigit((unsigned char)name[i]))
            return false;
    return true;
}

/* Stops at the first malformed entry: what follows may be anything. */
char *via_clean(const char *via)
{
    auto_buf struct buf clean;
    const char *name = NULL;
    size_t len = 0, count = 0;
    buf_init(&clean, (VIA_NAMES_MAX + 1) * (size_t)VIA_MAX_BYTES);
    for (const char *s = via + strspn(via, " \t,"); *s; s += strspn(s, " \t,")) {
        s = take_entry(s, &name, &len);
        if (!s)
            break;
        if (!is_wheelyard(name, len))
            continue;
        buf_printf(&clean, "%s1.1 %.*s", clean.len ? ", " : "", (int)len, name);
        if (++count > VIA_NAMES_MAX)
            break;
    }
    return clean.len ? buf_take(&clean, NULL) : NULL;
}

enum via_verdict via_judge(const char *clean, const char *instance)
{
    size_t len = strlen(instance), count = 0;
    for (const char *s = clean ? strstr(clean, prefix) : NULL; s; s = strstr(s, prefix)) {
        count++;
        s += sizeof(prefix) - 1;
        if (strncmp(s, instance, len) == 0 && (!s[len] || s[len] == ','))
            return VIA_LOOPS;
    }
    return count > VIA_NAMES_MAX ? VIA_TOO_LONG : VIA_GOES_ON;
}
