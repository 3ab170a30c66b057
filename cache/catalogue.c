// SPDX-License-Identifier: Apache-2.0
/*
 * One function for each statement of catalogue_program.c. A put binds the members of a struct in
 * the order of the columns. A visit turns a row into the same struct on the stack and calls the
 * visitor; the row's strings live in SQLite until then.
 *
 * Only the catalogue thread calls these, so nothing here is locked. Transactions, errors and resets
 * are the work of sql.c.
 */
#include "cache/catalogue.h"

#include <stdlib.h>

#include "base/error.h"
#include "cache/catalogue_program.h"

/* Only the connection; everything else is on the disk. */
struct catalogue {
    struct sql *sql;
};

/* The values of a statement, in the order of its ?1, ?2, ... */
#define VALUES(...) ((const struct sql_value[]){__VA_ARGS__})

/* ------------------------------------------------------------------ open, close, transactions */

/* A reset is passed on, because only the caller can fill the tables again. */
int catalogue_open(const char *path, struct catalogue **ret)
{
    struct catalogue *catalogue = calloc(1, sizeof(*catalogue));
    if (!catalogue)
        return ERROR_NO_MEMORY;
    int r = sql_open(path, &catalogue_program, &catalogue->sql);
    if (r < 0) {
        free(catalogue);
        return r;
    }
    *ret = catalogue;
    return r == SQL_RESET ? CATALOGUE_RESET : 0;
}

void catalogue_close(struct catalogue *catalogue)
{
    if (!catalogue)
        return;
    sql_close(catalogue->sql);
    free(catalogue);
}

int catalogue_begin(struct catalogue *catalogue)
{
    return sql_begin(catalogue->sql);
}

int catalogue_commit(struct catalogue *catalogue)
{
    return sql_commit(catalogue->sql);
}

void catalogue_rollback(struct catalogue *catalogue)
{
    sql_rollback(catalogue->sql);
}

/* ------------------------------------------------------------------ visits */

/* The caller's visitor during a visit; the callback for that kind of row uses one member of the
 * union. */
struct visit {
    union {
        int (*file)(void *context, const struct catalogue_file *file);
        int (*blob)(void *context, const char *sha256, int64_t size, int64_t allocated_bytes);
        int (*claim)(void *context, const struct catalogue_claim *claim);
        int (*listing)(void *context, const struct catalogue_listing *listing);
        int (*blame)(void *context, const char *origin, const char *path, const char *mirror,
                     const char *validator, int64_t when_s);
        int (*mark)(void *context, const char *sha256, bool pinned, int64_t verified_s);
        int (*member)(void *context, const struct catalogue_member *member);
        int (*set)(void *context, const struct catalogue_set *set);
        int (*set_blob)(void *context, const char *sha256);
        int (*evidence)(void *context, const char *sha256, int level, const char *why);
        int (*metadata)(void *context, const struct catalogue_metadata *metadata);
        int (*place)(void *context, const struct catalogue_place *place);
        int (*ranges)(void *context, const char *files, bool honoured, int64_t when_s);
        int (*channel)(void *context, const char *origin, const char *name, int64_t listed_s);
        int (*listed_row)(void *context, const struct catalogue_listed *listed_row);
        int (*local)(void *context, const struct catalogue_local *local);
        int (*counter)(void *context, const char *name, int64_t value);
        int (*first_seen)(void *context, const struct catalogue_first_seen *first_seen);
    };
    void *context;
};

/* A column that is NOT NULL. SQLite still returns NULL when memory is missing or the file is
 * damaged. */
static const char *text(const struct sql_row *row, int column)
{
    const char *s = sql_row_text(row, column);
    return s ? s : "";
}

/* No row is an expected outcome here, unlike in visit_each. */
static int visit_one(struct catalogue *catalogue, enum statement which,
                     const struct sql_value *values,
                     int (*on_row)(void *context, const struct sql_row *row), struct visit *visit)
{
    int r = sql_query(catalogue->sql, which, values, on_row, visit);
    return r == SQL_NO_ROW ? CATALOGUE_MISSING : r;
}

