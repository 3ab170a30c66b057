// SPDX-License-Identifier: Apache-2.0
#include "cli/doctor/doctor_problems.h"

#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"

/* What the user can do about each kind of problem. An unknown kind is reported too, with a general
 * remedy. */
static const struct remedy {
    const char *kind, *text;
} remedies[] = {
    {"bad-listing", "look at that page with a browser: a portal's, or the mirror has moved"},
    {"listing-shrunk", "none if it is meant; else tell the mirror's maintainers"},
    {"links-elsewhere", "if those hosts are the mirror's, add them to its links"},
    {"captive-portal", "log in to this network; the daemon notices when that is done"},
    {"wrong-digest", "none while another mirror has the file; else tell the mirror's maintainers"},
    {"unsound", "none while another mirror has the file; else tell the mirror's maintainers"},
    {"not-sound", "none while another mirror has the file; else tell the mirror's maintainers"},
    {"other-version", "none: the client checks the version"},
    {"doubtful-digest", "wait until the index is corrected: several mirrors agree against it"},
    {"digest-disputed", "wait until the mirrors agree, or take out the one that is wrong"},
    {"blob-missing", "do not take files out of the cache by hand; it is fetched again"},
    {"blob-corrupt", "look at the disk (dmesg, smartctl); the file is fetched again"},
    {"thrashing", "raise max_size, or pin what must stay (wheelyard cache pin)"},
    {"not-kept", "make room on the disk, or change max_size or min_free"},
    {"metadata", "tell who made that wheel"},
    {"directory", "correct directory, mount it, or let the daemon's user read it"},
    {"directory-file", "correct that file or take it away"},
};

const char *doctor_remedy(const char *kind)
{
    for (size_t i = 0; i < sizeof remedies / sizeof *remedies; i++)
        if (strcmp(remedies[i].kind, kind) == 0)
            return remedies[i].text;
    return NULL;
}

/* Whether an earlier problem has this kind; then it was reported already. */
static bool was_told(const struct json *problems, const struct json *until, const char *kind)
{
    for (const struct json *p = json_first(problems); p && p != until; p = json_next(p))
        if (strcmp(json_text(p, "kind"), kind) == 0)
            return true;
    return false;
}

static unsigned count_of(const struct json *problems, const char *kind)
{
    unsigned count = 0;

    for (const struct json *p = json_first(problems); p; p = json_next(p))
        count += strcmp(json_text(p, "kind"), kind) == 0;
    return count;
}

/* One line per kind, with the newest example and the number of all. */
void doctor_problems(const struct json *problems, const char *url, struct findings *to)
{
    auto_free char *all = str_printf("see problems in %s/-/status", url);

    for (const struct json *p = json_first(problems); p; p = json_next(p)) {
        const char *kind = json_text(p, "kind");
        const char *remedy = doctor_remedy(kind);
        unsigned count = count_of(problems, kind);
        auto_free char *number = count > 1 ? str_printf(" (%u of these)", count) : NULL;

        if (was_told(problems, p, kind))
            continue;
        findings_add(to, FINDING_WARNING, "problems", json_text(p, "origin"), remedy ? remedy : all,
                     "%s: %s: %s%s", kind, json_text(p, "path"), json_text(p, "detail"),
                     number ? number : "");
    }
}
