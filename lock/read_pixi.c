// SPDX-License-Identifier: Apache-2.0
/*
 * pixi.lock, versions 4 to 7, by libyaml's events: no tree is built. The reader follows the path of
 * keys that leads to each scalar:
 *
 *     environments / NAME / indexes / -                  an address
 *     environments / NAME / find-links / - / url         an address
 *     environments / NAME / packages / PLATFORM / - / pypi      a use
 *     packages / - / pypi | url | path | name | version ...     a package
 *
 * A package begins as an empty record with its mapping, and is judged when that ends: versions 4
 * and 5 say `kind: pypi` and `url`, later ones `pypi: URL`. Uses name packages by address; they are
 * joined at the end. libyaml counts characters, and edits need bytes: a cursor walks along.
 */
#include <string.h>

#include <yaml.h>

#include "base/error.h"
#include "base/str.h"
#include "lock/lock_private.h"

enum { DEPTH_MAX = 16, KEY_BYTES = 256, LEAST = 4, MOST = 7 };

/* One open mapping or sequence. */
struct level {
    bool is_map, has_key;
    char key[KEY_BYTES]; /* of a map, the last one */
};

struct record {
    const char *pypi, *url, *path, *name, *version, *sha256, *md5, *index, *python, *kind;
    unsigned line;
};

struct wanted {
    const char *environment, *platform, *place;
};

struct pixi {
    struct lock_reader *reader;
    yaml_parser_t parser;
    struct level levels[DEPTH_MAX];
    size_t depth;
    struct record record; /* of the package that is open */
    const char **places;  /* of each package, as uses name it */
    struct wanted *wanted;
    size_t wanted_count;
    bool has_version;
    /* the cursor */
    size_t byte, character;
};

/* -------------------------------------------------------------- the cursor */

/* The byte of a character; they are asked for in ascending order. */
static size_t byte_of(struct pixi *p, size_t character)
{
    const char *text = p->reader->input->text;
    size_t len = p->reader->input->len;

    while (p->character < character && p->byte < len) {
        do
            p->byte++;
        while (p->byte < len && ((unsigned char)text[p->byte] & 0xC0) == 0x80);
        p->character++;
    }
    return p->byte;
}

static int note(struct pixi *p, const yaml_event_t *event, enum lock_role role)
{
    struct lock_reader *r = p->reader;
    const char *value = (const char *)event->data.scalar.value;
    struct lock_address address = {.role = role, .line = (unsigned)event->start_mark.line + 1};
    size_t begin = byte_of(p, event->start_mark.index);
    const char *text = r->input->text;

    if (str_starts(value, "git+"))
        address.role = LOCK_ADDRESS_OTHER;
    if (begin < r->input->len && (text[begin] == '"' || text[begin] == '\''))
        begin++;
    size_t skipped = str_starts(value, "direct+") ? strlen("direct+") : 0;
    size_t len = strlen(value);
    if (address.role != LOCK_ADDRESS_OTHER && !is_web_address(value + skipped))
        return 0;
    address.is_plain = len <= r->input->len - begin && memcmp(text + begin, value, len) == 0;
    address.offset = begin + skipped;
    address.len = len - skipped;
    int e = lock_reader_keep(r, value + skipped, &address.text);
    return e ? e : lock_reader_add_address(r, &address);
}

/* ---------------------------------------------------------------- the path */

/* Whether the open levels are these keys; "-" is a sequence, "*" any key. */
static bool is_at(const struct pixi *p, const char *const *keys, size_t count)
{
    if (p->depth != count)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct level *level = &p->levels[i];

        if (!strcmp(keys[i], "-")
                ? level->is_map
                : !level->is_map || (strcmp(keys[i], "*") != 0 && strcmp(keys[i], level->key) != 0))
            return false;
    }
    return true;
}

