// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What several mirrors say of one project becomes one page. For the files of tests alone:
 * everything is static.
 *
 *     auto_stage struct stage s = stage_of("torch");
 *     add_page(&s, FLAT, LINKS(WHEEL("cu126/torch-2.0")));    // what each mirror lists
 *     remember(&s, &digest);                                  // and what is known besides
 *     stage_merge(&s);
 *     assert_int_equal(s.merge.count, 1);
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "engine/mirrors/links.h"
#include "engine/pages/merge.h"

#define SHA(digest) "sha256=" digest
#define D1 "1111111111111111111111111111111111111111111111111111111111111111"
#define D2 "2222222222222222222222222222222222222222222222222222222222222222"

static char *none[] = {NULL};
static char *aliases[] = {"https://download-r2.pytorch.org/whl/", NULL};
static struct mirror mirrors[] = {
    {.name = "flat",
     .layout = LAYOUT_FLAT,
     .index = "https://mirrors.aliyun.com/pytorch-wheels/{channel}/",
     .files = "https://mirrors.aliyun.com/pytorch-wheels/"},
    {.name = "official",
     .layout = LAYOUT_SIMPLE,
     .index = "https://download.pytorch.org/whl/{channel}/{project}/",
     .files = "https://download.pytorch.org/whl/"},
    {.name = "nju",
     .layout = LAYOUT_SIMPLE,
     .index = "https://mirrors.nju.edu.cn/pytorch/whl/{channel}/{project}/",
     .files = "https://mirrors.nju.edu.cn/pytorch/whl/"},
};
static const struct origin origin = {
    .name = "pytorch",
    .canonical = "https://download.pytorch.org/whl/",
    .aliases = aliases,
    .channels = none,
    .owns = none,
    .mirrors = mirrors,
    .mirror_count = 3,
};

enum { FLAT, OFFICIAL, NJU };

struct stage {
    struct merge_input input;
    struct listing *listings[MERGE_SOURCES];
    struct merge merge;
};

static inline struct stage stage_of(const char *project)
{
    return (struct stage){.input = {.origin = &origin,
                                    .channel = "cu126",
                                    .project = project,
                                    .href_prefix = "../../../files/pytorch/"}};
}

static inline void stage_end(struct stage *s)
{
    merge_release(&s->merge);
    for (unsigned i = 0; i < s->input.source_count; i++)
        listing_free(s->listings[i]);
}

#define auto_stage __attribute__((cleanup(stage_end)))

static inline void add_bytes(struct stage *s, unsigned mirror, const char *url, const char *page,
                             size_t len)
{
    unsigned i = s->input.source_count++;
    assert_int_equal(listing_parse(page, len, url, &s->listings[i]), 0);
    assert_int_equal(links_settle(&origin, mirror, url, url, s->listings[i]), 0);
    s->input.sources[i].listing = s->listings[i];
    s->input.sources[i].mirror = mirror;
    s->input.sources[i].said_s = s->input.now_s;
}

/* A page of links: "href" or "href attributes". */
static inline void add_page(struct stage *s, unsigned mirror, const char *const *links)
{
    auto_buf struct buf page;
    buf_init(&page, 1 << 20);
    buf_puts(&page, "<!DOCTYPE html><html><body>\n");
    for (; *links; links++) {
        const char *end = strchr(*links, ' ');
        int len = end ? (int)(end - *links) : (int)strlen(*links);
        buf_printf(&page, "<a href=\"%.*s\"%s>x</a><br>\n", len, *links, end ? end : "");
    }
    buf_puts(&page, "</body></html>\n");
    add_bytes(s, mirror, mirrors[mirror].files, page.data, page.len);
}

static inline void stage_merge(struct stage *s)
{
    assert_int_equal(merge_project(&s->input, &s->merge), 0);
}

/* Of an earlier run; `known` must outlive the merge. */
static inline void remember(struct stage *s, const struct merge_claim *known)
{
    s->input.remembered = known;
    s->input.remembered_count = 1;
}

static inline const struct merge_file *file_at(const struct stage *s, const char *path)
{
    for (size_t i = 0; i < s->merge.count; i++)
        if (strcmp(s->merge.files[i].path, path) == 0)
            return &s->merge.files[i];
    return NULL;
}

#define LINKS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define WHEEL(path) path "-cp312-cp312-linux_x86_64.whl"

/* What a page would say: the JSON one, as text. */
static inline void assert_page(const struct stage *s, const char *has, const char *has_not)
{
    auto_buf struct buf page;
    buf_init(&page, 1 << 20);
    merge_write(&s->merge, "torch", PAGE_JSON, &page);
    assert_int_equal(page.error, 0);
    assert_non_null(strstr(page.data, has));
    if (has_not)
        assert_null(strstr(page.data, has_not));
}
