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
#include "base/str.h"
#include "engine/files/download.h"
#include "engine/files/evidence.h"
#include "engine/files/files.h"
#include "engine/files/files_state.h"
#include "engine/files/kept.h"
#include "engine/files/renew.h"
#include "engine/files/thrashing.h"
#include "engine/loop/problems.h"
#include "engine/mirrors/generations.h"
#include "engine/mirrors/origins.h"

/*
 * Keeps what a download brought. The order survives a crash at any point:
 *
 *     commit_start (flight thread)   the sidecar's text is made
 *     store_run (cleaner lane)       sidecar, data and name are brought to the disk
 *     rows_run (catalogue lane)      the rows of blob and file, in one transaction
 *     kept_run (flight thread)       the table has the file; flight_on_committed
 *
 * A kill before the rename leaves a partial; after it, a blob whose sidecar tells what it is.
 * Readers wait for none of this: they have the last bytes since the verdict. While a commit is
 * under way, dl->committing names its bytes, and nothing removes them (commit_is_under_way).
 */

/* A row of the catalogue that is to be written. The job owns its strings. */
struct record {
    struct job job;
    struct files *files;
    struct catalogue_file file;
    char *origin, *path, *etag, *mirrors, *validator;
    char blob[SHA256_HEX];
    int64_t allocated_bytes;
};

/* NULL is not legal: every caller has one. */
static void record_free(struct record *r)
{
    free(r->origin);
    free(r->path);
    free(r->etag);
    free(r->mirrors);
    free(r->validator);
    free(r);
}

/* A record of the file that `file` describes: copies its strings. The digest of its blob, when it
 * has one, is the caller's to fill in. NULL: out of memory. */
static struct record *record_new(struct files *files, const struct catalogue_file *file)
{
    struct record *r = calloc(1, sizeof(*r));
    if (!r)
        return NULL;
    r->files = files;
    r->file = *file;
    r->file.origin = r->origin = strdup(file->origin);
    r->file.path = r->path = strdup(file->path);
    r->file.etag = r->etag = str_dup(file->etag);
    r->file.mirrors = r->mirrors = str_dup(file->mirrors);
    r->file.validator = r->validator = str_dup(file->validator);
    r->file.last_used_s = file->last_used_s ? file->last_used_s : clock_real_s();
    if (r->origin && r->path)
        return r;
    record_free(r);
    return NULL;
}

/* The facts of a download as they stand now. */
static struct record *record_of(struct download *dl)
{
    char names[256];
    struct flight_view view;
    flight_view(dl->flight, &view);
    unsigned senders = view.senders | (dl->progress ? dl->progress->senders : 0);
    mirrors_names(dl->origin, senders, names, sizeof(names));
    const struct catalogue_file file = {.origin = dl->entry->origin->name,
                                        .path = dl->path,
                                        .size = view.size,
                                        .etag = dl->etag[0] ? dl->etag : NULL,
                                        .authoritative = download_is_vouched(dl),
                                        .mirrors = names[0] ? names : NULL,
                                        .validator = dl->name_validator};
    return record_new(dl->files, &file);
}

static void put_file_run(struct job *job)
{
    struct record *r = container_of(job, struct record, job);
    int error = catalogue_put_file(r->files->s->catalogue, &r->file);
    if (error)
        log_warning("catalogue: cannot store %s/%s: %s", r->origin, r->path, error_text(error));
    record_free(r);
}

/* Writes the row, and waits for nothing. `r` may be NULL: without memory the old row stays. */
static void put_file(struct record *r)
{
    if (!r)
        return;
    r->job.run = put_file_run;
    lane_post(r->files->s->catalogue_lane, &r->job);
}

/* Later answers must have the same size and ETag, also after a restart. */
void commit_facts(struct download *dl)
{
    put_file(record_of(dl));
}

