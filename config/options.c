// SPDX-License-Identifier: Apache-2.0
/*
 * To add an option: a member in struct config, a row in the table, its key in config/default.toml.
 * Everything else walks the table. Values are typed by the row; `offset` finds the member.
 */
#include "config/options.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/network.h"
#include "base/str.h"
#include "base/url.h"

enum { LIST_MAX = 64, TEXT_MAX_BYTES = 1 << 20 };
#define SECOND_MS INT64_C(1000)
#define DAY_MS (24 * 60 * 60 * SECOND_MS)

/* ----------------------------------------------------- what a text must be */

static const char *check_listen(const char *text)
{
    char host[CONFIG_HOST_SIZE];
    int port;
    return config_split_listen(text, host, &port)
               ? "not an address and port such as 127.0.0.1:8503 or [::1]:8503"
               : NULL;
}

static const char *check_path(const char *text)
{
    return text[0] == '/' ? NULL : "not an absolute path";
}

/* The name only: a port in `hosts` is a common mistake. */
static const char *check_host(const char *text)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    return *text && !text[strspn(text, allowed)] ? NULL : "not a host name (without port)";
}

static const char *check_network(const char *text)
{
    struct network network;
    return network_parse(text, &network)
               ? "not an address or network such as 192.168.0.0/16 or fd00::/8"
               : NULL;
}

/* Bytes of base64 in the one line of minisign's public keys, which begins with "RW". */
enum { BUNDLE_KEY_LENGTH = 56 };

static const char *check_bundle_key(const char *text)
{
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (text[0] == '/' || (str_starts(text, "RW") && strspn(text, base64) == BUNDLE_KEY_LENGTH &&
                           !text[BUNDLE_KEY_LENGTH]))
        return NULL;
    return "not minisign's public key (a line that begins with RW), nor an absolute path of its "
           "file";
}

/* The proxy schemes of libcurl; the rest must be a valid URL. */
static const char *check_proxy(const char *text)
{
    static const char *const schemes[] = {"http",    "https",  "socks4",
                                          "socks4a", "socks5", "socks5h"};
    static const char wrong[] =
        "not a proxy such as http://127.0.0.1:7890 or socks5h://127.0.0.1:1080";
    const char *rest = strstr(text, "://");
    for (size_t i = 0; rest && i < sizeof schemes / sizeof *schemes; i++) {
        if ((size_t)(rest - text) != strlen(schemes[i]) || !str_starts(text, schemes[i]))
            continue;
        char *as_http = str_printf("http%s", rest);
        struct url url;
        int r = as_http ? url_parse(as_http, &url) : ERROR_NO_MEMORY;
        free(as_http);
        if (r == 0)
            url_release(&url);
        return r ? wrong : NULL;
    }
    return wrong;
}

/* --------------------------------------------------------------- the table */

#define MEMBER(member) offsetof(struct config, member)

