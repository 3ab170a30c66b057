// SPDX-License-Identifier: Apache-2.0
#include "config_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/str.h"

char stage_directory[] = "/tmp/test-config-XXXXXX";
static struct {
    const char *name, *value;
} variables[8];
static size_t variable_count;

static const char *fake_environment(const char *name)
{
    for (size_t i = 0; i < variable_count; i++)
        if (strcmp(variables[i].name, name) == 0)
            return variables[i].value;
    return NULL;
}

void stage_set_variable(const char *name, const char *value)
{
    variables[variable_count].name = name;
    variables[variable_count++].value = value;
}

int stage_clear_variables(void **state)
{
    (void)state;
    variable_count = 0;
    return 0;
}

int stage_make(void **state)
{
    (void)state;
    return mkdtemp(stage_directory) ? 0 : -1;
}

int stage_remove(void **state)
{
    (void)state;
    char *command = str_printf("rm -r %s", stage_directory);
    int r = command ? system(command) : -1;
    free(command);
    return r;
}

const char *stage_write(const char *name, const char *text)
{
    static char paths[2][256];
    static unsigned turn;
    char *path = paths[turn++ % 2];
    snprintf(path, sizeof paths[0], "%s/%s", stage_directory, name);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    assert_int_equal(file_make_directory(path, 0700), 0);
    *slash = '/';
    assert_int_equal(file_replace(path, text, strlen(text)), 0);
    return path;
}

int stage_load(struct config_request *request, struct config *ret, char **ret_errors)
{
    char *text = NULL;
    size_t len = 0;
    FILE *errors = open_memstream(&text, &len);
    request->environment = fake_environment;
    request->errors = errors;
    int r = config_load(request, ret);
    fclose(errors);
    *ret_errors = text;
    return r;
}

void stage_load_fine(struct config_request *request, struct config *ret)
{
    char *errors = NULL;
    int r = stage_load(request, ret, &errors);
    if (r)
        fail_msg("%d: %s", r, errors);
    assert_string_equal(errors, "");
    free(errors);
}

char *stage_show(const struct config *config)
{
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    assert_int_equal(config_show(config, to), 0);
    fclose(to);
    return text;
}
