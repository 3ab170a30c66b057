// SPDX-License-Identifier: Apache-2.0
/*
 * Reading goes from the outside in: tables of origins, their mirrors, then indexes, which refer to
 * origins. A wrong value is reported and skipped, and reading continues, so that one run reports
 * everything. A failed allocation sets *in->error and leaves NULL, which all later steps accept.
 * Checks of one value stand at the top, checks across tables at the end.
 */
#include "config/config_origins.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/str.h"
#include "base/url.h"
#include "config/config_policy.h"
#include "config/config_reader.h"
#include "config/options.h"

enum { ORIGIN_NAME_MAX_BYTES = 64, MIRRORS_MAX = 32, TEMPLATE_MAX_BYTES = 2048 };

/* ------------------------------------------------------------ what is right */

/* Only lower-case letters, digits and the bytes of `more`. */
static bool holds_only(const char *text, const char *more)
{
    for (; *text; text++)
        if (!(*text >= 'a' && *text <= 'z') && !(*text >= '0' && *text <= '9') &&
            !strchr(more, *text))
            return false;
    return true;
}

static const char *check_name(const char *text)
{
    bool fine =
        *text && holds_only(text, "._-") && *text != '.' && strlen(text) <= ORIGIN_NAME_MAX_BYTES;
    return fine ? NULL : "not a name (lower-case letters, digits, '.', '_' and '-')";
}

/* Project names are normalised before the owner is looked up, so a pattern with capitals would
 * never match. */
static const char *check_project_pattern(const char *text)
{
    bool fine = *text && holds_only(text, "-*");
    return fine ? NULL
                : "not a normalised project name or pattern (lower case, '-' for '_' and '.')";
}

/* A pattern is valid when its simplest match is a valid name. */
static const char *check_channel_pattern(const char *text)
{
    auto_free char *sample = strdup(text);
    for (char *s = sample; s && *s; s++)
        if (*s == '*')
            *s = 'x';
    return sample && origins_is_index_name(sample)
               ? NULL
               : "not a channel or pattern (segments of letters, digits, '.', '_', '-' and '*'; "
                 "the "
                 "first may not be files, whl, mirror, simple or -)";
}

/* Paths are appended to it unchanged, so it needs the slash. */
static const char *check_prefix(const char *text)
{
    struct url url;
    if (url_parse(text, &url))
        return "not an http:// or https:// URL";
    const char *why = url.query || url.fragment ? "must have no '?' or '#'"
                      : !str_ends(text, "/")    ? "must end in '/'"
                                                : NULL;
    url_release(&url);
    return why;
}

/* A host and a port, in the form in which a refused redirect names them. */
static const char *check_place(const char *text)
{
    static const char why[] = "not a host and port such as \"store.lab:9000\" or \"[fd00::1]:443\"";
    const char *colon = strrchr(text, ':');
    auto_free char *as_url = str_printf("http://%s/", text);
    struct url url;
    if (!colon || !colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
        strpbrk(text, "/?#@") || !as_url || url_parse(as_url, &url))
        return why;
    url_release(&url);
    return NULL;
}

/* ------------------------------------------------------------------ mirrors */

/* With a parent the layout follows from it, so the key may be missing. */
static void read_layout(const struct reader *in, struct mirror *mirror)
{
    auto_free char *layout = reader_text(in, "layout", !mirror->parent, NULL);
    mirror->layout = LAYOUT_SIMPLE;
    if (layout && strcmp(layout, "flat") == 0)
        mirror->layout = LAYOUT_FLAT;
    else if (layout && strcmp(layout, "simple") != 0)
        reader_complain(in, toml_get(in->table, "layout"), "layout",
                        "must be \"flat\" or \"simple\"");
}

/* Statuses that mean "no such project" on this mirror. 0 ends the list. Only a 4xx can say that
 * about a project. */
static void read_missing(const struct reader *in, struct mirror *mirror)
{
    const struct toml_node *node = toml_get(in->table, "missing"), *element;
    if (!node)
        return;
    mirror->missing = reader_allocate(in, toml_count(node) + 1, sizeof *mirror->missing);
    bool fine = toml_type(node) == TOML_ARRAY;
    for (size_t i = 0; mirror->missing && (element = toml_at(node, i, NULL)); i++) {
        int64_t status = toml_integer(element);
        if (status < 400 || status > 499)
            fine = false;
        else
            mirror->missing[i] = (int)status;
    }
    if (!fine)
        reader_complain(in, node, "missing", "must be a list of statuses from 400 to 499");
}