const struct option_row option_table[] = {
    {"listen", OPTION_LIST, MEMBER(listen), 1, LIST_MAX, check_listen, "ADDR:PORT",
     "address to listen on; may be repeated",
     "The default is loopback, because anybody who reaches the port can use the cache. "
     "\"0.0.0.0:8503\" and \"[::]:8503\" mean all addresses. Sockets that systemd opened "
     "(wheelyard.socket) replace this list.",
     true},
    {"cache_dir", OPTION_PATH, MEMBER(engine.cache_dir), 0, 0, check_path, "DIR",
     "directory of the files and their catalogue",
     "Without it: the directory that systemd names in CACHE_DIRECTORY; for root "
     "/var/cache/wheelyard; for others $XDG_CACHE_HOME/wheelyard or ~/.cache/wheelyard. One daemon "
     "uses one directory. It must not be a link, and it must not be writable for everybody.",
     true},
    {"max_size", OPTION_SIZE, MEMBER(engine.max_size), 1, INT64_MAX, NULL, "SIZE",
     "largest size of the cache: 200GB, 150GiB",
     "Beyond it the least recently used files go. A single file that is larger passes through "
     "without being kept.",
     false},
    {"min_free", OPTION_SIZE, MEMBER(engine.min_free), 0, INT64_MAX, NULL, "SIZE",
     "free space that stays on the cache's disk",
     "The least recently used files make room for a new one. If that is not enough, the new file "
     "passes through without being kept.",
     false},
    {"proxy", OPTION_TEXT, MEMBER(engine.proxy), 0, 0, check_proxy, "URL",
     "proxy to the mirrors; default: https_proxy, http_proxy",
     "Its scheme is http, https, socks4, socks4a, socks5 or socks5h.", true},
    {"no_proxy", OPTION_TEXT, MEMBER(engine.no_proxy), 0, 0, NULL, "HOSTS",
     "hosts to reach without the proxy, separated by commas",
     "It applies to the key proxy and to the variables of the environment.", true},
    {"ca_file", OPTION_PATH, MEMBER(engine.ca_file), 0, 0, check_path, "FILE",
     "certificate authorities for mirrors, beside the system's", "The file is PEM.", true},
    {"credentials", OPTION_PATH, MEMBER(engine.credentials), 0, 0, check_path, "FILE",
     "netrc file with users and passwords of mirrors",
     "Lines are \"machine HOST login USER password PASSWORD\". Only its owner may read it (mode "
     "0600). A password goes to its host alone, and never into the log, the status or a page. The "
     "file is read anew for each request. Without it: credentials in the directory that systemd "
     "names in CREDENTIALS_DIRECTORY (LoadCredential=).",
     true},
    {"hosts", OPTION_LIST, MEMBER(hosts), 0, LIST_MAX, check_host, "NAME",
     "name by which clients call this machine; may be repeated",
     "A request under any other name is refused, because a web page must not reach the daemon "
     "under a name that an attacker controls (DNS rebinding). Addresses, localhost and the "
     "machine's own name are always accepted.",
     false},
    {"allow_clients", OPTION_LIST, MEMBER(allow_clients), 0, LIST_MAX, check_network, "NETWORK",
     "network whose clients may ask; may be repeated; default: all",
     "Others get 403 and a sentence. Loopback is always allowed. Behind a reverse proxy this means "
     "the proxy's clients, if it stands in trusted_proxies; otherwise all clients look like the "
     "proxy.",
     false},
    {"trusted_proxies", OPTION_LIST, MEMBER(trusted_proxies), 0, LIST_MAX, check_network, "NETWORK",
     "reverse proxy that is believed about its clients; may be repeated",
     "Forwarded, or X-Forwarded-For, -Proto, -Host and -Prefix of these proxies tell who the "
     "client "
     "is and how it calls us. The client is the last address in the list that is no trusted proxy. "
     "The proxy must append to these headers or replace them.",
     false},
    {"page_memory", OPTION_SIZE, MEMBER(engine.page_memory), 1 << 20, INT64_MAX, NULL, "SIZE",
     "memory for finished pages",
     "Listings, from which pages are made, may take as much again. Beyond it the least recently "
     "used go; they come back from the disk.",
     false},
    {"max_memory", OPTION_SIZE, MEMBER(engine.max_memory), 64 << 20, INT64_MAX, NULL, "SIZE",
     "memory that the daemon may take in all",
     "It covers all private memory of the process: pages and listings (page_memory for each), "
     "pages that are being received (a quarter at most), the work of reading and building pages, "
     "replies that clients do not read, 10 MiB to receive files into, and 10 KiB for each "
     "connection. Files that are sent do not count: they are in the system's page cache. Work on a "
     "page begins when there is room for it. A page that is too large for that is a 503 that says "
     "so. Near the limit pages and listings go. Then pages that are not in memory are a 503 for a "
     "while.",
     false},
    {"page_refresh", OPTION_DURATION, MEMBER(engine.page_refresh_ms), 10, 7 * DAY_MS, NULL, "TIME",
     "age at which a page is asked for again: 10min",
     "A page is built anew only if what its mirrors list has changed.", false},
    {"listing_timeout", OPTION_DURATION, MEMBER(engine.listing_timeout_ms), 10, 60 * SECOND_MS,
     NULL, "TIME", "longest wait for the slower mirrors of a page",
     "After it, a first page is answered with what there is, and late mirrors complete it. A "
     "mirror that has sent no byte by then is left alone for a while.",
     true},
    {"offline", OPTION_BOOL, MEMBER(engine.offline), 0, 0, NULL, "",
     "serve what is held, and never ask a mirror",
     "Pages list exactly the files that are held, and folders. No name is resolved and no "
     "connection is made.",
     true},
    {"connect_timeout", OPTION_DURATION, MEMBER(engine.connect_timeout_ms), 10, 60 * SECOND_MS,
     NULL, "TIME", "longest wait for a connection to a mirror", NULL, true},
    {"stall_timeout", OPTION_DURATION, MEMBER(engine.stall_timeout_ms), 10, 600 * SECOND_MS, NULL,
     "TIME", "longest silence of a mirror within a file or page",
     "After it, the rest of a file comes from another mirror.", true},
    {"connections_per_mirror", OPTION_COUNT, MEMBER(engine.connections_per_mirror), 1, 64, NULL,
     "N", "connections to one mirror at a time",
     "This number is for files, and a quarter of it is kept for small ones. Pages have as many "
     "connections of their own. A client that has none of these gets one at once, up to twice as "
     "many in all.",
     false},
    {"connections_per_file", OPTION_COUNT, MEMBER(engine.connections_per_file), 1, 64, NULL, "N",
     "connections to one mirror at a time for one file",
     "A large file comes in segments, over several connections and from every mirror that has it.",
     false},
    {"workers", OPTION_COUNT, MEMBER(workers), 0, 256, NULL, "N",
     "HTTP threads per address; 0 means one per core",
     "With sockets that systemd opened: threads per socket.", true},
    {"socket", OPTION_PATH, MEMBER(socket), 0, 0, check_path, "PATH",
     "control socket for commands such as wheelyard cache",
     "Without it: control.sock in the directory that systemd names in RUNTIME_DIRECTORY, in "
     "$XDG_RUNTIME_DIR/wheelyard, or in /run/wheelyard. Only its owner may open it.",
     true},
    {"bundle_key", OPTION_TEXT, MEMBER(bundle_key), 0, 0, check_bundle_key, "KEY",
     "minisign's public key that bundles must be signed with",
     "The line of the key's file that begins with RW, or the absolute path of that file. Commands "
     "that read bundles use it where --key does not name another.",
     false},
    {"scrub_after", OPTION_DURATION, MEMBER(engine.scrub_after_ms), SECOND_MS, 20 * DAY_MS, NULL,
     "TIME", "age at which a kept file is checked again: 10d",
     "One file at a time is compared with its digest, slowly, and only while nothing is fetched. "
     "What is wrong is fetched again.",
     false},
    {"audit_log", OPTION_PATH, MEMBER(audit_log), 0, 0, NULL, "PATH",
     "file for one line per answer with a file, and per refusal",
     "One JSON object per line; see AUDIT LOG. A reload opens the file anew, so that logrotate can "
     "move it away first. Not set: no such log.",
     false},
    {"log_level", OPTION_LEVEL, MEMBER(log_level), 0, 0, NULL, "LEVEL",
     "what is logged: error, warning, info or debug", NULL, false},
};
const size_t option_count = sizeof option_table / sizeof *option_table;
_Static_assert(sizeof option_table / sizeof *option_table <= CONFIG_OPTIONS_MAX,
               "struct config has a source for every option");

