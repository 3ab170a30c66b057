// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Reads the configuration again while the daemon runs (SIGHUP). A mistake goes to the log, and
 * nothing changes. A change that needs a restart is named in a warning.
 *
 *     r = reload_read(&request, started_with, &fresh);
 *     if (r == 0) ... use it; it must live as long as anything points into its origins
 *
 * Main thread.
 */
#include "config/config.h"

/* `request` and `started_with` are those of the start. Options that the table marks "at start" keep
 * their first value. ERROR_CONFIG: the file is wrong, and the log says why. ERROR_NO_MEMORY. Free
 * the result with reload_free. */
int reload_read(const struct config_request *request, const struct config *started_with,
                struct config **ret);
void reload_free(struct config *config); /* NULL is legal */
/* Whether two configurations agree about origins and indexes; pages then stay as they are. */
bool reload_is_same_origins(const struct origins *a, const struct origins *b);
