// SPDX-License-Identifier: Apache-2.0
/*
 * The texts complete a sentence such as "cannot open cache directory X: permission denied". They
 * name no cause that the code cannot know. A switch without default makes the compiler report a new
 * error that lacks its text.
 */
#include "base/error.h"

#include <errno.h>

const char *error_text(int error)
{
    switch ((enum error)error) {
    case ERROR_NO_MEMORY:
        return "out of memory";
    case ERROR_IO:
        return "input/output error";
    case ERROR_NO_SPACE:
        return "no space left on the disk";
    case ERROR_READ_ONLY:
        return "read-only file system";
    case ERROR_CORRUPT:
        return "stored data is corrupt";
    case ERROR_DIGEST_MISMATCH:
        return "digest mismatch";
    case ERROR_TOO_BIG:
        return "too big";
    case ERROR_UNREACHABLE:
        return "unreachable";
    case ERROR_TIMEOUT:
        return "timed out";
    case ERROR_UPSTREAM_STATUS:
        return "unexpected status";
    case ERROR_UPSTREAM_BROKEN:
        return "broken transfer";
    case ERROR_GONE:
        return "not found";
    case ERROR_FORBIDDEN_ADDRESS:
        return "address not allowed";
    case ERROR_BAD_REQUEST:
        return "bad request";
    case ERROR_BAD_LISTING:
        return "not a listing";
    case ERROR_CONFIG:
        return "bad configuration";
    case ERROR_STOPPING:
        return "stopping";
    case ERROR_IN_USE:
        return "in use by another process";
    case ERROR_LOOP:
        return "request loop";
    case ERROR_DENIED:
        return "permission denied";
    case ERROR_NOT_FILE:
        return "not a regular file";
    case ERROR_MAX_SIZE:
        return "no room below max_size";
    case ERROR_MIN_FREE:
        return "no room above min_free";
    }
    return error ? "unknown error" : "success";
}

bool error_is_space(int error)
{
    return error == ERROR_NO_SPACE || error == ERROR_MAX_SIZE || error == ERROR_MIN_FREE;
}

/* Only values that some caller treats differently get an error of their own; all others are
 * ERROR_IO. */
int error_from_errno(int errnum)
{
    switch (errnum) {
    case 0:
        return 0;
    case ENOMEM:
        return ERROR_NO_MEMORY;
    case ENOSPC:
    case EDQUOT:
        return ERROR_NO_SPACE;
    case EROFS:
        return ERROR_READ_ONLY;
    case EACCES:
    case EPERM:
        return ERROR_DENIED;
    case EADDRINUSE:
    case EWOULDBLOCK:
        return ERROR_IN_USE;
    default:
        return ERROR_IO;
    }
}
