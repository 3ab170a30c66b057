// SPDX-License-Identifier: Apache-2.0
/* Any bytes as a poetry.lock: tests/fuzz/lock_check.h. */
#include "fuzz.h"
#include "lock_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lock_check("poetry.lock", data, size);
    return 0;
}
