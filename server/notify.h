// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Messages to the service manager ($NOTIFY_SOCKET). Without a manager they do nothing, and a failed
 * message is not an error. Main thread.
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

/* How long the manager waits for the next notify_alive before it ends us; 0: it does not wait for
 * one. */
uint64_t notify_watchdog_us(void);
