// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The shared test data: a folder named by WHEELYARD_DATA, else ../shared/data beside the source
 * tree; and the files in tests/data/, which are part of it.
 */
#include <stdbool.h>

#include "base/buf.h"

enum { DATA_MAX_BYTES = 256 << 20 };

/* Reads a file below the shared folder, unpacked when its name ends in .gz; false when there is
 * none. Initialises `ret`; fails the test on any other error. */
bool data_read(const char *path, struct buf *ret);

/* The table of what is expected of a page: expected/<page>.tsv, or .tsv.gz. */
bool data_read_table(const char *page, struct buf *ret);

/* Reads tests/data/<name> or fails the test. */
void data_read_own(const char *name, struct buf *ret);

/* Takes the next line of a table off *text and splits it at its tabs into at most `max` fields,
 * undoing the escapes \\ \t \n \r; the missing ones are "". False at the end. */
bool data_next_row(char **text, char **fields, int max);