/* Flat pages carry local times without a zone; this offset makes them UTC. */
static const char *check_zone(const char *text)
{
    int hours = 0, minutes = 0, end = 0;
    char sign;
    if (sscanf(text, "%c%2d:%2d%n", &sign, &hours, &minutes, &end) != 3 ||
        strlen(text) != strlen("+08:00") || (size_t)end != strlen(text) || !strchr("+-", sign) ||
        hours > 14 || minutes > 59)
        return "must be an offset from UTC such as \"+08:00\"";
    return NULL;
}

static void read_zone(const struct reader *in, struct mirror *mirror)
{
    auto_free char *zone = reader_text(in, "time_zone", false, check_zone);
    mirror->utc_offset_s = MIRROR_NO_ZONE;
    if (!zone)
        return;
    int minutes = (int)strtol(zone + 1, NULL, 10) * 60 + (int)strtol(zone + 4, NULL, 10);
    mirror->utc_offset_s = *zone == '-' ? -60 * minutes : 60 * minutes;
}

/* Replaces the first `variable` in the text by a letter; false when it is absent. */
static bool fill(char *text, const char *variable)
{
    char *at = strstr(text, variable);
    if (!at)
        return false;
    const char *rest = at + strlen(variable);
    *at = 'x';
    memmove(at + 1, rest, strlen(rest) + 1);
    return true;
}

/* Layout and channels decide which variables a template needs. The rest is checked as the URL that
 * it becomes. */
static const char *check_template(const char *template, bool has_channels, enum layout layout)
{
    char text[TEMPLATE_MAX_BYTES];
    if (strlen(template) >= sizeof text)
        return "too long";
    str_copy(text, sizeof text, template);
    bool channel = fill(text, "{channel}"), project = fill(text, "{project}");
    if (has_channels && !channel)
        return "lacks {channel}, which an origin with channels needs";
    if (!has_channels && channel)
        return "has {channel}, but the origin has no channels";
    if (layout == LAYOUT_SIMPLE && !project)
        return "lacks {project}, which layout \"simple\" needs";
    if (layout == LAYOUT_FLAT && project)
        return "has {project}, but layout \"flat\" is one page for all";
    if (strpbrk(text, "{}"))
        return "only {channel} and {project} may stand in braces, once each";
    struct url url;
    if (url_parse(text, &url))
        return "not an http:// or https:// URL";
    const char *why = url.fragment ? "must have no '#'" : NULL;
    url_release(&url);
    return why;
}

static const char *check_parent(const char *text)
{
    auto_free char *prefix = str_printf("%s%s", text, str_ends(text, "/") ? "" : "/");
    return prefix ? check_prefix(prefix) : NULL;
}

/* Another wheelyard keeps files and pages at known paths, so `files` and `index` follow from
 * `parent`. For an origin without channels that owns only some names, nobody can know which of its
 * indexes lists them; then `index` must be given. */
static void read_parent(const struct reader *in, const struct origin *origin, struct mirror *mirror)
{
    bool has_channels = origin->channels && origin->channels[0];
    mirror->parent = reader_text(in, "parent", false, check_parent);
    if (!mirror->parent || !origin->name)
        return;
    size_t len = strlen(mirror->parent);
    if (mirror->parent[len - 1] == '/')
        mirror->parent[len - 1] = '\0';
    mirror->files = str_printf("%s/files/%s/", mirror->parent, origin->name);
    if (has_channels || (origin->owns && origin_owns_rest(origin)))
        mirror->index =
            str_printf("%s/%ssimple/{project}/", mirror->parent, has_channels ? "{channel}/" : "");
    if (!mirror->files)
        *in->error = ERROR_NO_MEMORY;
}

/* The value of the key; without the key the value that `parent` gave. */
static void read_place(const struct reader *in, const char *name, text_check *check, char **place)
{
    if (*place && !toml_get(in->table, name))
        return;
    free(*place);
    *place = reader_text(in, name, true, check);
}

