// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Lock files: the bytes of one in, the files that it wants out.
 *
 *     struct lock_input input = {.name = "uv.lock", .text = text, .len = len};
 *     r = lock_read(&input, &lock, &wrong);
 *     if (r == ERROR_CONFIG) ... wrong.file, wrong.line, wrong.text
 *     for (size_t i = 0; i < lock->file_count; i++) ... lock->files[i].address
 *     lock_free(lock);
 *
 * Formats: uv.lock version 1 with any revision; pylock.toml 1.x (PEP 751); pixi.lock 4 to 7, its
 * PyPI part; requirements.txt as pip reads it; poetry.lock 1.x and 2.x; pdm.lock 4.x. The file's
 * name says which format it is; where the name says nothing, the content does.
 *
 * All texts belong to the lock and live as long as it does. Lines count from 1. What was read never
 * changes; any thread. The functions are pure, apart from the caller's own `open`.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum lock_kind { LOCK_UV, LOCK_PYLOCK, LOCK_PIXI, LOCK_REQUIREMENTS, LOCK_POETRY, LOCK_PDM };

enum {
    LOCK_MAX_BYTES = 32 << 20, /* of one file */
    LOCK_MAX_PACKAGES = 50000,
    LOCK_MAX_ITEMS = 1 << 20,  /* of each other list below */
    LOCK_MAX_TEXT = 256 << 20, /* bytes of all texts of one lock */
    LOCK_MAX_FOLLOWED = 100,   /* files that a requirements.txt leads to, in all */
    LOCK_MAX_DEPTH = 16,       /* of them in each other */
    LOCK_WRONG_BYTES = 240,
};

/* What a wanted file is. LOCK_FILE_ARCHIVE: pylock's `archive`, a file without an index.
 * LOCK_FILE_ANY: the lock has only a hash; any file of the release that has it is meant. */
enum lock_file_kind { LOCK_FILE_WHEEL, LOCK_FILE_SDIST, LOCK_FILE_ARCHIVE, LOCK_FILE_ANY };

struct lock_file {
    size_t package; /* place in `packages` */
    enum lock_file_kind kind;
    unsigned line;
    const char *name;        /* file name, decoded; NULL where the lock has none */
    const char *address;     /* URL as written, but for a `direct+` before it; NULL without one */
    const char *path;        /* of a file of the project's own; NULL without one */
    const char *hashes;      /* "sha256:<hex> sha512:<hex>" as written; "" without any */
    const char *upload_time; /* RFC 3339, as written; NULL where the lock has none */
    int64_t size;            /* bytes; -1 where the lock has none */
};

/* Where a package comes from. The last six are not wanted of an index. */
enum lock_source {
    LOCK_FROM_INDEX,
    LOCK_FROM_URL,  /* one file elsewhere, which `files` has */
    LOCK_FROM_FILE, /* a wheel or sdist of the project's own */
    LOCK_FROM_GIT,
    LOCK_FROM_FOLDER,
    LOCK_FROM_EDITABLE,
    LOCK_FROM_VIRTUAL,
    LOCK_FROM_CONDA,
};

struct lock_package {
    const char *name;    /* as written; names are compared by name_normalize */
    const char *project; /* normalised */
    const char *version; /* as written; NULL where the lock has none */
    enum lock_source source;
    const char *place;  /* of the source: index, URL, path; NULL where the lock says nothing */
    const char *marker; /* installed where it holds; NULL: everywhere */
    const char *requires_python; /* or NULL */
    const char *groups;          /* poetry, pdm: names parted by spaces; NULL: no groups there */
    const char *group_markers;   /* poetry: "group marker" a line, instead of marker; or NULL */
    const char *forks;           /* uv: resolution-markers, parted by newlines; NULL: all forks */
    bool is_optional;            /* poetry: installed for an extra alone */
    unsigned line;
    size_t first_file, file_count;             /* in `files` */
    size_t first_dependency, dependency_count; /* in `dependencies` */
};

/* uv: what a package needs, always or for one of its extras or groups. */
struct lock_dependency {
    const char *project;       /* normalised */
    const char *version;       /* or NULL: there is only one */
    const char *place;         /* of the source, or NULL */
    const char *marker;        /* or NULL */
    const char *extras;        /* wanted of it, parted by spaces; "" */
    const char *extra, *group; /* it is needed for; NULL: always */
};

/* pixi: a package is installed in an environment on a platform ("linux-64"). */
struct lock_use {
    const char *environment, *platform;
    size_t package;
};

/* What the lock names and no index has. */
struct lock_skip {
    unsigned line;
    const char *what;   /* name of the package, or the line's own text */
    const char *place;  /* path, URL; or NULL */
    const char *reason; /* "git", "a path of the project's own" ... */
};

/* Every address in the text, in the order of the file: for changing them. */
enum lock_role {
    LOCK_ADDRESS_FILE,  /* of one file */
    LOCK_ADDRESS_INDEX, /* of an index, or of a page of links */
    LOCK_ADDRESS_OTHER, /* neither: a repository */
};

struct lock_address {
    enum lock_role role;
    size_t offset, len;  /* bytes of the text, without quotes */
    const char *text;    /* what stands there */
    const char *project; /* normalised name that it is for, or NULL */
    unsigned line;
    bool is_plain; /* false: written with escapes or over several lines, so it cannot be changed */
};

struct lock {
    enum lock_kind kind;
    int version;                 /* of the format: its first number; 0 where it has none */
    bool is_locked;              /* false: plain requirements, some without a version or a hash */
    const char *requires_python; /* or NULL */
    const char *default_groups;  /* pylock, parted by spaces; "" */
    const char *extra_names, *group_names; /* pylock: that there are; parted by spaces; "" */
    size_t conda_count;                    /* pixi: packages of conda, which are not ours */
    struct lock_package *packages;
    size_t package_count;
    struct lock_file *files;
    size_t file_count;
    struct lock_dependency *dependencies;
    size_t dependency_count;
    struct lock_use *uses;
    size_t use_count;
    struct lock_skip *skipped;
    size_t skip_count;
    struct lock_address *addresses;
    size_t address_count;
    /* uv: the requirements of a script or workspace itself */
    size_t first_wanted, wanted_count; /* in `dependencies` */
    const char *members;               /* uv: of the workspace, normalised, parted by spaces; "" */
    const char *conflicts;             /* uv: "package extra|group name" a line; "" */
    struct lock_text *texts;           /* memory */
};

struct lock_input {
    const char *name; /* of the file, with or without folders; may be NULL */
    const char *text; /* a NUL follows */
    size_t len;
    /* Reads the file that -r or -c names, as written in `from` ("" is the first file). 0, or an
     * error that becomes a sentence. NULL: such lines are skipped, and said. */
    int (*open)(void *context, const char *from, const char *path, struct buf *to);
    void *context;
};

struct lock_wrong {
    unsigned line;
    char file[LOCK_WRONG_BYTES]; /* "" is the first file */
    char text[LOCK_WRONG_BYTES]; /* what is wrong: half a sentence */
};

/* ERROR_CONFIG: it cannot be read, and *ret_wrong says why. ERROR_TOO_BIG, ERROR_NO_MEMORY. */
int lock_read(const struct lock_input *input, struct lock **ret, struct lock_wrong *ret_wrong);
void lock_free(struct lock *lock);

/* "uv.lock", "pylock.toml" ... */
const char *lock_kind_name(enum lock_kind kind);

/* Takes the next of a list of words parted by spaces; false at its end. *list moves on. */
bool lock_next_word(const char **list, const char **ret_word, size_t *ret_len);
bool lock_has_word(const char *list, const char *word);
