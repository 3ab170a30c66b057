// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What the service manager is told, where there is one ($NOTIFY_SOCKET); else nothing happens. A
 * manager that is gone is no error of ours. Main thread.
 *
 *     notify_ready(...)     serving; also the end of a reload
 *     notify_reloading()    until notify_ready
 *     notify_alive()        as often as notify_watchdog_us asks (server/watchdog.h)
 *     notify_stopping()
 */
#include <stdint.h>

/* `status` is for people: one line of `systemctl status`. */
void notify_ready(const char *status);
void notify_reloading(void);
void notify_alive(void);
void notify_stopping(void);

/* How long the manager waits between two notify_alive before it ends us; 0: it does not. */
uint64_t notify_watchdog_us(void);
