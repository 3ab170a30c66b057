// SPDX-License-Identifier: Apache-2.0
/*
 * Rows for the catalogue that nobody waits for: copied by the caller's thread, written and freed on
 * the catalogue lane. No state of its own.
 */
#include "engine/loop/catalogue_post.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"

/* One allocation: the job, then the body, then the texts. write_run frees it. */
struct posted {
    struct job job;
    struct services *s;
    int (*write)(struct catalogue *catalogue, const struct row *row);
    const char *what;
    struct row row; /* points into `bytes` */
    char bytes[];
};

static void write_run(struct job *job)
{
    struct posted *p = container_of(job, struct posted, job);
    int r = p->write(p->s->catalogue, &p->row);
    if (r < 0)
        log_warning("catalogue: cannot store %s %s: %s", p->what, p->row.text[0], error_text(r));
    free(p);
}

/* Without memory the row is lost, which its owner must be able to bear. */
void catalogue_post(struct services *s,
                    int (*write)(struct catalogue *catalogue, const struct row *row),
                    const char *what, const struct row *row)
{
    size_t size = row->body_len;
    for (unsigned i = 0; i < ROW_TEXTS; i++)
        size += row->text[i] ? strlen(row->text[i]) + 1 : 0;
    struct posted *p = calloc(1, sizeof(*p) + size);
    if (!p)
        return;
    *p = (struct posted){{write_run, NULL}, s, write, what, *row};
    char *at = p->bytes;
    if (row->body) {
        p->row.body = memcpy(at, row->body, row->body_len);
        at += row->body_len;
    }
    for (unsigned i = 0; i < ROW_TEXTS; i++)
        if (row->text[i]) {
            p->row.text[i] = at;
            at = stpcpy(at, row->text[i]) + 1;
        }
    lane_post(s->catalogue_lane, &p->job);
}