#define IS_AT(p, ...)                                                                              \
    is_at(p, (const char *const[]){__VA_ARGS__},                                                   \
          sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static int complain(struct pixi *p, const yaml_mark_t *mark, const char *what)
{
    return lock_reader_complain(p->reader, (unsigned)mark->line + 1, "%s", what);
}

/* ---------------------------------------------------------------- packages */

static int set_record(struct pixi *p, const yaml_event_t *event, const char *key)
{
    struct record *record = &p->record;
    const struct {
        const char *key;
        const char **value;
    } members[] = {{"pypi", &record->pypi},
                   {"url", &record->url},
                   {"path", &record->path},
                   {"name", &record->name},
                   {"version", &record->version},
                   {"sha256", &record->sha256},
                   {"md5", &record->md5},
                   {"index", &record->index},
                   {"requires_python", &record->python},
                   {"kind", &record->kind}};

    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (!strcmp(members[i].key, key))
            return lock_reader_keep(p->reader, (const char *)event->data.scalar.value,
                                    members[i].value);
    return 0;
}

static int keep_hashes(struct pixi *p, struct lock_file *file)
{
    const struct record *record = &p->record;
    auto_buf struct buf text;

    buf_init(&text, LOCK_WRONG_BYTES * 2);
    if (record->sha256)
        buf_printf(&text, "sha256:%s", record->sha256);
    if (record->md5)
        buf_printf(&text, "%smd5:%s", text.len ? " " : "", record->md5);
    return lock_reader_keep_buf(p->reader, &text, &file->hashes);
}

static int add_file(struct pixi *p, const char *place)
{
    int e = 0;
    struct lock_file *file = lock_reader_add_file(p->reader, p->record.line, &e);

    if (!file)
        return e;
    file->kind = LOCK_FILE_ANY;
    if (is_web_address(place))
        file->address = place;
    else
        file->path = place;
    e = lock_reader_name_file(p->reader, file, NULL);
    return e ? e : keep_hashes(p, file);
}

static enum lock_source source_of(const char *place)
{
    size_t len = strcspn(place, "?#");

    if (str_starts(place, "direct+"))
        return LOCK_FROM_URL;
    if (str_starts(place, "git+"))
        return LOCK_FROM_GIT;
    if (is_web_address(place))
        return LOCK_FROM_INDEX;
    return len > 4 && (!strncmp(place + len - 4, ".whl", 4) || !strncmp(place + len - 3, ".gz", 3))
               ? LOCK_FROM_FILE
               : LOCK_FROM_FOLDER;
}

static int add_package(struct pixi *p, const char *place)
{
    const struct record *record = &p->record;
    struct lock_reader *r = p->reader;
    int e = 0;

    if (!record->name)
        return lock_reader_complain(r, record->line, "a package without a name");
    struct lock_package *package = lock_reader_add_package(r, record->name, record->line, &e);
    if (!package)
        return e;
    package->version = record->version;
    package->requires_python = record->python;
    package->source = source_of(place);
    package->place = package->source == LOCK_FROM_INDEX ? record->index : place;
    const char **places = reallocarray(p->places, r->lock->package_count, sizeof(*places));
    if (!places)
        return ERROR_NO_MEMORY;
    p->places = places;
    places[r->lock->package_count - 1] = place;
    if (package->source == LOCK_FROM_INDEX || package->source == LOCK_FROM_FILE)
        e = add_file(p, place);
    else if (package->source == LOCK_FROM_URL)
        e = add_file(p, place + strlen("direct+"));
    if (!e && package->source == LOCK_FROM_FILE)
        return lock_reader_skip(r, record->line, record->name, place,
                                "a file of the project's own");
    if (e || (package->source != LOCK_FROM_GIT && package->source != LOCK_FROM_FOLDER))
        return e;
    return lock_reader_skip(r, record->line, record->name, place,
                            package->source == LOCK_FROM_GIT ? "git"
                                                             : "a folder of the project's own");
}

static int end_package(struct pixi *p)
{
    const struct record *record = &p->record;
    const char *place = record->pypi;

    if (!place && record->kind && !strcmp(record->kind, "pypi"))
        place = record->url ? record->url : record->path;
    if (place)
        return add_package(p, place);
    p->reader->lock->conda_count++;
    return 0;
}

/* ------------------------------------------------------------ environments */

static int want(struct pixi *p, const char *place)
{
    struct lock_reader *r = p->reader;

    if (p->wanted_count >= LOCK_MAX_ITEMS)
        return ERROR_TOO_BIG;
    if ((p->wanted_count & (p->wanted_count - 1)) == 0) {
        size_t cap = p->wanted_count ? 2 * p->wanted_count : 1;
        struct wanted *more = reallocarray(p->wanted, cap, sizeof(*more));

        if (!more)
            return ERROR_NO_MEMORY;
        p->wanted = more;
    }
    struct wanted *wanted = &p->wanted[p->wanted_count];
    int e = lock_reader_keep(r, p->levels[1].key, &wanted->environment);
    if (!e)
        e = lock_reader_keep(r, p->levels[3].key, &wanted->platform);
    if (!e)
        e = lock_reader_keep(r, place, &wanted->place);
    p->wanted_count += !e;
    return e;
}

/* A value at the path that is open; `key` is its own in a map. */
static int on_value(struct pixi *p, const yaml_event_t *event)
{
    const char *value = (const char *)event->data.scalar.value;
    const char *key = p->depth ? p->levels[p->depth - 1].key : "";
    int e = 0;

    if (IS_AT(p, "version")) {
        long version = strtol(value, NULL, 10);

        if (version < LEAST || version > MOST)
            return lock_reader_complain(p->reader, (unsigned)event->start_mark.line + 1,
                                        "version %s of pixi.lock is not known here; %d to %d are",
                                        value, LEAST, MOST);
        p->reader->lock->version = (int)version;
        p->has_version = true;
    } else if (IS_AT(p, "environments", "*", "indexes", "-") ||
               IS_AT(p, "environments", "*", "find-links", "-", "url")) {
        return note(p, event, LOCK_ADDRESS_INDEX);
    } else if (IS_AT(p, "environments", "*", "packages", "*", "-", "pypi")) {
        e = want(p, value);
        return e ? e : note(p, event, LOCK_ADDRESS_FILE);
    } else if (IS_AT(p, "packages", "-", "*")) {
        return set_record(p, event, key);
    }
    return 0;
}

/* Addresses of packages: noted as they come, because their place in the text is known then. The
 * `url` of versions 4 and 5 comes behind `kind`. */
static int note_package(struct pixi *p, const yaml_event_t *event)
{
    if (IS_AT(p, "packages", "-", "pypi") ||
        (IS_AT(p, "packages", "-", "url") && p->record.kind && !strcmp(p->record.kind, "pypi")))
        return note(p, event, LOCK_ADDRESS_FILE);
    if (IS_AT(p, "packages", "-", "index"))
        return note(p, event, LOCK_ADDRESS_INDEX);
    return 0;
}

/* --------------------------------------------------------------- the events */

static int on_scalar(struct pixi *p, const yaml_event_t *event)
{
    struct level *level = p->depth ? &p->levels[p->depth - 1] : NULL;
    const char *value = (const char *)event->data.scalar.value;

    if (strlen(value) != event->data.scalar.length)
        return complain(p, &event->start_mark, "a NUL in a text");
    if (!level)
        return complain(p, &event->start_mark, "this is no pixi.lock");
    if (level->is_map && !level->has_key) {
        if (strlen(value) >= KEY_BYTES)
            return complain(p, &event->start_mark, "a key that is too long");
        str_copy(level->key, sizeof level->key, value);
        level->has_key = true;
        return 0;
    }
    int e = on_value(p, event);
    if (!e)
        e = note_package(p, event);
    level->has_key = false;
    return e;
}

static int on_open(struct pixi *p, const yaml_event_t *event, bool is_map)
{
    struct level *above = p->depth ? &p->levels[p->depth - 1] : NULL;

    if (above && above->is_map && !above->has_key)
        return complain(p, &event->start_mark, "a key that is no text");
    if (!above && !is_map)
        return complain(p, &event->start_mark, "this is no pixi.lock");
    if (p->depth == DEPTH_MAX)
        return complain(p, &event->start_mark, "nested too deeply");
    if (is_map && IS_AT(p, "packages", "-"))
        p->record = (struct record){.line = (unsigned)event->start_mark.line + 1};
    p->levels[p->depth++] = (struct level){.is_map = is_map};
    return 0;
}

static int on_close(struct pixi *p)
{
    p->depth--;
    if (p->depth && p->levels[p->depth - 1].is_map)
        p->levels[p->depth - 1].has_key = false;
    return p->levels[p->depth].is_map && IS_AT(p, "packages", "-") ? end_package(p) : 0;
}

static int on_event(struct pixi *p, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return on_scalar(p, event);
    case YAML_MAPPING_START_EVENT:
        return on_open(p, event, true);
    case YAML_SEQUENCE_START_EVENT:
        return on_open(p, event, false);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        return on_close(p);
    case YAML_ALIAS_EVENT:
        return complain(p, &event->start_mark, "an alias, which no pixi.lock has");
    default:
        return 0;
    }
}

