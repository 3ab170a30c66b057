// SPDX-License-Identifier: Apache-2.0
#include "bundle/site.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "base/url.h"
#include "index/page.h"

enum { HREF_MAX_BYTES = 8 << 10 };

enum page_kind {
    KIND_README,
    KIND_LIST_HTML,
    KIND_LIST_JSON,
    KIND_PROJECT_HTML,
    KIND_PROJECT_JSON
};

struct site_page {
    char *path;
    enum page_kind kind;
    size_t project;
};

/* A run of `order`. */
struct site_project {
    const char *name; /* the manifest's */
    size_t first, count;
};

struct static_site {
    const struct manifest *manifest;
    const struct manifest_file **order; /* by project, then file name, then the manifest's order */
    struct site_project *projects;      /* ascending */
    size_t project_count;
    struct site_page *list;
    size_t count;
};

DEFINE_CLEANUP(struct static_site, site_free)

void site_free(struct static_site *site)
{
    if (!site)
        return;
    for (size_t i = 0; i < site->count; i++)
        free(site->list[i].path);
    free(site->list);
    free(site->projects);
    free(site->order);
    free(site);
}

/* ----------------------------------------------------------------- projects */

static int by_project(const void *x, const void *y)
{
    const struct manifest_file *a = *(const struct manifest_file *const *)x;
    const struct manifest_file *b = *(const struct manifest_file *const *)y;
    int c = strcmp(a->project, b->project);
    if (c == 0)
        c = strcmp(str_last_segment(a->path), str_last_segment(b->path));
    return c ? c : (a > b) - (a < b);
}

/* Whether the file before has the same name. */
static bool is_second(const struct static_site *site, size_t i, size_t first)
{
    return i > first && strcmp(str_last_segment(site->order[i - 1]->path),
                               str_last_segment(site->order[i]->path)) == 0;
}

static int find_projects(struct static_site *site)
{
    const struct manifest *m = site->manifest;
    site->order = calloc(m->file_count + 1, sizeof(*site->order));
    site->projects = calloc(m->file_count + 1, sizeof(*site->projects));
    if (!site->order || !site->projects)
        return ERROR_NO_MEMORY;
    for (size_t i = 0; i < m->file_count; i++)
        site->order[i] = &m->files[i];
    qsort(site->order, m->file_count, sizeof(*site->order), by_project);
    struct site_project *last = NULL;
    for (size_t i = 0; i < m->file_count; i++) {
        const char *name = site->order[i]->project;
        if (!last || strcmp(last->name, name) != 0) {
            last = &site->projects[site->project_count++];
            *last = (struct site_project){.name = name, .first = i};
        }
        last->count++;
    }
    return 0;
}

/* -------------------------------------------------------------------- paths */

static int add_page(struct static_site *site, enum page_kind kind, size_t project, char *path)
{
    if (!path)
        return ERROR_NO_MEMORY;
    site->list[site->count++] = (struct site_page){.path = path, .kind = kind, .project = project};
    return 0;
}

static int by_path(const void *x, const void *y)
{
    return strcmp(((const struct site_page *)x)->path, ((const struct site_page *)y)->path);
}

static int name_pages(struct static_site *site)
{
    site->list = calloc(3 + 2 * site->project_count, sizeof(*site->list));
    if (!site->list)
        return ERROR_NO_MEMORY;
    int r = add_page(site, KIND_README, 0, strdup("README.txt"));
    if (r == 0)
        r = add_page(site, KIND_LIST_HTML, 0, strdup("simple/index.html"));
    if (r == 0)
        r = add_page(site, KIND_LIST_JSON, 0, strdup("simple/index.json"));
    for (size_t i = 0; r == 0 && i < site->project_count; i++) {
        const char *name = site->projects[i].name;
        r = add_page(site, KIND_PROJECT_HTML, i, str_printf("simple/%s/index.html", name));
        if (r == 0)
            r = add_page(site, KIND_PROJECT_JSON, i, str_printf("simple/%s/index.json", name));
    }
    qsort(site->list, site->count, sizeof(*site->list), by_path);
    return r;
}

int site_new(const struct manifest *manifest, struct static_site **ret)
{
    AUTO(site_free) struct static_site *site = calloc(1, sizeof(*site));
    if (!site)
        return ERROR_NO_MEMORY;
    site->manifest = manifest;
    int r = find_projects(site);
    if (r == 0)
        r = name_pages(site);
    if (r)
        return r;
    *ret = site;
    site = NULL;
    return 0;
}

size_t site_count(const struct static_site *site)
{
    return site->count;
}

const char *site_path(const struct static_site *site, size_t i)
{
    return site->list[i].path;
}

/* ------------------------------------------------------------- project pages */

/* A link of a project page, and the strings that are its own. */
struct site_link {
    char *href, *digests, *metadata_digests;
    struct file_name name;
};

static void release_links(struct site_link *links, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(links[i].href);
        free(links[i].digests);
        free(links[i].metadata_digests);
        file_name_release(&links[i].name);
    }
    free(links);
}

static char *href_of(const struct manifest_file *file)
{
    auto_buf struct buf href;
    buf_init(&href, HREF_MAX_BYTES);
    buf_puts(&href, "../../files/");
    url_encode_path(&href, file->origin);
    buf_putc(&href, '/');
    url_encode_path(&href, file->path);
    return buf_take(&href, NULL);
}