static int visit_each(struct catalogue *catalogue, enum statement which,
                      const struct sql_value *values,
                      int (*on_row)(void *context, const struct sql_row *row), struct visit *visit)
{
    int r = sql_query(catalogue->sql, which, values, on_row, visit);
    return r == SQL_NO_ROW ? 0 : r;
}

/* ------------------------------------------------------------------ files */

/* Replaces the row: the caller has read the old one and decides about each column. */
int catalogue_put_file(struct catalogue *catalogue, const struct catalogue_file *file)
{
    return sql_change(catalogue->sql, PUT_FILE,
                      VALUES(sql_text(file->origin), sql_text(file->path), sql_integer(file->size),
                             sql_text(file->etag), sql_text(file->blob),
                             sql_integer(file->authoritative), sql_text(file->mirrors),
                             sql_text(file->validator), sql_integer(file->last_used_s)));
}

static int on_file(void *context, const struct sql_row *row)
{
    struct visit *visit = context;
    const struct catalogue_file file = {
        .origin = text(row, 0),
        .path = text(row, 1),
        .size = sql_row_integer(row, 2),
        .etag = sql_row_text(row, 3),
        .blob = sql_row_text(row, 4),
        .authoritative = sql_row_integer(row, 5) != 0,
        .mirrors = sql_row_text(row, 6),
        .validator = sql_row_text(row, 7),
        .last_used_s = sql_row_integer(row, 8),
    };
    return visit->file(visit->context, &file);
}

int catalogue_each_file(struct catalogue *catalogue, bool complete,
                        int (*visit)(void *context, const struct catalogue_file *file),
                        void *context)
{
    return visit_each(catalogue, complete ? EACH_COMPLETE_FILE : EACH_FILE, NULL, on_file,
                      &(struct visit){.file = visit, .context = context});
}

int catalogue_get_file(struct catalogue *catalogue, const char *origin, const char *path,
                       int (*visit)(void *context, const struct catalogue_file *file),
                       void *context)
{
    return visit_one(catalogue, GET_FILE, VALUES(sql_text(origin), sql_text(path)), on_file,
                     &(struct visit){.file = visit, .context = context});
}

int catalogue_touch(struct catalogue *catalogue, const char *origin, const char *path,
                    int64_t now_s)
{
    return sql_change(catalogue->sql, TOUCH_FILE,
                      VALUES(sql_text(origin), sql_text(path), sql_integer(now_s)));
}

/* ------------------------------------------------------------------ blobs */

int catalogue_put_blob(struct catalogue *catalogue, const char *sha256, int64_t size,
                       int64_t allocated_bytes)
{
    return sql_change(catalogue->sql, PUT_BLOB,
                      VALUES(sql_text(sha256), sql_integer(size), sql_integer(allocated_bytes)));
}

/* Four statements that belong together, inside the caller's transaction or in one of their own. */
int catalogue_drop_blob(struct catalogue *catalogue, const char *sha256)
{
    bool own = !sql_is_begun(catalogue->sql);
    int r = own ? sql_begin(catalogue->sql) : 0;
    if (r == 0)
        r = sql_change(catalogue->sql, FORGET_BLOB, VALUES(sql_text(sha256)));
    if (r == 0)
        r = sql_change(catalogue->sql, DROP_BLOB, VALUES(sql_text(sha256)));
    if (r == 0)
        r = sql_change(catalogue->sql, DROP_MARK, VALUES(sql_text(sha256)));
    if (r == 0)
        r = sql_change(catalogue->sql, DROP_EVIDENCE, VALUES(sql_text(sha256)));
    if (!own)
        return r;
    if (r) {
        sql_rollback(catalogue->sql);
        return r;
    }
    return sql_commit(catalogue->sql);
}

static int on_blob(void *context, const struct sql_row *row)
{
    struct visit *visit = context;
    return visit->blob(visit->context, text(row, 0), sql_row_integer(row, 1),
                       sql_row_integer(row, 2));
}

int catalogue_each_blob(struct catalogue *catalogue,
                        int (*visit)(void *context, const char *sha256, int64_t size,
                                     int64_t allocated_bytes),
                        void *context)
{
    return visit_each(catalogue, EACH_BLOB, NULL, on_blob,
                      &(struct visit){.blob = visit, .context = context});
}

