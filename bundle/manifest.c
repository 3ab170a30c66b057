// SPDX-License-Identifier: Apache-2.0
#include "bundle/manifest.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/url.h"
#include "index/date.h"

void manifest_file_release(struct manifest_file *file)
{
    free(file->origin);
    free(file->path);
    free(file->project);
    free(file->requires_python);
    free(file->yanked_reason);
    free(file->upload_time);
    free(file->bytes.pieces);
    free(file->metadata.pieces);
}

static void release_lock(struct manifest_lock *lock)
{
    for (size_t i = 0; i < lock->file_count; i++)
        free(lock->files[i]);
    free(lock->files);
    free(lock->name);
}

void manifest_free(struct manifest *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->file_count; i++)
        manifest_file_release(&m->files[i]);
    for (size_t i = 0; i < m->lock_count; i++)
        release_lock(&m->locks[i]);
    for (size_t i = 0; i < m->other_count; i++) {
        free(m->others[i].path);
        free(m->others[i].bytes.pieces);
    }
    free(m->files);
    free(m->locks);
    free(m->others);
    free(m->parts);
    free(m->since_id);
    free(m->id);
    free(m->name);
    free(m);
}

/* -------------------------------------------------------------------- names */

bool manifest_name_is_valid(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len > MANIFEST_NAME_MAX || !isalnum((unsigned char)*name))
        return false;
    for (const char *s = name; *s; s++)
        if (!isascii((unsigned char)*s) || (!isalnum((unsigned char)*s) && !strchr("._-", *s)))
            return false;
    return true;
}

void manifest_part_name(const char *name, size_t part, char ret[MANIFEST_PART_NAME])
{
    (void)snprintf(ret, MANIFEST_PART_NAME, "%.*s.part%03zu.tar", MANIFEST_NAME_MAX, name,
                   part + 1);
}

static int compare_keys(const struct manifest_file *file, const char *origin, const char *path)
{
    int c = strcmp(file->origin, origin);
    return c ? c : strcmp(file->path, path);
}

int manifest_compare(const struct manifest_file *a, const struct manifest_file *b)
{
    return compare_keys(a, b->origin, b->path);
}

const struct manifest_file *manifest_find(const struct manifest *m, const char *origin,
                                          const char *path)
{
    size_t low = 0, high = m->file_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = compare_keys(&m->files[middle], origin, path);
        if (c == 0)
            return &m->files[middle];
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* --------------------------------------------------------------------- rows */

/* By its name: whether it is a file of that project and kind. */
static const char *name_refusal(const struct manifest_file *file)
{
    struct file_name name;
    const char *why = NULL;
    if (file_name_parse(str_last_segment(file->path), &name))
        return "out of memory";
    if (name.kind == FILE_OTHER)
        why = "path names neither a wheel nor an sdist";
    else if (name.kind != file->kind)
        why = "kind is not that of the file's name";
    else if (strcmp(name.project, file->project) != 0)
        why = "project is not that of the file's name";
    file_name_release(&name);
    return why;
}

/* A folder that is named like a file could stand in a file's place. */
static bool has_file_for_folder(const char *path)
{
    return strstr(path, ".whl/") || strstr(path, ".tar.gz/") || strstr(path, ".zip/") ||
           strstr(path, ".metadata/");
}

static bool is_long(const char *text)
{
    return text && strlen(text) > MANIFEST_TEXT_MAX;
}

const char *manifest_file_refusal(const struct manifest_file *file)
{
    char time[DATE_TEXT];
    if (!url_key_is_valid(file->origin) || strchr(file->origin, '/') || *file->origin == '.')
        return "origin is no name";
    if (!url_key_is_valid(file->path) || has_file_for_folder(file->path))
        return "path is not relative, or has empty, `.` or `..` segments";
    if (is_long(file->requires_python) || is_long(file->yanked_reason))
        return "requires-python or yanked is too long";
    if (file->upload_time &&
        (!date_upload_time(file->upload_time, time) || strcmp(time, file->upload_time) != 0))
        return "upload-time is not of the form 2026-01-02T03:04:05Z";
    if (file->bytes.size < 0 || file->bytes.size > MANIFEST_SIZE_MAX)
        return "size is out of bounds";
    if (file->metadata.size > MANIFEST_METADATA_MAX)
        return "METADATA is too large";
    return name_refusal(file);
}
