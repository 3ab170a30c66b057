// SPDX-License-Identifier: Apache-2.0
/*
 * Mirrors, proxies and portals write these headers, so nothing is believed that contradicts the
 * request or another header. Bytes are written to the disk at the position that Content-Range
 * names; a wrong one would spoil a file. Everything that only informs (Date, Age, Retry-After) is
 * clamped instead of refused.
 */
#include "upstream/head.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/error.h"

enum { VIA_MAX_BYTES = 4096, RETRY_AFTER_MAX_S = 24 * 3600, AGE_MAX_S = 366 * 24 * 3600 };

void head_init(struct head_reply *reply)
{
    *reply = (struct head_reply){.expected_bytes = -1};
    buf_init(&reply->via, VIA_MAX_BYTES);
}

void head_release(struct head_reply *reply)
{
    buf_release(&reply->via);
}

/* Only headers of the final response, not those of a proxy or of a redirect. */
const char *head_value(CURL *easy, const char *name)
{
    struct curl_header *header;
    return curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK ? header->value
                                                                                   : NULL;
}

/* Reads the digits at *p; -1 when there are none or too many. */
static int64_t read_number(const char **p)
{
    int64_t value = 0;
    int digits = 0;
    for (; isdigit((unsigned char)**p); (*p)++) {
        if (++digits > 18)
            return -1;
        value = value * 10 + (**p - '0');
    }
    return digits ? value : -1;
}

static int64_t whole_number(const char *text)
{
    int64_t value = read_number(&text);
    return *text ? -1 : value;
}

static int broken(struct head_reply *reply, const char *complaint)
{
    reply->complaint = complaint;
    return ERROR_UPSTREAM_BROKEN;
}

/* Two different lengths mean that a server on the way reads this reply differently than we do. */
static int read_length(CURL *easy, struct head_reply *reply)
{
    struct curl_header *header;
    for (size_t i = 0;
         curl_easy_header(easy, "Content-Length", i, CURLH_HEADER, -1, &header) == CURLHE_OK; i++) {
        int64_t length = whole_number(header->value);
        if (length < 0 || (i > 0 && length != reply->head.length))
            return broken(reply, "bad Content-Length");
        reply->head.length = length;
    }
    return 0;
}

/* Chunked coding outranks Content-Length (RFC 9112 6.3). */
static int read_framing(CURL *easy, struct head_reply *reply)
{
    struct fetch_head *head = &reply->head;
    int r = read_length(easy, reply);
    if (r < 0)
        return r;
    const char *coding = head_value(easy, "Transfer-Encoding");
    if (coding && strcasecmp(coding, "chunked") != 0)
        return broken(reply, "transfer coding that was not asked for");
    head->is_framed = head->length >= 0 || coding;
    if (coding)
        head->length = -1;
    const char *content = head_value(easy, "Content-Encoding");
    head->is_labelled = content && *content && strcasecmp(content, "identity") != 0;
    return 0;
}

/* Parses "bytes 0-99/1000"; an asterisk for the range or the total gives -1. */
static bool parse_content_range(const char *text, int64_t *ret_from, int64_t *ret_to,
                                int64_t *ret_total)
{
    if (!text || strncasecmp(text, "bytes", 5) != 0)
        return false;
    text += 5;
    while (*text == ' ' || *text == '\t')
        text++;
    int64_t from = -1, to = -1, total = -1;
    if (*text == '*') {
        text++;
    } else {
        from = read_number(&text);
        if (from < 0 || *text++ != '-')
            return false;
        to = read_number(&text);
        if (to < from)
            return false;
    }
    if (*text++ != '/')
        return false;
    if (strcmp(text, "*") != 0 && (total = whole_number(text)) < 0)
        return false;
    *ret_from = from;
    *ret_to = to;
    *ret_total = total;
    return true;
}

/* A 206 must begin at the position that was asked for, because its bytes are written where it says.
 * It may end sooner (RFC 9110 15.3.7). A request without Range asks for everything from the first
 * byte: a page must then be whole, and a file must have a length that tells what is missing. */
static int read_partial(const char *range, const struct head_question *question,
                        struct head_reply *reply)
{
    struct fetch_head *head = &reply->head;
    int64_t from, to, total;

