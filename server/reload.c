// SPDX-License-Identifier: Apache-2.0
#include "server/reload.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "config/config_origins.h"
#include "config/options.h"

enum { ORIGINS_MAX_BYTES = 4 << 20 };

/* config_load writes lines for a terminal; each becomes a log line of its own. */
static void log_lines(char *text)
{
    for (char *line = text, *end; *line; line = end) {
        end = line + strcspn(line, "\n");
        if (*end)
            *end++ = '\0';
        log_error("reload: %s", line);
    }
}

/* The errors go to memory first: standard error belongs to the log thread while the daemon runs. */
static int read_quietly(const struct config_request *request, struct config *ret)
{
    struct config_request again = *request;
    char *complaints = NULL;
    size_t len = 0;
    again.errors = open_memstream(&complaints, &len);
    if (!again.errors)
        return ERROR_NO_MEMORY;
    int r = config_load(&again, ret);
    if (fclose(again.errors) && r == 0) {
        config_release(ret);
        r = ERROR_NO_MEMORY;
    }
    if (complaints)
        log_lines(complaints);
    free(complaints);
    return r;
}

/* Without this warning a user would look in vain for the effect of the change. */
static void warn_of_restart(const struct config *started_with, const struct config *fresh)
{
    for (size_t i = 0; i < option_count; i++)
        if (option_table[i].at_start && !option_is_same(&option_table[i], started_with, fresh))
            log_warning("reload: %s has changed; the change needs a restart", option_table[i].key);
}

int reload_read(const struct config_request *request, const struct config *started_with,
                struct config **ret)
{
    struct config *fresh = calloc(1, sizeof(*fresh));
    if (!fresh)
        return ERROR_NO_MEMORY;
    int r = read_quietly(request, fresh);
    if (r) {
        free(fresh);
        return r;
    }
    warn_of_restart(started_with, fresh);
    *ret = fresh;
    return 0;
}

/* The written form covers every field, so a new field cannot be forgotten here. */
bool reload_is_same_origins(const struct origins *a, const struct origins *b)
{
    auto_buf struct buf left;
    auto_buf struct buf right;
    buf_init(&left, ORIGINS_MAX_BYTES);
    buf_init(&right, ORIGINS_MAX_BYTES);
    config_write_origins(a, &left);
    config_write_origins(b, &right);
    return !left.error && !right.error && left.len == right.len &&
           memcmp(left.data, right.data, left.len) == 0;
}

void reload_free(struct config *config)
{
    if (!config)
        return;
    config_release(config);
    free(config);
}
