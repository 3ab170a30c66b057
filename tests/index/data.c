// SPDX-License-Identifier: Apache-2.0
#include "data.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/gzip.h"
#include "base/str.h"

static char *source_path(const char *rest)
{
    const char *root = getenv("SOURCE_ROOT");
    char *path = str_printf("%s/%s", root ? root : ".", rest);

    assert_non_null(path);
    return path;
}

static char *shared_path(const char *rest)
{
    const char *folder = getenv("WHEELYARD_DATA");
    auto_free char *beside = source_path("../shared/data");
    char *path = str_printf("%s/%s", folder && *folder ? folder : beside, rest);

    assert_non_null(path);
    return path;
}

bool data_read(const char *path, struct buf *ret)
{
    auto_free char *full = shared_path(path);
    auto_buf struct buf packed;
    int r;

    buf_init(ret, DATA_MAX_BYTES);
    buf_init(&packed, DATA_MAX_BYTES);
    if (!str_ends(path, ".gz")) {
        r = file_read_all(full, ret);
        assert_true(r == 0 || r == FILE_MISSING);
        return r == 0;
    }
    r = file_read_all(full, &packed);
    assert_true(r == 0 || r == FILE_MISSING);
    if (r == 0)
        assert_int_equal(gzip_decompress(packed.data, packed.len, ret), 0);
    return r == 0;
}

bool data_read_table(const char *page, struct buf *ret)
{
    auto_free char *plain = str_printf("expected/%s.tsv", page);
    auto_free char *packed = str_printf("expected/%s.tsv.gz", page);

    if (data_read(plain, ret))
        return true;
    buf_release(ret);
    return data_read(packed, ret);
}

void data_read_own(const char *name, struct buf *ret)
{
    auto_free char *below = str_printf("tests/data/%s", name);
    auto_free char *full = source_path(below);

    buf_init(ret, DATA_MAX_BYTES);
    if (file_read_all(full, ret) != 0)
        fail_msg("%s cannot be read", full);
}

static void unescape(char *field)
{
    char *to = field;

    for (const char *p = field; *p; p++) {
        if (*p != '\\') {
            *to++ = *p;
            continue;
        }
        p++;
        *to++ = *p == 't' ? '\t' : *p == 'n' ? '\n' : *p == 'r' ? '\r' : *p;
    }
    *to = '\0';
}

bool data_next_row(char **text, char **fields, int max)
{
    static char none[1];
    char *line = strsep(text, "\n");

    if (!line || (!*line && !*text))
        return false;
    for (int i = 0; i < max; i++) {
        fields[i] = line ? strsep(&line, "\t") : none;
        unescape(fields[i]);
    }
    return true;
}
