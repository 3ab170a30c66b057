// SPDX-License-Identifier: Apache-2.0
/* activation.h and notify.h in a build without libsystemd: no sockets are inherited, and messages
 * go nowhere. */
#include "server/activation.h"
#include "server/notify.h"

int activation_take(int *ret_fds, size_t max, size_t *ret_count)
{
    (void)ret_fds, (void)max;
    *ret_count = 0;
    return 0;
}

void notify_ready(const char *status)
{
    (void)status;
}

void notify_reloading(void)
{
}

void notify_alive(void)
{
}

void notify_stopping(void)
{
}

uint64_t notify_watchdog_us(void)
{
    return 0;
}
