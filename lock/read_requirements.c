// SPDX-License-Identifier: Apache-2.0
/*
 * requirements.txt as pip reads it. A copy of the text has blanks in place of each backslash before
 * a line's end, so that a logical line is one line, and offsets stay those of the file. Addresses
 * are noted of the first file alone: what -r leads to is another file.
 *
 * What -c leads to pins versions of requirements that have none. Such pins are kept aside in
 * `dependencies` until all is read.
 */
#include <ctype.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "index/name.h"
#include "index/specifier.h"
#include "lock/lock_private.h"

struct text {
    const char *name; /* as written, "" for the first */
    char *bytes;
    size_t len;
    unsigned depth;
    bool is_constraint;
};

struct requirements {
    struct lock_reader *reader;
    size_t followed;
    const char *index; /* of the last --index-url */
    bool lacks_hash, lacks_version;
};

/* A logical line, or a part of it. */
struct part {
    char *at;
    size_t len;
    unsigned line;
};

static int read_text(struct requirements *q, struct text *text);

/* ------------------------------------------------------------------- lines */

static bool is_comment_line(const char *line)
{
    return line[strspn(line, " \t\f\v")] == '#';
}

/* Two bytes, or three with a carriage return, become blanks. */
static void join_lines(char *text)
{
    for (char *line = text; *line;) {
        size_t len = strcspn(line, "\n");
        size_t last = len && line[len - 1] == '\r' ? len - 1 : len;

        if (line[len] && last && line[last - 1] == '\\' && !is_comment_line(line))
            memset(line + last - 1, ' ', len - last + 2);
        line += len + (line[len] == '\n');
    }
}

static struct part trim(struct part part)
{
    while (part.len && isspace((unsigned char)*part.at))
        part.at++, part.len--;
    while (part.len && isspace((unsigned char)part.at[part.len - 1]))
        part.len--;
    return part;
}

/* Cuts a comment: a # at the line's start or behind a blank. */
static struct part without_comment(struct part part)
{
    for (size_t i = 0; i < part.len; i++)
        if (part.at[i] == '#' && (i == 0 || isspace((unsigned char)part.at[i - 1])))
            part.len = i;
    return trim(part);
}

/* The next word; blanks in quotes do not part it. False at the end. */
static bool next_word(struct part *rest, struct part *ret)
{
    struct part word = trim(*rest);
    size_t i = 0;
    char quote = '\0';

    for (; i < word.len && (quote || !isspace((unsigned char)word.at[i])); i++)
        if (quote ? word.at[i] == quote : word.at[i] == '"' || word.at[i] == '\'')
            quote = quote ? '\0' : word.at[i];
    *rest = (struct part){word.at + i, word.len - i, word.line};
    word.len = i;
    *ret = word;
    return i > 0;
}

static bool part_starts(struct part part, const char *text)
{
    return part.len >= strlen(text) && memcmp(part.at, text, strlen(text)) == 0;
}

static struct part part_behind(struct part part, size_t len)
{
    return (struct part){part.at + len, part.len - len, part.line};
}

/* ----------------------------------------------------------------- options */

/* "--name=value", "--name value", "-n value", "-nvalue". */
static bool is_option(struct part line, const char *shorter, const char *longer, struct part *ret)
{
    if (part_starts(line, longer)) {
        struct part rest = part_behind(line, strlen(longer));

        if (rest.len && *rest.at != '=' && !isspace((unsigned char)*rest.at))
            return false;
        if (rest.len && *rest.at == '=')
            rest = part_behind(rest, 1);
        *ret = trim(rest);
        return true;
    }
    if (!shorter || !part_starts(line, shorter) || part_starts(line, "--"))
        return false;
    *ret = trim(part_behind(line, strlen(shorter)));
    return true;
}

static int note(struct requirements *q, const struct text *text, struct part part,
                enum lock_role role, const char *project)
{
    struct lock_address address = {.role = role,
                                   .offset = (size_t)(part.at - text->bytes),
                                   .len = part.len,
                                   .line = part.line};

    if (text->depth)
        return 0;
    /* A line that goes on in the middle of an address does not hold it as one piece. */
    address.is_plain = memcmp(q->reader->input->text + address.offset, part.at, part.len) == 0;
    int e = lock_reader_keep_len(q->reader, part.at, part.len, &address.text);
    if (!e && project)
        e = lock_reader_keep_project(q->reader, project, &address.project);
    if (e ||
        (role == LOCK_ADDRESS_OTHER ? !strstr(address.text, "://") : !is_web_address(address.text)))
        return e;
    return lock_reader_add_address(q->reader, &address);
}

