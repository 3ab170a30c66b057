// SPDX-License-Identifier: Apache-2.0
/*
 * A first line "status from to" with "H" for HEAD and "P" for a page, then the header lines of a
 * mirror's reply. What is taken lies where it was asked for and inside of the file. curl's part,
 * which hands out headers one by one, is played here: name, colon, value without white space at its
 * ends.
 */
#include <ctype.h>
#include <curl/curl.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "base/error.h"
#include "fuzz.h"
#include "upstream/head.h"

#undef curl_easy_getinfo

enum { HEADERS_MAX = 64, RETRY_AFTER_MOST_S = 24 * 3600 };

static struct {
    long status;
    struct curl_header headers[HEADERS_MAX];
    size_t count;
} reply;

CURLHcode curl_easy_header(CURL *easy, const char *name, size_t index, unsigned int origin,
                           int request, struct curl_header **ret)
{
    (void)easy;
    (void)origin;
    (void)request;
    for (size_t i = 0; i < reply.count; i++)
        if (strcasecmp(reply.headers[i].name, name) == 0 && index-- == 0) {
            *ret = &reply.headers[i];
            return CURLHE_OK;
        }
    return CURLHE_MISSING;
}

CURLcode curl_easy_getinfo(CURL *easy, CURLINFO info, ...)
{
    va_list args;

    (void)easy;
    require(info == CURLINFO_RESPONSE_CODE);
    va_start(args, info);
    *va_arg(args, long *) = reply.status;
    va_end(args);
    return CURLE_OK;
}

static void add_header(char *line)
{
    char *colon = strchr(line, ':');

    if (!colon || reply.count == HEADERS_MAX)
        return;
    *colon = '\0';
    char *value = colon + 1 + strspn(colon + 1, " \t\r");
    size_t len = strlen(value);
    while (len && isspace((unsigned char)value[len - 1]))
        value[--len] = '\0';
    reply.headers[reply.count++] = (struct curl_header){.name = line, .value = value};
}

static struct head_question read_question(const char *line)
{
    long long from = -1;
    long long to = -1;
    int status = 0;

    (void)sscanf(line, "%3d %17lld %17lld", &status, &from, &to);
    reply.status = status;
    reply.count = 0;
    if (from < -1)
        from = -1;
    if (from == -1 || to < from)
        to = -1;
    return (struct head_question){
        .head = strchr(line, 'H'), .is_page = strchr(line, 'P'), .from = from, .to = to};
}

static void check_partial(const struct head_question *question, const struct head_reply *r)
{
    const struct fetch_head *head = &r->head;

    bool is_plain = question->from < 0;
    require(head->from == (is_plain ? 0 : question->from) && head->ranges);
    require(!is_plain || (!question->is_page && head->total >= 0));
    if (question->head)
        return;
    require(r->expected_bytes > 0);
    require(!is_plain || r->expected_bytes < head->total);
    if (head->total >= 0)
        require(head->from + r->expected_bytes <= head->total);
    if (question->to >= 0)
        require(head->from + r->expected_bytes - 1 <= question->to);
    if (head->length >= 0)
        require(head->length == r->expected_bytes);
}

static void check_taken(const struct head_question *question, const struct head_reply *r)
{
    const struct fetch_head *head = &r->head;

    bool is_all = head->status == 200 && reply.status == 206 && question->from < 0;
    require((head->status == reply.status || is_all) && head->length >= -1 && head->total >= -1);
    require(head->from >= 0 && r->expected_bytes >= -1);
    require(head->retry_after_s >= -1 && head->retry_after_s <= RETRY_AFTER_MOST_S);
    require(head->status == 206 || head->from == 0);
    require(!head->via || strlen(head->via) == r->via.len);
    if (r->expected_bytes > 0)
        require(head->status == 206 || is_all || head->is_framed);
    if (head->status == 206)
        check_partial(question, r);
    else if (head->length > 0 && !question->head)
        require(r->expected_bytes == head->length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_free char *text = fuzz_text(data, size);
    char *rest = text;
    struct head_question question = read_question(fuzz_line(&rest));
    struct head_reply r;

    while (rest)
        add_header(fuzz_line(&rest));
    head_init(&r);
    int error = head_read(NULL, &question, &r);
    require(error == 0 || (error == ERROR_UPSTREAM_BROKEN && r.complaint));
    if (error == 0)
        check_taken(&question, &r);
    head_release(&r);
    return 0;
}
