// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The configuration read again while the daemon runs (SIGHUP). What is wrong with it goes to the
 * log and nothing changes; what only a restart can change is named in a warning.
 *
 *     r = reload_read(&request, started_with, &fresh);
 *     if (r == 0) ... use it; it must live as long as whatever points into its origins
 *
 * Main thread.
 */
#include "config/config.h"

/* `request` is that of the start, `started_with` the configuration then: in force until the end
 * where the table of options says "at start". ERROR_CONFIG: it is wrong, all is logged.
 * ERROR_NO_MEMORY. reload_free the result. */
int reload_read(const struct config_request *request, const struct config *started_with,
                struct config **ret);
void reload_free(struct config *config); /* NULL is legal */
/* Whether two configurations say the same of origins and indexes: then pages need not be made anew.
 */
bool reload_is_same_origins(const struct origins *a, const struct origins *b);
