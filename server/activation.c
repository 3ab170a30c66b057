// SPDX-License-Identifier: Apache-2.0
/*
 * Socket activation by libsystemd. Only listening TCP sockets are accepted, because every HTTP
 * worker calls accept() on them. A socket of another kind is a mistake in the unit file, so the
 * start fails and the log names the socket.
 */
#include "server/activation.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "base/error.h"
#include "base/log.h"

/* A UDP or Unix socket in the unit would otherwise fail much later, inside MHD. */
static bool is_ours(int fd)
{
    return sd_is_socket_inet(fd, AF_INET, SOCK_STREAM, 1, 0) > 0 ||
           sd_is_socket_inet(fd, AF_INET6, SOCK_STREAM, 1, 0) > 0;
}

static int take(char *const *names, int count, int *ret_fds)
{
    for (int i = 0; i < count; i++) {
        if (!is_ours(SD_LISTEN_FDS_START + i)) {
            log_error("inherited socket %s is not a listening TCP socket", names[i]);
            return ERROR_CONFIG;
        }
        ret_fds[i] = SD_LISTEN_FDS_START + i;
    }
    return 0;
}

/* The names serve only for the error message. */
int activation_take(int *ret_fds, size_t max, size_t *ret_count)
{
    char **names = NULL;
    /* 1: the variables leave the environment, so that no child process takes the sockets for its
     * own. */
    int count = sd_listen_fds_with_names(1, &names);
    int r = 0;
    if (count < 0) {
        log_error("LISTEN_FDS and LISTEN_FDNAMES do not match the inherited sockets");
        r = ERROR_CONFIG;
    } else if ((size_t)count > max) {
        log_error("too many inherited sockets: %d", count);
        r = ERROR_CONFIG;
    } else {
        r = take(names, count, ret_fds);
    }
    for (char **name = names; name && *name; name++)
        free(*name);
    free(names);
    if (r)
        return r;
    *ret_count = (size_t)count;
    return 0;
}
