// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Functions of libc that this program must not call: they write without a bound, return a static
 * buffer, or hide errors. The build puts this file before every C file by -include. A call is a
 * warning, and an error with -Werror. (gets is gone from C itself.)
 *
 * They are declared before libc declares them, because clang accepts no attribute after an inline
 * definition. They are not poisoned, because system headers use these names.
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