const struct option_row *option_find(const char *key)
{
    for (size_t i = 0; i < option_count; i++)
        if (strcmp(option_table[i].key, key) == 0)
            return &option_table[i];
    return NULL;
}

/* The address of an option's value in struct config. */
static void *place(const struct option_row *option, struct config *config)
{
    return (char *)config + option->offset;
}

static const void *place_const(const struct option_row *option, const struct config *config)
{
    return (const char *)config + option->offset;
}

/* ------------------------------------------------------------------ numbers */

/* A unit of sizes or times. */
struct unit {
    const char *name;
    int64_t factor;
};

/* Largest first: writing uses the first unit that divides the value. */
static const struct unit size_units[] = {{"TB", INT64_C(1000000000000)},
                                         {"TiB", INT64_C(1) << 40},
                                         {"GB", 1000000000},
                                         {"GiB", 1 << 30},
                                         {"MB", 1000000},
                                         {"MiB", 1 << 20},
                                         {"kB", 1000},
                                         {"KB", 1000},
                                         {"KiB", 1 << 10},
                                         {"B", 1},
                                         {NULL, 0}};
static const struct unit duration_units[] = {
    {"d", DAY_MS}, {"h", 3600 * SECOND_MS}, {"min", 60 * SECOND_MS}, {"s", SECOND_MS}, {"ms", 1},
    {NULL, 0}};