/* ------------------------------------------------------------------ claims */

/* One row per file and mirror, so a new claim replaces the old one. */
int catalogue_put_claim(struct catalogue *catalogue, const struct catalogue_claim *c)
{
    return sql_change(catalogue->sql, PUT_CLAIM,
                      VALUES(sql_text(c->origin), sql_text(c->path), sql_text(c->mirror),
                             sql_text(c->project), sql_text(c->channel), sql_text(c->digests),
                             sql_text(c->metadata), sql_integer(c->said_s),
                             sql_integer(c->is_withdrawn)));
}

static int on_claim(void *context, const struct sql_row *row)
{
    struct visit *visit = context;
    const struct catalogue_claim claim = {
        .origin = text(row, 0),
        .path = text(row, 1),
        .mirror = text(row, 2),
        .project = text(row, 3),
        .channel = text(row, 4),
        .digests = sql_row_text(row, 5),
        .metadata = sql_row_text(row, 6),
        .said_s = sql_row_integer(row, 7),
        .is_withdrawn = sql_row_integer(row, 8) != 0,
    };
    return visit->claim(visit->context, &claim);
}

int catalogue_each_claim(struct catalogue *catalogue, const char *origin, const char *project,
                         int (*visit)(void *context, const struct catalogue_claim *claim),
                         void *context)
{
    return visit_each(catalogue, EACH_CLAIM, VALUES(sql_text(origin), sql_text(project)), on_claim,
                      &(struct visit){.claim = visit, .context = context});
}

int catalogue_each_claim_of(struct catalogue *catalogue, const char *origin, const char *path,
                            int (*visit)(void *context, const struct catalogue_claim *claim),
                            void *context)
{
    return visit_each(catalogue, EACH_CLAIM_OF, VALUES(sql_text(origin), sql_text(path)), on_claim,
                      &(struct visit){.claim = visit, .context = context});
}

/* ------------------------------------------------------------------ listings */

int catalogue_put_listing(struct catalogue *catalogue, const struct catalogue_listing *listing)
{
    return sql_change(catalogue->sql, PUT_LISTING,
                      VALUES(sql_text(listing->origin), sql_text(listing->mirror),
                             sql_text(listing->page), sql_text(listing->url),
                             sql_text(listing->etag), sql_text(listing->last_modified),
                             sql_integer(listing->status), sql_integer(listing->fetched_s),
                             sql_blob(listing->body, listing->body_len)));
}

int catalogue_confirm_listing(struct catalogue *catalogue, const char *origin, const char *mirror,
                              const char *page, int64_t fetched_s)
{
    return sql_change(
        catalogue->sql, CONFIRM_LISTING,
        VALUES(sql_text(origin), sql_text(mirror), sql_text(page), sql_integer(fetched_s)));
}

static int on_listing(void *context, const struct sql_row *row)
{
    struct visit *visit = context;
    struct catalogue_listing listing = {
        .origin = text(row, 0),
        .mirror = text(row, 1),
        .page = text(row, 2),
        .url = text(row, 3),
        .etag = sql_row_text(row, 4),
        .last_modified = sql_row_text(row, 5),
        .status = (int)sql_row_integer(row, 6),
        .fetched_s = sql_row_integer(row, 7),
    };
    listing.body = sql_row_blob(row, 8, &listing.body_len);
    return visit->listing(visit->context, &listing);
}

int catalogue_get_listing(struct catalogue *catalogue, const char *origin, const char *mirror,
                          const char *page,
                          int (*visit)(void *context, const struct catalogue_listing *listing),
                          void *context)
{
    return visit_one(catalogue, GET_LISTING,
                     VALUES(sql_text(origin), sql_text(mirror), sql_text(page)), on_listing,
                     &(struct visit){.listing = visit, .context = context});
}

static int on_newest(void *context, const struct sql_row *row)
{
    int64_t *fetched_s = context;
    *fetched_s = sql_row_integer(row, 0); /* 0 for SQL's NULL */
    return 0;
}

