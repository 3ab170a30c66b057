// SPDX-License-Identifier: Apache-2.0
/*
 * A mirror refuses a file at the address that was asked. The file may have moved, or its address
 * carries a signature that has run out, or one that was never known. The mirror's page tells the
 * address of today.
 *
 *     the answer is a refusal -> receive_asks_page: the page is asked for, and the transfer ends
 *     -> each tick: is the page read?
 *          another address     the transfer begins again there
 *          the same, or late   the refusal counts
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "engine/files/download.h"
#include "engine/files/files_state.h"
#include "engine/listings/link_places.h"
#include "engine/mirrors/links.h"

enum { WAIT_MOST_MS = 8000 }; /* a status line is due within ten seconds */

/* A HEAD is not worth it: the first GET asks. Each transfer asks once. */
bool receive_asks_page(struct receiver *t)
{
    const struct download *dl = t->download;
    if (t->head || t->asked_page ||
        !links_want_page(t->files->listings, dl->origin, t->mirror, dl->path, t->facts.status))
        return false;
    t->asked_page = t->awaits_page = true;
    return true;
}

/* The transfer has ended. Its end is told when the page is read, or late. */
bool receive_awaits_page(struct receiver *t)
{
    if (!t->awaits_page || t->stopped || t->download->over)
        return false;
    t->is_waiting = true;
    t->waits_since_ms = clock_monotonic_ms();
    return true;
}

/* The download has ended, or stopped this transfer: it ends at once. */
void receive_stop_waiting(struct receiver *t)
{
    if (!t->is_waiting)
        return;
    t->is_waiting = t->awaits_page = false;
    t->done.run = receive_done;
    loop_post(t->files->s, &t->done);
}

/* Begins the transfer again at the address of today. False: that is the address that was refused.
 */
static bool ask_again(struct receiver *t)
{
    const struct download *dl = t->download;
    char *url = links_file_url(t->files->listings, dl->origin, t->mirror, dl->path);
    bool is_another = url && t->url && strcmp(url, t->url) != 0;
    free(url);
    if (!is_another)
        return false;
    free(t->etag);
    free(t->date);
    free(t->detail);
    t->etag = t->date = t->detail = NULL;
    receive_reset(t);
    receive_fetch(t);
    return true;
}

/* The page was read, or did not come in time. */
static void look(struct receiver *t)
{
    t->is_waiting = t->awaits_page = false;
    if (ask_again(t))
        return;
    bool is_gone = t->facts.status == 404 || t->facts.status == 410;
    t->verdict_error = is_gone ? ERROR_GONE : ERROR_UPSTREAM_STATUS;
    receive_done(&t->done);
}

/* The list may change while one transfer is handled, so each search begins anew. */
static struct receiver *next_due(const struct download *dl, int64_t now_ms)
{
    for (struct receiver *t = dl->receivers; t; t = t->next)
        if (t->is_waiting &&
            (now_ms - t->waits_since_ms >= WAIT_MOST_MS ||
             !links_page_is_awaited(t->files->listings, dl->origin, t->mirror, dl->path)))
            return t;
    return NULL;
}

void receive_look_at_pages(struct download *dl, int64_t now_ms)
{
    struct receiver *t;
    while (!dl->over && (t = next_due(dl, now_ms)))
        look(t);
}