/* `parent` is read first: it fills in what `files` and `index` may override. */
static void read_mirror(const struct reader *in, const struct origin *origin, struct mirror *mirror)
{
    static const char *const known[] = {"name",      "layout", "index", "files",     "missing",
                                        "time_zone", "parent", "links", "redirects", NULL};
    if (!reader_is_table(in))
        return;
    reader_refuse_unknown(in, known);
    mirror->name = reader_text(in, "name", true, check_name);
    read_parent(in, origin, mirror);
    read_layout(in, mirror);
    read_place(in, "files", check_prefix, &mirror->files);
    read_place(in, "index", NULL, &mirror->index);
    mirror->links = reader_list(in, "links", check_prefix);
    mirror->redirects = reader_list(in, "redirects", check_place);
    read_missing(in, mirror);
    read_zone(in, mirror);
    bool has_channels = origin->channels && origin->channels[0];
    const char *why =
        mirror->index ? check_template(mirror->index, has_channels, mirror->layout) : NULL;
    if (why)
        reader_complain(in, toml_get(in->table, "index"), "index", why);
    for (const struct mirror *m = origin->mirrors; mirror->name && m < mirror; m++)
        if (m->name && strcmp(m->name, mirror->name) == 0)
            reader_complain(in, toml_get(in->table, "name"), "name",
                            "another mirror has this name");
}

/* The order of mirrors counts: it is the order of preference among equals. */
static void read_mirrors(const struct reader *in, struct origin *origin)
{
    const struct toml_node *node = toml_get(in->table, "mirror"), *table;
    if (toml_type(node) != TOML_ARRAY || !toml_count(node)) {
        reader_complain(in, node, "mirror", "needs at least one mirror: [[...mirror]]");
        return;
    }
    if (toml_count(node) > MIRRORS_MAX) {
        reader_complain(in, node, "mirror", "too many mirrors");
        return;
    }
    origin->mirrors = reader_allocate(in, toml_count(node), sizeof *origin->mirrors);
    for (size_t i = 0; origin->mirrors && (table = toml_at(node, i, NULL)); i++) {
        const char *name = toml_string(toml_get(table, "name"));
        char label[READER_PATH_SIZE];
        (void)snprintf(label, sizeof label, "mirror.%.100s", name ? name : "?");
        struct reader below = reader_below(in, table, label);
        origin->mirror_count = i + 1;
        read_mirror(&below, origin, &origin->mirrors[i]);
    }
}

/* ---------------------------------------------------------------- directory */

static const char *check_directory(const char *text)
{
    return *text ? NULL : "must not be empty";
}

/* Without slashes at its end. */
static char *absolute_path(const struct reader *in, const char *text)
{
    char *path = reader_absolute(in, text);
    for (size_t len = path ? strlen(path) : 0; len > 1 && path[len - 1] == '/';)
        path[--len] = '\0';
    return path;
}

/* Keys that would name another place for files and pages. */
static void refuse_beside_directory(const struct reader *in)
{
    static const char *const foreign[] = {"canonical", "pages",  "aliases", "channels",
                                          "owns_in",   "mirror", NULL};
    for (const char *const *name = foreign; *name; name++)
        if (toml_get(in->table, *name))
            reader_complain(in, toml_get(in->table, *name), *name,
                            "has no meaning beside `directory`, whose files are those of a folder");
}

/* A folder becomes the origin's only mirror, so that pages are built from it like from any mirror.
 */
static void read_directory(const struct reader *in, struct origin *origin)
{
    refuse_beside_directory(in);
    auto_free char *text = reader_text(in, "directory", true, check_directory);
    origin->mirrors = reader_allocate(in, 1, sizeof *origin->mirrors);
    if (!text || !origin->mirrors)
        return;
    origin->directory = absolute_path(in, text);
    if (*in->error)
        return;
    origin->mirror_count = 1;
    origin->mirrors[0] = (struct mirror){.name = reader_copy(in, "directory"),
                                         .layout = LAYOUT_DIRECTORY,
                                         .index = reader_copy(in, origin->directory),
                                         .files = reader_copy(in, origin->directory)};
}

/* ------------------------------------------------------------------ origins */

/* Ownership that differs by channel: plain `triton` belongs to PyPI on some channels only. */
static void read_owns_in(const struct reader *in, struct origin *origin)
{
    const struct toml_node *node = toml_get(in->table, "owns_in"), *projects;
    if (!node)
        return;
    struct reader below = reader_below(in, node, "owns_in");
    if (!reader_is_table(&below))
        return;
    origin->owns_in = reader_allocate(in, toml_count(node) + 1, sizeof *origin->owns_in);
    const char *channel;
    for (size_t i = 0; origin->owns_in && (projects = toml_at(node, i, &channel)); i++) {
        const char *why = check_channel_pattern(channel);
        if (why)
            reader_complain(&below, projects, channel, why);
        struct owns_in *owns = &origin->owns_in[origin->owns_in_count++];
        owns->channel = reader_copy(in, channel);
        owns->projects = reader_list_of(&below, projects, channel, check_project_pattern);
    }
}

