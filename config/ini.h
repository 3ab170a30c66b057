// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * INI as Python's configparser reads it for pip: `key = value` or `key: value` in [sections], lines
 * indented deeper than their option are more of its value, `#` and `;` begin a comment at the
 * beginning of a line alone. Pure.
 */

/* Calls `take` for every option in the order of the file. Key in lower case, with '-' for '_'; the
 * value without white space around it, its lines parted by '\n'. What is no INI is passed over. */
void ini_read(const char *text,
              void (*take)(void *context, const char *section, const char *key, const char *value),
              void *context);
