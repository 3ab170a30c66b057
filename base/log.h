// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * One line per event on stderr, with key=value where there are values. Lines are queued, and the
 * log thread writes many at once, so that no caller waits for a terminal or a journal. Errors and
 * warnings are written at once, the rest within about 10 ms. When the queue is full (8,192 lines or
 * 8 MiB) lines are dropped, and the log says how many. Before log_start and after log_stop the
 * caller writes its own lines. A line ends at 8 KiB; control characters become `?`. Under systemd
 * (JOURNAL_STREAM) a line begins with <3> to <7>.
 *
 * log_repeated is for lines that come again word for word, such as those of a dead mirror that is
 * tried every two seconds. It writes the first one and counts the others. After a minute it writes
 * the line again with the count: "... (repeated 14 times)".
 *
 * Only server/, control/ and engine/ log above debug. Any thread may log.
 */
enum log_level {
    LOG_LEVEL_ERROR = 3,
    LOG_LEVEL_WARNING = 4,
    LOG_LEVEL_INFO = 6,
    LOG_LEVEL_DEBUG = 7
};

int log_start(void); /* main thread, like log_stop; may follow a log_stop */
void log_stop(void); /* writes what is queued */
void log_set_level(enum log_level most);

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

void log_repeated(enum log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Writes the counts whose minute is over; call it now and then. */
void log_settle(void);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
