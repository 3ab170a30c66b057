// SPDX-License-Identifier: Apache-2.0
#pragma once
/* A small file that is wholly in memory, such as METADATA. Shared by reference; it never changes.
 */
#include <stdatomic.h>
#include <stddef.h>

struct document {
    _Atomic int refs;
    size_t len;
    char data[];
};

/* Copies the bytes. Any thread. */
int document_new(const char *data, size_t len, struct document **ret);
void document_unref(struct document *text); /* NULL is legal; any thread */
