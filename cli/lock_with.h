// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * `--with pip,uv,setuptools==80.9.0`: files that locks leave out, such as installers and what builds
 * source archives. Of each requirement it is the newest release that fits, once for each target, as
 * pip would choose it (index/choice.h), from our own index pages. Nothing is resolved: what a
 * release itself depends on is not looked at.
 *
 *     code = lock_with_add(&set, "pip,uv");        SET_GO; its files are in set.wanted, is_added
 *
 * Main thread of a command.
 */
#include "cli/lock_set.h"

/* Needs targets. A requirement that no file fits is one of set.wanted's skips. Else the exit code,
 * after a message. */
int lock_with_add(struct lock_set *set, const char *list);