    bool is_plain = question->from < 0;
    if (!parse_content_range(range, &from, &to, &total) || from < 0)
        return broken(reply, "206 without a usable Content-Range");
    if (from != (is_plain ? 0 : question->from) || (total >= 0 && to >= total) ||
        (question->to >= 0 && to > question->to))
        return broken(reply, "Content-Range that was not asked for");
    bool is_whole = from == 0 && to + 1 == total;
    if (is_plain && (question->is_page ? !is_whole : total < 0))
        return broken(reply, "206 to a request without Range");
    if (is_plain && is_whole)
        head->status = 200;
    if (head->length >= 0 && head->length != to - from + 1)
        return broken(reply, "Content-Length and Content-Range disagree");
    head->from = from;
    head->total = total;
    head->ranges = true;
    reply->expected_bytes = to - from + 1;
    return 0;
}

/* A 416 tells the size of the file, which a download needs to know. */
static int read_place(CURL *easy, const struct head_question *question, struct head_reply *reply)
{
    struct fetch_head *head = &reply->head;
    const char *range = head_value(easy, "Content-Range");
    const char *accepts = head_value(easy, "Accept-Ranges");

    head->ranges = accepts && strcasecmp(accepts, "bytes") == 0;
    reply->expected_bytes = head->length;
    if (head->status == 206)
        return read_partial(range, question, reply);
    if (head->status == 200)
        head->total = head->length;
    int64_t from, to, total;
    if (head->status == 416 && parse_content_range(range, &from, &to, &total) && from < 0)
        head->total = total;
    return 0;
}

/* Seconds or a date (RFC 9110 10.2.3). */
static int read_retry_after(CURL *easy)
{
    const char *text = head_value(easy, "Retry-After");
    if (!text)
        return -1;
    int64_t wait_s = whole_number(text);
    if (wait_s < 0) {
        int64_t date_s = clock_parse_http_date(text);
        if (date_s < 0)
            return -1;
        wait_s = date_s - clock_real_s();
    }
    if (wait_s < 0)
        return 0;
    return wait_s > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : (int)wait_s;
}

/* The engine compares Date with its own clock, to warn about a wrong one. */
static void read_clock(CURL *easy, struct fetch_head *head)
{
    const char *date = head_value(easy, "Date");
    const char *age = head_value(easy, "Age");
    int64_t age_s = age ? whole_number(age) : 0;
    head->date_s = date ? clock_parse_http_date(date) : -1;
    head->age_s = age_s < 0 || age_s > AGE_MAX_S ? 0 : (int)age_s;
}

/* The first max-age directive: "public, max-age=600". */
static int read_max_age(CURL *easy)
{
    static const char name[] = "max-age=";
    for (const char *at = head_value(easy, "Cache-Control"); at;) {
        at += strspn(at, " \t,");
        if (strncasecmp(at, name, strlen(name)) == 0) {
            at += strlen(name);
            int64_t age_s = read_number(&at);
            return age_s > INT_MAX ? INT_MAX : (int)age_s;
        }
        at = strchr(at, ',');
    }
    return -1;
}

/* Several Via lines are one list; the engine looks for our own name in it. */
static int read_via(CURL *easy, struct head_reply *reply)
{
    struct curl_header *header;
    buf_clear(&reply->via);
    for (size_t i = 0; curl_easy_header(easy, "Via", i, CURLH_HEADER, -1, &header) == CURLHE_OK;
         i++) {
        if (i > 0)
            buf_puts(&reply->via, ", ");
        buf_puts(&reply->via, header->value);
    }
    if (reply->via.error)
        return broken(reply, "Via is too long");
    reply->head.via = reply->via.len ? reply->via.data : NULL;
    return 0;
}

/* The framing is checked before anything else, because the rest relies on it. */
int head_read(CURL *easy, const struct head_question *question, struct head_reply *reply)
{
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    reply->head = (struct fetch_head){.status = (int)status, .length = -1, .total = -1};
    int r = read_framing(easy, reply);
    if (r == 0)
        r = read_place(easy, question, reply);
    if (r == 0)
        r = read_via(easy, reply);
    if (r < 0)
        return r;
    struct fetch_head *head = &reply->head;
    head->etag = head_value(easy, "ETag");
    head->last_modified = head_value(easy, "Last-Modified");
    head->content_type = head_value(easy, "Content-Type");
    head->retry_after_s = read_retry_after(easy);
    read_clock(easy, head);
    head->max_age_s = read_max_age(easy);
    if (question->head || status == 204 || status == 304) {
        head->is_framed = true; /* no body exists that could be cut */
        reply->expected_bytes = 0;
        if (!question->head)
            head->length = 0;
    }
    return 0;
}
