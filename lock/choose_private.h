// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What the two halves of a choice share. Private to lock/. */
#include "lock/choose.h"

/* Marks the packages of a uv.lock that the target gets. `marks` has one for each, all false. */
int choose_uv(const struct lock *lock, const struct lock_wish *wish, bool *marks);
/* Whether a name is in a list, both normalised or not. */
bool wish_has(const char *const *list, size_t count, const char *name);
