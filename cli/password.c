// SPDX-License-Identifier: Apache-2.0
#include "cli/password.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/file.h"

static int refuse(const char *what, const char *why)
{
    (void)fprintf(stderr, "wheelyard: %s: %s\n", what, why);
    return ERROR_BAD_REQUEST;
}

static int read_file(const char *file, char *to, size_t size)
{
    struct buf text;
    buf_init(&text, size - 1);
    int r = file_read_all(file, &text);
    if (r == 0) {
        text.data[strcspn(text.data, "\r\n")] = '\0';
        memcpy(to, text.data, strlen(text.data) + 1);
    }
    explicit_bzero(text.data, text.len);
    buf_release(&text);
    if (r == FILE_MISSING)
        return refuse(file, "there is no such file");
    return r ? refuse(file, error_text(r)) : 0;
}

/* A line of the terminal; false when it ends before. */
static int read_line(int fd, char *to, size_t size)
{
    size_t len = 0;
    char c;
    while (read(fd, &c, 1) == 1 && c != '\n') {
        if (len + 1 == size)
            return refuse("the password", "it is too long");
        to[len++] = c;
    }
    to[len] = '\0';
    return 0;
}

static int ask_terminal(const char *prompt, char *to, size_t size)
{
    struct termios shown, hidden;
    auto_close int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 || tcgetattr(fd, &shown) < 0)
        return refuse("the key has a password", "there is no terminal: use --password-file");
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    (void)dprintf(fd, "%s", prompt);
    (void)tcsetattr(fd, TCSAFLUSH, &hidden);
    int r = read_line(fd, to, size);
    (void)tcsetattr(fd, TCSAFLUSH, &shown);
    (void)dprintf(fd, "\n");
    return r;
}

int password_read(const char *file, const char *prompt, char *to, size_t size)
{
    return file ? read_file(file, to, size) : ask_terminal(prompt, to, size);
}