static int skip_part(struct requirements *q, struct part part, struct part place,
                     const char *reason)
{
    auto_free char *what = strndup(part.at, part.len);
    auto_free char *where = strndup(place.at, place.len);

    return what && where ? lock_reader_skip(q->reader, part.line, what, where, reason)
                         : ERROR_NO_MEMORY;
}

/* -r and -c. */
static int follow(struct requirements *q, const struct text *from, struct part line,
                  struct part path, bool is_constraint)
{
    struct lock_reader *r = q->reader;
    struct text text = {.depth = from->depth + 1,
                        .is_constraint = is_constraint || from->is_constraint};
    auto_buf struct buf bytes;

    buf_init(&bytes, LOCK_MAX_BYTES);
    if (!path.len)
        return lock_reader_complain(r, line.line, "the name of a file is missing");
    if (!r->input->open)
        return skip_part(q, line, path, "another file, which was not looked at");
    if (text.depth > LOCK_MAX_DEPTH || ++q->followed > LOCK_MAX_FOLLOWED)
        return lock_reader_complain(r, line.line, "too many files that lead to each other");
    int e = lock_reader_keep_len(r, path.at, path.len, &text.name);
    if (!e)
        e = r->input->open(r->input->context, from->name, text.name, &bytes);
    if (e == ERROR_NO_MEMORY)
        return e;
    if (e)
        return lock_reader_complain(r, line.line, "%s cannot be read: %s", text.name,
                                    e < 0 ? error_text(e) : "there is no such file");
    if (strlen(bytes.data) != bytes.len)
        return lock_reader_complain(r, line.line, "%s holds a NUL byte", text.name);
    text.len = bytes.len;
    text.bytes = bytes.data;
    r->file = text.name;
    e = read_text(q, &text);
    if (!e)
        r->file = from->name;
    return e;
}

/* An address ends at the first blank. */
static struct part first_word(struct part value)
{
    struct part word = value;

    (void)next_word(&value, &word);
    return word;
}

static int read_option(struct requirements *q, const struct text *text, struct part line)
{
    struct part value = {0};

    if (is_option(line, "-r", "--requirement", &value))
        return follow(q, text, line, value, false);
    if (is_option(line, "-c", "--constraint", &value))
        return follow(q, text, line, value, true);
    if (is_option(line, "-e", "--editable", &value)) {
        bool is_git = part_starts(value, "git+");
        int e = is_git ? note(q, text, value, LOCK_ADDRESS_OTHER, NULL) : 0;

        return e ? e
                 : skip_part(q, line, value,
                             is_git ? "git" : "editable, a folder of the project's own");
    }
    if (is_option(line, "-i", "--index-url", &value)) {
        value = first_word(value);
        int e = lock_reader_keep_len(q->reader, value.at, value.len, &q->index);

        return e ? e : note(q, text, value, LOCK_ADDRESS_INDEX, NULL);
    }
    if (is_option(line, NULL, "--extra-index-url", &value) ||
        is_option(line, "-f", "--find-links", &value))
        return note(q, text, first_word(value), LOCK_ADDRESS_INDEX, NULL);
    return 0; /* of no consequence for which files are wanted */
}

/* ------------------------------------------------------------ requirements */

struct requirement {
    struct part whole;
    struct part name, specifier, address, marker, options;
};

/* Splits "name[extra] specifier ; marker" or "name @ URL ; marker"; false when there is no name. */
static bool split(struct part line, struct requirement *ret)
{
    struct requirement q = {.whole = line, .options = part_behind(line, line.len)};
    struct part rest = line;
    size_t i = 0;

    for (struct part word, all = line; next_word(&all, &word);)
        if (*word.at == '-') {
            q.options = (struct part){word.at, (size_t)(line.at + line.len - word.at), line.line};
            rest.len = (size_t)(word.at - line.at);
            break;
        }
    while (i < rest.len && (isalnum((unsigned char)rest.at[i]) || strchr("-_.", rest.at[i])))
        i++;
    q.name = (struct part){rest.at, i, line.line};
    rest = trim(part_behind(rest, i));
    if (rest.len && *rest.at == '[') {
        char *end = memchr(rest.at, ']', rest.len);

        if (!end)
            return false;
        rest = trim(part_behind(rest, (size_t)(end + 1 - rest.at)));
    }
    bool has_address = rest.len && *rest.at == '@';
    if (has_address)
        rest = trim(part_behind(rest, 1));
    /* In a URL a semicolon begins a marker behind a blank only. */
    size_t cut = 0;
    while (cut < rest.len && (rest.at[cut] != ';' ||
                              (has_address && (!cut || !isspace((unsigned char)rest.at[cut - 1])))))
        cut++;
    if (cut < rest.len)
        q.marker = trim(part_behind(rest, cut + 1));
    rest.len = cut;
    *(has_address ? &q.address : &q.specifier) = trim(rest);
    *ret = q;
    return i > 0;
}