/* The mirrors that sent the other file, and their validator, stay in the row. */
void commit_forget_facts(struct download *dl)
{
    struct record *r = record_of(dl);
    dl->files->s->events->file_refuted(dl->files->s, dl->origin->name, dl->path, NULL);
    log_warning("the mirrors have another file now path=%s/%s", dl->origin->name, dl->path);
    if (r) {
        r->file.size = -1;
        r->file.etag = NULL;
    }
    put_file(r);
}

void commit_forget_promise(struct files *files, const char *origin, const char *path)
{
    const struct catalogue_file file = {.origin = origin, .path = path, .size = -1};
    files->s->events->file_refuted(files->s, origin, path, NULL);
    put_file(record_new(files, &file));
}

/* Writes the entry's row, and its sidecar, which the next start may need. */
void commit_authority(struct files *files, const struct entry *entry)
{
    const struct catalogue_file file = {.origin = entry->origin->name,
                                        .path = entry->path,
                                        .size = entry->size,
                                        .etag = entry->etag,
                                        .authoritative = entry->authoritative,
                                        .mirrors = entry->mirrors,
                                        .validator = entry->validator,
                                        .last_used_s = entry->used_s};
    struct record *r = record_new(files, &file);
    if (entry->sha256[0])
        commit_sidecar(files, entry->sha256);
    if (r && entry->sha256[0]) {
        memcpy(r->blob, entry->sha256, sizeof(r->blob));
        r->file.blob = r->blob;
    }
    put_file(r);
}

/* Few downloads commit at the same time, so a walk over all of them is cheap. */
bool commit_is_under_way(const struct files *files, const char *sha256)
{
    for (const struct download *dl = files->download; dl; dl = dl->next)
        if (dl->committing && strcmp(dl->committing->blob, sha256) == 0)
            return true;
    return false;
}

/* ----------------------------------------------------------------- commit */

/* A commit under way. It owns the record and the open blob until `keep` hands them to an entry. */
struct commit {
    struct job job;
    struct download *download;
    struct partial *partial;
    struct record *record;
    struct blob *blob;
    struct buf sidecar;
    int error;
};

static void fill_entry(struct commit *c)
{
    struct files *files = c->download->files;
    struct entry *entry = c->download->entry;
    struct record *r = c->record;
    files_describe(entry, &r->file);
    (void)kept_hold(files, entry, r->allocated_bytes);
    entry->used_s = entry->written_s = r->file.last_used_s;
    entry->used_after = ++files->uses;
    entry->look_again_s = clock_real_s() + (files->s->options.page_refresh_ms + 999) / 1000;
    files_set_blob(files, entry, c->blob);
    c->blob = NULL;
    thrashing_kept(files, entry);
    files->s->events->file_kept(files->s, entry);
    if (!entry->authoritative)
        evidence_kept(files, entry->sha256, (enum evidence)c->download->evidence_level);
    log_info("kept path=%s/%s bytes=%" PRId64 " sha256=%s mirrors=%s", r->origin, r->path,
             r->file.size, r->blob, entry->mirrors ? entry->mirrors : "");
}

/* A renewal's bytes go to the entry that clients find; all others to the entry of this download. */
static void keep(struct commit *c)
{
    struct download *dl = c->download;
    if (!dl->entry->is_renewal) {
        fill_entry(c);
        return;
    }
    renew_kept(dl->files, dl->entry, &c->record->file, c->record->allocated_bytes, c->blob);
    c->blob = NULL;
}

/* On the flight thread. The download may be over by now: then the blob stays for the next start to
 * find. */
