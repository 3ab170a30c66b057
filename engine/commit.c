// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "engine/flying.h"

/*
 * Keeping what a flight brought, in the order that survives a crash: the store's commit (cleaner
 * lane), then one transaction (catalogue thread), then the table (flight thread). Readers do not
 * wait for any of it.
 */

/* A change of the catalogue that nobody waits for. Strings are owned by the job. */
struct record {
    struct job job;
    struct engine *engine;
    struct catalogue_file file;
    char *origin, *path, *etag, *mirrors, *validator;
    char blob[SHA256_HEX];
    int64_t allocated_bytes;
};

static void record_free(struct record *r)
{
    free(r->origin);
    free(r->path);
    free(r->etag);
    free(r->mirrors);
    free(r->validator);
    free(r);
}

static struct record *record_new(struct flying *fl)
{
    struct entry *entry = fl->entry;
    struct record *r = calloc(1, sizeof(*r));
    char names[256];
    core_mirror_names(entry->origin, fl->board ? fl->board->senders : 0, names, sizeof(names));
    if (!r)
        return NULL;
    r->engine = fl->engine;
    r->origin = strdup(entry->origin->name);
    r->path = strdup(entry->path);
    r->etag = fl->board && fl->board->etag[0] ? strdup(fl->board->etag) : NULL;
    r->mirrors = names[0] ? strdup(names) : NULL;
    r->validator = fl->name_validator ? strdup(fl->name_validator) : NULL;
    r->file = (struct catalogue_file){.origin = r->origin,
                                      .path = r->path,
                                      .size = fl->board ? fl->board->size : -1,
                                      .etag = r->etag,
                                      .authoritative = fl->sha256[0] && !fl->disputed,
                                      .mirrors = r->mirrors,
                                      .validator = r->validator,
                                      .last_used_s = clock_real_s()};
    if (!r->origin || !r->path) {
        record_free(r);
        return NULL;
    }
    return r;
}

static void record_facts_run(struct job *job)
{
    struct record *r = container_of(job, struct record, job);
    int error = catalogue_put_file(r->engine->catalogue, &r->file);
    if (error)
        log_warning("catalogue: cannot store %s/%s: %s", r->origin, r->path, error_text(error));
    record_free(r);
}

void commit_facts(struct flying *fl)
{
    struct record *r = record_new(fl);
    if (!r)
        return;
    r->job.run = record_facts_run;
    lane_post(fl->engine->catalogue_lane, &r->job);
}

/* --------------------------------------------------------------- commit */

struct commit {
    struct job job;
    struct flying *flying;
    struct partial *partial;
    struct record *record;
    struct blob *blob;
    int error;
};

static void kept_run(struct job *job)
{
    struct commit *c = container_of(job, struct commit, job);
    struct flying *fl = c->flying;
    struct record *r = c->record;
    if (!fl->over) {
        struct entry *entry = fl->entry;
        if (c->error == 0) {
            fl->committed = true;
            memcpy(entry->sha256, r->blob, sizeof(entry->sha256));
            entry->size = r->file.size;
            entry->authoritative = r->file.authoritative;
            entry->used_s = entry->written_s = r->file.last_used_s;
            free(entry->etag);
            free(entry->mirrors);
            entry->etag = r->etag;
            entry->mirrors = r->mirrors;
            r->etag = r->mirrors = NULL;
            files_set_blob(fl->engine, entry, c->blob);
            c->blob = NULL;
            log_info("kept path=%s/%s bytes=%" PRId64 " sha256=%s mirrors=%s", r->origin, r->path,
                     r->file.size, r->blob, entry->mirrors ? entry->mirrors : "");
        } else {
            log_warning("cannot keep path=%s/%s error=\"%s\"", r->origin, r->path,
                        error_text(c->error));
            core_problem(fl->engine, "not-kept", r->origin, r->path, "%s", error_text(c->error));
        }
        flight_on_committed(fl->flight, c->error);
        flying_drain(fl);
    }
    blob_unref(c->blob);
    record_free(r);
    partial_unref(c->partial);
    flying_unref(fl);
    free(c);
}

static int put_rows(struct catalogue *catalogue, const struct record *r)
{
    int error = catalogue_begin(catalogue);
    if (error)
        return error;
    error = catalogue_put_blob(catalogue, r->blob, r->file.size, r->allocated_bytes);
    if (error == 0)
        error = catalogue_put_file(catalogue, &r->file);
    if (error == 0)
        return catalogue_commit(catalogue);
    catalogue_rollback(catalogue);
    return error;
}

/* A missing row is put right at the next start from the sidecar; the blob is good all the same. */
static void rows_run(struct job *job)
{
    struct commit *c = container_of(job, struct commit, job);
    int error = put_rows(c->flying->engine->catalogue, c->record);
    if (error)
        log_warning("catalogue: cannot store %s/%s: %s", c->record->origin, c->record->path,
                    error_text(error));
    job->run = kept_run;
    core_post(c->flying->engine, job);
}

static void write_sidecar(const struct record *r, struct buf *to)
{
    buf_putc(to, '{');
    json_write_name(to, "origin");
    json_write_string(to, r->origin);
    json_write_name(to, "path");
    json_write_string(to, r->path);
    json_write_name(to, "etag");
    json_write_string(to, r->etag ? r->etag : "");
    json_write_name(to, "mirrors");
    json_write_string(to, r->mirrors ? r->mirrors : "");
    json_write_name(to, "authoritative");
    buf_puts(to, r->file.authoritative ? "true" : "false");
    buf_puts(to, "}\n");
}

static void store_run(struct job *job)
{
    struct commit *c = container_of(job, struct commit, job);
    struct engine *e = c->flying->engine;
    struct record *r = c->record;
    struct stat st;
    auto_buf struct buf sidecar;
    buf_init(&sidecar, 64 << 10);
    write_sidecar(r, &sidecar);
    c->error = sidecar.error;
    /* A mirror may have sent more than there is; what is past the end was never given to a reader.
     */
    if (c->error == 0 && ftruncate(c->partial->fd, (off_t)r->file.size) < 0)
        c->error = ERROR_IO;
    if (fstat(c->partial->fd, &st) == 0)
        r->allocated_bytes = (int64_t)st.st_blocks * 512;
    if (c->error == 0)
        c->error = store_commit(e->store, c->partial->name, c->partial->fd, r->blob, sidecar.data,
                                sidecar.len);
    if (c->error == 0)
        c->error = blob_open(e, r->blob, &c->blob) ? ERROR_IO : 0;
    job->run = c->error ? kept_run : rows_run;
    if (c->error)
        core_post(e, job);
    else
        lane_post(e->catalogue_lane, job);
}

void commit_start(struct flying *fl, const struct flight_command *command)
{
    struct commit *c = calloc(1, sizeof(*c));
    struct record *r = record_new(fl);
    if (!c || !r) {
        free(c);
        if (r)
            record_free(r);
        flight_on_committed(fl->flight, ERROR_NO_MEMORY);
        return;
    }
    memcpy(r->blob, command->sha256, sizeof(r->blob));
    r->file.blob = r->blob;
    r->file.size = command->size;
    r->file.authoritative = command->authoritative && !fl->disputed;
    *c = (struct commit){
        .job.run = store_run, .flying = fl, .partial = partial_ref(fl->partial), .record = r};
    flying_ref(fl);
    lane_post(fl->engine->cleaner, &c->job);
}