/* Parses "<digits>[ ]<unit>"; -1 for anything else, and on overflow. */
static int64_t parse_amount(const char *text, const struct unit *units)
{
    int64_t amount = 0;
    const char *s = text;
    for (; *s >= '0' && *s <= '9'; s++)
        if (__builtin_mul_overflow(amount, 10, &amount) ||
            __builtin_add_overflow(amount, *s - '0', &amount))
            return -1;
    if (s == text)
        return -1;
    if (!*s && units == size_units)
        return amount;
    s += *s == ' ';
    for (; units->name; units++)
        if (strcmp(units->name, s) == 0)
            return __builtin_mul_overflow(amount, units->factor, &amount) ? -1 : amount;
    return -1;
}

int64_t option_parse_size(const char *text)
{
    return parse_amount(text, size_units);
}

int64_t option_parse_duration(const char *text)
{
    return parse_amount(text, duration_units);
}

/* The written form reads back to the same number. */
static void write_amount(struct buf *to, int64_t amount, const struct unit *units)
{
    while (units[1].name && (amount == 0 || amount % units->factor))
        units++;
    buf_printf(to, "\"%" PRId64 "%s\"", amount / units->factor, units->name);
}

static const char *set_number(const struct option_row *option, int64_t value, void *to,
                              const char *malformed)
{
    if (value < 0)
        return malformed;
    if (value < option->least)
        return "too small";
    if (value > option->most)
        return "too large";
    if (option->type == OPTION_SIZE)
        *(int64_t *)to = value;
    else
        *(int *)to = (int)value;
    return NULL;
}

static const char not_a_size[] = "not a size such as \"200GB\", \"5GiB\" or a number of bytes";
static const char not_a_duration[] = "not a duration such as \"250ms\", \"5s\", \"10min\", \"30d\"";
static const char not_a_number[] = "not a whole number";

/* ------------------------------------------------------------- log levels */

static const struct {
    const char *name;
    enum log_level level;
} levels[] = {{"error", LOG_LEVEL_ERROR},
              {"warning", LOG_LEVEL_WARNING},
              {"info", LOG_LEVEL_INFO},
              {"debug", LOG_LEVEL_DEBUG}};

static const char not_a_bool[] = "not true or false";

static const char *set_bool(const char *text, bool *to)
{
    bool yes = strcmp(text, "true") == 0;
    if (!yes && strcmp(text, "false") != 0)
        return not_a_bool;
    *to = yes;
    return NULL;
}

static const char *set_level(const char *text, enum log_level *to)
{
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (strcmp(levels[i].name, text) == 0) {
            *to = levels[i].level;
            return NULL;
        }
    return "not one of error, warning, info, debug";
}

static const char *level_name(enum log_level level)
{
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (levels[i].level == level)
            return levels[i].name;
    return "info";
}

/* ---------------------------------------------------------- texts and lists */

static void free_list(char **list)
{
    for (char **s = list; s && *s; s++)
        free(*s);
    free(list);
}

static size_t count_list(char *const *list)
{
    size_t n = 0;
    while (list && list[n])
        n++;
    return n;
}

