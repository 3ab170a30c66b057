// SPDX-License-Identifier: Apache-2.0
/*
 * A pure translation from measurements to sentences. Each mirror goes through the same questions:
 * does it list, does it serve, does it honour ranges, is it fast. The first failure ends the
 * questions about that mirror, because later ones would only repeat it.
 */
#include "control/doctor_mirrors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "base/url.h"

/* At this rate a torch wheel of 900 MB takes half an hour. */
enum { SLOW_BYTES_S = 500 * 1000, CLOCK_TOLERANCE_S = 60, SUBJECT_BYTES = 256 };

static bool says(const char *text, const char *word)
{
    return strcasestr(text, word) != NULL;
}

/* What the user can do about a failed request. libcurl's text is the only hint at the cause. */
static const char *remedy_of(const struct diagnosed_step *step)
{
    const char *text = step->detail;

    if (step->error == ERROR_FORBIDDEN_ADDRESS)
        return "it leads to a private address: where that is meant, name that host and port in the "
               "mirror's index or files";
    if (says(text, "certificate") || says(text, "SSL") || says(text, "TLS"))
        return "name your CA's bundle with ca_file, and look at the clock";
    if (says(text, "proxy") || says(text, "CONNECT tunnel") || step->status == 407)
        return "start the proxy, or correct proxy (https_proxy, http_proxy) and no_proxy";
    if (says(text, "resolve"))
        return "look at DNS; behind a proxy set proxy";
    if (step->status == 401 || step->status == 403)
        return "put the mirror's user and password into the file of credentials, or take the "
               "mirror out";
    if (step->status)
        return "wait, correct the mirror's index and files, or take the mirror out";
    return "look at the network, and at proxy; take the mirror out if it is gone";
}

/* A TLS fault has a check of its own, whatever was being asked. */
static const char *check_of(const struct diagnosed_step *step, const char *otherwise)
{
    const char *text = step->detail;
    bool is_tls = says(text, "certificate") || says(text, "SSL") || says(text, "TLS");

    return is_tls ? "mirror-tls" : otherwise;
}

static void failed_step(const struct diagnosed_step *step, const char *check, const char *subject,
                        const char *url, struct findings *to)
{
    findings_add(to, FINDING_FAILED, check_of(step, check), subject, remedy_of(step), "%s: %s", url,
                 *step->detail ? step->detail : error_text(step->error));
}

/* ----------------------------------------------------------------- listing */

/* "Not found" only means that the mirror lacks this project; a page that is no listing means that
 * it is broken. */
static void listing_failed(const struct diagnosed *x, const char *subject, struct findings *to)
{
    const struct diagnosed_step *step = &x->listing;

    if (step->error == ERROR_GONE)
        findings_add(to, FINDING_WARNING, "mirror-listing", subject,
                     "correct the mirror's index; or ask with --index or --project for what it has",
                     "no page for %s: %s: %s", x->project, x->page, step->detail);
    else if (step->status == 200 &&
             (step->error == ERROR_BAD_LISTING || step->error == ERROR_TOO_BIG))
        findings_add(
            to, FINDING_FAILED, "mirror-listing", subject,
            "look at it with a browser: a portal's page, or the mirror has moved and index "
            "is wrong",
            "%s: %s", x->page, error_text(step->error));
    else
        failed_step(step, "mirror-listing", subject, x->page, to);
}

/* ------------------------------------------------------------------- files */

/* Whether the host of this URL prefix is `host`. */
static bool is_host_of(const char *prefix, const char *host)
{
    struct url url;
    bool same = false;

    if (prefix && url_parse(prefix, &url) == 0) {
        same = strcmp(url.host, host) == 0;
        url_release(&url);
    }
    return same;
}

static bool is_official(const struct origin *origin, const char *host)
{
    bool is = is_host_of(origin->canonical, host);

    for (char **alias = origin->aliases; *alias && !is; alias++)
        is = is_host_of(*alias, host);
    return is;
}

