// SPDX-License-Identifier: Apache-2.0
#include "page_check.h"

#include "base/utf8.h"
#include "fuzz.h"
#include "index/digests.h"
#include "index/listing.h"
#include "index/page.h"

static const char url[] = "https://h.example/simple/x/";

/* HTML cannot carry control characters: the writer replaces them, and the reader may drop them. */
static bool is_plain(const char *text)
{
    for (; text && *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return false;
    return true;
}

/* A text of digests is what its own digests are written as. */
static void check_digests(const char *text)
{
    struct digests digests = {0};
    char again[DIGESTS_TEXT];

    if (!text)
        return;
    digests_add_text(&digests, text, ' ');
    require(digests.count > 0);
    digests_write(&digests, again);
    require(strcmp(text, again) == 0);
}

static void check_file(const struct listed_file *f)
{
    require(f->kind != FILE_OTHER && f->project && f->name && f->url);
    require(strncmp(f->url, "http", 4) == 0 && !strchr(f->url, '#'));
    require(!strchr(f->name, '/') && utf8_is_valid(f->name, strlen(f->name)));
    check_digests(f->digests);
    check_digests(f->metadata_digests);
    require(!f->metadata_digests || f->has_metadata);
    require(!f->yanked_reason || f->yanked);
    require(f->size >= -1);
}

static void same_text(const char *before, const char *after, enum page_format format)
{
    if (format == PAGE_JSON || is_plain(before))
        require(fuzz_same(before, after));
}

/* HTML has room for the first alone; of two that contradict each other none is written. */
static const char *shown_digests(const char *text)
{
    return text && !digests_are_ambiguous(text) ? text : NULL;
}

static void same_digests(const char *before, const char *after, enum page_format format)
{
    before = shown_digests(before);
    if (before && format == PAGE_HTML)
        require(after && strncmp(before, after, strlen(after)) == 0 &&
                strlen(after) == strcspn(before, " "));
    else
        require(fuzz_same(before, after));
}

static void same_file(const struct listed_file *a, const struct listed_file *b,
                      enum page_format format)
{
    require(fuzz_same(a->url, b->url) && fuzz_same(a->name, b->name));
    require(a->kind == b->kind && fuzz_same(a->project, b->project));
    require(fuzz_same(a->version, b->version));
    same_digests(a->digests, b->digests, format);
    require(a->yanked == b->yanked && a->has_metadata == b->has_metadata);
    same_digests(a->metadata_digests, b->metadata_digests, format);
    same_text(a->requires_python, b->requires_python, format);
    same_text(a->yanked_reason, b->yanked_reason, format);
}

/* Upload times stand on all files of a page or on none, and so do sizes. */
static void same_times_and_sizes(const struct listing *a, const struct listing *b)
{
    bool times = true;
    bool sizes = true;

    for (size_t i = 0; i < a->file_count; i++) {
        times = times && a->files[i].upload_time;
        sizes = sizes && a->files[i].size >= 0;
    }
    for (size_t i = 0; i < a->file_count; i++) {
        require(fuzz_same(times ? a->files[i].upload_time : NULL, b->files[i].upload_time));
        require((sizes ? a->files[i].size : -1) == b->files[i].size);
    }
}

static struct page_file *page_files(const struct listing *l)
{
    struct page_file *files = calloc(l->file_count + 1, sizeof(*files));

    require(files != NULL);
    for (size_t i = 0; i < l->file_count; i++) {
        const struct listed_file *f = &l->files[i];

        files[i] = (struct page_file){.name = f->name,
                                      .href = f->url,
                                      .version = f->version,
                                      .digests = shown_digests(f->digests),
                                      .requires_python = f->requires_python,
                                      .metadata_digests = shown_digests(f->metadata_digests),
                                      .upload_time = f->upload_time,
                                      .yanked_reason = f->yanked_reason,
                                      .size = f->size,
                                      .yanked = f->yanked,
                                      .has_metadata = f->has_metadata};
    }
    return files;
}

static void read_back(struct buf *page, struct listing **ret)
{
    require(page->error == 0);
    require(listing_parse(page->data, page->len, url, ret) == 0);
    require((*ret)->is_simple && (*ret)->skipped == 0);
}

static void check_project_page(const struct listing *l, const struct page_file *files,
                               enum page_format format)
{
    const struct page_content content = {.project = "x",
                                         .files = files,
                                         .file_count = l->file_count,
                                         .project_status = l->project_status,
                                         .project_status_reason = l->project_status_reason};
    struct listing *again = NULL;
    auto_buf struct buf page;

    buf_init(&page, PAGE_MAX_BYTES);
    page_write_project(&content, format, &page);
    read_back(&page, &again);
    require(again->file_count == l->file_count && again->project_count == 0);
    for (size_t i = 0; i < l->file_count; i++)
        same_file(&l->files[i], &again->files[i], format);
    same_times_and_sizes(l, again);
    same_text(l->project_status, again->project_status, format);
    if (l->project_status)
        same_text(l->project_status_reason, again->project_status_reason, format);
    listing_free(again);
}

static void check_project_list(const struct listing *l, enum page_format format)
{
    struct listing *again = NULL;
    auto_buf struct buf page;

    buf_init(&page, PAGE_MAX_BYTES);
    page_write_list((const char *const *)l->projects, l->project_count, format, &page);
    read_back(&page, &again);
    require(again->file_count == 0 && again->project_count == l->project_count);
    for (size_t i = 0; i < l->project_count; i++)
        require(fuzz_same(l->projects[i], again->projects[i]));
    listing_free(again);
}

void page_check(const uint8_t *page, size_t size)
{
    struct listing *l = NULL;
    struct page_file *files;

    (void)listing_is_s3_denial((const char *)page, size);
    if (listing_parse((const char *)page, size, url, &l) < 0)
        return;
    files = page_files(l);
    for (size_t i = 0; i < l->file_count; i++)
        check_file(&l->files[i]);
    for (enum page_format format = PAGE_HTML; format <= PAGE_JSON; format++) {
        check_project_page(l, files, format);
        check_project_list(l, format);
    }
    free(files);
    listing_free(l);
}