/* The version of "==1.0" or "===1.0"; an empty part for anything else. */
static struct part pinned(struct part specifier)
{
    struct part none = {0};

    if (specifier.len && *specifier.at == '(' && specifier.at[specifier.len - 1] == ')')
        specifier = trim((struct part){specifier.at + 1, specifier.len - 2, specifier.line});
    if (!part_starts(specifier, "==") || memchr(specifier.at, ',', specifier.len) ||
        memchr(specifier.at, '*', specifier.len))
        return none;
    return trim(part_behind(specifier, part_starts(specifier, "===") ? 3 : 2));
}

static int add_hashes(struct requirements *q, struct requirement *what, size_t *ret_count)
{
    struct part word;
    struct part value;

    *ret_count = 0;
    while (next_word(&what->options, &word)) {
        int e = 0;

        if (!is_option(word, NULL, "--hash", &value))
            continue;
        if (!value.len && !next_word(&what->options, &value))
            return lock_reader_complain(q->reader, word.line, "a hash is missing");
        struct lock_file *file = lock_reader_add_file(q->reader, word.line, &e);
        if (file) {
            file->kind = LOCK_FILE_ANY;
            e = lock_reader_keep_len(q->reader, value.at, value.len, &file->hashes);
        }
        if (e)
            return e;
        ++*ret_count;
    }
    return 0;
}

/* All hashes are of the one file that the address is. */
static int add_address(struct requirements *q, const struct text *text, struct requirement *what,
                       struct lock_package *package)
{
    struct lock_reader *r = q->reader;
    struct part word;
    struct part hash;
    auto_buf struct buf hashes;
    int e = lock_reader_keep_len(r, what->address.at, what->address.len, &package->place);

    buf_init(&hashes, LOCK_MAX_BYTES);
    package->source = LOCK_FROM_URL;
    if (!e && !is_web_address(package->place)) {
        bool is_git = str_starts(package->place, "git+");

        package->source = is_git ? LOCK_FROM_GIT : LOCK_FROM_FILE;
        e = is_git ? note(q, text, what->address, LOCK_ADDRESS_OTHER, package->name) : 0;
        return e ? e
                 : lock_reader_skip(r, package->line, package->name, package->place,
                                    is_git ? "git" : "a path of the project's own");
    }
    struct lock_file *file = e ? NULL : lock_reader_add_file(r, package->line, &e);
    if (!file)
        return e;
    file->kind = LOCK_FILE_ANY;
    file->address = package->place;
    while (next_word(&what->options, &word))
        if (is_option(word, NULL, "--hash", &hash)) {
            buf_puts(&hashes, hashes.len ? " " : "");
            buf_add(&hashes, hash.at, hash.len);
        }
    e = lock_reader_name_file(r, file, NULL);
    if (!e)
        e = lock_reader_keep_buf(r, &hashes, &file->hashes);
    return e ? e : note(q, text, what->address, LOCK_ADDRESS_FILE, package->name);
}

static int add_constraint(struct requirements *q, const struct requirement *what, const char *name)
{
    struct part version = pinned(what->specifier);
    int e = 0;

    if (!version.len)
        return 0;
    struct lock_dependency *pin = lock_reader_add_dependency(q->reader, &e);
    if (!pin)
        return e;
    e = lock_reader_keep_project(q->reader, name, &pin->project);
    return e ? e : lock_reader_keep_len(q->reader, version.at, version.len, &pin->version);
}

static int add_requirement(struct requirements *q, const struct text *text,
                           struct requirement *what)
{
    struct lock_reader *r = q->reader;
    auto_free char *name = strndup(what->name.at, what->name.len);
    struct part version = pinned(what->specifier);
    size_t hashes = 0;
    int e = 0;

    if (!name)
        return ERROR_NO_MEMORY;
    if (text->is_constraint)
        return add_constraint(q, what, name);
    struct lock_package *package = lock_reader_add_package(r, name, what->whole.line, &e);
    if (package && version.len)
        e = lock_reader_keep_len(r, version.at, version.len, &package->version);
    if (package && !e && what->marker.len)
        e = lock_reader_keep_len(r, what->marker.at, what->marker.len, &package->marker);
    if (e)
        return e;
    package->first_dependency = package->dependency_count = 0;
    if (what->address.len)
        return add_address(q, text, what, package);
    package->place = q->index;
    e = add_hashes(q, what, &hashes);
    if (e || hashes)
        return e;
    q->lacks_hash = true;
    struct lock_file *file = lock_reader_add_file(r, what->whole.line, &e);
    if (file)
        file->kind = LOCK_FILE_ANY;
    return e;
}