static int set_text(const struct option_row *option, const char *text, const char **to,
                    const char **ret_why)
{
    const char *why = !*text ? "empty" : option->check ? option->check(text) : NULL;
    if (why) {
        *ret_why = why;
        return OPTION_WRONG;
    }
    char *copy = strdup(text);
    if (!copy)
        return ERROR_NO_MEMORY;
    free((char *)*to);
    *to = copy;
    return 0;
}

/* Adds a checked copy of text[0..len) to a list with room for LIST_MAX elements and the final NULL.
 */
static int add_element(const struct option_row *option, const char *text, size_t len, char **list,
                       const char **ret_why)
{
    size_t n = count_list(list);
    if (n == LIST_MAX) {
        *ret_why = "too many values";
        return OPTION_WRONG;
    }
    char *copy = strndup(text, len);
    if (!copy)
        return ERROR_NO_MEMORY;
    const char *why = !*copy ? "empty" : option->check ? option->check(copy) : NULL;
    if (why) {
        free(copy);
        *ret_why = why;
        return OPTION_WRONG;
    }
    list[n] = copy;
    return 0;
}

static int add_elements_of_text(const struct option_row *option, const char *text, char **list,
                                const char **ret_why)
{
    static const char separators[] = ", \t\n";
    for (const char *s = text + strspn(text, separators); *s; s += strspn(s, separators)) {
        size_t len = strcspn(s, separators);
        int r = add_element(option, s, len, list, ret_why);
        if (r)
            return r;
        s += len;
    }
    return 0;
}

static int add_elements_of_node(const struct option_row *option, const struct toml_node *node,
                                char **list, const char **ret_why)
{
    for (size_t i = 0; i < toml_count(node); i++) {
        const char *text = toml_string(toml_at(node, i, NULL));
        if (!text) {
            *ret_why = "must be a list of strings";
            return OPTION_WRONG;
        }
        int r = add_element(option, text, strlen(text), list, ret_why);
        if (r)
            return r;
    }
    return 0;
}

/* Takes either `text` or `node`. The old list stays when anything is wrong. */
static int set_list(const struct option_row *option, const char *text, const struct toml_node *node,
                    char ***to, const char **ret_why)
{
    char **list = calloc(LIST_MAX + 1, sizeof *list);
    if (!list)
        return ERROR_NO_MEMORY;
    int r = text ? add_elements_of_text(option, text, list, ret_why)
                 : add_elements_of_node(option, node, list, ret_why);
    if (r == 0 && count_list(list) < (size_t)option->least) {
        *ret_why = "must not be empty";
        r = OPTION_WRONG;
    }
    if (r) {
        free_list(list);
        return r;
    }
    free_list(*to);
    *to = list;
    return 0;
}

/* ----------------------------------------------------------------- setters */

static int wrong(const char *why, const char **ret_why)
{
    if (!why)
        return 0;
    *ret_why = why;
    return OPTION_WRONG;
}

int option_set_text(const struct option_row *option, const char *text, struct config *config,
                    const char **ret_why)
{
    void *to = place(option, config);
    switch (option->type) {
    case OPTION_TEXT:
    case OPTION_PATH:
        return set_text(option, text, to, ret_why);
    case OPTION_LIST:
        return set_list(option, text, NULL, to, ret_why);
    case OPTION_SIZE:
        return wrong(set_number(option, parse_amount(text, size_units), to, not_a_size), ret_why);
    case OPTION_DURATION:
        return wrong(set_number(option, parse_amount(text, duration_units), to, not_a_duration),
                     ret_why);
    case OPTION_COUNT: {
        /* a number without a unit parses as a size in bytes */
        bool digits = !text[strspn(text, "0123456789")];
        return wrong(
            set_number(option, digits ? parse_amount(text, size_units) : -1, to, not_a_number),
            ret_why);
    }
    case OPTION_BOOL:
        return wrong(set_bool(text, to), ret_why);
    case OPTION_LEVEL:
        return wrong(set_level(text, to), ret_why);
    }
    return ERROR_CONFIG;
}