/* A mirror that redirects wheels to the official site saves no traffic and no time. */
static void diagnose_redirect(const struct diagnosed *x, const char *subject, struct findings *to)
{
    const char *host = x->range.error == 0 ? x->range.host : x->head.host;
    struct url url;

    if (!*host || is_host_of(x->file, host) || url_parse(x->file, &url))
        return;
    if (is_official(x->origin, host) && !is_official(x->origin, url.host))
        findings_add(to, FINDING_WARNING, "mirror-redirect", subject,
                     "put it behind the others: its wheels are no nearer than the official ones",
                     "it sends wheels on to the official site (%s)", host);
    else
        findings_add(to, FINDING_OK, "mirror-redirect", subject, NULL, "its wheels come from %s",
                     host);
    url_release(&url);
}

/* One megabyte is measured, so a rate is only reported when it is clearly slow. */
static void diagnose_speed(const struct diagnosed *x, const char *subject, struct findings *to)
{
    char rate[STR_SIZE];

    if (x->rate_bytes_s < 0 || x->rate_bytes_s >= SLOW_BYTES_S)
        return;
    str_size(x->rate_bytes_s, " ", rate);
    findings_add(to, FINDING_WARNING, "mirror-speed", subject,
                 "put faster mirrors beside it, or a proxy before it", "slow: %s/s", rate);
}

/* HEAD is a convenience, ranges are needed: their failures weigh differently. */
static void diagnose_file(const struct diagnosed *x, const char *subject, struct findings *to)
{
    bool has_head = x->head.error == 0;

    if (!x->range.asked) { /* no time was left for it */
        failed_step(&x->head, "mirror-file", subject, x->file, to);
        return;
    }
    if (x->range.error && x->range.status != 200) {
        /* HEAD worked, so the mirror refuses only ranges. */
        if (has_head && x->range.status)
            findings_add(to, FINDING_FAILED, "mirror-ranges", subject,
                         "take the mirror out: downloads are asked for in ranges",
                         "refuses ranges: %s: %s", x->file, x->range.detail);
        else
            failed_step(&x->range, "mirror-file", subject, x->file, to);
        return;
    }
    if (!has_head)
        findings_add(to, FINDING_WARNING, "mirror-head", subject,
                     "none needed while another mirror tells sizes and dates",
                     "answers no HEAD: %s", *x->head.detail ? x->head.detail : "an error");
    if (x->range.status != 206)
        findings_add(to, FINDING_WARNING, "mirror-ranges", subject,
                     "add a mirror that honours them: without, metadata costs whole wheels and no "
                     "download is resumed",
                     "ignores ranges");
    diagnose_redirect(x, subject, to);
    diagnose_speed(x, subject, to);
}

/* ----------------------------------------------------------------- mirrors */

/* One line of facts for a mirror that works, before its warnings. */
static void summarise(const struct diagnosed *x, const char *subject, struct findings *to)
{
    char rate[STR_SIZE] = "";

    if (x->rate_bytes_s >= 0)
        str_size(x->rate_bytes_s, " ", rate);
    findings_add(to, FINDING_OK, "mirror", subject, NULL,
                 "%zu files listed in %.1f s, %zu with digests%s%s%s%s%s%s", x->file_count,
                 (double)x->listing.took_ms / 1000, x->digest_count,
                 str_starts(x->page, "https:") ? "; TLS good" : "",
                 x->head.asked && x->head.error == 0 ? "; HEAD" : "",
                 x->range.status == 206 ? "; ranges" : "", *rate ? "; " : "", rate,
                 *rate ? "/s" : "");
}

/* Distrust first: it explains why a mirror is not asked at all. */
static void diagnose_mirror(const struct diagnosed *x, struct findings *to)
{
    char subject[SUBJECT_BYTES];

    (void)snprintf(subject, sizeof subject, "%s/%s", x->origin->name, x->mirror->name);
    if (x->is_out)
        findings_add(to, FINDING_WARNING, "mirror-trust", subject,
                     "see problems in /-/status; take it out if that goes on",
                     "not asked for an hour, because it sent wrong bytes: %s", x->last_error);
    if (!x->page) {
        findings_add(to, FINDING_WARNING, "mirror-listing", subject, "name a channel with --index",
                     "not asked: its channels are patterns alone");
        return;
    }
    if (x->listing.error) {
        listing_failed(x, subject, to);
        return;
    }
    summarise(x, subject, to);
    if (x->elsewhere_count)
        findings_add(to, FINDING_WARNING, "mirror-links", subject,
                     "correct the mirror's `files`; or, where the same files lie there, add such a "
                     "prefix to the mirror's `links`",
                     "%zu of its %zu links lead to %s, outside the origin: %s", x->elsewhere_count,
                     x->file_count, x->elsewhere_hosts, x->page);
    if (x->file)
        diagnose_file(x, subject, to);
    else if (!x->elsewhere_count)
        findings_add(to, FINDING_WARNING, "mirror-file", subject,
                     "ask with --project for one of which it has files", "%s lists no file of %s",
                     x->page, x->project);
}

