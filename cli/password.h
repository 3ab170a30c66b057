// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Passwords: the first line of a file, or what is typed on the terminal, which does not show it.
 * Main thread of a command. */
#include <stddef.h>

/* `file` or NULL: the terminal is asked, with `prompt`. ERROR_BAD_REQUEST: neither file nor
 * terminal gives one that fits; that was said on standard error. */
int password_read(const char *file, const char *prompt, char *to, size_t size);