static int make_link(const struct manifest_file *file, struct site_link *link,
                     struct page_file *shown)
{
    int r = file_name_parse(str_last_segment(file->path), &link->name);
    link->href = href_of(file);
    link->digests = str_printf("sha256=%s", file->bytes.sha256);
    link->metadata_digests = str_printf("sha256=%s", file->metadata.sha256);
    if (r || !link->href || !link->digests || !link->metadata_digests)
        return ERROR_NO_MEMORY;
    *shown = (struct page_file){.name = str_last_segment(file->path),
                                .href = link->href,
                                .version = link->name.version,
                                .digests = link->digests,
                                .requires_python = file->requires_python,
                                .upload_time = file->upload_time,
                                .yanked = file->yanked,
                                .yanked_reason = file->yanked_reason,
                                .size = file->bytes.size,
                                .about_size = -1};
    shown->has_metadata = file->metadata.size >= 0;
    shown->metadata_digests = shown->has_metadata ? link->metadata_digests : NULL;
    return 0;
}

static void write_project(const struct static_site *site, const struct site_project *project,
                          enum page_format format, struct buf *to)
{
    auto_free struct page_file *files = calloc(project->count, sizeof(*files));
    struct site_link *links = calloc(project->count, sizeof(*links));
    struct page_content content = {.project = project->name, .files = files};
    int r = files && links ? 0 : ERROR_NO_MEMORY;
    for (size_t i = 0; r == 0 && i < project->count; i++) {
        size_t at = project->first + i, n = content.file_count;
        if (is_second(site, at, project->first))
            continue;
        content.file_count++;
        r = make_link(site->order[at], &links[n], &files[n]);
    }
    if (r == 0)
        page_write_project(&content, format, to);
    else if (!to->error)
        to->error = r;
    if (links)
        release_links(links, content.file_count);
}

static void write_list(const struct static_site *site, enum page_format format, struct buf *to)
{
    auto_free const char **names = calloc(site->project_count + 1, sizeof(*names));
    for (size_t i = 0; names && i < site->project_count; i++)
        names[i] = site->projects[i].name;
    if (names)
        page_write_list(names, site->project_count, format, to);
    else if (!to->error)
        to->error = ERROR_NO_MEMORY;
}

/* -------------------------------------------------------------------- README */

static void write_readme(const struct static_site *site, struct buf *to)
{
    const struct manifest *m = site->manifest;
    char date[CLOCK_TEXT];
    clock_rfc3339(m->date_s, date);
    buf_printf(to, "%s: Python packages, bundled by wheelyard on %s.\n\n", m->id, date);
    buf_puts(to, "manifest.json lists every file with its size and SHA-256.\n");
    if (m->since_id)
        buf_printf(to,
                   "This bundle continues %s: unpack it over the folder of that bundle.\n"
                   "Files that the earlier bundles have are not in it again.\n",
                   m->since_id);
    buf_printf(to,
               "\nCheck the parts, in any order (needs wheelyard):\n\n"
               "    wheelyard verify %s.part*.tar --key PUBLIC_KEY\n"
               "\nUnpack all parts into one folder (needs tar alone):\n\n"
               "    for part in %s.part*.tar; do tar -xf \"$part\" -C FOLDER; done\n",
               m->name, m->name);
    buf_puts(to,
             "\nA file that is larger than a part comes in pieces. Join them, in the folder:\n\n"
             "    find files -name '*.piece001' | while read -r first; do\n"
             "        file=${first%.piece001}\n"
             "        cat \"$file\".piece??? > \"$file\" && rm \"$file\".piece???\n"
             "    done\n");
    buf_puts(to, "\nInstall from the folder, without a server:\n\n"
                 "    pip install --index-url file:///FOLDER/simple NAME\n"
                 "    uv pip install --index-url file:///FOLDER/simple NAME\n"
                 "\nOr serve the folder with any web server, for example\n"
                 "`python3 -m http.server 8080 --directory FOLDER`, and install with\n"
                 "`--index-url http://HOST:8080/simple/`.\n"
                 "\nnginx can also offer the JSON form of the index:\n\n"
                 "    map $http_accept $simple_index {\n"
                 "        default index.html;\n"
                 "        ~application/vnd\\.pypi\\.simple\\.v1\\+json index.json;\n"
                 "    }\n"
                 "    server {\n"
                 "        listen 8080;\n"
                 "        root FOLDER;\n"
                 "        location /simple/ {\n"
                 "            index $simple_index;\n"
                 "            add_header Vary Accept;\n"
                 "            location ~ /index\\.json$ {\n"
                 "                types { }\n"
                 "                default_type application/vnd.pypi.simple.v1+json;\n"
                 "            }\n"
                 "        }\n"
                 "    }\n");
}

void site_write(const struct static_site *site, size_t i, struct buf *to)
{
    const struct site_page *page = &site->list[i];
    const struct site_project *project = &site->projects[page->project];
    switch (page->kind) {
    case KIND_README:
        write_readme(site, to);
        break;
    case KIND_LIST_HTML:
        write_list(site, PAGE_HTML, to);
        break;
    case KIND_LIST_JSON:
        write_list(site, PAGE_JSON, to);
        break;
    case KIND_PROJECT_HTML:
        write_project(site, project, PAGE_HTML, to);
        break;
    case KIND_PROJECT_JSON:
        write_project(site, project, PAGE_JSON, to);
        break;
    }
}
