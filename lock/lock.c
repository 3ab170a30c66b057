// SPDX-License-Identifier: Apache-2.0
/*
 * Which reader a file goes to, and the lock that all of them build. A lock owns blocks of text: its
 * strings lie in them one after the other, so that freeing a lock is freeing a few blocks.
 */
#include "lock/lock.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "base/url.h"
#include "index/name.h"
#include "lock/lock_private.h"

enum { BLOCK_BYTES = 64 << 10, FIRST_CAP = 16 };
enum reader_list { PACKAGES, FILES, DEPENDENCIES, USES, SKIPPED, ADDRESSES };

struct lock_text {
    struct lock_text *next;
    size_t used, cap;
    char bytes[];
};

/* ------------------------------------------------------------------- texts */

static char *make_room(struct lock_reader *r, size_t len)
{
    struct lock_text *block = r->lock->texts;

    if (!block || block->cap - block->used < len) {
        size_t cap = len > BLOCK_BYTES ? len : BLOCK_BYTES;

        block = malloc(sizeof(*block) + cap);
        if (!block)
            return NULL;
        *block = (struct lock_text){.next = r->lock->texts, .cap = cap};
        r->lock->texts = block;
    }
    char *at = block->bytes + block->used;
    block->used += len;
    return at;
}

const char *lock_reader_copy(struct lock_reader *r, const char *text, size_t len)
{
    char *copy = make_room(r, len + 1);

    if (!copy)
        return NULL;
    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

int lock_reader_keep_len(struct lock_reader *r, const char *text, size_t len, const char **ret)
{
    r->text_bytes += len + 1;
    if (r->text_bytes > LOCK_MAX_TEXT)
        return ERROR_TOO_BIG;
    const char *copy = lock_reader_copy(r, text, len);
    if (!copy)
        return ERROR_NO_MEMORY;
    *ret = copy;
    return 0;
}

int lock_reader_keep(struct lock_reader *r, const char *text, const char **ret)
{
    if (text)
        return lock_reader_keep_len(r, text, strlen(text), ret);
    *ret = NULL;
    return 0;
}

int lock_reader_keep_buf(struct lock_reader *r, const struct buf *text, const char **ret)
{
    return text->error ? text->error : lock_reader_keep_len(r, text->data, text->len, ret);
}

int lock_reader_keep_project(struct lock_reader *r, const char *name, const char **ret)
{
    char normal[NAME_MAX_BYTES + 1];

    return lock_reader_keep(r, name && name_normalize(name, normal) == 0 ? normal : name, ret);
}

int lock_reader_complain(struct lock_reader *r, unsigned line, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    r->wrong->line = line;
    str_copy(r->wrong->file, sizeof r->wrong->file, r->file);
    (void)vsnprintf(r->wrong->text, sizeof r->wrong->text, format, args);
    va_end(args);
    return ERROR_CONFIG;
}

/* ------------------------------------------------------------------- lists */

/* Room for one more of `size` bytes each. `line` is where it stands, 0: at the newest package. */
static int grow(struct lock_reader *r, enum reader_list which, void **list, size_t count,
                size_t size, unsigned line)
{
    static const char *const names[] = {
        [PACKAGES] = "packages", [FILES] = "files",        [DEPENDENCIES] = "dependencies",
        [USES] = "packages",     [SKIPPED] = "exceptions", [ADDRESSES] = "addresses"};
    size_t *cap = &r->caps[which];
    size_t packages = r->lock->package_count;

    if (count >= (which == PACKAGES ? LOCK_MAX_PACKAGES : LOCK_MAX_ITEMS)) {
        if (!line && packages)
            line = r->lock->packages[packages - 1].line;
        return lock_reader_complain(r, line, "too many %s", names[which]);
    }
    if (count < *cap)
        return 0;
    size_t more = *cap ? 2 * *cap : FIRST_CAP;
    void *bigger = reallocarray(*list, more, size);
    if (!bigger)
        return ERROR_NO_MEMORY;
    *list = bigger;
    *cap = more;
    return 0;
}

struct lock_package *lock_reader_add_package(struct lock_reader *r, const char *name, unsigned line,
                                             int *ret_error)
{
    struct lock *lock = r->lock;
    struct lock_package package = {
        .line = line, .first_file = lock->file_count, .first_dependency = lock->dependency_count};
    int e = lock_reader_keep(r, name, &package.name);

    if (!e)
        e = lock_reader_keep_project(r, name, &package.project);
    if (!e)
        e = grow(r, PACKAGES, (void **)&lock->packages, lock->package_count, sizeof package, line);
    if (e) {
        *ret_error = e;
        return NULL;
    }
    lock->packages[lock->package_count] = package;
    return &lock->packages[lock->package_count++];
}

/* Of the newest package. */
struct lock_file *lock_reader_add_file(struct lock_reader *r, unsigned line, int *ret_error)
{
    struct lock *lock = r->lock;
    int e = grow(r, FILES, (void **)&lock->files, lock->file_count, sizeof(*lock->files), line);

    if (e) {
        *ret_error = e;
        return NULL;
    }
    struct lock_file *file = &lock->files[lock->file_count++];
    *file = (struct lock_file){
        .package = lock->package_count - 1, .line = line, .hashes = "", .size = -1};
    lock->packages[file->package].file_count++;
    return file;
}

struct lock_dependency *lock_reader_add_dependency(struct lock_reader *r, int *ret_error)
{
    struct lock *lock = r->lock;
    int e = grow(r, DEPENDENCIES, (void **)&lock->dependencies, lock->dependency_count,
                 sizeof(*lock->dependencies), 0);

    if (e) {
        *ret_error = e;
        return NULL;
    }
    struct lock_dependency *dependency = &lock->dependencies[lock->dependency_count++];
    *dependency = (struct lock_dependency){.extras = ""};
    return dependency;
}

struct lock_use *lock_reader_add_use(struct lock_reader *r, int *ret_error)
{
    struct lock *lock = r->lock;
    int e = grow(r, USES, (void **)&lock->uses, lock->use_count, sizeof(*lock->uses), 0);

    if (e) {
        *ret_error = e;
        return NULL;
    }
    lock->uses[lock->use_count] = (struct lock_use){0};
    return &lock->uses[lock->use_count++];
}

int lock_reader_skip(struct lock_reader *r, unsigned line, const char *what, const char *place,
                     const char *reason)
{
    struct lock *lock = r->lock;
    struct lock_skip skip = {.line = line, .reason = reason};
    int e = lock_reader_keep(r, what, &skip.what);

    if (!e)
        e = lock_reader_keep(r, place, &skip.place);
    if (!e)
        e = grow(r, SKIPPED, (void **)&lock->skipped, lock->skip_count, sizeof skip, line);
    if (!e)
        lock->skipped[lock->skip_count++] = skip;
    return e;
}

int lock_reader_add_address(struct lock_reader *r, const struct lock_address *address)
{
    struct lock *lock = r->lock;
    int e = grow(r, ADDRESSES, (void **)&lock->addresses, lock->address_count, sizeof(*address),
                 address->line);

    if (!e)
        lock->addresses[lock->address_count++] = *address;
    return e;
}

/* ------------------------------------------------------------------- files */

bool is_web_address(const char *text)
{
    return str_starts(text, "https://") || str_starts(text, "http://");
}

/* The last segment of an address or path, decoded; false when there is none. */
static bool write_file_name(const char *place, bool is_url, struct buf *to)
{
    size_t len = is_url ? strcspn(place, "?#") : strlen(place);
    size_t start = len;

    while (start > 0 && place[start - 1] != '/' && (is_url || place[start - 1] != '\\'))
        start--;
    if (!is_url || url_decode(place + start, len - start, to)) {
        buf_clear(to);
        buf_add(to, place + start, len - start);
    }
    return to->len > 0;
}

int lock_reader_name_file(struct lock_reader *r, struct lock_file *file, const char *name)
{
    struct file_name parsed;
    auto_buf struct buf text;

    buf_init(&text, URL_MAX_BYTES);
    if (name)
        buf_puts(&text, name);
    else if (file->address ? !write_file_name(file->address, true, &text)
                           : !file->path || !write_file_name(file->path, false, &text))
        return 0;
    int e = lock_reader_keep_buf(r, &text, &file->name);
    if (!e)
        e = file_name_parse(file->name, &parsed);
    if (e)
        return e;
    if (file->kind == LOCK_FILE_ANY && parsed.kind != FILE_OTHER)
        file->kind = parsed.kind == FILE_SDIST ? LOCK_FILE_SDIST : LOCK_FILE_WHEEL;
    file_name_release(&parsed);
    return 0;
}

/* -------------------------------------------------------------- which kind */

static bool is_kind_by_name(const char *name, enum lock_kind *ret)
{
    static const struct {
        const char *pattern;
        enum lock_kind kind;
    } patterns[] = {
        {"*uv.lock", LOCK_UV},
        {"*.py.lock", LOCK_UV},
        {"pylock.toml", LOCK_PYLOCK},
        {"pylock.*.toml", LOCK_PYLOCK},
        {"*.pylock.toml", LOCK_PYLOCK},
        {"*pixi.lock", LOCK_PIXI},
        {"*poetry.lock", LOCK_POETRY},
        {"*pdm.lock", LOCK_PDM},
        {"*requirements*.txt", LOCK_REQUIREMENTS},
        {"*requirements*.in", LOCK_REQUIREMENTS},
    };
    const char *last = str_last_segment(name ? name : "");

    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        if (str_matches(patterns[i].pattern, last)) {
            *ret = patterns[i].kind;
            return true;
        }
    return false;
}

static const char *next_line(const char *at, const char *end)
{
    const char *newline = memchr(at, '\n', (size_t)(end - at));

    return newline ? newline + 1 : end;
}

static bool line_starts(const char *at, const char *end, const char *word)
{
    size_t len = strlen(word);

    return (size_t)(end - at) >= len && memcmp(at, word, len) == 0;
}

/* What the first telling line says; LOCK_UV stands for any kind that is TOML. */
static enum lock_kind kind_of_content(const char *text, size_t len)
{
    const char *end = text + len;

    if (line_starts(text, end, "\xef\xbb\xbf"))
        text += 3;
    for (const char *at = text; at < end; at = next_line(at, end)) {
        if (line_starts(at, end, "version:") || line_starts(at, end, "environments:"))
            return LOCK_PIXI;
        if (line_starts(at, end, "[[package") || line_starts(at, end, "lock-version") ||
            line_starts(at, end, "version = ") || line_starts(at, end, "[metadata"))
            return LOCK_UV;
    }
    return LOCK_REQUIREMENTS;
}

static int read_any(struct lock_reader *r)
{
    const struct lock_input *input = r->input;
    bool has_kind = is_kind_by_name(input->name, &r->lock->kind);

    if (input->len > LOCK_MAX_BYTES)
        return ERROR_TOO_BIG;
    if (memchr(input->text, '\0', input->len))
        return lock_reader_complain(r, 1, "a NUL byte: this is no text");
    if (!has_kind)
        r->lock->kind = kind_of_content(input->text, input->len);
    switch (r->lock->kind) {
    case LOCK_PIXI:
        return read_pixi(r);
    case LOCK_REQUIREMENTS:
        return read_requirements(r);
    case LOCK_UV:
    case LOCK_PYLOCK:
    case LOCK_POETRY:
    case LOCK_PDM:
        break;
    }
    return read_toml(r, has_kind);
}

int lock_read(const struct lock_input *input, struct lock **ret, struct lock_wrong *ret_wrong)
{
    struct lock *lock = calloc(1, sizeof(*lock));
    struct lock_reader r = {.input = input, .lock = lock, .wrong = ret_wrong, .file = ""};

    if (!lock)
        return ERROR_NO_MEMORY;
    lock->is_locked = true;
    lock->default_groups = lock->extra_names = lock->group_names = "";
    lock->members = lock->conflicts = "";
    *ret_wrong = (struct lock_wrong){0};
    int e = read_any(&r);
    if (e)
        lock_free(lock);
    else
        *ret = lock;
    return e;
}

void lock_free(struct lock *lock)
{
    if (!lock)
        return;
    for (struct lock_text *block = lock->texts; block;) {
        struct lock_text *next = block->next;

        free(block);
        block = next;
    }
    free(lock->packages);
    free(lock->files);
    free(lock->dependencies);
    free(lock->uses);
    free(lock->skipped);
    free(lock->addresses);
    free(lock);
}

const char *lock_kind_name(enum lock_kind kind)
{
    switch (kind) {
    case LOCK_UV:
        return "uv.lock";
    case LOCK_PYLOCK:
        return "pylock.toml";
    case LOCK_PIXI:
        return "pixi.lock";
    case LOCK_REQUIREMENTS:
        return "requirements.txt";
    case LOCK_POETRY:
        return "poetry.lock";
    case LOCK_PDM:
        return "pdm.lock";
    }
    return "";
}

bool lock_next_word(const char **list, const char **ret_word, size_t *ret_len)
{
    const char *at = *list + strspn(*list, " ");
    size_t len = strcspn(at, " ");

    *list = at + len;
    *ret_word = at;
    *ret_len = len;
    return len > 0;
}

bool lock_has_word(const char *list, const char *word)
{
    const char *at;
    size_t len;

    while (list && lock_next_word(&list, &at, &len))
        if (strlen(word) == len && memcmp(at, word, len) == 0)
            return true;
    return false;
}
