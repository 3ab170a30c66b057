// SPDX-License-Identifier: Apache-2.0
#include "engine/files/soundness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "engine/files/files_state.h"
#include "engine/files/progress.h"
#include "index/wheel.h"

static const char suffix[] = ".metadata";

/* `why` and `is` together end a sentence that names the mirror. */
static void refuse(struct soundness *s, const char *why, const char *is)
{
    s->sound = false;
    (void)snprintf(s->why, sizeof(s->why), "%s%s", why, is);
}

/* METADATA of another version is served: the client judges that itself. */
int soundness_of_metadata(const char *text, size_t len, const char *path, struct soundness *ret)
{
    const char *file = str_last_segment(path);
    size_t file_len = strlen(file);
    auto_free char *wheel =
        str_ends(file, suffix) ? strndup(file, file_len - strlen(suffix)) : strdup(file);
    struct wheel_header header;
    int r = wheel ? wheel_header_read(text, len, &header) : ERROR_NO_MEMORY;
    if (r)
        return r;
    struct soundness s = {.sound = true, .evidence = EVIDENCE_SILENT};
    enum wheel_fit fit = wheel_header_compare(&header, wheel);
    if (!wheel_is_metadata(text, len, &header))
        refuse(&s, "no METADATA, but ", archive_describe(text, len));
    else if (fit == WHEEL_OTHER_PROJECT)
        refuse(&s, "METADATA of another project: ", header.name);
    s.other_version = s.sound && fit == WHEEL_OTHER_VERSION;
    wheel_header_release(&header);
    *ret = s;
    return 0;
}

/* METADATA is small; a longer file under that name is none. */
static int read_metadata(const struct archive_source *source, const char *path,
                         struct soundness *ret)
{
    if (source->size > WHEEL_METADATA_MAX) {
        *ret = (struct soundness){.sound = false};
        refuse(ret, "no METADATA: it is too long", "");
        return 0;
    }
    size_t len = (size_t)source->size;
    auto_free char *text = malloc(len + 1);
    int r = text ? 0 : ERROR_NO_MEMORY;
    if (r == 0 && len)
        r = source->read(source->userdata, 0, text, len);
    return r ? r : soundness_of_metadata(text, len, path, ret);
}

/* Only kinds of files that index/archive.h knows can be judged. */
int soundness_of(const struct archive_source *source, const char *path, struct soundness *ret)
{
    const char *file = str_last_segment(path);
    struct archive_verdict verdict;
    if (str_ends(file, ".whl.metadata"))
        return read_metadata(source, path, ret);
    if (!archive_is_known(file)) {
        *ret = (struct soundness){.sound = true, .evidence = EVIDENCE_NONE};
        return 0;
    }
    int r = archive_structure(source, file, &verdict);
    if (r)
        return r;
    *ret = (struct soundness){.sound = verdict.level != ARCHIVE_NONE,
                              .evidence = EVIDENCE_STRUCTURE,
                              .other_version = verdict.other_version};
    str_copy(ret->why, sizeof(ret->why), verdict.why);
    return 0;
}

/* --------------------------------------------------------------- partials */

/* A judgement of a partial's bytes. It keeps the partial open until the answer is told. */
struct question {
    struct job job;
    struct files *files;
    struct partial *partial;
    int64_t size;
    char *path;
    char sha256[SHA256_HEX];
    void (*done)(void *owner, int error, const struct soundness *soundness);
    void *owner;
    int error;
    struct soundness soundness;
};

static int read_partial(void *userdata, int64_t from, void *to, size_t len)
{
    const struct question *q = userdata;
    return file_read_at(q->partial->fd, to, len, from);
}

/* Bytes that a check found damaged before are refused again, however sound their structure looks.
 */
static void answered_run(struct job *job)
{
    struct question *q = container_of(job, struct question, job);
    struct soundness *s = &q->soundness;
    const char *why;
    if (q->error == 0 && s->sound && evidence_refuses(q->files, q->sha256, &why))
        refuse(s, why, "");
    q->done(q->owner, q->error, s);
    partial_unref(q->partial);
    free(q->path);
    free(q);
}

/* On the compute lane, where the bytes were read a moment ago to be hashed. */
static void answer_run(struct job *job)
{
    struct question *q = container_of(job, struct question, job);
    struct archive_source source = {read_partial, q, q->partial ? q->size : 0};
    q->error = soundness_of(&source, q->path, &q->soundness);
    job->run = answered_run;
    loop_post(q->files->s, job);
}

/* The judgement reads the disk, so it is a job of the compute lane. */
int soundness_ask(struct files *files, struct partial *partial, int64_t size, const char *path,
                  const char *sha256,
                  void (*done)(void *owner, int error, const struct soundness *soundness),
                  void *owner)
{
    struct question *q = calloc(1, sizeof(*q));
    char *copy = strdup(path);
    if (!q || !copy) {
        free(q);
        free(copy);
        return ERROR_NO_MEMORY;
    }
    *q = (struct question){.job.run = answer_run,
                           .files = files,
                           .partial = partial ? partial_ref(partial) : NULL,
                           .size = size,
                           .path = copy,
                           .done = done,
                           .owner = owner};
    str_copy(q->sha256, sizeof(q->sha256), sha256);
    lane_post(files->s->compute, &q->job);
    return 0;
}
