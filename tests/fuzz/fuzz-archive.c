// SPDX-License-Identifier: Apache-2.0
/* A wheel, or an sdist, of the input's bytes; the first byte chooses the file's name. Both checks
 * end, read nothing outside of the file, and agree: what RECORD confirms is sound by its structure.
 * What they unpack is bounded by what the archive says and holds. */
#include "base/error.h"
#include "fuzz.h"
#include "index/archive.h"

static const char *const files[] = {"torch-2.9.0+cu126-cp312-cp312-linux_x86_64.whl",
                                    "torch-2.9.0.tar.gz",
                                    "torch-2.9.0.tar.xz",
                                    "torch-2.9.0.tar.bz2",
                                    "torch-2.9.0.tar",
                                    "torch-2.9.0.zip",
                                    "torch"};
enum { FILES = sizeof(files) / sizeof(files[0]), READS_MOST = 100000 };

struct input {
    const uint8_t *data;
    size_t len;
    unsigned reads, until; /* until: then the disk fails */
};

static int read_some(void *userdata, int64_t from, void *to, size_t len)
{
    struct input *in = userdata;
    require(from >= 0 && (uint64_t)from <= in->len && len && len <= in->len - (size_t)from);
    require(++in->reads < READS_MOST);
    if (in->reads == in->until)
        return ERROR_IO;
    memcpy(to, in->data + from, len);
    return 0;
}

static int judge(const uint8_t *data, size_t size, bool record, unsigned until,
                 struct archive_verdict *ret)
{
    struct input in = {.data = data + 2, .len = size - 2, .until = until};
    struct archive_source source = {read_some, &in, (int64_t)in.len};
    const char *file = files[data[0] % FILES];
    int r = record ? archive_record(&source, file, ret) : archive_structure(&source, file, ret);
    require(r == 0 || (r == ERROR_IO && until && in.reads == until));
    if (r == 0 && ret->level == ARCHIVE_NONE)
        require(ret->why[0]);
    require(r || memchr(ret->why, '\0', sizeof(ret->why)));
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct archive_verdict structure, record;
    if (size < 2)
        return 0;
    require(judge(data, size, false, 0, &structure) == 0);
    require(structure.level <= ARCHIVE_STRUCTURE);
    require(judge(data, size, true, 0, &record) == 0);
    require(record.level == ARCHIVE_NONE || structure.level == ARCHIVE_STRUCTURE);
    require(!record.contradicted || record.level == ARCHIVE_NONE);
    (void)judge(data, size, true, data[1], &record);
    return 0;
}
