// SPDX-License-Identifier: Apache-2.0
/*
 * The inverse of config_origins.c, for `config show` and for the comparison at a reload. It must
 * write every field: a field that is missing here would make a reload ignore its change.
 */
#include <stdlib.h>

#include "config/config_origins.h"
#include "config/config_policy.h"
#include "config/options.h"

static void write_text(struct buf *to, const char *key, const char *text)
{
    if (!text)
        return;
    buf_printf(to, "%s = ", key);
    option_write_string(to, text);
    buf_putc(to, '\n');
}

static void write_list(struct buf *to, const char *key, char *const *list)
{
    if (!list || !list[0])
        return;
    buf_printf(to, "%s = ", key);
    option_write_list(to, list);
    buf_putc(to, '\n');
}

/* `index` and `files` are written even when `parent` gave them; reading them back gives the same.
 */
static void write_mirror(struct buf *to, const struct origin *origin, const struct mirror *mirror)
{
    buf_printf(to, "[[origin.\"%s\".mirror]]\n", origin->name);
    write_text(to, "name", mirror->name);
    write_text(to, "layout", mirror->layout == LAYOUT_FLAT ? "flat" : "simple");
    write_text(to, "parent", mirror->parent);
    write_text(to, "index", mirror->index);
    write_text(to, "files", mirror->files);
    write_list(to, "links", mirror->links);
    write_list(to, "redirects", mirror->redirects);
    if (mirror->utc_offset_s != MIRROR_NO_ZONE) {
        int minutes = abs(mirror->utc_offset_s) / 60;
        buf_printf(to, "time_zone = \"%c%02d:%02d\"\n", mirror->utc_offset_s < 0 ? '-' : '+',
                   minutes / 60, minutes % 60);
    }
    if (!mirror->missing)
        return;
    buf_puts(to, "missing = [");
    for (const int *status = mirror->missing; *status; status++)
        buf_printf(to, "%s%d", status == mirror->missing ? "" : ", ", *status);
    buf_puts(to, "]\n");
}

/* A folder's single mirror is implied by `directory` and not written. */
static void write_origin(struct buf *to, const struct origin *origin)
{
    buf_printf(to, "\n[origin.\"%s\"]\n", origin->name);
    write_text(to, "canonical", origin->canonical);
    write_text(to, "pages", origin->pages);
    write_text(to, "directory", origin->directory);
    write_list(to, "aliases", origin->aliases);
    write_list(to, "channels", origin->channels);
    write_list(to, "owns", origin->owns);
    if (origin->owns_listed)
        write_text(to, "owns", "listed");
    if (origin->owns_in_count)
        buf_printf(to, "[origin.\"%s\".owns_in]\n", origin->name);
    for (size_t i = 0; i < origin->owns_in_count; i++) {
        option_write_string(to, origin->owns_in[i].channel);
        buf_puts(to, " = ");
        option_write_list(to, origin->owns_in[i].projects);
        buf_putc(to, '\n');
    }
    for (size_t i = 0; !origin->directory && i < origin->mirror_count; i++)
        write_mirror(to, origin, &origin->mirrors[i]);
}

void config_write_origins(const struct origins *origins, struct buf *to)
{
    config_write_top_policy(origins, to);
    for (size_t i = 0; i < origins->count; i++)
        write_origin(to, &origins->list[i]);
    for (size_t i = 0; i < origins->index_count; i++) {
        buf_printf(to, "\n[index.\"%s\"]\n", origins->indexes[i].name);
        write_list(to, "origins", origins->indexes[i].origins);
        config_write_index_policy(origins, origins->indexes[i].name, to);
    }
    config_write_channel_policies(origins, to);
}
