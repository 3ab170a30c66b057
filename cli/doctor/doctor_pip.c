// SPDX-License-Identifier: Apache-2.0
/*
 * pip's configuration for `pip install`, by pip's own rules. In ascending rank: files of the
 * machine, of the user and of the virtual environment, the file of PIP_CONFIG_FILE, and PIP_*. A
 * later one overrides an earlier one, but [install] always overrides [global], whichever file it
 * stands in.
 *
 * Values are collected first and judged afterwards, because only the one in force matters to the
 * user.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "base/url.h"
#include "cli/doctor/doctor_stage.h"
#include "config/ini.h"
#include "config/user.h"

/* The settings of pip that decide where it looks. */
enum key { INDEX_URL, EXTRA_INDEX_URL, FIND_LINKS, NO_INDEX, TRUSTED_HOST, PROXY, KEYS };
/* Where a value stands; a higher rank is in force. */
enum rank { GLOBAL, INSTALL, ENVIRONMENT, RANKS };

static const char *const key_names[KEYS] = {"index-url", "extra-index-url", "find-links",
                                            "no-index",  "trusted-host",    "proxy"};

/* A value, and the file or variable that it comes from. */
struct value {
    char *text, *where;
};

/* pip's settings as far as they are read. */
struct pip {
    struct doctor_stage *stage;
    struct value values[KEYS][RANKS];
    const char *path; /* the file that is being read */
};

/* A later file overwrites the value of the same rank. */
static void set(struct pip *pip, const char *key, enum rank rank, const char *text,
                const char *where)
{
    for (int i = 0; i < KEYS; i++) {
        struct value *v = &pip->values[i][rank];

        if (strcmp(key_names[i], key) != 0)
            continue;
        free(v->text);
        free(v->where);
        *v = (struct value){str_dup(text), str_dup(where)};
    }
}

/* Other sections belong to other commands of pip. */
static void take_option(void *context, const char *section, const char *key, const char *value)
{
    struct pip *pip = context;

    if (strcmp(section, "global") == 0)
        set(pip, key, GLOBAL, value, pip->path);
    else if (strcmp(section, "install") == 0)
        set(pip, key, INSTALL, value, pip->path);
}

static void read_file(void *context, const char *path)
{
    struct pip *pip = context;
    auto_buf struct buf text;

    buf_init(&text, DOCTOR_FILE_MAX_BYTES);
    if (!path || !doctor_read(path, &text))
        return;
    pip->path = path;
    ini_read(text.data, take_option, pip);
}

/* pip reads both, and the newer place overrides the older. */
static void read_user_files(struct pip *pip)
{
    auto_free char *old = user_in_home(".pip/pip.conf");
    auto_free char *usual = user_in_config_home("pip/pip.conf");

    read_file(pip, old);
    read_file(pip, usual);
}

/* pip itself uses sys.prefix; the activated environment is the best guess from outside. */
static void read_site_file(struct pip *pip)
{
    const char *site = user_environment("VIRTUAL_ENV");

    site = site ? site : user_environment("CONDA_PREFIX");
    auto_free char *path = site ? str_printf("%s/pip.conf", site) : NULL;
    read_file(pip, path);
}

/* PIP_INDEX_URL for index-url, and so on. */
static void read_environment(struct pip *pip)
{
    for (int i = 0; i < KEYS; i++) {
        auto_free char *name = str_printf("PIP_%s", key_names[i]);

        for (char *c = name; c && *c; c++)
            *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
        if (name && user_environment(name))
            set(pip, key_names[i], ENVIRONMENT, user_environment(name), name);
    }
}

/* In ascending rank; PIP_CONFIG_FILE=/dev/null switches all files off. */
static void read_all(struct pip *pip)
{
    const char *named = user_environment("PIP_CONFIG_FILE");

    if (!named || strcmp(named, "/dev/null") != 0) {
        user_each_config_dir("pip/pip.conf", read_file, pip);
        read_file(pip, "/etc/pip.conf");
        if (!named || access(named, F_OK) < 0)
            read_user_files(pip);
        read_site_file(pip);
        read_file(pip, named);
    }
    read_environment(pip);
}

