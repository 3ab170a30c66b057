// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Functions of libc that nobody here may call: no bound on what they write, or a static buffer, or
 * no way to see an error. The build puts this file in front of every C file by -include; a call is
 * a warning then, and an error where -Werror is on. (gets is gone from C itself.)
 *
 * Declared before libc does, because clang takes no attribute after an inline definition; not
 * poisoned, because system headers mention these names themselves.
 */
#include <time.h>

#define BANNED(instead) __attribute__((deprecated("banned here: use " instead)))

extern char *strcpy(char *, const char *) BANNED("str_copy or struct buf");
extern char *strcat(char *, const char *) BANNED("struct buf");
extern char *strtok(char *, const char *) BANNED("strtok_r or strcspn");
extern int sprintf(char *, const char *, ...) BANNED("snprintf or buf_printf");
extern int vsprintf(char *, const char *, __builtin_va_list) BANNED("vsnprintf or buf_vprintf");
extern int atoi(const char *) BANNED("strtol, with its end checked");
extern struct tm *localtime(const time_t *) BANNED("localtime_r");
extern struct tm *gmtime(const time_t *) BANNED("gmtime_r");
extern char *asctime(const struct tm *) BANNED("clock_rfc3339");
extern char *ctime(const time_t *) BANNED("clock_rfc3339");

#undef BANNED
