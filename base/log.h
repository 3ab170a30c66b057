// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * One line per event on stderr, key=value where there are values. Lines are queued and written by
 * the log thread, many in one write, so that no caller ever waits for a terminal or a journal.
 * Errors and warnings are written at once, the rest within some 10 ms. When the queue is full
 * (8,192 lines or 8 MiB) lines are dropped and their number is logged in their place. Before
 * log_start and after log_stop lines are written by the caller. A line ends at 8 KiB; control
 * characters become `?`. Under systemd (JOURNAL_STREAM) a line begins with <3> to <7>.
 *
 * Of lines that come again and again word for word (a mirror is dead and tried every two seconds)
 * log_repeated writes the first; the others are counted, and after a minute the line is written
 * once more with their number: "... (repeated 14 times)".
 *
 * Only server/ and engine/ log above debug. Any thread may log.
 */
enum log_level {
    LOG_LEVEL_ERROR = 3,
    LOG_LEVEL_WARNING = 4,
    LOG_LEVEL_INFO = 6,
    LOG_LEVEL_DEBUG = 7
};

int log_start(void); /* main thread, as log_stop; may follow it */
void log_stop(void); /* writes what is queued */
void log_set_level(enum log_level most);

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

void log_repeated(enum log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Writes the numbers whose minute is over; to be called now and then. */
void log_settle(void);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