/* "listed": the origin owns every project that its mirrors list. */
static void read_owns(const struct reader *in, struct origin *origin)
{
    const struct toml_node *owns = toml_get(in->table, "owns");
    const char *text = toml_string(owns);
    origin->owns_listed = text && strcmp(text, "listed") == 0;
    if (text && !origin->owns_listed)
        reader_complain(in, owns, "owns", "must be \"listed\", or a list of names and patterns");
    origin->owns = reader_list_of(in, text ? NULL : owns, "owns", check_project_pattern);
    read_owns_in(in, origin);
}

/* A wrong name is reported once, at the table's heading. */
static void read_origin(const struct reader *in, const char *name, struct origin *origin)
{
    static const char *const known[] = {"canonical", "pages",  "aliases",   "channels", "owns",
                                        "owns_in",   "mirror", "directory", NULL};
    const char *why = check_name(name);
    if (why)
        reader_complain(in, NULL, NULL, why);
    origin->name = reader_copy(in, name);
    if (!reader_is_table(in))
        return;
    reader_refuse_unknown(in, known);
    origin->canonical = reader_text(in, "canonical", false, check_prefix);
    origin->pages = reader_text(in, "pages", false, check_prefix);
    origin->aliases = reader_list(in, "aliases", check_prefix);
    origin->channels = reader_list(in, "channels", check_channel_pattern);
    read_owns(in, origin);
    if (origin->owns_in_count && origin->channels && !origin->channels[0])
        reader_complain(in, toml_get(in->table, "owns_in"), "owns_in",
                        "the origin has no channels");
    if (toml_get(in->table, "directory"))
        read_directory(in, origin);
    else
        read_mirrors(in, origin);
}

static bool is_in_some_index(const struct origins *origins, const struct origin *origin)
{
    for (size_t i = 0; i < origins->index_count; i++)
        for (char **name = origins->indexes[i].origins; name && *name; name++)
            if (strcmp(*name, origin->name) == 0)
                return true;
    return false;
}

/* The same channel pattern in two origins: the second would never be asked, unless an index names
 * it. */
static void refuse_shared_channels(const struct reader *in, const struct origins *origins,
                                   const struct origin *origin)
{
    if (is_in_some_index(origins, origin))
        return;
    for (char *const *pattern = origin->channels; pattern && *pattern; pattern++)
        for (const struct origin *other = origins->list; other < origin; other++)
            for (char *const *theirs = other->channels; theirs && *theirs; theirs++)
                if (strcmp(*theirs, *pattern) == 0) {
                    char what[READER_PATH_SIZE];
                    (void)snprintf(what, sizeof what, "\"%s\" is a channel of origin %s already",
                                   *pattern, other->name);
                    reader_complain(in, toml_get(in->table, "channels"), "channels", what);
                }
}

static void read_origin_tables(const struct reader *in, struct origins *origins)
{
    const struct toml_node *table;
    const char *name;
    origins->list = reader_allocate(in, toml_count(in->table) + 1, sizeof *origins->list);
    for (size_t i = 0; origins->list && (table = toml_at(in->table, i, &name)); i++) {
        struct reader below = reader_below(in, table, name);
        origins->count = i + 1;
        read_origin(&below, name, &origins->list[i]);
    }
}

/* After all indexes are read, because an index may name an origin explicitly. */
static void refuse_origins_never_asked(const struct reader *in, const struct origins *origins)
{
    const struct toml_node *table;
    const char *name;
    for (size_t i = 0; i < origins->count && (table = toml_at(in->table, i, &name)); i++) {
        struct reader below = reader_below(in, table, name);
        refuse_shared_channels(&below, origins, &origins->list[i]);
    }
}

/* ------------------------------------------------------------------ indexes */

