// SPDX-License-Identifier: Apache-2.0
#include "control/control_add.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/str.h"
#include "base/url.h"
#include "control/control_cache.h"
#include "control/control_request.h"
#include "engine/engine.h"
#include "engine/files/adopt.h"
#include "engine/files/inventory.h"

enum { CODE_DONE = 0, CODE_FAILED = 1, CODE_USAGE = 2, CHANNELS_MOST = 32 };
enum { ADD_WORDS = 8 };

DEFINE_CLEANUP(struct inventory, inventory_free)

/* What a request says; its texts live as long as the request and `row`. */
struct order {
    struct adoption what;
    struct json *row;
    const char *channels[CHANNELS_MOST + 1];
};

static bool read_number(const char *text, int64_t *ret)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    *ret = value;
    return *text && !*end && !errno && value >= 0;
}

static void read_row(struct order *o)
{
    const struct json *yanked = json_member(o->row, "yanked");
    size_t count = 0;
    const struct json *c = json_first(json_member(o->row, "channels"));
    for (; c && count < CHANNELS_MOST; c = json_next(c))
        if (json_string(c))
            o->channels[count++] = json_string(c);
    o->what.channels = o->channels;
    o->what.requires_python = json_string(json_member(o->row, "requires-python"));
    o->what.upload_time = json_string(json_member(o->row, "upload-time"));
    o->what.yanked_reason = json_string(yanked);
    o->what.yanked = json_is_true(yanked) || o->what.yanked_reason;
}

static bool read_order(const struct control_request *request, int fd, struct order *ret)
{
    const char *const *w = request->words;
    struct stat st;
    *ret = (struct order){
        .what = {.origin = w[1], .path = w[2], .fd = fd, .sha256 = w[5], .source = w[6]}};
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || !url_key_is_valid(w[2]) ||
        !read_number(w[3], &ret->what.offset) || !read_number(w[4], &ret->what.size) ||
        ret->what.offset > st.st_size || ret->what.size > st.st_size - ret->what.offset ||
        (*w[5] && strlen(w[5]) != SHA256_HEX - 1) || json_parse(w[7], strlen(w[7]), &ret->row))
        return false;
    read_row(ret);
    return true;
}

static const char *refusal(int r)
{
    switch (r) {
    case ADOPT_BUSY:
        return "the file is being fetched just now; try again later";
    case ADOPT_WRONG:
        return "the bytes are not what their digest says";
    case ADOPT_NO_ORIGIN:
        return "there is no such origin, or it is a folder, where files are put by hand";
    case ADOPT_BAD_NAME:
        return "not the name of a wheel or a source archive";
    default:
        return error_text(r);
    }
}

static void reply_state(struct buf *to, const char *state, const char *sha256)
{
    buf_printf(to, "{\"code\":%d", CODE_DONE);
    json_write_member(to, "message", "");
    json_write_member(to, "state", state);
    json_write_member(to, "sha256", sha256);
    buf_putc(to, '}');
}

/* Nobody vouches for it, so it says itself whether it is sound. True: it is; else *reply is full. */
static bool is_sound(struct engine *engine, const struct order *o, const _Atomic bool *stop,
                     struct buf *reply)
{
    AUTO(inventory_free) struct inventory *inventory = NULL;
    const struct inventory_row *row;
    auto_free char *name = str_printf("%s/%s", o->what.origin, o->what.path);
    auto_free char *why = NULL;
    bool sound = true;
    if (*o->what.sha256 || !name || inventory_new(engine_files(engine), &inventory) ||
        inventory_find(inventory, name, &row))
        return true;
    int r = inventory_check_evidence(engine_files(engine), row, 0, stop, &sound, &why);
    if (r == 0 && !sound)
        control_refuse(reply, CODE_FAILED, why && *why ? why : "the file is damaged");
    return r || sound;
}

void control_add(struct engine *engine, const struct control_request *request, int fd,
                 const _Atomic bool *stop, struct buf *reply)
{
    struct order o = {.row = NULL};
    char sha256[SHA256_HEX];
    if (request->count != ADD_WORDS || !read_order(request, fd, &o)) {
        control_refuse(reply, CODE_USAGE, "not a request to add a file");
        json_free(o.row);
        return;
    }
    int r = adopt_file(engine_files(engine), &o.what, stop, sha256);
    if (r == ADOPT_HELD)
        reply_state(reply, "held", sha256);
    else if (r)
        control_refuse(reply, CODE_FAILED, refusal(r));
    else if (is_sound(engine, &o, stop, reply))
        reply_state(reply, "kept", sha256);
    json_free(o.row);
}
