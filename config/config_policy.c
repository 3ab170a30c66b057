// SPDX-License-Identifier: Apache-2.0
/*
 * A row of `deny` or `allow` is a text, or a table of `what` and `reason`. A wrong row is reported
 * and left out, and reading continues. What is written reads back to the same policy: a reload
 * compares the written forms.
 */
#include "config/config_policy.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "base/vec.h"
#include "config/options.h"

enum { AGE_MOST_DAYS = 3650, REASON_MAX_BYTES = 150, DAY_S = 86400 };

const char *const config_policy_keys[] = {"min_age", "min_age_except", "deny",
                                          "allow",   "advisories",     NULL};

bool config_policy_is_key(const char *key)
{
    for (const char *const *known = config_policy_keys; *known; known++)
        if (strcmp(*known, key) == 0)
            return true;
    return strcmp(key, "channel") == 0;
}

/* ------------------------------------------------------------------ reading */

static const char *check_age(const char *text)
{
    int64_t ms = option_parse_duration(text);
    return ms < 0 ? "not a duration such as 3d or 36h"
           : ms % 1000 || ms / 1000 > (int64_t)AGE_MOST_DAYS * DAY_S
               ? "must be whole seconds, at most 3650d"
               : NULL;
}

static const char *check_except(const char *text)
{
    struct policy_row row;
    const char *why = "not a name or pattern of projects";
    if (strpbrk(text, " <>=!~:") || policy_row_parse(text, NULL, &row, &why))
        return why;
    policy_row_release(&row);
    return NULL;
}

static const char *check_path(const char *text)
{
    return *text ? NULL : "must not be empty";
}

/* The names of patterns are compared in their normal form. */
static void normalize_patterns(const struct reader *in, char **list)
{
    const char *why;
    for (; list && *list; list++) {
        struct policy_row row;
        if (policy_row_parse(*list, NULL, &row, &why)) {
            *in->error = ERROR_NO_MEMORY;
            return;
        }
        free(*list);
        *list = row.name;
        row.name = NULL;
        policy_row_release(&row);
    }
}

/* Says which row is wrong: "evil<": what follows the name ... */
static void complain_row(const struct reader *in, const struct toml_node *node, const char *name,
                         const char *what, const char *why)
{
    char text[READER_PATH_SIZE];
    (void)snprintf(text, sizeof(text), "\"%.80s\": %.150s", what ? what : "...", why);
    reader_complain(in, node, name, text);
}

static void read_row(const struct reader *in, const struct toml_node *node, const char *name,
                     struct policy_list *list)
{
    static const char *const known[] = {"what", "reason", NULL};
    const char *what = toml_string(node), *reason = NULL, *why = NULL;
    bool is_table = toml_type(node) == TOML_TABLE;
    if (is_table) {
        struct reader row = reader_below(in, node, name);
        reader_refuse_unknown(&row, known);
        what = toml_string(toml_get(node, "what"));
        reason = toml_string(toml_get(node, "reason"));
        if (toml_get(node, "reason") && !reason)
            why = "`reason` must be a string";
        else if (reason && strlen(reason) > REASON_MAX_BYTES)
            why = "`reason` is longer than 150 bytes";
    }
    if (!what)
        why = "must be a string, or a table of `what` and `reason`";
    int r =
        why ? ERROR_BAD_REQUEST : policy_row_parse(what, reason, &list->rows[list->count], &why);
    if (r == ERROR_NO_MEMORY)
        *in->error = r;
    else if (r)
        complain_row(in, node, name, what, why);
    else
        list->count++;
}

static void read_list(const struct reader *in, const char *name, struct policy_list *list)
{
    const struct toml_node *node = toml_get(in->table, name), *row;
    if (!node)
        return;
    list->is_set = true;
    if (toml_type(node) != TOML_ARRAY) {
        reader_complain(in, node, name, "must be a list");
        return;
    }
    if (toml_count(node) > POLICY_ROWS_MOST) {
        reader_complain(in, node, name, "has more than 10000 rows");
        return;
    }
    list->rows = reader_allocate(in, toml_count(node) + 1, sizeof(*list->rows));
    for (size_t i = 0; list->rows && !*in->error && (row = toml_at(node, i, NULL)); i++)
        read_row(in, row, name, list);
}

