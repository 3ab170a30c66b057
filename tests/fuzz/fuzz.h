// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What the fuzzers share: a broken promise ends the process, so that the input is kept. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void require(bool what)
{
    if (!what)
        abort();
}

/* The input as a string. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    require(text != NULL);
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

/* Cuts the next line off *text: header values and the like, several to one input. NULL after the
 * last one. */
static inline char *fuzz_line(char **text)
{
    return strsep(text, "\n");
}

static inline bool fuzz_same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}