static void kept_run(struct job *job)
{
    struct commit *c = container_of(job, struct commit, job);
    struct download *dl = c->download;
    struct record *r = c->record;
    dl->committing = NULL;
    if (!dl->over) {
        const struct origin *origin = dl->entry->origin;
        bool renewed = dl->entry->is_renewal;
        if (c->error == 0) {
            dl->committed = true;
            keep(c);
        } else {
            log_warning("cannot keep path=%s/%s error=\"%s\"", r->origin, r->path,
                        error_text(c->error));
            problems_note(dl->files->s, "not-kept", r->origin, r->path, "%s", error_text(c->error));
        }
        flight_on_committed(dl->flight, c->error);
        download_drain(dl);
        blobs_close_idle(dl->files);
        if (c->error == 0 && dl->learned && !renewed) /* a claim was learned after the verdict */
            files_learn_claims(dl->files, origin, r->path, dl->learned[0] ? dl->learned : NULL);
    }
    blob_unref(c->blob);
    buf_release(&c->sidecar);
    record_free(r);
    partial_unref(c->partial);
    download_unref(dl);
    free(c);
}

/* Both rows, or none. */
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

/* Without its row the blob is still good: the next start finds the row's content in the sidecar. */
static void rows_run(struct job *job)
{
    struct commit *c = container_of(job, struct commit, job);
    int error = put_rows(c->download->files->s->catalogue, c->record);
    if (error)
        log_warning("catalogue: cannot store %s/%s: %s", c->record->origin, c->record->path,
                    error_text(error));
    job->run = kept_run;
    loop_post(c->download->files->s, job);
}

/* One path of the blob in its sidecar: what a row of the catalogue would say. */
static void write_file(struct buf *to, const char *origin, const char *path, const char *etag,
                       const char *mirrors, bool authoritative)
{
    json_write_comma(to);
    buf_putc(to, '{');
    json_write_member(to, "origin", origin);
    json_write_member(to, "path", path);
    json_write_member(to, "etag", etag ? etag : "");
    json_write_member(to, "mirrors", mirrors ? mirrors : "");
    json_write_name(to, "authoritative");
    buf_puts(to, authoritative ? "true}" : "false}");
}

/* All paths with these bytes, for the sidecar. `r` is about to be kept, or NULL. Flight thread. */
static void write_sidecar(struct files *files, const char *sha256, const struct record *r,
                          struct buf *to)
{
    int64_t size = r ? r->file.size : -1;
    buf_puts(to, "{\"files\":[");
    if (r)
        write_file(to, r->origin, r->path, r->etag, r->mirrors, r->file.authoritative);
    for (const struct entry *entry = kept_paths(files, sha256); entry; entry = entry->next_path) {
        size = entry->size;
        write_file(to, entry->origin->name, entry->path, entry->etag, entry->mirrors,
                   entry->authoritative);
    }
    for (const struct download *dl = files->download; dl; dl = dl->next) {
        const struct record *other = dl->committing; /* not in the table yet */
        if (other && other != r && strcmp(other->blob, sha256) == 0)
            write_file(to, other->origin, other->path, other->etag, other->mirrors,
                       other->file.authoritative);
    }
    if (size >= 0)
        buf_printf(to, "],\"size\":%" PRId64, size);
    else
        buf_putc(to, ']');
    buf_puts(to, kept_has_own_pin(files, sha256) ? ",\"pinned\":true}\n" : "}\n");
}

/* A sidecar that is written after its blob was kept: a pin or an authority has changed. */
struct sidecar {
    struct job job;
    struct files *files;
    char sha256[SHA256_HEX];
    struct buf text;
};

static void sidecar_run(struct job *job)
{
    struct sidecar *s = container_of(job, struct sidecar, job);
    int r = s->text.error;
    if (r == 0)
        r = store_put_sidecar(s->files->s->store, s->sha256, s->text.data, s->text.len);
    if (r < 0)
        log_warning("cannot write the sidecar of %s: %s", s->sha256, error_text(r));
    buf_release(&s->text);
    free(s);
}

/* The text is made now, from the table; the cleaner lane writes it later. */
void commit_sidecar(struct files *files, const char *sha256)
{
    struct sidecar *s = calloc(1, sizeof(*s));
    if (!s)
        return; /* the catalogue knows it */
    s->job.run = sidecar_run;
    s->files = files;
    memcpy(s->sha256, sha256, sizeof(s->sha256));
    buf_init(&s->text, STORE_SIDECAR_MAX);
    write_sidecar(files, sha256, NULL, &s->text);
    lane_post(files->s->cleaner, &s->job);
}