static struct policy *add_policy(const struct reader *in, struct origins *origins)
{
    struct policy *list =
        vec_grow(origins->policies, origins->policy_count, sizeof(*origins->policies));
    if (!list) {
        *in->error = ERROR_NO_MEMORY;
        return NULL;
    }
    origins->policies = list;
    struct policy *p = &list[origins->policy_count++];
    *p = (struct policy){0};
    return p;
}

void config_read_policy(const struct reader *in, const char *index, const char *channel,
                        struct origins *origins)
{
    bool has_any = false;
    for (const char *const *key = config_policy_keys; *key; key++)
        has_any |= toml_get(in->table, *key) != NULL;
    struct policy *p = has_any ? add_policy(in, origins) : NULL;
    if (!p)
        return;
    p->index = index ? reader_copy(in, index) : NULL;
    p->channel = channel ? reader_copy(in, channel) : NULL;
    p->place = index     ? str_printf("[index.%s]", index)
               : channel ? str_printf("[channel.\"%s\"]", channel)
                         : strdup("");
    if (!p->place)
        *in->error = ERROR_NO_MEMORY;
    auto_free char *age = reader_text(in, "min_age", false, check_age);
    p->min_age_s = age ? option_parse_duration(age) / 1000 : 0;
    if (toml_get(in->table, "min_age_except")) {
        p->min_age_except = reader_list(in, "min_age_except", check_except);
        normalize_patterns(in, p->min_age_except);
    }
    read_list(in, "deny", &p->deny);
    read_list(in, "allow", &p->allow);
    auto_free char *path = reader_text(in, "advisories", false, check_path);
    p->advisories = path ? reader_absolute(in, path) : NULL;
}

/* ------------------------------------------------------------------ writing */

static void write_rows(struct buf *to, const char *key, const struct policy_list *list)
{
    if (!list->is_set)
        return;
    buf_printf(to, "%s = [", key);
    for (size_t i = 0; i < list->count; i++) {
        const struct policy_row *row = &list->rows[i];
        buf_puts(to, i ? ", " : "");
        if (row->reason)
            buf_puts(to, "{ what = ");
        option_write_string(to, row->what);
        if (!row->reason)
            continue;
        buf_puts(to, ", reason = ");
        option_write_string(to, row->reason);
        buf_puts(to, " }");
    }
    buf_puts(to, "]\n");
}

static void write_policy(struct buf *to, const struct policy *p)
{
    if (p->min_age_s)
        buf_printf(to, "min_age = \"%" PRId64 "s\"\n", p->min_age_s);
    if (p->min_age_except) {
        buf_puts(to, "min_age_except = ");
        option_write_list(to, p->min_age_except);
        buf_putc(to, '\n');
    }
    write_rows(to, "deny", &p->deny);
    write_rows(to, "allow", &p->allow);
    if (!p->advisories)
        return;
    buf_puts(to, "advisories = ");
    option_write_string(to, p->advisories);
    buf_putc(to, '\n');
}

void config_write_top_policy(const struct origins *origins, struct buf *to)
{
    for (size_t i = 0; i < origins->policy_count; i++)
        if (!origins->policies[i].index && !origins->policies[i].channel)
            write_policy(to, &origins->policies[i]);
}

void config_write_index_policy(const struct origins *origins, const char *index, struct buf *to)
{
    for (size_t i = 0; i < origins->policy_count; i++)
        if (origins->policies[i].index && strcmp(origins->policies[i].index, index) == 0)
            write_policy(to, &origins->policies[i]);
}

void config_write_channel_policies(const struct origins *origins, struct buf *to)
{
    for (size_t i = 0; i < origins->policy_count; i++) {
        const struct policy *p = &origins->policies[i];
        if (!p->channel)
            continue;
        buf_puts(to, "\n[channel.");
        option_write_string(to, p->channel);
        buf_puts(to, "]\n");
        write_policy(to, p);
    }
}
