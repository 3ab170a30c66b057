// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Which file of a project page an installer takes for a requirement, a Python and a platform, or
 * why it takes none. The rules are pip's. Files that do not fit the target are dropped first, then
 * versions that the specifiers exclude, yanked ones (unless pinned), and pre-releases (unless
 * named, or nothing else is left). Of the rest it takes the newest version, a wheel before a source
 * archive, the best tag, the highest build number.
 *
 *     r = choice_make(tags, specifiers, files, count, &choice);
 *     if (choice_best(choice) != CHOICE_NONE) ... files[choice_best(choice)]
 *     else choice_write_reasons(choice, false, &text);
 *     choice_free(choice);
 *
 * Pure; any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "index/specifier.h"
#include "index/tags.h"

struct choice_file {
    const char *name;
    const char *requires_python; /* or NULL */
    bool yanked;
};

struct choice;

/* Keeps pointers to all arguments, which must outlive it. ERROR_NO_MEMORY. */
int choice_make(const struct tags *tags, const struct specifiers *specifiers,
                const struct choice_file *files, size_t count, struct choice **ret);
void choice_free(struct choice *choice);

/* The index of the chosen file. */
#define CHOICE_NONE SIZE_MAX
size_t choice_best(const struct choice *choice);
/* How many versions would fit. */
size_t choice_version_count(const struct choice *choice);
/* The tag by which the best file fits, into ret (3 * (TAG_MAX_BYTES + 1)); "" for a source archive.
 */
void choice_tag(const struct choice *choice, char *ret);

/* Why nothing is taken, one reason per line: "no cp315 wheel for win_amd64; cp314 has 2.9.0 to
 * 2.14.0". With `newer`: why nothing newer than the best file is taken, if the specifiers admit it.
 */
void choice_write_reasons(const struct choice *choice, bool newer, struct buf *to);
/* What other specifiers would allow: "2.5.0 to 2.8.0 have a file for cp313 and win_amd64"; nothing
 * when there is nothing. */
void choice_write_others(const struct choice *choice, struct buf *to);
