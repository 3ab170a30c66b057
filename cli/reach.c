// SPDX-License-Identifier: Apache-2.0
#include "cli/reach.h"

#include <stdbool.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "config/config.h"

enum { EXIT_USAGE = 2, EXIT_UNREACHABLE = 3, PLACES_MAX_BYTES = 4 << 10 };

int reach_daemon(const char *socket, const char *config_file, struct control_client *ret)
{
    auto_buf struct buf places;
    auto_free char *errors = NULL;
    struct config config;
    buf_init(&places, PLACES_MAX_BYTES);
    bool has_config = !socket && config_load_quietly(config_file, &config, &errors) == 0;
    if (!socket && config_file && !has_config) {
        (void)fputs(errors ? errors : "", stderr);
        return EXIT_USAGE;
    }
    int r = control_client_open(has_config ? config.socket : socket, 0, ret, &places);
    if (has_config)
        config_release(&config);
    if (r == ERROR_DENIED)
        (void)fprintf(stderr,
                      "wheelyard: not for this user: %s; ask as the daemon's user or root\n",
                      places.data);
    else if (r)
        (void)fprintf(stderr, "wheelyard: no daemon answers at %s\n", places.data);
    return r ? EXIT_UNREACHABLE : 0;
}