int catalogue_newest_listing(struct catalogue *catalogue, int64_t *ret_fetched_s)
{
    return sql_query(catalogue->sql, NEWEST_LISTING, NULL, on_newest, ret_fetched_s);
}

/* ------------------------------------------------------------------ blame */

int catalogue_put_blame(struct catalogue *catalogue, const char *origin, const char *path,
                        const char *mirror, const char *validator, int64_t when_s)
{
    return sql_change(catalogue->sql, PUT_BLAME,
                      VALUES(sql_text(origin), sql_text(path), sql_text(mirror),
                             sql_text(validator), sql_integer(when_s)));
}

int catalogue_drop_blame(struct catalogue *catalogue, const char *origin, const char *path)
{
    return sql_change(catalogue->sql, DROP_BLAME, VALUES(sql_text(origin), sql_text(path)));
}

static int on_blame(void *context, const struct sql_row *row)
{
    struct visit *visit = context;
    return visit->blame(visit->context, text(row, 0), text(row, 1), text(row, 2),
                        sql_row_text(row, 3), sql_row_integer(row, 4));
}

int catalogue_each_blame(struct catalogue *catalogue,
                         int (*visit)(void *context, const char *origin, const char *path,
                                      const char *mirror, const char *validator, int64_t when_s),
                         void *context)
{
    return visit_each(catalogue, EACH_BLAME, NULL, on_blame,
                      &(struct visit){.blame = visit, .context = context});
}

/* ------------------------------------------------------------------ marks */

int catalogue_put_mark(struct catalogue *catalogue, const char *sha256, bool pinned,
                       int64_t verified_s)
{
    return sql_change(catalogue->sql, PUT_MARK,
                      VALUES(sql_text(sha256), sql_integer(pinned), sql_integer(verified_s)));
}

static int on_mark(void *context, const struct sql_row *row)
{
    struct visit *visit = context;
    return visit->mark(visit->context, text(row, 0), sql_row_integer(row, 1) != 0,
                       sql_row_integer(row, 2));
}

int catalogue_each_mark(struct catalogue *catalogue,
                        int (*visit)(void *context, const char *sha256, bool pinned,
                                     int64_t verified_s),
                        void *context)
{
    return visit_each(catalogue, EACH_MARK, NULL, on_mark,
                      &(struct visit){.mark = visit, .context = context});
}

/* ------------------------------------------------------------------ sets */

int catalogue_put_member(struct catalogue *catalogue, const struct catalogue_member *m)
{
    return sql_change(
        catalogue->sql, PUT_MEMBER,
        VALUES(sql_text(m->set), sql_text(m->origin), sql_text(m->path), sql_integer(m->size)));
}

int catalogue_drop_set(struct catalogue *catalogue, const char *set)
{
    return sql_change(catalogue->sql, DROP_SET, VALUES(sql_text(set)));
}

static int on_member(void *context, const struct sql_row *row)
{
    struct visit *visit = context;
    const struct catalogue_member member = {.set = text(row, 0),
                                            .origin = text(row, 1),
                                            .path = text(row, 2),
                                            .size = sql_row_integer(row, 3)};
    return visit->member(visit->context, &member);
}

int catalogue_each_member(struct catalogue *catalogue, const char *set,
                          int (*visit)(void *context, const struct catalogue_member *member),
                          void *context)
{
    return visit_each(catalogue, set ? EACH_MEMBER_OF : EACH_MEMBER, VALUES(sql_text(set)),
                      on_member, &(struct visit){.member = visit, .context = context});
}

static int on_set(void *context, const struct sql_row *row)
{
    struct visit *visit = context;
    const struct catalogue_set set = {.name = text(row, 0),
                                      .files = sql_row_integer(row, 1),
                                      .bytes = sql_row_integer(row, 2),
                                      .held = sql_row_integer(row, 3),
                                      .held_bytes = sql_row_integer(row, 4)};
    return visit->set(visit->context, &set);
}

int catalogue_each_set(struct catalogue *catalogue,
                       int (*visit)(void *context, const struct catalogue_set *set), void *context)
{
    return visit_each(catalogue, EACH_SET, NULL, on_set,
                      &(struct visit){.set = visit, .context = context});
}

