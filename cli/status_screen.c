// SPDX-License-Identifier: Apache-2.0
/*
 * One part of the screen after the other: head, disk, what was saved, mirrors, downloads, problems.
 * Every number comes from the daemon; a member that an older daemon lacks leaves its line out.
 */
#include "cli/status_screen.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cli/doctor/doctor_problems.h"

enum { BAR_COLUMNS = 20, NAME_COLUMNS = 44, TEXT_BYTES = 32 };

static int64_t number(const struct json *object, const char *name)
{
    return json_integer(json_member(object, name));
}

/* "868 MB", as pip and uv write it: powers of 1000. */
static const char *size_text(int64_t bytes, char ret[TEXT_BYTES])
{
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB", "PB"};
    double value = bytes < 0 ? 0 : (double)bytes;
    size_t i = 0;

    for (; value >= 999.5 && i + 1 < sizeof units / sizeof *units; i++)
        value /= 1000;
    (void)snprintf(ret, TEXT_BYTES, i && value < 10 ? "%.1f %s" : "%.0f %s", value, units[i]);
    return ret;
}

/* "3 d", "2 h", "5 min", "7 s". */
static const char *time_text(int64_t seconds, char ret[TEXT_BYTES])
{
    if (seconds >= 48 * 3600)
        (void)snprintf(ret, TEXT_BYTES, "%" PRId64 " d", seconds / 86400);
    else if (seconds >= 2 * 3600)
        (void)snprintf(ret, TEXT_BYTES, "%" PRId64 " h", seconds / 3600);
    else if (seconds >= 120)
        (void)snprintf(ret, TEXT_BYTES, "%" PRId64 " min", seconds / 60);
    else
        (void)snprintf(ret, TEXT_BYTES, "%" PRId64 " s", seconds);
    return ret;
}

/* "[########------------]  40 %". */
static void write_bar(int64_t part, int64_t whole, struct buf *to)
{
    double share = whole > 0 && part > 0 ? (double)part / (double)whole : 0;
    int full = (int)(share * BAR_COLUMNS);

    if (full > BAR_COLUMNS)
        full = BAR_COLUMNS;
    buf_putc(to, '[');
    for (int i = 0; i < BAR_COLUMNS; i++)
        buf_putc(to, i < full ? '#' : '-');
    buf_printf(to, "] %3.0f %%", share * 100);
}

static void write_head(const struct json *status, const char *url, struct buf *to)
{
    char up[TEXT_BYTES];
    const struct json *requests = json_member(status, "requests");

    buf_printf(to, "wheelyard %s at %s, up %s", json_text(status, "version"), url,
               time_text(number(status, "uptime_s"), up));
    if (json_is_true(json_member(status, "offline")))
        buf_puts(to, ", offline");
    if (requests)
        buf_printf(to, ", %" PRId64 " requests (%" PRId64 " wait)", number(requests, "active"),
                   number(requests, "waiting"));
    buf_putc(to, '\n');
}

static void write_disk(const struct json *status, struct buf *to)
{
    const struct json *cache = json_member(status, "cache");
    char used[TEXT_BYTES], most[TEXT_BYTES], left[TEXT_BYTES], idle[TEXT_BYTES];
    int64_t blobs = number(cache, "blobs");

    if (!cache)
        return;
    buf_puts(to, "\nDisk      ");
    write_bar(number(cache, "bytes"), number(cache, "max_bytes"), to);
    buf_printf(to, "  %s of %s, %" PRId64 " %s", size_text(number(cache, "bytes"), used),
               size_text(number(cache, "max_bytes"), most), blobs, blobs == 1 ? "file" : "files");
    if (number(cache, "free_bytes") >= 0)
        buf_printf(to, ", %s free", size_text(number(cache, "free_bytes"), left));
    if (blobs > 0 && number(cache, "idle_s") >= 0)
        buf_printf(to, ", least used %s ago", time_text(number(cache, "idle_s"), idle));
    if (*json_text(cache, "state") && strcmp(json_text(cache, "state"), "ok") != 0)
        buf_printf(to, "; %s: nothing new is kept", json_text(cache, "state"));
    buf_putc(to, '\n');
}

