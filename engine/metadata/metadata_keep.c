// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "base/str.h"
#include "engine/files/document.h"
#include "engine/loop/catalogue_post.h"
#include "engine/metadata/metadata_state.h"
#include "index/name.h"

/*
 * The row of what was made of a wheel.
 *
 *     extraction done, or the wheel refused --metadata_keep--> put: the text, or `problem`
 *     wheel refuted --metadata_keep without a result--> drop
 *
 * The row names the wheel's ETag: it counts only while the wheel has no other. Nobody waits for the
 * row, and a lost one is made again with the next request. Flight thread; the rows on the catalogue
 * lane.
 */

enum {
    PATH,
    ORIGIN,
    PROJECT,
    SHA256,
    REQUIRES_PYTHON,
    PROBLEM,
    MIRRORS,
    ETAG
}; /* texts of the row */

/* On the catalogue lane, as is the other one. */
static int put(struct catalogue *catalogue, const struct row *row)
{
    return catalogue_put_metadata(
        catalogue, &(struct catalogue_metadata){.origin = row->text[ORIGIN],
                                                .path = row->text[PATH],
                                                .project = row->text[PROJECT],
                                                .sha256 = row->text[SHA256],
                                                .requires_python = row->text[REQUIRES_PYTHON],
                                                .problem = row->text[PROBLEM],
                                                .mirrors = row->text[MIRRORS],
                                                .etag = row->text[ETAG],
                                                .made_s = row->number[0],
                                                .body = row->body,
                                                .body_len = row->body_len});
}

/* The wheel was refuted, so nothing may be known of its metadata. */
static int drop(struct catalogue *catalogue, const struct row *row)
{
    return catalogue_drop_metadata(catalogue, row->text[ORIGIN], row->text[PATH]);
}

/* A result without an ETag is not stored: nothing would tell whether the row is of this wheel. */
void metadata_keep(struct metadata *metadata, const char *origin, const char *path,
                   const struct extract_result *result, const char *problem)
{
    struct file_name name = {0};
    struct row row = {.text = {[PATH] = path, [ORIGIN] = origin}};
    if ((result && !result->etag) || file_name_parse(str_last_segment(path), &name))
        return;
    if (result) {
        row.text[PROJECT] = name.project ? name.project : "";
        row.text[REQUIRES_PYTHON] = result->requires_python;
        row.text[PROBLEM] = problem[0] ? problem : NULL;
        row.text[MIRRORS] = result->mirrors;
        row.text[ETAG] = result->etag;
        row.number[0] = clock_real_s();
    }
    if (result && result->text) {
        row.text[SHA256] = result->sha256;
        row.body = result->text->data;
        row.body_len = result->text->len;
    }
    catalogue_post(metadata->s, result ? put : drop, "metadata of", &row);
    file_name_release(&name);
}