/* The value in force, or NULL; an empty one counts as none. */
static const struct value *get(const struct pip *pip, enum key key)
{
    for (int rank = RANKS; rank-- > 0;) {
        const struct value *v = &pip->values[key][rank];

        if (v->text && v->where && *v->text)
            return v;
    }
    return NULL;
}

/* ------------------------------------------------------------------ verdicts */

/* Calls `judge` for each word of a list. */
static void each_word(struct pip *pip, enum key key,
                      void (*judge)(struct pip *pip, const char *word, const char *where))
{
    const struct value *v = get(pip, key);
    auto_free char *words = v ? str_dup(v->text) : NULL;
    char *rest = words;

    for (char *word; rest && (word = strsep(&rest, " \t\r\n"));)
        if (*word)
            judge(pip, word, v->where);
}

/* pip accepts plain http only from this machine, unless the host, or host and port, is trusted. */
static bool is_trusted(const struct pip *pip, const struct url *url)
{
    const struct value *v = get(pip, TRUSTED_HOST);
    auto_free char *words = str_dup(v ? v->text : "");
    auto_free char *with_port = str_printf("%s:%d", url->host, url->port);
    char *rest = words;

    if (strcmp(url->scheme, "https") == 0 || url_is_loopback(url->host))
        return true;
    for (char *word; rest && with_port && (word = strsep(&rest, " \t\r\n"));)
        if (!strcasecmp(word, url->host) || !strcasecmp(word, with_port))
            return true;
    return false;
}

/* The most common reason for "no matching distribution" behind plain http. */
static void judge_trust(struct pip *pip, const char *text)
{
    struct url url;

    if (url_parse(text, &url))
        return;
    if (!is_trusted(pip, &url)) {
        auto_free char *remedy =
            str_printf("add trusted-host = %s, or set PIP_TRUSTED_HOST=%s", url.host, url.host);

        findings_add(pip->stage->to, FINDING_FAILED, "client-trusted-host", "pip", remedy,
                     "it ignores http://%s, as plain http from another machine is not trusted",
                     url.host);
    }
    url_release(&url);
}

static void judge_extra(struct pip *pip, const char *word, const char *where)
{
    if (doctor_is_ours(pip->stage, word))
        judge_trust(pip, word);
    else
        doctor_bypass(pip->stage, "pip", "client-extra-index", "extra-index-url", word, where);
}

static void judge_links(struct pip *pip, const char *word, const char *where)
{
    if (!doctor_is_ours(pip->stage, word))
        doctor_bypass(pip->stage, "pip", "client-find-links", "find-links", word, where);
}

/* pip's own proxy setting ignores no_proxy. */
static void judge_proxy(struct pip *pip)
{
    const struct value *v = get(pip, PROXY);
    auto_free char *shown = v ? doctor_shown(v->text) : NULL;

    if (v)
        findings_add(pip->stage->to, FINDING_WARNING, "client-proxy", "pip",
                     "take it away, and set http_proxy and no_proxy instead",
                     "proxy = %s (%s): pip's own proxy takes what goes to us, too, whatever "
                     "no_proxy says",
                     shown ? shown : "?", v->where);
}

/* Everything but the index itself can lead past us. */
static void judge(struct pip *pip)
{
    const struct value *index = get(pip, INDEX_URL);
    const struct value *none = get(pip, NO_INDEX);

    if (none && doctor_is_yes(none->text))
        doctor_no_index(pip->stage, "pip", none->where);
    if (doctor_judge_index(pip->stage, "pip", "index-url", index ? index->text : NULL,
                           index ? index->where : NULL)) {
        judge_trust(pip, index->text);
        judge_proxy(pip);
    }
    each_word(pip, EXTRA_INDEX_URL, judge_extra);
    each_word(pip, FIND_LINKS, judge_links);
}

/* Silent when pip is neither configured nor installed. */
void doctor_pip(struct doctor_stage *stage)
{
    struct pip pip = {.stage = stage};
    bool is_configured = false;

    read_all(&pip);
    for (int key = 0; key < KEYS; key++)
        is_configured |= get(&pip, key) != NULL;
    if (is_configured || user_has_program("pip") || user_has_program("pip3"))
        judge(&pip);
    for (int key = 0; key < KEYS; key++)
        for (int rank = 0; rank < RANKS; rank++) {
            free(pip.values[key][rank].text);
            free(pip.values[key][rank].where);
        }
}