/* Counts over all mirrors of an origin that listed something. */
static void diagnose_digests(const struct diagnosis *x, const struct origin *origin,
                             struct findings *to)
{
    size_t files = 0, digests = 0;

    for (size_t i = 0; i < x->count; i++) {
        if (x->list[i].origin != origin)
            continue;
        files += x->list[i].file_count;
        digests += x->list[i].digest_count;
    }
    if (files && !digests)
        findings_add(to, FINDING_WARNING, "digests", origin->name,
                     "add a mirror with a simple index of the same files; until then locks hold no "
                     "hashes",
                     "no mirror that answered names digests");
}

/* ----------------------------------------------------------------- folders */

/* One line for the folder, and one more for files that were refused. */
static void diagnose_folder(const struct diagnosed_folder *x, struct findings *to)
{
    const char *subject = x->origin->name, *place = x->origin->directory;

    if (*x->failure)
        findings_add(to, FINDING_FAILED, "folder", subject,
                     "correct directory, mount it, or let the daemon's user read it", "%s",
                     x->failure);
    else if (!x->is_read)
        findings_add(to, FINDING_OK, "folder", subject, NULL, "%s is being read for the first time",
                     place);
    else if (!x->wheel_count && !x->other_count)
        findings_add(to, FINDING_WARNING, "folder", subject,
                     "put wheels there, or correct directory", "%s: nothing to list", place);
    else
        findings_add(to, FINDING_OK, "folder", subject, NULL,
                     "%zu wheels and %zu source distributions listed: %s", x->wheel_count,
                     x->other_count, place);
    if (x->refused_count && !*x->failure)
        findings_add(to, FINDING_WARNING, "folder-files", subject,
                     "correct them or take them away; problems in /-/status names them all",
                     "%zu files are not listed; one of them: %s", x->refused_count, x->refused);
}

/* ------------------------------------------------------------------- clock */

/* The clock of the mirror that differs least from ours decides: it and our clock confirm each
 * other. */
static void diagnose_clock(const struct diagnosis *x, struct findings *to)
{
    const struct diagnosed *best = NULL;

    for (size_t i = 0; i < x->count; i++)
        if (x->list[i].has_clock && (!best || llabs(x->list[i].skew_s) < llabs(best->skew_s)))
            best = &x->list[i];
    if (!best)
        return;
    int64_t skew_s = llabs(best->skew_s);
    if (skew_s <= CLOCK_TOLERANCE_S)
        findings_add(to, FINDING_OK, "clock", "clock", NULL, "within %d s of the mirrors'",
                     CLOCK_TOLERANCE_S);
    else
        findings_add(to, skew_s > 24 * 3600 ? FINDING_FAILED : FINDING_WARNING, "clock", "clock",
                     "set it (timedatectl set-ntp true): TLS and cool-down dates go by it",
                     "%" PRId64 " s %s that of %s/%s, and further from the others'", skew_s,
                     best->skew_s > 0 ? "behind" : "ahead of", best->origin->name,
                     best->mirror->name);
}

void doctor_mirrors(const struct diagnosis *x, struct findings *to)
{
    for (size_t i = 0; i < x->count; i++) {
        diagnose_mirror(&x->list[i], to);
        if (i + 1 == x->count || x->list[i + 1].origin != x->list[i].origin)
            diagnose_digests(x, x->list[i].origin, to);
    }
    for (size_t i = 0; i < x->folder_count; i++)
        diagnose_folder(&x->folders[i], to);
    diagnose_clock(x, to);
}
