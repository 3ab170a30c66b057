// SPDX-License-Identifier: Apache-2.0
/* Any bytes as a page of HTML, or whatever they turn out to be. */
#include "fuzz.h"
#include "index/listing.h"
#include "page_check.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    listing_global_init();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    page_check(data, size);
    return 0;
}
