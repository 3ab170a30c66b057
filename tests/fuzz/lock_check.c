// SPDX-License-Identifier: Apache-2.0
#include "lock_check.h"

#include "../server/fake_origins.h"
#include "base/error.h"
#include "engine/mirrors/addresses.h"
#include "fuzz.h"
#include "lock/choose.h"
#include "lock/relock.h"

enum { MAX_BYTES = 4 << 20, OTHERS_MAX = 4 };

static const char *const ours[] = {"http://localhost:8503", NULL};

struct others {
    unsigned opened;
};

/* Every other file leads on to one more, and has a line of its own. */
static int open_other(void *context, const char *from, const char *path, struct buf *to)
{
    struct others *others = context;

    (void)from;
    if (!*path || others->opened++ >= OTHERS_MAX)
        return ERROR_IO;
    buf_puts(to, "-r next.txt\nother==1 \\\n --hash=sha256:00\n");
    return 0;
}

static int read_lock(const char *name, const char *text, size_t len, struct lock **ret)
{
    struct others others = {0};
    struct lock_wrong wrong;
    const struct lock_input input = {
        .name = name, .text = text, .len = len, .open = open_other, .context = &others};
    int r = lock_read(&input, ret, &wrong);

    require(r == 0 || r == ERROR_CONFIG || r == ERROR_TOO_BIG);
    if (r == ERROR_CONFIG)
        require(*wrong.text != '\0');
    return r;
}

/* ------------------------------------------------------------- what was read */

static void check_places(const struct lock *lock, const char *text, size_t len)
{
    size_t end = 0;

    for (size_t i = 0; i < lock->address_count; i++) {
        const struct lock_address *address = &lock->addresses[i];

        if (!address->is_plain)
            continue;
        require(address->offset >= end && address->offset + address->len <= len);
        require(memcmp(text + address->offset, address->text, address->len) == 0);
        end = address->offset + address->len;
    }
}

static void check_lists(const struct lock *lock)
{
    size_t files = 0;

    for (size_t i = 0; i < lock->package_count; i++) {
        const struct lock_package *package = &lock->packages[i];

        require(package->name && package->project);
        require(package->first_file + package->file_count <= lock->file_count);
        require(package->first_dependency + package->dependency_count <= lock->dependency_count);
        for (size_t k = 0; k < package->file_count; k++)
            require(lock->files[package->first_file + k].package == i);
        files += package->file_count;
    }
    require(files == lock->file_count);
    for (size_t i = 0; i < lock->use_count; i++)
        require(lock->uses[i].package < lock->package_count);
    for (size_t i = 0; i < lock->skip_count; i++)
        require(lock->skipped[i].what && lock->skipped[i].reason);
}

/* -------------------------------------------------------------- what is chosen */

static void check_choice(const struct lock *lock)
{
    static const char *const names[] = {"cpu", "tests"};
    const struct target_request request = {.python = "3.12", .platform = "linux_x86_64"};
    struct target *target = NULL;
    struct lock_choice choice;

    require(target_new(&request, &target) == 0);
    const struct lock_wish wish = {.target = target, .extras = names, .extra_count = 2};
    int r = lock_choose(lock, &wish, &choice);
    require(r == 0 || r == ERROR_BAD_REQUEST || r == ERROR_TOO_BIG);
    if (r == 0) {
        for (size_t i = 0; i < choice.file_count; i++)
            require(choice.files[i] < lock->file_count &&
                    (i == 0 || choice.files[i] > choice.files[i - 1]));
        for (size_t i = 0; i < choice.miss_count; i++)
            require(choice.misses[i].package < lock->package_count);
        lock_choice_release(&choice);
    }
    target_free(target);
}

/* -------------------------------------------------------------- other addresses */

static int map_address(void *context, const struct lock_address *address, struct buf *to,
                       const char **ret_why)
{
    const bool *to_ours = context;
    const struct addresses a = {.origins = &fake_origins, .base = ours[0], .ours = ours};
    enum address_role role = address->role == LOCK_ADDRESS_INDEX ? ADDRESS_INDEX : ADDRESS_FILE;
    int r = !*to_ours ? addresses_to_official(&a, address->text, role, NULL, to, ret_why)
            : address->role == LOCK_ADDRESS_OTHER
                ? ADDRESSES_NONE
                : addresses_to_ours(&a, address->text, role, to, ret_why);

    return r == ADDRESSES_NONE ? RELOCK_NOT : r;
}

/* False: nothing was changed, and nothing had to be. */
static bool change(const char *name, const struct buf *from, bool to_ours, struct buf *to)
{
    const struct relock_map map = {.address = map_address, .context = &to_ours};
    struct relock_report report;
    struct lock *lock = NULL;

    require(read_lock(name, from->data, from->len, &lock) == 0);
    int r = relock(lock, from->data, from->len, &map, to, &report);
    lock_free(lock);
    require(r == 0 || r == ERROR_TOO_BIG);
    if (r)
        return false;
    bool is_done = report.wrong_count == 0;
    if (!is_done || !report.changed)
        require(to->len == from->len && memcmp(to->data, from->data, to->len) == 0);
    relock_report_release(&report);
    return is_done;
}

static void check_way_back(const char *name, const struct buf *text)
{
    auto_buf struct buf official;
    auto_buf struct buf changed;
    auto_buf struct buf back;

    buf_init(&official, MAX_BYTES);
    buf_init(&changed, MAX_BYTES);
    buf_init(&back, MAX_BYTES);
    if (!change(name, text, false, &official) || !change(name, &official, true, &changed))
        return;
    require(change(name, &changed, false, &back));
    require(back.len == official.len && memcmp(back.data, official.data, back.len) == 0);
}

void lock_check(const char *name, const uint8_t *data, size_t size)
{
    auto_buf struct buf text;
    struct lock *lock = NULL;

    buf_init(&text, MAX_BYTES);
    buf_add(&text, data, size);
    if (text.error || read_lock(name, text.data, text.len, &lock))
        return;
    check_places(lock, text.data, text.len);
    check_lists(lock);
    check_choice(lock);
    lock_free(lock);
    check_way_back(name, &text);
}
