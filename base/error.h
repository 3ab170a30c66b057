// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The closed list of errors, and the rule for every function that can fail.
 *
 * A function that can fail returns int:
 *
 *        0  done;
 *      > 0  an expected outcome, named in that function's header; the caller handles it;
 *      < 0  one value of enum error; a caller that cannot handle it passes it up unchanged.
 *
 * Outputs come last, are named ret_*, and are untouched on failure. The module where a foreign code
 * (errno, CURLcode, SQLite) arises translates it to one of ours. Any thread may call these
 * functions.
 */
#include <stdbool.h>

enum error {
    ERROR_NO_MEMORY = -1,       /* an allocation failed */
    ERROR_IO = -2,              /* the disk failed, or someone else changed a file of ours */
    ERROR_NO_SPACE = -3,        /* disk full, or quota used up */
    ERROR_READ_ONLY = -4,       /* the file system or the database cannot be written */
    ERROR_CORRUPT = -5,         /* stored bytes or rows contradict themselves */
    ERROR_DIGEST_MISMATCH = -6, /* bytes do not have the digest that the authority names */
    ERROR_TOO_BIG = -7,         /* a limit on size or count was passed */
    ERROR_UNREACHABLE = -8,     /* no connection: DNS, TCP, TLS, proxy */
    ERROR_TIMEOUT = -9,         /* connected, then silent or too slow */
    ERROR_UPSTREAM_STATUS =
        -10, /* a mirror answered with a status that is neither success nor refusal */
    ERROR_UPSTREAM_BROKEN =
        -11,          /* a mirror broke the protocol: cut body, wrong length, coded wheel */
    ERROR_GONE = -12, /* every mirror that answered says that it has no such thing */
    ERROR_FORBIDDEN_ADDRESS = -13, /* a link or redirect led to a forbidden address */
    ERROR_BAD_REQUEST = -14,       /* a client's request is malformed */
    ERROR_BAD_LISTING = -15,       /* a page that is not a listing */
    ERROR_CONFIG = -16,            /* configuration or usage is wrong */
    ERROR_STOPPING = -17,          /* the daemon is stopping */
    ERROR_IN_USE = -18,            /* another process holds the port or the cache directory */
    ERROR_LOOP = -19,              /* the request came from ourselves */
    ERROR_DENIED = -20,            /* the system does not permit it to this user */
    ERROR_MAX_SIZE = -21,          /* the cache would grow above max_size, and nothing may go */
    ERROR_NOT_FILE = -23,          /* a directory, pipe or device stands where a file should */
    ERROR_MIN_FREE = -22,          /* less than min_free would stay free, and nothing may go */
};

/* A short text in lower case without a full stop, for log lines and replies; never NULL. */
const char *error_text(int error);

/* Whether the error says that space is missing: NO_SPACE, MAX_SIZE, MIN_FREE. */
bool error_is_space(int error);

/* The error for an errno value (positive). */
int error_from_errno(int errnum);