/* On the cleaner lane, where every job of a blob's file runs: commits, removals and quarantine keep
 * their order. */
static void store_run(struct job *job)
{
    struct commit *c = container_of(job, struct commit, job);
    struct files *files = c->download->files;
    struct record *r = c->record;
    struct stat st;
    c->error = c->partial->lost ? ERROR_IO : c->sidecar.error;
    /* A mirror may have sent more than the file has. No reader ever got those bytes. */
    if (c->error == 0 && ftruncate(c->partial->fd, (off_t)r->file.size) < 0)
        c->error = ERROR_IO;
    if (fstat(c->partial->fd, &st) == 0)
        r->allocated_bytes = (int64_t)st.st_blocks * 512;
    if (c->error == 0)
        c->error = store_commit(files->s->store, c->partial->name, c->partial->fd, r->blob,
                                c->sidecar.data, c->sidecar.len);
    if (c->error == 0)
        (void)blob_open(files, r->blob, &c->blob); /* otherwise the next reader opens it */
    job->run = c->error ? kept_run : rows_run;
    if (c->error)
        loop_post(files->s, job);
    else
        lane_post(files->s->catalogue_lane, job);
}

/* Whether the promised ETag names a digest that is no longer believed. */
static bool is_of_other_bytes(const struct record *r)
{
    static const char prefix[] = "\"sha256-";
    return r->etag && str_starts(r->etag, prefix) &&
           strncmp(r->etag + strlen(prefix), r->blob, strlen(r->blob)) != 0;
}

/* Names the bytes. The validator is the one that the first sender gave them, for comparison with
 * later answers. Bytes that replace others get a new ETag, whatever the mirrors call them. */
static int name_bytes(struct download *dl, struct record *r)
{
    struct flight_view view;
    flight_view(dl->flight, &view);
    for (unsigned m = 0; m < FLIGHT_MIRRORS; m++)
        if ((view.senders & (1u << m)) && dl->sent_under[m]) {
            free(r->validator);
            r->validator = strdup(dl->sent_under[m]);
            break;
        }
    if (dl->entry->is_renewal || is_of_other_bytes(r)) {
        free(r->etag);
        r->etag = str_printf("\"sha256-%s\"", r->blob);
        if (!r->etag)
            return ERROR_NO_MEMORY;
    }
    r->file.validator = r->validator;
    r->file.etag = r->etag;
    return 0;
}

/* Failures before the first job are told to the flight at once, as its commit's. */
void commit_start(struct download *dl, const struct flight_command *command)
{
    if (dl->no_room) { /* found out a moment ago: the file was whole before its size was told */
        flight_on_committed(dl->flight, ERROR_NO_SPACE);
        return;
    }
    struct commit *c = calloc(1, sizeof(*c));
    struct record *r = record_of(dl);
    if (!c || !r) {
        free(c);
        if (r)
            record_free(r);
        flight_on_committed(dl->flight, ERROR_NO_MEMORY);
        return;
    }
    memcpy(r->blob, command->sha256, sizeof(r->blob));
    r->file.blob = r->blob;
    r->file.size = command->size;
    r->file.authoritative = command->authoritative && download_is_vouched(dl);
    if (name_bytes(dl, r)) {
        record_free(r);
        free(c);
        flight_on_committed(dl->flight, ERROR_NO_MEMORY);
        return;
    }
    *c = (struct commit){
        .job.run = store_run, .download = dl, .partial = partial_ref(dl->partial), .record = r};
    buf_init(&c->sidecar, STORE_SIDECAR_MAX);
    write_sidecar(dl->files, r->blob, r, &c->sidecar);
    dl->committing = r;
    download_ref(dl);
    lane_post(dl->files->s->cleaner, &c->job);
}