static int on_set_blob(void *context, const struct sql_row *row)
{
    struct visit *visit = context;
    return visit->set_blob(visit->context, text(row, 0));
}

int catalogue_each_set_blob(struct catalogue *catalogue,
                            int (*visit)(void *context, const char *sha256), void *context)
{
    return visit_each(catalogue, EACH_SET_BLOB, NULL, on_set_blob,
                      &(struct visit){.set_blob = visit, .context = context});
}

/* ------------------------------------------------------------------ evidence */

int catalogue_put_evidence(struct catalogue *catalogue, const char *sha256, int level, bool stays,
                           const char *why)
{
    return sql_change(
        catalogue->sql, PUT_EVIDENCE,
        VALUES(sql_text(sha256), sql_integer(level), sql_integer(stays), sql_text(why)));
}

static int on_evidence(void *context, const struct sql_row *row)
{
    struct visit *visit = context;
    return visit->evidence(visit->context, text(row, 0), (int)sql_row_integer(row, 1),
                           sql_row_text(row, 2));
}

int catalogue_each_evidence(struct catalogue *catalogue,
                            int (*visit)(void *context, const char *sha256, int level,
                                         const char *why),
                            void *context)
{
    return visit_each(catalogue, EACH_EVIDENCE, NULL, on_evidence,
                      &(struct visit){.evidence = visit, .context = context});
}

/* ------------------------------------------------------------------ metadata */

/* The body is kept uncompressed; METADATA is a few kilobytes. */
int catalogue_put_metadata(struct catalogue *catalogue, const struct catalogue_metadata *m)
{
    return sql_change(catalogue->sql, PUT_METADATA,
                      VALUES(sql_text(m->origin), sql_text(m->path), sql_text(m->project),
                             sql_text(m->sha256), sql_text(m->requires_python),
                             sql_text(m->problem), sql_text(m->mirrors), sql_text(m->etag),
                             sql_integer(m->made_s), sql_blob(m->body, m->body_len)));
}

/* `etag` is NOT NULL: metadata without a file version would be of no use. */
static int on_metadata(void *context, const struct sql_row *row)
{
    struct visit *visit = context;
    struct catalogue_metadata metadata = {
        .origin = text(row, 0),
        .path = text(row, 1),
        .project = text(row, 2),
        .sha256 = sql_row_text(row, 3),
        .requires_python = sql_row_text(row, 4),
        .problem = sql_row_text(row, 5),
        .mirrors = sql_row_text(row, 6),
        .etag = text(row, 7),
        .made_s = sql_row_integer(row, 8),
    };
    metadata.body = sql_row_blob(row, 9, &metadata.body_len);
    return visit->metadata(visit->context, &metadata);
}

int catalogue_get_metadata(struct catalogue *catalogue, const char *origin, const char *path,
                           int (*visit)(void *context, const struct catalogue_metadata *metadata),
                           void *context)
{
    return visit_one(catalogue, GET_METADATA, VALUES(sql_text(origin), sql_text(path)), on_metadata,
                     &(struct visit){.metadata = visit, .context = context});
}

int catalogue_each_metadata(struct catalogue *catalogue, const char *origin, const char *project,
                            int (*visit)(void *context, const struct catalogue_metadata *metadata),
                            void *context)
{
    return visit_each(catalogue, EACH_METADATA, VALUES(sql_text(origin), sql_text(project)),
                      on_metadata, &(struct visit){.metadata = visit, .context = context});
}

int catalogue_drop_metadata(struct catalogue *catalogue, const char *origin, const char *path)
{
    return sql_change(catalogue->sql, DROP_METADATA, VALUES(sql_text(origin), sql_text(path)));
}

/* ------------------------------------------------------------------ places */

int catalogue_put_place(struct catalogue *catalogue, const struct catalogue_place *p)
{
    return sql_change(catalogue->sql, PUT_PLACE,
                      VALUES(sql_text(p->origin), sql_text(p->path), sql_text(p->mirror),
                             sql_text(p->page), sql_text(p->url)));
}

