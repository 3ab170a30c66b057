// SPDX-License-Identifier: Apache-2.0
#pragma once
/* JSON (RFC 8259). Reading wraps cJSON: a document is parsed whole and read through const handles
 * that live as long as the document. Writing appends text to a buffer. The writers put commas
 * between members and elements themselves; the caller writes brackets. Pure; several threads may
 * read one document. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct json;

enum { JSON_MAX_VALUES = 4000000 }; /* a document of "[0,0,..." costs 40 times its size in memory */

/* ERROR_BAD_LISTING when it is not JSON, is nested deeper than 100, or bytes follow the value.
 * ERROR_TOO_BIG beyond JSON_MAX_VALUES. A NUL in a string reads as U+0001. */
int json_parse(const char *text, size_t len, struct json **ret_document);
/* An upper bound of the memory, in bytes, that the document takes while it is read. */
size_t json_need(const char *text, size_t len);
void json_free(struct json *document);

/* Each returns NULL, 0 or false for NULL or a value of another type. */
const struct json *json_member(const struct json *object, const char *name);
const struct json *json_first(const struct json *array_or_object);
const struct json *json_next(const struct json *element);
const char *json_name(const struct json *element); /* of a member */
const char *json_string(const struct json *value);
/* A string member of an object; "" when it is missing or of another type. */
const char *json_text(const struct json *object, const char *name);
bool json_is_true(const struct json *value);
bool json_is_object(const struct json *value);
bool json_is_array(const struct json *value);
/* A whole number from 0 to 2^53; -1 for anything else. */
int64_t json_integer(const struct json *value);

/* Appends a quoted, escaped string; invalid UTF-8 is replaced by U+FFFD. */
void json_write_string(struct buf *to, const char *s);
/* Appends `"name":` with a comma before it unless the last byte of `to` opens an object or array.
 */
void json_write_name(struct buf *to, const char *name);
/* A member whose value is a string; none for NULL. */
void json_write_member(struct buf *to, const char *name, const char *value);
void json_write_integer(struct buf *to, const char *name, int64_t value);
void json_write_boolean(struct buf *to, const char *name, bool value);

/* Like json_write_name for an array's element: only the comma, where one is needed. */
void json_write_comma(struct buf *to);
