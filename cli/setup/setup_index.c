// SPDX-License-Identifier: Apache-2.0
#include "cli/setup/setup_index.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/near.h"
#include "base/str.h"
#include "upstream/http_get.h"

/* The list names known channels only. A channel that fits a pattern but is unknown is probed: the
 * daemon then asks the mirrors, which takes seconds. */
enum { LIST_MAX_BYTES = 4 << 20, STATUS_MAX_BYTES = 16 << 20, ANSWER_S = 5, PROBE_S = 15 };

/* Collects the names of one list of the answer; true when `index` is among them. */
static bool look_through(const struct json *list, const char *member, const char *index,
                         struct near *near, struct buf *names)
{
    bool found = false;

    for (const struct json *row = json_first(list); row; row = json_next(row)) {
        const char *name = json_string(json_member(row, member));

        if (!name)
            continue;
        found |= strcmp(name, index) == 0;
        near_offer(near, name);
        buf_printf(names, "%s%s", names->len ? ", " : "", name);
    }
    return found;
}

/* Such a channel may exist, so the daemon is asked for one of its pages. */
static bool fits_a_pattern(const struct json *list, const char *index)
{
    for (const struct json *row = json_first(list); row; row = json_next(row)) {
        const char *pattern = json_string(json_member(row, "pattern"));

        if (pattern && str_matches(pattern, index))
            return true;
    }
    return false;
}

/* The status of one GET; -1 without an answer. */
static int status_of(const char *base, const char *target, const char *accept, int timeout_s)
{
    auto_buf struct buf body;
    int status = -1;

    buf_init(&body, HTTP_GET_MAX_BYTES);
    return target && !http_get(base, target, accept, timeout_s, &status, &body) ? status : -1;
}

/* Probes the index by one of its pages: a missing index answers 400, whatever the project. */
static int probe(const char *base, const char *index)
{
    auto_free char *target = str_printf("/%s/simple/torch/", index);
    int status = status_of(base, target, "application/vnd.pypi.simple.v1+json", PROBE_S);

    return status == 400 ? 0 : status >= 0 && status < 500 ? 1 : -1;
}

/* For a daemon without a list: an existing index answers with a redirect to itself. */
static int ask_older(const char *base, const char *index)
{
    auto_free char *target = str_printf("%s%s/simple", *index ? "/" : "", index);
    int status = status_of(base, target, "text/html", ANSWER_S);

    return status == 404 || status == 400 ? 0 : status >= 0 && status < 400 ? 1 : -1;
}

/* The list answers most cases; only a pattern needs a probe. */
int setup_ask_index(const char *base, const char *index, struct buf *to)
{
    const char *name = *index ? index : "simple";
    struct near near = {.typed = name};
    struct json *all = NULL;
    auto_buf struct buf body;
    auto_buf struct buf names;
    int status = 0;

    buf_init(&body, LIST_MAX_BYTES);
    buf_init(&names, LIST_MAX_BYTES);
    if (http_get(base, "/-/indexes", "application/json", ANSWER_S, &status, &body))
        return -1;
    if (status != 200 || json_parse(body.data, body.len, &all))
        return ask_older(base, index);
    bool found = look_through(json_member(all, "indexes"), "name", name, &near, &names);
    found |= look_through(json_member(all, "channels"), "name", name, &near, &names);
    bool fits = fits_a_pattern(json_member(all, "patterns"), name);
    if (near.best)
        buf_printf(to, "did you mean %s? ", near.best);
    buf_printf(to, "There are: %s", names.data);
    json_free(all);
    return found ? 1 : fits ? probe(base, index) : 0;
}

/* ------------------------------------------------------------------- offline */

static int is_offline(const char *base)
{
    struct json *all = NULL;
    auto_buf struct buf body;
    int status = 0;

    buf_init(&body, STATUS_MAX_BYTES);
    if (http_get(base, "/-/status", "application/json", ANSWER_S, &status, &body) ||
        status != 200 || json_parse(body.data, body.len, &all))
        return -1;
    bool offline = json_is_true(json_member(all, "offline"));
    json_free(all);
    return offline;
}

/* Whether the HTML page has a link. An index of PyTorch's has other projects also, so only its flat
 * page tells whether it has wheels of its own. */
static int has_link(const char *base, const char *index)
{
    auto_free char *target = *index ? str_printf("/%s/flat/", index) : strdup("/simple/");
    auto_buf struct buf body;
    int status = 0;

    buf_init(&body, LIST_MAX_BYTES);
    if (!target || http_get(base, target, "text/html", ANSWER_S, &status, &body) || status != 200)
        return -1;
    return body.len && strstr(body.data, "<a ") != NULL;
}

int setup_ask_held(const char *base, const char *index, struct buf *to)
{
    int offline = is_offline(base);
    int has = offline > 0 ? has_link(base, index) : 1;

    if (offline < 0 || has < 0)
        return -1;
    if (has)
        return 0;
    buf_printf(
        to,
        "%s is offline and holds no wheel for this index: until wheelyard import or a copied "
        "cache has brought some, installs from it find nothing",
        base);
    return 1;
}