int catalogue_drop_places(struct catalogue *catalogue, const char *origin, const char *mirror,
                          const char *page)
{
    return sql_change(catalogue->sql, DROP_PLACES,
                      VALUES(sql_text(origin), sql_text(mirror), sql_text(page)));
}

static int on_place(void *context, const struct sql_row *row)
{
    struct visit *visit = context;
    const struct catalogue_place place = {.origin = text(row, 0),
                                          .path = text(row, 1),
                                          .mirror = text(row, 2),
                                          .page = text(row, 3),
                                          .url = text(row, 4)};
    return visit->place(visit->context, &place);
}

int catalogue_each_place(struct catalogue *catalogue, const char *origin, const char *path,
                         int (*visit)(void *context, const struct catalogue_place *place),
                         void *context)
{
    return visit_each(catalogue, EACH_PLACE, VALUES(sql_text(origin), sql_text(path)), on_place,
                      &(struct visit){.place = visit, .context = context});
}

/* ------------------------------------------------------------------ ranges */

int catalogue_put_ranges(struct catalogue *catalogue, const char *files, bool honoured,
                         int64_t when_s)
{
    return sql_change(catalogue->sql, PUT_RANGES,
                      VALUES(sql_text(files), sql_integer(honoured), sql_integer(when_s)));
}

static int on_ranges(void *context, const struct sql_row *row)
{
    struct visit *visit = context;
    return visit->ranges(visit->context, text(row, 0), sql_row_integer(row, 1) != 0,
                         sql_row_integer(row, 2));
}

int catalogue_each_ranges(struct catalogue *catalogue,
                          int (*visit)(void *context, const char *files, bool honoured,
                                       int64_t when_s),
                          void *context)
{
    return visit_each(catalogue, EACH_RANGES, NULL, on_ranges,
                      &(struct visit){.ranges = visit, .context = context});
}

/* ------------------------------------------------------------------ counters */

int catalogue_put_counter(struct catalogue *catalogue, const char *name, int64_t value)
{
    return sql_change(catalogue->sql, PUT_COUNTER, VALUES(sql_text(name), sql_integer(value)));
}

static int on_counter(void *context, const struct sql_row *row)
{
    struct visit *visit = context;
    return visit->counter(visit->context, text(row, 0), sql_row_integer(row, 1));
}

int catalogue_each_counter(struct catalogue *catalogue,
                           int (*visit)(void *context, const char *name, int64_t value),
                           void *context)
{
    return visit_each(catalogue, EACH_COUNTER, NULL, on_counter,
                      &(struct visit){.counter = visit, .context = context});
}

/* ------------------------------------------------------------------ channels */

int catalogue_put_channel(struct catalogue *catalogue, const char *origin, const char *name,
                          int64_t listed_s)
{
    return sql_change(catalogue->sql, PUT_CHANNEL,
                      VALUES(sql_text(origin), sql_text(name), sql_integer(listed_s)));
}

static int on_channel(void *context, const struct sql_row *row)
{
    struct visit *visit = context;
    return visit->channel(visit->context, text(row, 0), text(row, 1), sql_row_integer(row, 2));
}

int catalogue_each_channel(struct catalogue *catalogue,
                           int (*visit)(void *context, const char *origin, const char *name,
                                        int64_t listed_s),
                           void *context)
{
    return visit_each(catalogue, EACH_CHANNEL, NULL, on_channel,
                      &(struct visit){.channel = visit, .context = context});
}

/* ------------------------------------------------------------------ listed rows */

/* The first time stays, by the statement's ON CONFLICT. */
int catalogue_put_listed(struct catalogue *catalogue, const struct catalogue_listed *s)
{
    return sql_change(catalogue->sql, PUT_LISTED,
                      VALUES(sql_text(s->origin), sql_text(s->project), sql_text(s->path),
                             sql_text(s->channel), sql_text(s->requires_python),
                             sql_text(s->upload_time), sql_text(s->upload_time_source),
                             sql_integer(s->yanked), sql_text(s->yanked_reason),
                             sql_integer(s->first_s), sql_integer(s->delisted_s)));
}

