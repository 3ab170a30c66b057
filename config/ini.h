// SPDX-License-Identifier: Apache-2.0
#pragma once
/* INI as Python's configparser reads it for pip: `key = value` or `key: value` in [sections]. A
 * line with deeper indentation than its option continues the value. `#` and `;` begin a comment
 * only at the start of a line. Pure. */

/* Calls `take` for every option in the order of the file. The key is in lower case, with '-' for
 * '_'. The value has no white space around it; '\n' separates its lines. Anything that is not INI
 * is skipped. */
void ini_read(const char *text,
              void (*take)(void *context, const char *section, const char *key, const char *value),
              void *context);