/* For a TOML value of another type than the option's. */
static const char *needed_type(enum option_type type)
{
    switch (type) {
    case OPTION_TEXT:
    case OPTION_PATH:
    case OPTION_LEVEL:
        return "must be a string";
    case OPTION_LIST:
        return "must be a list of strings";
    case OPTION_SIZE:
        return not_a_size;
    case OPTION_DURATION:
        return not_a_duration;
    case OPTION_COUNT:
        return not_a_number;
    case OPTION_BOOL:
        return "must be true or false";
    }
    return "";
}

int option_set_node(const struct option_row *option, const struct toml_node *node,
                    struct config *config, const char **ret_why)
{
    void *to = place(option, config);
    enum toml_type type = toml_type(node);
    bool takes_integers = option->type == OPTION_SIZE || option->type == OPTION_COUNT;
    if (type == TOML_ARRAY && option->type == OPTION_LIST)
        return set_list(option, NULL, node, to, ret_why);
    if (type == TOML_INTEGER && takes_integers)
        return wrong(set_number(option, toml_integer(node), to, "must not be negative"), ret_why);
    if (type == TOML_BOOLEAN && option->type == OPTION_BOOL) {
        *(bool *)to = toml_boolean(node);
        return 0;
    }
    if (type == TOML_STRING && option->type != OPTION_LIST && option->type != OPTION_COUNT &&
        option->type != OPTION_BOOL)
        return option_set_text(option, toml_string(node), config, ret_why);
    return wrong(needed_type(option->type), ret_why);
}

int option_append_text(const struct option_row *option, const char *text, struct config *config,
                       const char **ret_why)
{
    return add_elements_of_text(option, text, *(char ***)place(option, config), ret_why);
}

/* Numbers need no release; texts and lists are owned. */
void option_release(const struct option_row *option, struct config *config)
{
    void *at = place(option, config);
    if (option->type == OPTION_TEXT || option->type == OPTION_PATH) {
        free(*(char **)at);
        *(char **)at = NULL;
    } else if (option->type == OPTION_LIST) {
        free_list(*(char ***)at);
        *(char ***)at = NULL;
    }
}

/* ----------------------------------------------------------------- writing */

/* A basic string of TOML: control bytes are escaped, everything else stays UTF-8. */
void option_write_string(struct buf *to, const char *s)
{
    buf_putc(to, '"');
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            buf_printf(to, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            buf_printf(to, "\\u%04X", c);
        else
            buf_putc(to, *s);
    }
    buf_putc(to, '"');
}

void option_write_list(struct buf *to, char *const *list)
{
    buf_putc(to, '[');
    for (char *const *s = list; *s; s++) {
        buf_puts(to, s == list ? "" : ", ");
        option_write_string(to, *s);
    }
    buf_putc(to, ']');
}

/* The written value is valid TOML and reads back to the same value. */
void option_write(const struct option_row *option, const struct config *config, struct buf *to)
{
    const void *at = place_const(option, config);
    switch (option->type) {
    case OPTION_TEXT:
    case OPTION_PATH:
        if (*(const char *const *)at)
            option_write_string(to, *(const char *const *)at);
        break;
    case OPTION_LIST:
        option_write_list(to, *(char *const *const *)at);
        break;
    case OPTION_SIZE:
        write_amount(to, *(const int64_t *)at, size_units);
        break;
    case OPTION_DURATION:
        write_amount(to, *(const int *)at, duration_units);
        break;
    case OPTION_COUNT:
        buf_printf(to, "%d", *(const int *)at);
        break;
    case OPTION_BOOL:
        buf_puts(to, *(const bool *)at ? "true" : "false");
        break;
    case OPTION_LEVEL:
        option_write_string(to, level_name(*(const enum log_level *)at));
        break;
    }
}

/* Compares the written forms, so that every type needs only one function. */
bool option_is_same(const struct option_row *option, const struct config *a, const struct config *b)
{
    auto_buf struct buf left;
    auto_buf struct buf right;
    buf_init(&left, TEXT_MAX_BYTES);
    buf_init(&right, TEXT_MAX_BYTES);
    option_write(option, a, &left);
    option_write(option, b, &right);
    return left.len == right.len && memcmp(left.data, right.data, left.len) == 0;
}
