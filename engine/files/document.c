// SPDX-License-Identifier: Apache-2.0
#include "engine/files/document.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

int document_new(const char *data, size_t len, struct document **ret)
{
    struct document *t = malloc(sizeof(*t) + len);
    if (!t)
        return ERROR_NO_MEMORY;
    t->refs = 1;
    t->len = len;
    memcpy(t->data, data, len);
    *ret = t;
    return 0;
}

void document_unref(struct document *text)
{
    if (text && --text->refs == 0)
        free(text);
}