static void write_saved_line(const char *what, const struct json *saved, struct buf *to)
{
    char hit[TEXT_BYTES], fetched[TEXT_BYTES];

    buf_printf(to,
               "%s%s from the cache, %s fetched; %" PRId64 " hits, %" PRId64 " misses, %" PRId64
               " evicted",
               what, size_text(number(saved, "hit_bytes"), hit),
               size_text(number(saved, "fetched_bytes"), fetched), number(saved, "hits"),
               number(saved, "misses"), number(saved, "evictions"));
    if (number(saved, "refetches") > 0)
        buf_printf(to, ", %" PRId64 " of them fetched again", number(saved, "refetches"));
}

static void write_saved(const struct json *status, struct buf *to)
{
    const struct json *saved = json_member(status, "saved");
    const struct json *in_all = json_member(saved, "in_all");

    if (!saved)
        return;
    write_saved_line("Saved     ", json_member(saved, "since_start"), to);
    write_saved_line("\nIn all    ", in_all, to);
    buf_printf(to, ", since %.10s\n", json_text(in_all, "since"));
}

static const char *health_text(const char *state)
{
    static const struct {
        const char *state, *text;
    } words[] = {{"ok", "well"},
                 {"slow", "slower than others"},
                 {"backing-off", "failing, asked again soon"},
                 {"out", "left alone: wrong bytes"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(state, words[i].state) == 0)
            return words[i].text;
    return state;
}

static void write_mirror(const struct json *m, struct buf *to)
{
    char rate[TEXT_BYTES], bytes[TEXT_BYTES];

    buf_printf(to, "  %-10s %-14s %s", json_text(m, "origin"), json_text(m, "name"),
               health_text(json_text(m, "state")));
    if (number(m, "rate_bytes_s") > 0)
        buf_printf(to, ", %s/s", size_text(number(m, "rate_bytes_s"), rate));
    if (number(m, "answers") > 0)
        buf_printf(to, ", answers in %" PRId64 " ms, %s received", number(m, "latency_ms"),
                   size_text(number(m, "bytes"), bytes));
    if (number(m, "failures") > 0)
        buf_printf(to, ", failed %" PRId64 " times", number(m, "failures"));
    if (*json_text(m, "last_error"))
        buf_printf(to, "; %s", json_text(m, "last_error"));
    buf_putc(to, '\n');
}

/* The size is unknown until a mirror has told it. */
static void write_flight(const struct json *f, struct buf *to)
{
    char have[TEXT_BYTES], all[TEXT_BYTES];
    int64_t size = number(f, "size"), readers = number(f, "readers");

    buf_printf(to, "  %-*.*s ", NAME_COLUMNS, NAME_COLUMNS, str_last_segment(json_text(f, "path")));
    if (size > 0) {
        write_bar(number(f, "bytes"), size, to);
        buf_printf(to, "  %s of %s", size_text(number(f, "bytes"), have), size_text(size, all));
    } else {
        buf_puts(to, size_text(number(f, "bytes"), have));
    }
    buf_printf(to, ", %" PRId64 " %s", readers, readers == 1 ? "reader" : "readers");
    const struct json *mirror = json_first(json_member(f, "mirrors"));
    for (const char *before = ", from "; mirror; mirror = json_next(mirror), before = ", ")
        buf_printf(to, "%s%s", before, json_string(mirror) ? json_string(mirror) : "");
    buf_putc(to, '\n');
}

static void write_problem(const struct json *p, struct buf *to)
{
    const char *remedy = doctor_remedy(json_text(p, "kind"));
    const char *path = json_text(p, "path");

    buf_printf(to, "  %s: %s%s%s\n", json_text(p, "kind"), path, *path ? ": " : "",
               json_text(p, "detail"));
    buf_printf(to, "    what to do: %s\n", remedy ? remedy : "run wheelyard doctor");
}

static void write_list(const char *heading, const struct json *array,
                       void (*write)(const struct json *element, struct buf *to), struct buf *to)
{
    if (!json_first(array))
        return;
    buf_printf(to, "\n%s\n", heading);
    for (const struct json *element = json_first(array); element; element = json_next(element))
        write(element, to);
}

void status_screen_write(const struct json *status, const char *url, struct buf *to)
{
    write_head(status, url, to);
    write_disk(status, to);
    write_saved(status, to);
    write_list("Mirrors", json_member(status, "mirrors"), write_mirror, to);
    write_list("Downloads", json_member(status, "flights"), write_flight, to);
    write_list("Problems", json_member(status, "problems"), write_problem, to);
    if (!json_first(json_member(status, "problems")))
        buf_puts(to, "\nNo problems.\n");
}