static int on_listed(void *context, const struct sql_row *row)
{
    struct visit *visit = context;
    const struct catalogue_listed listed_row = {
        .origin = text(row, 0),
        .project = text(row, 1),
        .path = text(row, 2),
        .channel = text(row, 3),
        .requires_python = sql_row_text(row, 4),
        .upload_time = sql_row_text(row, 5),
        .upload_time_source = sql_row_text(row, 6),
        .yanked = sql_row_integer(row, 7) != 0,
        .yanked_reason = sql_row_text(row, 8),
        .first_s = sql_row_integer(row, 9),
        .delisted_s = sql_row_integer(row, 10),
    };
    return visit->listed_row(visit->context, &listed_row);
}

int catalogue_each_listed(struct catalogue *catalogue, const char *origin, const char *project,
                          int (*visit)(void *context, const struct catalogue_listed *listed_row),
                          void *context)
{
    return visit_each(catalogue, origin ? EACH_LISTED_OF : EACH_LISTED,
                      origin ? VALUES(sql_text(origin), sql_text(project)) : NULL, on_listed,
                      &(struct visit){.listed_row = visit, .context = context});
}

/* ------------------------------------------------------------------ files in folders */

int catalogue_put_local(struct catalogue *catalogue, const struct catalogue_local *local)
{
    return sql_change(catalogue->sql, PUT_LOCAL,
                      VALUES(sql_text(local->origin), sql_text(local->path),
                             sql_integer(local->size), sql_integer(local->modified_ns),
                             sql_integer(local->inode), sql_text(local->sha256),
                             sql_text(local->metadata_sha256), sql_text(local->requires_python),
                             sql_text(local->problem), sql_text(local->etag)));
}

int catalogue_drop_local(struct catalogue *catalogue, const char *origin, const char *path)
{
    return sql_change(catalogue->sql, DROP_LOCAL, VALUES(sql_text(origin), sql_text(path)));
}

static int on_local(void *context, const struct sql_row *row)
{
    struct visit *visit = context;
    const struct catalogue_local local = {
        .origin = text(row, 0),
        .path = text(row, 1),
        .size = sql_row_integer(row, 2),
        .modified_ns = sql_row_integer(row, 3),
        .inode = sql_row_integer(row, 4),
        .sha256 = text(row, 5),
        .metadata_sha256 = sql_row_text(row, 6),
        .requires_python = sql_row_text(row, 7),
        .problem = sql_row_text(row, 8),
        .etag = sql_row_text(row, 9),
    };
    return visit->local(visit->context, &local);
}

int catalogue_each_local(struct catalogue *catalogue, const char *origin,
                         int (*visit)(void *context, const struct catalogue_local *local),
                         void *context)
{
    return visit_each(catalogue, EACH_LOCAL, VALUES(sql_text(origin)), on_local,
                      &(struct visit){.local = visit, .context = context});
}

/* ------------------------------------------------------------------ first seen */

int catalogue_put_first_seen(struct catalogue *catalogue, const struct catalogue_first_seen *s)
{
    return sql_change(catalogue->sql, PUT_FIRST_SEEN,
                      VALUES(sql_text(s->origin), sql_text(s->path), sql_text(s->project),
                             sql_integer(s->first_s), sql_integer(s->asked_s),
                             sql_integer(s->modified_s), sql_integer(s->size)));
}

static int on_first_seen(void *context, const struct sql_row *row)
{
    struct visit *visit = context;
    const struct catalogue_first_seen first_seen = {
        .origin = text(row, 0),
        .path = text(row, 1),
        .project = text(row, 2),
        .first_s = sql_row_integer(row, 3),
        .asked_s = sql_row_integer(row, 4),
        .modified_s = sql_row_integer(row, 5),
        .size = sql_row_integer(row, 6),
    };
    return visit->first_seen(visit->context, &first_seen);
}

int catalogue_each_first_seen(struct catalogue *catalogue, const char *origin, const char *project,
                              int (*visit)(void *context,
                                           const struct catalogue_first_seen *first_seen),
                              void *context)
{
    return visit_each(catalogue, EACH_FIRST_SEEN, VALUES(sql_text(origin), sql_text(project)),
                      on_first_seen, &(struct visit){.first_seen = visit, .context = context});
}
