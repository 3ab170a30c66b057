// SPDX-License-Identifier: Apache-2.0
#include "lock/toml_fields.h"

#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "lock/lock_private.h"

unsigned field_line(const struct toml_node *node)
{
    int line = toml_line(node);

    return line > 0 ? (unsigned)line : 0;
}

static int wrong_type(struct lock_reader *r, const struct toml_node *value, const char *name,
                      const char *wanted)
{
    return lock_reader_complain(r, field_line(value), "%s is not %s", name, wanted);
}

int field_string(struct lock_reader *r, const struct toml_node *table, const char *name,
                 const char **ret)
{
    const struct toml_node *value = toml_get(table, name);

    if (value && toml_type(value) != TOML_STRING)
        return wrong_type(r, value, name, "a string");
    *ret = toml_string(value);
    return 0;
}

int field_needed(struct lock_reader *r, const struct toml_node *table, const char *name,
                 const char **ret)
{
    const char *text = NULL;
    int e = field_string(r, table, name, &text);

    if (!e && (!text || !*text))
        return lock_reader_complain(r, field_line(table), "%s is missing", name);
    if (!e)
        *ret = text;
    return e;
}

int field_keep(struct lock_reader *r, const struct toml_node *table, const char *name,
               const char **ret)
{
    const char *text = NULL;
    int e = field_string(r, table, name, &text);

    return e ? e : lock_reader_keep(r, text, ret);
}

int field_integer(struct lock_reader *r, const struct toml_node *table, const char *name,
                  int64_t *ret)
{
    const struct toml_node *value = toml_get(table, name);

    if (value && (toml_type(value) != TOML_INTEGER || toml_integer(value) < 0))
        return wrong_type(r, value, name, "a whole number");
    *ret = value ? toml_integer(value) : -1;
    return 0;
}

int field_array(struct lock_reader *r, const struct toml_node *table, const char *name,
                const struct toml_node **ret)
{
    const struct toml_node *value = toml_get(table, name);

    if (value && toml_type(value) != TOML_ARRAY)
        return wrong_type(r, value, name, "an array");
    *ret = value;
    return 0;
}

int field_table(struct lock_reader *r, const struct toml_node *table, const char *name,
                const struct toml_node **ret)
{
    const struct toml_node *value = toml_get(table, name);

    if (value && toml_type(value) != TOML_TABLE)
        return wrong_type(r, value, name, "a table");
    *ret = value;
    return 0;
}

int field_list(struct lock_reader *r, const struct toml_node *table, const char *name,
               char separator, const char **ret)
{
    const struct toml_node *list = NULL;
    auto_buf struct buf text;

    buf_init(&text, LOCK_MAX_BYTES);
    int e = field_array(r, table, name, &list);
    if (e)
        return e;
    for (size_t i = 0; i < toml_count(list); i++) {
        const struct toml_node *one = toml_at(list, i, NULL);

        if (!toml_string(one))
            return wrong_type(r, one, name, "an array of strings");
        if (i)
            buf_putc(&text, separator);
        buf_puts(&text, toml_string(one));
    }
    return lock_reader_keep_buf(r, &text, ret);
}

int field_keep_each(struct lock_reader *r, const struct toml_node *table,
                    const struct field_text *texts, size_t count)
{
    int e = 0;

    for (size_t i = 0; !e && i < count; i++)
        e = field_keep(r, table, texts[i].name, texts[i].to);
    return e;
}

int field_package(struct lock_reader *r, const struct toml_node *node, struct lock_package **ret)
{
    const char *name = NULL;
    int e = toml_type(node) == TOML_TABLE
                ? field_needed(r, node, "name", &name)
                : lock_reader_complain(r, field_line(node), "a package is not a table");

    if (!e)
        *ret = lock_reader_add_package(r, name, field_line(node), &e);
    return e;
}

int field_file(struct lock_reader *r, const struct toml_node *node, enum lock_file_kind kind,
               struct lock_file **ret)
{
    int e = 0;

    if (toml_type(node) != TOML_TABLE)
        return lock_reader_complain(r, field_line(node), "a file is not a table");
    *ret = lock_reader_add_file(r, field_line(node), &e);
    if (*ret)
        (*ret)->kind = kind;
    return e;
}

/* --------------------------------------------------------------- addresses */

/* Tables of other programs, and of who built a file. */
static bool is_foreign(const char *name)
{
    return !strcmp(name, "tool") || !strcmp(name, "attestation-identities");
}

/* What an address is, by the name of its member and of the table that it stands in. */
static bool is_address(const char *member, const char *table, const struct toml_node *parent,
                       enum lock_role *ret)
{
    const char *type = toml_string(toml_get(parent, "type"));

    *ret = LOCK_ADDRESS_FILE;
    if (!strcmp(member, "registry") || !strcmp(member, "index"))
        *ret = LOCK_ADDRESS_INDEX;
    else if (!strcmp(member, "git"))
        *ret = LOCK_ADDRESS_OTHER;
    else if (strcmp(member, "url") != 0)
        return false;
    else if (!strcmp(table, "vcs") || (type && !strcmp(type, "git")))
        *ret = LOCK_ADDRESS_OTHER;
    else if (type && !strcmp(type, "legacy"))
        *ret = LOCK_ADDRESS_INDEX;
    return true;
}

static int note_address(struct lock_reader *r, const struct toml_node *value, enum lock_role role,
                        const char *project)
{
    const char *text = toml_string(value);
    struct lock_address address = {.role = role, .line = field_line(value)};
    bool has_place = toml_place(value, &address.offset, &address.len);

    if (role == LOCK_ADDRESS_OTHER ? !strstr(text, "://") || str_starts(text, "file:")
                                   : !is_web_address(text))
        return 0;
    address.is_plain = has_place && address.len == strlen(text) &&
                       memcmp(r->input->text + address.offset, text, address.len) == 0;
    int e = lock_reader_keep(r, text, &address.text);
    if (!e && project)
        e = lock_reader_keep_project(r, project, &address.project);
    return e ? e : lock_reader_add_address(r, &address);
}

/* No deeper than base/toml_bounds.h lets a document be. */
static int note_below(struct lock_reader *r, const struct toml_node *node, const char *table,
                      const char *project)
{
    const char *own = toml_string(toml_get(node, "name"));
    bool is_table = toml_type(node) == TOML_TABLE;

    if (own)
        project = own;
    for (size_t i = 0; i < toml_count(node); i++) {
        const char *name = NULL;
        enum lock_role role;
        int e = 0;
        const struct toml_node *member = toml_at(node, i, &name);

        if (is_table && toml_string(member) && is_address(name, table, node, &role))
            e = note_address(r, member, role, project);
        else if (!is_table || !is_foreign(name))
            e = note_below(r, member, is_table ? name : table, project);
        if (e)
            return e;
    }
    return 0;
}

static int by_offset(const void *x, const void *y)
{
    const struct lock_address *a = x;
    const struct lock_address *b = y;

    return (a->offset > b->offset) - (a->offset < b->offset);
}

int note_addresses(struct lock_reader *r, const struct toml_node *node)
{
    int e = note_below(r, node, "", NULL);

    if (!e && r->lock->address_count)
        qsort(r->lock->addresses, r->lock->address_count, sizeof(*r->lock->addresses), by_offset);
    return e;
}
