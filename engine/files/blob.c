// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "engine/files/files_state.h"

/*
 * Open blobs, and how many of them stay open.
 *
 * A blob lives: blob_open on a disk lane -> files_set_blob gives it to its entry -> workers take
 * references under the table's lock -> the entry lets go of it (evicted, refuted, replaced, or
 * idle) -> the last reference ends -> the cleaner lane unmaps and closes it, because unmapping
 * gigabytes takes time. A reader keeps its reference, so it reads on after the entry has gone.
 */

enum {
    SAMPLES = 256,      /* pages that are sampled, to judge whether a range is in memory */
    RESIDENT_MS = 2000, /* how long the result for a whole file stands */
};

/* On the cleaner lane. munmap of a file that is partly in memory can take milliseconds. */
static void blob_close(struct job *job)
{
    struct blob *b = container_of(job, struct blob, close);
    if (b->map)
        (void)munmap(b->map, (size_t)b->size);
    (void)close(b->fd);
    free(b);
}

struct blob *blob_ref(struct blob *b)
{
    b->refs++;
    return b;
}

/* Any thread. The last reference posts the close to the cleaner lane. */
void blob_unref(struct blob *b)
{
    if (b && --b->refs == 0)
        lane_post(b->cleaner, &b->close);
}

/* Without a mapping the blob is read by pread: slower, but complete. */
int blob_open(struct files *files, const char *sha256, struct blob **ret)
{
    struct blob *b = calloc(1, sizeof(*b));
    if (!b)
        return ERROR_NO_MEMORY;
    int r = store_open_blob(files->s->store, sha256, &b->fd, &b->size);
    if (r) {
        free(b);
        return r;
    }
    b->refs = 1;
    b->cleaner = files->s->cleaner;
    b->close.run = blob_close;
    if (b->size > 0) {
        b->map = mmap(NULL, (size_t)b->size, PROT_READ, MAP_SHARED, b->fd, 0);
        if (b->map == MAP_FAILED)
            b->map = NULL;
    }
    *ret = b;
    return 0;
}

/* Such a file is never mapped: a file that somebody shortens would kill the process by SIGBUS. */
int blob_of_foreign(struct files *files, int fd, const struct folder_file *file, struct blob **ret)
{
    struct blob *b = calloc(1, sizeof(*b));
    if (!b) {
        (void)close(fd);
        return ERROR_NO_MEMORY;
    }
    *b = (struct blob){.refs = 1,
                       .fd = fd,
                       .size = file->size,
                       .cleaner = files->s->cleaner,
                       .close.run = blob_close,
                       .is_foreign = true,
                       .opened = *file};
    *ret = b;
    return 0;
}

bool blob_has_changed(const struct blob *b)
{
    return b->is_foreign && folder_was_touched(b->fd, &b->opened);
}

bool blob_is_short(const struct blob *b, int64_t size)
{
    struct stat st;
    return fstat(b->fd, &st) == 0 && st.st_size < size;
}

/* mincore reads the page tables only: it never causes a read. */
static bool is_page_resident(const struct blob *b, int64_t offset)
{
    unsigned char in_core = 0;
    int64_t page = sysconf(_SC_PAGESIZE);
    char *at = (char *)b->map + offset / page * page;
    return mincore(at, (size_t)page, &in_core) == 0 && (in_core & 1);
}

/* Looks at a sample of the pages. One cold page that it misses costs one page fault. Looking at
 * every page of gigabytes would cost milliseconds, on a thread that serves many clients. */
bool blob_is_resident(struct blob *b, int64_t from, int64_t to)
{
    int64_t now_ms = clock_monotonic_ms();
    if (!b->map || from >= to)
        return false;
    if (b->resident_ms && now_ms - b->resident_ms < RESIDENT_MS)
        return true;
    int64_t step = (to - from) / SAMPLES + 1;
    for (int64_t at = from; at < to; at += step)
        if (!is_page_resident(b, at))
            return false;
    if (!is_page_resident(b, to - 1))
        return false;
    if (from == 0 && to == b->size)
        b->resident_ms = now_ms;
    return true;
}

/* ------------------------------------------------------------- idle blobs */

/* Oldest use first. */
static int by_use(const void *a, const void *b)
{
    int64_t x = (*(struct entry *const *)a)->used_s, y = (*(struct entry *const *)b)->used_s;
    return x < y ? -1 : x > y;
}

/* Closes down to three quarters of the limit, so that this happens rarely. */
void blobs_close_idle(struct files *files)
{
    size_t count = 0;
    if (files->open_count <= files->open_most)
        return;
    auto_free struct entry **list = calloc(files->open_count, sizeof(struct entry *));
    if (!list)
        return;
    pthread_rwlock_rdlock(&files->lock);
    for (struct entry *entry = files->table; entry && count < files->open_count;
         entry = entry->hh.next)
        if (entry->blob)
            list[count++] = entry;
    pthread_rwlock_unlock(&files->lock);
    qsort(list, count, sizeof(struct entry *), by_use);
    for (size_t i = 0; i < count && files->open_count > files->open_most / 4 * 3; i++)
        files_set_blob(files, list[i], NULL);
}
