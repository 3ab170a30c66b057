// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The content of the catalogue's database: its schema, step by step, and the statements that
 * cache/catalogue.c runs by number. Private to it. */
#include "cache/sql.h"

enum statement {
    PUT_FILE,
    EACH_FILE,
    EACH_COMPLETE_FILE,
    GET_FILE,
    TOUCH_FILE,
    PUT_BLOB,
    DROP_BLOB,
    FORGET_BLOB,
    EACH_BLOB,
    PUT_CLAIM,
    EACH_CLAIM,
    EACH_CLAIM_OF,
    PUT_LISTING,
    CONFIRM_LISTING,
    GET_LISTING,
    PUT_BLAME,
    DROP_BLAME,
    EACH_BLAME,
    PUT_MARK,
    DROP_MARK,
    EACH_MARK,
    PUT_EVIDENCE,
    DROP_EVIDENCE,
    EACH_EVIDENCE,
    PUT_METADATA,
    GET_METADATA,
    EACH_METADATA,
    DROP_METADATA,
    PUT_PLACE,
    DROP_PLACES,
    EACH_PLACE,
    PUT_RANGES,
    EACH_RANGES,
    PUT_LISTED,
    EACH_LISTED,
    EACH_LISTED_OF,
    PUT_LOCAL,
    DROP_LOCAL,
    EACH_LOCAL,
    PUT_FIRST_SEEN,
    EACH_FIRST_SEEN,
    PUT_CHANNEL,
    EACH_CHANNEL,
    STATEMENTS
};

extern const struct sql_program catalogue_program;