static int parse(struct pixi *p)
{
    for (bool is_over = false; !is_over;) {
        yaml_event_t event;

        if (!yaml_parser_parse(&p->parser, &event)) {
            if (p->parser.error == YAML_MEMORY_ERROR)
                return ERROR_NO_MEMORY;
            return complain(p, &p->parser.problem_mark,
                            p->parser.problem ? p->parser.problem : "this is no YAML");
        }
        is_over = event.type == YAML_STREAM_END_EVENT;
        int e = on_event(p, &event);
        yaml_event_delete(&event);
        if (e)
            return e;
    }
    return p->has_version
               ? 0
               : lock_reader_complain(p->reader, 1, "this is no pixi.lock: version is missing");
}

/* ---------------------------------------------------------------- the join */

struct named {
    const char *place;
    size_t package;
};

static int by_place(const void *x, const void *y)
{
    const struct named *a = x;
    const struct named *b = y;

    return strcmp(a->place, b->place);
}

/* A use of what the list of packages does not have is passed over: nothing is known of it. */
static int join(struct pixi *p)
{
    struct lock_reader *r = p->reader;
    size_t count = r->lock->package_count;
    auto_free struct named *named = calloc(count + 1, sizeof(*named));

    if (!named)
        return ERROR_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        named[i] = (struct named){p->places[i], i};
    qsort(named, count, sizeof(*named), by_place);
    for (size_t i = 0; i < p->wanted_count; i++) {
        const struct named key = {.place = p->wanted[i].place};
        const struct named *found = bsearch(&key, named, count, sizeof(*named), by_place);
        int e = 0;

        if (!found)
            continue;
        struct lock_use *use = lock_reader_add_use(r, &e);
        if (!use)
            return e;
        *use = (struct lock_use){p->wanted[i].environment, p->wanted[i].platform, found->package};
    }
    return 0;
}

int read_pixi(struct lock_reader *r)
{
    struct pixi p = {.reader = r};

    if (!yaml_parser_initialize(&p.parser))
        return ERROR_NO_MEMORY;
    if (r->input->len >= 3 && !memcmp(r->input->text, "\xef\xbb\xbf", 3))
        p.byte = 3;
    yaml_parser_set_encoding(&p.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&p.parser, (const unsigned char *)r->input->text + p.byte,
                                 r->input->len - p.byte);
    int e = parse(&p);
    if (!e)
        e = join(&p);
    yaml_parser_delete(&p.parser);
    free(p.places);
    free(p.wanted);
    return e;
}