/* A URL or a path without a name in front. */
static int add_bare(struct requirements *q, const struct text *text, struct part line)
{
    struct part place;
    struct part rest = line;
    int e = 0;

    (void)next_word(&rest, &place);
    if (part_starts(place, "http://") || part_starts(place, "https://")) {
        e = note(q, text, place, LOCK_ADDRESS_FILE, NULL);
        return e ? e : skip_part(q, place, place, "a URL without a name before it");
    }
    bool is_git = part_starts(place, "git+");
    if (is_git)
        e = note(q, text, place, LOCK_ADDRESS_OTHER, NULL);
    return e ? e : skip_part(q, place, place, is_git ? "git" : "a path of the project's own");
}

static bool is_path(struct part line)
{
    return *line.at == '.' || *line.at == '/' || part_starts(line, "http://") ||
           part_starts(line, "https://") || part_starts(line, "git+") || part_starts(line, "file:");
}

static int read_line(struct requirements *q, const struct text *text, struct part line)
{
    struct requirement what;
    char normal[NAME_MAX_BYTES + 1];

    if (!line.len)
        return 0;
    if (*line.at == '-')
        return read_option(q, text, line);
    if (is_path(line))
        return add_bare(q, text, line);
    bool is_one = split(line, &what);
    auto_free char *name = is_one ? strndup(what.name.at, what.name.len) : NULL;
    if (is_one && !name)
        return ERROR_NO_MEMORY;
    if (!is_one || name_normalize(name, normal))
        return lock_reader_complain(q->reader, line.line, "this is no requirement: %.*s",
                                    line.len > 60 ? 60 : (int)line.len, line.at);
    return add_requirement(q, text, &what);
}

static unsigned lines_between(const char *from, const char *to)
{
    unsigned lines = 0;

    for (; from < to; from++)
        lines += *from == '\n';
    return lines;
}

static int read_text(struct requirements *q, struct text *text)
{
    auto_free char *original = strndup(text->bytes, text->len);
    char *line = text->bytes;
    unsigned number = 1;

    if (!original)
        return ERROR_NO_MEMORY;
    join_lines(text->bytes);
    if (str_starts(line, "\xef\xbb\xbf"))
        line += 3;
    while (*line) {
        size_t len = strcspn(line, "\n");
        const char *end = line + len + (line[len] == '\n');
        int e = read_line(q, text, without_comment((struct part){line, len, number}));

        if (e)
            return e;
        number += lines_between(original + (line - text->bytes), original + (end - text->bytes));
        line += end - line;
    }
    return 0;
}

static int by_project(const void *x, const void *y)
{
    const struct lock_dependency *a = x;
    const struct lock_dependency *b = y;

    return strcmp(a->project, b->project);
}

/* Versions from constraints, for requirements without one. */
static void pin(struct lock *lock, bool *ret_lacks)
{
    if (lock->dependency_count)
        qsort(lock->dependencies, lock->dependency_count, sizeof(*lock->dependencies), by_project);
    for (size_t i = 0; i < lock->package_count; i++) {
        struct lock_package *package = &lock->packages[i];
        const struct lock_dependency key = {.project = package->project};
        const struct lock_dependency *found = NULL;

        if (!package->version && lock->dependency_count)
            found = bsearch(&key, lock->dependencies, lock->dependency_count,
                            sizeof(*lock->dependencies), by_project);
        if (found)
            package->version = found->version;
        *ret_lacks = *ret_lacks || (!package->version && package->source == LOCK_FROM_INDEX);
    }
    lock->dependency_count = 0;
}

int read_requirements(struct lock_reader *r)
{
    struct requirements q = {.reader = r};
    auto_free char *copy = strndup(r->input->text, r->input->len);
    struct text text = {.name = "", .bytes = copy, .len = r->input->len};

    if (!copy)
        return ERROR_NO_MEMORY;
    int e = read_text(&q, &text);
    if (e)
        return e;
    pin(r->lock, &q.lacks_version);
    for (size_t i = 0; q.index && i < r->lock->package_count; i++)
        if (r->lock->packages[i].source == LOCK_FROM_INDEX)
            r->lock->packages[i].place = q.index;
    r->lock->is_locked = !q.lacks_version && !q.lacks_hash;
    return 0;
}
