// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as a page: what comes out must keep the promises of index/listing.h, and what is
 * written of it must be read back.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "index/listing.h"
#include "index/page.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char url[] = "https://h.example/simple/x/";

static void require(bool what)
{
    if (!what)
        abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    listing_global_init();
    return 0;
}

static void check_file(const struct listed_file *f)
{
    require(f->kind != FILE_OTHER && f->project && f->name && f->url);
    require(strncmp(f->url, "http", 4) == 0 && !strchr(f->url, '#'));
    require(!strchr(f->name, '/') && utf8_is_valid(f->name, strlen(f->name)));
    require(!f->sha256 || strlen(f->sha256) == 64);
    require(!f->metadata_sha256 || f->has_metadata);
    require(!f->yanked_reason || f->yanked);
    require(f->size >= -1);
}

static void write_and_read(const struct listing *l, struct page_file *files,
                           enum page_format format)
{
    const struct page_content content = {
        .project = "x", .files = files, .file_count = l->file_count};
    struct listing *again = NULL;
    struct buf page;

    buf_init(&page, PAGE_MAX_BYTES);
    page_write_project(&content, format, &page);
    require(page.error == 0);
    require(listing_parse(page.data, page.len, url, &again) == 0);
    require(again->file_count == l->file_count);
    for (size_t i = 0; i < l->file_count; i++)
        require(strcmp(again->files[i].url, l->files[i].url) == 0);
    listing_free(again);
    buf_release(&page);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct listing *l = NULL;
    struct page_file *files;

    (void)listing_is_s3_denial((const char *)data, size);
    if (listing_parse((const char *)data, size, url, &l) < 0)
        return 0;
    files = calloc(l->file_count + 1, sizeof(*files));
    require(files != NULL);
    for (size_t i = 0; i < l->file_count; i++) {
        const struct listed_file *f = &l->files[i];

        check_file(f);
        files[i] = (struct page_file){.name = f->name,
                                      .href = f->url,
                                      .version = f->version,
                                      .sha256 = f->sha256,
                                      .requires_python = f->requires_python,
                                      .metadata_sha256 = f->metadata_sha256,
                                      .upload_time = f->upload_time,
                                      .yanked_reason = f->yanked_reason,
                                      .size = f->size,
                                      .yanked = f->yanked,
                                      .has_metadata = f->has_metadata};
    }
    write_and_read(l, files, PAGE_HTML);
    write_and_read(l, files, PAGE_JSON);
    free(files);
    listing_free(l);
    return 0;
}
