// SPDX-License-Identifier: Apache-2.0
/*
 * File systems lie less about what they do than about what they are, so abilities are tried out.
 * The kind is only named as a probable cause. Nothing stays on the disk: the trial file has no
 * name, or loses it at once.
 */
#include "control/doctor_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"

enum { TRIAL_BYTES = 1 << 20, BLOCK_BYTES = 512 };

static const char check_name[] = "disk";

/* ------------------------------------------------------------- file system */

/* File systems that are known to lack something. */
static const struct kind {
    long magic;
    const char *name;
    const char *trouble;
} kinds[] = {
    {NFS_SUPER_MAGIC, "NFS", "locks, reservations and mappings depend on the server"},
    {0xff534d42, "CIFS", "no sparse files to rely on, slow mappings"},
    {0xfe534d42, "SMB", "no sparse files to rely on, slow mappings"},
    {SMB_SUPER_MAGIC, "SMB", "no sparse files to rely on, slow mappings"},
    {FUSE_SUPER_MAGIC, "FUSE", "every read passes through another program"},
    {V9FS_MAGIC, "9p", "shared with the host of a virtual machine: slow, mappings may fail"},
    {0x786f4256, "vboxsf", "shared with the host of a virtual machine: no shared mappings"},
    {MSDOS_SUPER_MAGIC, "FAT", "no sparse files, and none above 4 GiB"},
    {EXFAT_SUPER_MAGIC, "exFAT", "no sparse files"},
    {ECRYPTFS_SUPER_MAGIC, "eCryptfs", "no sparse files"},
    {TMPFS_MAGIC, "tmpfs", "it is memory: a reboot forgets what was kept"},
};

/* A warning only, because some servers and drivers do better than their kind. */
static void diagnose_kind(int fd, const char *dir, struct findings *to)
{
    struct statfs fs;

    if (fstatfs(fd, &fs) < 0)
        return;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if ((unsigned)fs.f_type == (unsigned)kinds[i].magic)
            findings_add(to, FINDING_WARNING, "disk-kind", dir,
                         "set cache_dir to a local disk (ext4, XFS, Btrfs)", "%s: %s",
                         kinds[i].name, kinds[i].trouble);
}

/* An mmap that fails breaks replies, so it is a failure. Without sparse files the cache still
 * works, but takes more space. */
static void diagnose_abilities(int file, const char *dir, struct findings *to)
{
    static const char remedy[] = "set cache_dir to a local disk (ext4, XFS, Btrfs)";
    struct stat st;
    void *map = mmap(NULL, BLOCK_BYTES, PROT_READ, MAP_SHARED, file, 0);

    if (map == MAP_FAILED)
        findings_add(to, FINDING_FAILED, "disk-mmap", dir, remedy,
                     "files there cannot be mapped: %s", strerrordesc_np(errno));
    else
        (void)munmap(map, BLOCK_BYTES);
    if (fstat(file, &st) == 0 && (int64_t)st.st_blocks * BLOCK_BYTES >= TRIAL_BYTES)
        findings_add(to, FINDING_WARNING, "disk-sparse", dir, remedy,
                     "no sparse files: a part of a wheel takes the room of all of it");
    if (fallocate(file, 0, 0, TRIAL_BYTES) < 0)
        findings_add(to, errno == EOPNOTSUPP ? FINDING_WARNING : FINDING_FAILED, "disk-fallocate",
                     dir, remedy, "room cannot be reserved: %s", strerrordesc_np(errno));
}

/* A sparse file: only its last byte was written. O_TMPFILE where the file system has it, else a
 * name that is removed at once. */
static int open_trial(const char *dir)
{
    auto_close int file = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (file < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
        auto_free char *path = str_printf("%s/.doctor-XXXXXX", dir);

        file = path ? mkostemp(path, O_CLOEXEC) : -1;
        if (file >= 0)
            (void)unlink(path);
    }
    if (file < 0 || pwrite(file, "", 1, TRIAL_BYTES - 1) != 1)
        return -1;
    int ret = file;
    file = -1;
    return ret;
}

/* -------------------------------------------------------------------- room */

/* Below min_free the answer depends on whether anything can be evicted: has_room says so. */
static void diagnose_room(const char *dir, int64_t max_size, int64_t min_free, bool has_room,
                          struct findings *to)
{
    char free_text[STR_SIZE], limit[STR_SIZE], total_text[STR_SIZE];
    struct statvfs fs;

    if (statvfs(dir, &fs) < 0)
        return;
    int64_t unused = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
    int64_t total = (int64_t)fs.f_blocks * (int64_t)fs.f_frsize;

    str_size(unused, " ", free_text);
    str_size(total, " ", total_text);
    if (unused < min_free) {
        str_size(min_free, " ", limit);
        findings_add(to, has_room ? FINDING_WARNING : FINDING_FAILED, "disk-space", dir,
                     "make room, or lower min_free", "%s free, less than min_free (%s): %s",
                     free_text, limit,
                     has_room ? "what is new takes the place of something old"
                              : "nothing new is kept");
        return;
    }
    str_size(max_size, " ", limit);
    if (max_size > total - min_free)
        findings_add(to, FINDING_WARNING, "disk-space", dir,
                     "set max_size to what wheels may have of it",
                     "%s free of %s, less than max_size (%s): the cache will take all but min_free",
                     free_text, total_text, limit);
    else
        findings_add(to, FINDING_OK, "disk-space", dir, NULL, "%s free of %s, max_size %s",
                     free_text, total_text, limit);
}

/* --------------------------------------------------------------- the folder */

/* A user other than the folder's owner may be refused where the daemon would not be, so that is
 * only a warning. */
static void refused(const char *dir, int error, struct findings *to)
{
    struct stat st;
    bool is_others =
        error == EACCES && geteuid() != 0 && stat(dir, &st) == 0 && st.st_uid != geteuid();

    findings_add(to, is_others ? FINDING_WARNING : FINDING_FAILED, check_name, dir,
                 is_others ? "ask again as the daemon's user"
                           : "correct its owner and mode, or set cache_dir to another folder",
                 "cannot be written%s: %s", is_others ? " by this user" : "",
                 strerrordesc_np(error));
}

/* The daemon's start creates the folder when the nearest existing parent is writable. */
static void missing(const char *dir, struct findings *to)
{
    auto_free char *parent = NULL;

    if (file_may_make(dir, &parent) == 0)
        findings_add(to, FINDING_OK, check_name, dir, NULL,
                     "not there yet: the first start makes it");
    else
        findings_add(to, FINDING_FAILED, check_name, dir,
                     "make it, for the daemon's user, or set cache_dir",
                     "is not there, and cannot be made in %s", parent ? parent : "/");
}

void doctor_disk(const char *dir, int64_t max_size, int64_t min_free, bool has_room,
                 struct findings *to)
{
    auto_close int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (folder < 0 && errno == ENOENT) {
        missing(dir, to);
        return;
    }
    if (folder < 0 && errno != EACCES) {
        findings_add(to, FINDING_FAILED, check_name, dir, "set cache_dir to a folder", "%s",
                     strerrordesc_np(errno));
        return;
    }
    auto_close int file = open_trial(dir);
    if (file < 0) {
        refused(dir, errno, to);
        return;
    }
    diagnose_kind(folder, dir, to);
    diagnose_abilities(file, dir, to);
    diagnose_room(dir, max_size, min_free, has_room, to);
}
