// SPDX-License-Identifier: Apache-2.0
/* Any text as the configuration file: refused with words, or taken, shown, and read back from what
 * was shown as the same. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "config/config.h"
#include "fuzz.h"

static int file = -1;
static char path[32];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    file = memfd_create("wheelyard.conf", MFD_CLOEXEC);
    require(file >= 0);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    return 0;
}

static const char *environment(const char *name)
{
    return strcmp(name, "HOME") == 0 ? "/home/user" : NULL;
}

/* What was said of what is wrong is none of the outputs where all is well. */
static int load(const char *text, size_t len, struct config *ret)
{
    auto_free char *said = NULL;
    size_t said_len = 0;
    struct config_request request = {.file = path, .environment = environment};

    require(ftruncate(file, 0) == 0 && file_write_at(file, text, len, 0) == 0);
    request.errors = open_memstream(&said, &said_len);
    require(request.errors != NULL);
    int r = config_load(&request, ret);
    require(fclose(request.errors) == 0);
    require(r == 0 || r == ERROR_CONFIG);
    require((r == 0) == (said_len == 0));
    require(r == 0 || said[said_len - 1] == '\n');
    return r;
}

static void show(const struct config *config, char **ret, size_t *ret_len)
{
    FILE *to = open_memstream(ret, ret_len);

    require(to != NULL);
    require(config_show(config, to) == 0);
    require(fclose(to) == 0);
}

/* The comments that say where values came from differ: what was built in is in the file now. */
static void drop_sources(char *text)
{
    static const char *const sources[] = {" # built-in\n", " # directories\n", " # file\n"};

    for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++)
        for (char *s = text; (s = strstr(s, sources[i]));)
            memmove(s, s + strlen(sources[i]) - 1, strlen(s + strlen(sources[i]) - 1) + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config config;
    struct config again;
    auto_free char *first = NULL;
    auto_free char *second = NULL;
    size_t len = 0;

    if (load((const char *)data, size, &config) != 0)
        return 0;
    require(config.listen && config.listen[0] && config.origins.count > 0);
    show(&config, &first, &len);
    require(load(first, len, &again) == 0);
    show(&again, &second, &len);
    drop_sources(first);
    drop_sources(second);
    require(fuzz_same(first, second));
    config_release(&config);
    config_release(&again);
    return 0;
}
