// SPDX-License-Identifier: Apache-2.0
#include "cli/bar.h"

#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "base/terminal.h"

enum { WIDTH = 80, WIDTH_LEAST = 20, CELLS = 20, LINE_MAX_BYTES = 4096, SPEED_AFTER_MS = 1000 };

/* One column is left free: a terminal may wrap after the last one. */
static size_t width_of(FILE *out)
{
    struct winsize size;
    if (ioctl(fileno(out), TIOCGWINSZ, &size) || size.ws_col < WIDTH_LEAST)
        return WIDTH - 1;
    return (size_t)size.ws_col - 1;
}

void bar_time(int64_t seconds, char ret[BAR_TIME])
{
    if (seconds < 60)
        (void)snprintf(ret, BAR_TIME, "%d s", (int)(seconds < 1 ? 1 : seconds));
    else if (seconds < 3600)
        (void)snprintf(ret, BAR_TIME, "%d min", (int)((seconds + 30) / 60));
    else
        (void)snprintf(ret, BAR_TIME, "%" PRId64 " h %d min", seconds / 3600,
                       (int)(seconds % 3600 / 60));
}

static int percent_of(int64_t part, int64_t all)
{
    double share = all > 0 ? (double)part * 100 / (double)all : 0;
    return share > 100 ? 100 : (int)share;
}

/* UTF-8 is cut between characters. */
static void put_line(struct bar *bar, struct buf *line)
{
    size_t width = width_of(bar->out), len = line->len;
    if (len > width)
        for (len = width; len && ((unsigned char)line->data[len] & 0xc0) == 0x80;)
            len--;
    terminal_clean(line->data, line->len);
    (void)fprintf(bar->out, "\r\033[K%.*s\n", (int)len, line->data);
    buf_clear(line);
    bar->lines++;
}

static void write_speed(struct bar *bar, const struct bar_whole *w, struct buf *to)
{
    char size[STR_SIZE], left[BAR_TIME];
    int64_t ms = w->now_ms - bar->first_ms, bytes = w->done_bytes - bar->first_bytes;
    if (!bar->first_ms) {
        bar->first_ms = w->now_ms;
        bar->first_bytes = w->done_bytes;
    }
    if (ms < SPEED_AFTER_MS || ms == w->now_ms || bytes <= 0)
        return;
    double rate = (double)bytes * 1000 / (double)ms;
    str_size((int64_t)rate, " ", size);
    bar_time((int64_t)((double)(w->bytes - w->done_bytes) / rate), left);
    buf_printf(to, "  %s/s, %s left", size, left);
}

static void draw_whole(struct bar *bar, const struct bar_whole *w, struct buf *line)
{
    char done[STR_SIZE], all[STR_SIZE];
    int percent = w->bytes ? percent_of(w->done_bytes, w->bytes)
                           : percent_of((int64_t)w->done, (int64_t)w->files);
    buf_putc(line, '[');
    for (int i = 0; i < CELLS; i++)
        buf_putc(line, i * 100 < percent * CELLS ? '#' : '.');
    str_size(w->done_bytes, " ", done);
    str_size(w->bytes, " ", all);
    buf_printf(line, "] %3d %%  %zu of %zu files, %s of %s", percent, w->done, w->files, done, all);
    write_speed(bar, w, line);
    put_line(bar, line);
}

static void draw_file(struct bar *bar, const struct bar_file *f, struct buf *line)
{
    char present[STR_SIZE], size[STR_SIZE];
    str_size(f->present, " ", present);
    if (f->size < 0) {
        buf_printf(line, "  %9s  %s", present, f->name);
    } else {
        str_size(f->size, " ", size);
        buf_printf(line, "  %3d %% of %s  %s", percent_of(f->present, f->size), size, f->name);
    }
    put_line(bar, line);
}

/* The cursor goes up to the first line; what is below it is erased. */
void bar_clear(struct bar *bar)
{
    if (!bar->lines)
        return;
    (void)fprintf(bar->out, "\033[%zuA\r\033[J", bar->lines);
    (void)fflush(bar->out);
    bar->lines = 0;
}

void bar_draw(struct bar *bar, const struct bar_whole *whole, const struct bar_file *running,
              size_t count)
{
    auto_buf struct buf line;
    buf_init(&line, LINE_MAX_BYTES);
    bar_clear(bar);
    draw_whole(bar, whole, &line);
    for (size_t i = 0; i < count; i++)
        draw_file(bar, &running[i], &line);
    (void)fflush(bar->out);
}

void bar_print(struct bar *bar, const char *line)
{
    bar_clear(bar);
    (void)fprintf(bar->out, "%s\n", line);
    (void)fflush(bar->out);
}
