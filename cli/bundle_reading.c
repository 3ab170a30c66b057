// SPDX-License-Identifier: Apache-2.0
#include "cli/bundle_reading.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "config/config.h"

enum { EXIT_USAGE = 2, TICK_MS = 200 };

/* --------------------------------------------------------------------- key */

static int refuse(const char *command, const char *what, const char *why)
{
    (void)fprintf(stderr, "wheelyard %s: %s: %s\n", command, what, why);
    return EXIT_USAGE;
}

/* A key's one line, or the file that holds it. */
static int read_key(const char *command, const char *key, struct minisign_public *ret)
{
    const char *why = "";
    auto_buf struct buf text;
    buf_init(&text, MINISIGN_FILE_MAX);
    if (minisign_public_read(key, strlen(key), ret, &why) == 0)
        return BUNDLE_GO_ON;
    int r = file_read_all(key, &text);
    if (r == FILE_MISSING)
        return refuse(command, key, "there is no such file, and it is no public key of minisign");
    if (r)
        return refuse(command, key, error_text(r));
    r = minisign_public_read(text.data, text.len, ret, &why);
    return r ? refuse(command, key, why) : BUNDLE_GO_ON;
}

int bundle_find_key(const char *command, const char *key, const char *config_file,
                    struct minisign_public *ret, bool *ret_has)
{
    struct config config;
    auto_free char *errors = NULL;
    *ret_has = true;
    if (key)
        return read_key(command, key, ret);
    int r = config_load_quietly(config_file, &config, &errors);
    *ret_has = r == 0 && config.bundle_key;
    if (r && !config_file)
        return BUNDLE_GO_ON;
    if (r) {
        (void)fputs(errors ? errors : error_text(r), stderr);
        return EXIT_USAGE;
    }
    int code = config.bundle_key ? read_key(command, config.bundle_key, ret) : BUNDLE_GO_ON;
    config_release(&config);
    return code;
}

/* ------------------------------------------------------------------- check */

static bool show_progress(void *context, int64_t done, int64_t total)
{
    int64_t *shown_ms = context;
    int64_t now_ms = clock_monotonic_ms();
    if (now_ms - *shown_ms < TICK_MS)
        return true;
    *shown_ms = now_ms;
    (void)fprintf(stderr, "\r%3d %% of %" PRId64 " MB ",
                  total > 0 ? (int)((double)done * 100 / (double)total) : 100, total / 1000000);
    return true;
}

/* The line of progress is taken away at the end. */
int bundle_check(struct reader *reader)
{
    int64_t shown_ms = 0;
    struct reader_watch watch = {.progress = show_progress, .context = &shown_ms};
    bool is_terminal = isatty(STDERR_FILENO) == 1;
    int r = reader_check(reader, is_terminal ? &watch : NULL);
    if (is_terminal)
        (void)fputs("\r\033[K", stderr);
    return r;
}

bool bundle_is_trusted(const struct reader_bundle *bundle, bool takes_unsigned)
{
    return bundle->trust == READER_SIGNED ||
           (takes_unsigned && (bundle->trust == READER_UNSIGNED || bundle->trust == READER_NO_KEY));
}