/* What is wrong with the i-th origin of an index; NULL: nothing. */
static const char *check_member(const struct origins *origins, const struct named_index *index,
                                size_t i)
{
    const struct origin *origin = origins_find(origins, index->origins[i]);
    if (!origin)
        return "there is no origin of this name: a file that names any origin replaces the "
               "built-in ones";
    for (size_t before = 0; before < i; before++)
        if (strcmp(index->origins[before], index->origins[i]) == 0)
            return "named twice";
    bool has_channels = origin->channels && origin->channels[0];
    if (has_channels && !origin_has_channel(origin, index->name))
        return "an origin with channels can only stand in an index named as one of them";
    if (origin->owns && origin_owns_rest(origin) && index->origins[i + 1])
        return "without `owns` it answers for every name, so it must stand last";
    return NULL;
}

static void read_index(const struct reader *in, const char *name, struct origins *origins,
                       struct named_index *index)
{
    static const char *const known[] = {"origins",    "min_age", "min_age_except", "deny", "allow",
                                        "advisories", NULL};
    if (!origins_is_index_name(name))
        reader_complain(
            in, NULL, NULL,
            "not a name of an index (segments of letters, digits, '.', '_' and '-'; the first "
            "may not be files, whl, mirror, simple or -)");
    index->name = reader_copy(in, name);
    if (!reader_is_table(in))
        return;
    reader_refuse_unknown(in, known);
    config_read_policy(in, name, NULL, origins);
    index->origins = reader_list(in, "origins", check_name);
    if (*in->error)
        return;
    const struct toml_node *node = toml_get(in->table, "origins");
    size_t n = 0;
    for (; index->origins[n]; n++) {
        const char *why = check_member(origins, index, n);
        char what[READER_PATH_SIZE];
        (void)snprintf(what, sizeof what, "\"%s\": %s", index->origins[n], why ? why : "");
        if (why)
            reader_complain(in, node, "origins", what);
    }
    if (!toml_count(node))
        reader_complain(in, node, "origins", "must be a list of at least one origin");
    if (n > ORIGINS_MAX)
        reader_complain(in, node, "origins", "too many origins");
}

static void read_index_tables(const struct reader *in, struct origins *origins)
{
    const struct toml_node *table;
    const char *name;
    origins->indexes = reader_allocate(in, toml_count(in->table) + 1, sizeof *origins->indexes);
    for (size_t i = 0; origins->indexes && (table = toml_at(in->table, i, &name)); i++) {
        struct reader below = reader_below(in, table, name);
        origins->index_count = i + 1;
        read_index(&below, name, origins, &origins->indexes[i]);
    }
}

/* [channel."PATTERN"] holds for the indexes of channels that match. */
static void read_channel_tables(const struct reader *in, struct origins *origins)
{
    const struct toml_node *table;
    const char *pattern;
    if (toml_count(in->table) > POLICY_CHANNELS_MOST)
        reader_complain(in, NULL, NULL, "more than 12 tables");
    for (size_t i = 0; (table = toml_at(in->table, i, &pattern)); i++) {
        struct reader below = reader_below(in, table, pattern);
        const char *why = check_channel_pattern(pattern);
        if (why)
            reader_complain(&below, NULL, NULL, why);
        if (!reader_is_table(&below))
            continue;
        reader_refuse_unknown(&below, config_policy_keys);
        config_read_policy(&below, NULL, pattern, origins);
    }
}

/* The policy at the top of the file, and those of channels. */
static void read_policies(const struct toml_node *root, const struct reader *like,
                          struct origins *origins)
{
    struct reader top = {like->report, like->error, root, ""};
    struct reader channels = {like->report, like->error, toml_get(root, "channel"), "channel"};
    config_read_policy(&top, NULL, NULL, origins);
    if (channels.table && reader_is_table(&channels))
        read_channel_tables(&channels, origins);
}

int config_read_origins(const struct toml_node *origin_table, const struct toml_node *index_table,
                        const struct toml_node *root, struct config_report *report,
                        struct origins *ret)
{
    struct origins origins = {0};
    int error = 0;
    struct reader in = {report, &error, origin_table, "origin"};
    if (in.table && reader_is_table(&in))
        read_origin_tables(&in, &origins);
    struct reader indexes = {report, &error, index_table, "index"};
    if (!error && indexes.table && reader_is_table(&indexes))
        read_index_tables(&indexes, &origins);
    if (!error && root)
        read_policies(root, &in, &origins);
    if (!error && in.table)
        refuse_origins_never_asked(&in, &origins);
    if (error) {
        origins_release(&origins);
        return error;
    }
    *ret = origins;
    return 0;
}
