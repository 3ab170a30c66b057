// SPDX-License-Identifier: Apache-2.0
/*
 * toml++ keeps tables sorted by name and its types belong to C++. What it parsed is copied into a
 * plain tree of ours, in the order of the file. Its own tree is taken apart on the way, so that
 * large documents are not in memory twice. No exception leaves this file.
 */
extern "C" {
#include "base/toml.h"
#include "base/error.h"
#include "base/toml_bounds.h"
}

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include <toml++/toml.h>

struct toml_node {
    enum toml_type type = TOML_OTHER;
    toml::source_position begin{};
    std::string name;   // of a member of a table
    std::string string; // also a date, as written
    int64_t integer = 0;
    size_t offset = 0, len = 0; // of a string, between its quotes; 0: not known
    bool boolean = false;
    std::vector<std::unique_ptr<toml_node>> members;
};

struct toml_document {
    std::unique_ptr<toml_node> root;
};

namespace
{
constexpr int DEPTH_MAX = 64;

// What the copy refuses though TOML allows it.
struct refusal {
    const char *message;
    int line;
};

// From lines and columns to bytes. A column counts code points, and a mark of byte order is none.
class places
{
  public:
    explicit places(std::string_view text) : text_(text)
    {
        lines_.push_back(text.substr(0, 3) == "\xef\xbb\xbf" ? 3 : 0);
        wide_.push_back(false);
        for (size_t i = 0; i < text.size(); i++) {
            if (text[i] & 0x80)
                wide_.back() = i >= lines_.back();
            if (text[i] != '\n')
                continue;
            lines_.push_back(i + 1);
            wide_.push_back(false);
        }
    }

    size_t offset(const toml::source_position &at) const
    {
        if (at.line < 1 || at.line > lines_.size())
            return text_.size();
        size_t i = lines_[at.line - 1];
        if (!wide_[at.line - 1])
            return std::min(i + at.column - 1, text_.size());
        for (toml::source_index column = 1; column < at.column && i < text_.size(); column++)
            do
                i++;
            while (i < text_.size() && (text_[i] & 0xC0) == 0x80);
        return i;
    }

    std::string_view text(const toml::source_region &region) const
    {
        size_t begin = offset(region.begin);
        size_t end = offset(region.end);
        return begin < end ? text_.substr(begin, end - begin) : std::string_view();
    }

    // The bytes between the quotes of a string on one line that begins there.
    void string(const toml::source_position &at, toml_node &to) const
    {
        size_t begin = offset(at);
        if (begin >= text_.size() || (text_[begin] != '"' && text_[begin] != '\''))
            return;
        char quote = text_[begin];
        if (text_.substr(begin, 3) == std::string(3, quote))
            return;
        size_t end = begin + 1;
        while (end < text_.size() && text_[end] != quote && text_[end] != '\n')
            end += text_[end] == '\\' && quote == '"' ? 2 : 1;
        if (end >= text_.size() || text_[end] != quote)
            return;
        to.offset = begin + 1;
        to.len = end - begin - 1;
    }

  private:
    std::string_view text_;
    std::vector<size_t> lines_; // where each begins
    std::vector<bool> wide_;    // which have characters of several bytes
};

std::unique_ptr<toml_node> copy_node(toml::node &from, const places &where, int depth);

void copy_table(toml::table &from, toml_node &to, const places &where, int depth)
{
    to.type = TOML_TABLE;
    for (auto &&[key, value] : from) {
        auto member = copy_node(value, where, depth + 1);
        member->name = key.str();
        if (member->name.find('\0') != std::string::npos)
            throw refusal{"a key holds a NUL", static_cast<int>(member->begin.line)};
        // The key stands before its value, and an implied table has no place of its own.
        if (!member->begin || key.source().begin < member->begin)
            member->begin = key.source().begin;
        to.members.push_back(std::move(member));
    }
    from.clear();
    std::stable_sort(to.members.begin(), to.members.end(),
                     [](const auto &a, const auto &b) { return a->begin < b->begin; });
}

void copy_array(toml::array &from, toml_node &to, const places &where, int depth)
{
    to.type = TOML_ARRAY;
    to.members.reserve(from.size());
    for (auto &&element : from)
        to.members.push_back(copy_node(element, where, depth + 1));
    from.clear();
}

std::unique_ptr<toml_node> copy_node(toml::node &from, const places &where, int depth)
{
    auto to = std::make_unique<toml_node>();
    to->begin = from.source().begin;
    if (depth > DEPTH_MAX)
        throw refusal{"nested too deeply", static_cast<int>(to->begin.line)};
    if (auto table = from.as_table()) {
        copy_table(*table, *to, where, depth);
    } else if (auto array = from.as_array()) {
        copy_array(*array, *to, where, depth);
    } else if (auto string = from.as_string()) {
        to->type = TOML_STRING;
        to->string = std::move(string->get());
        if (to->string.find('\0') != std::string::npos)
            throw refusal{"a string holds a NUL", static_cast<int>(to->begin.line)};
        where.string(from.source().begin, *to);
    } else if (auto integer = from.as_integer()) {
        to->type = TOML_INTEGER;
        to->integer = integer->get();
    } else if (auto boolean = from.as_boolean()) {
        to->type = TOML_BOOLEAN;
        to->boolean = boolean->get();
    } else if (from.is_date() || from.is_time() || from.is_date_time()) {
        to->type = TOML_DATE;
        to->string = where.text(from.source());
    }
    return to;
}

int report(std::string_view message, int line, char **ret_message, int *ret_line)
{
    char *copy = strndup(message.data(), message.size());
    if (!copy)
        return ERROR_NO_MEMORY;
    *ret_message = copy;
    *ret_line = line;
    return ERROR_CONFIG;
}

int parse(const char *text, size_t len, size_t tables_most, struct toml_document **ret_document,
          char **ret_message, int *ret_line)
{
    int bad_line = 0;
    if (const char *what = toml_check_bounds(text, len, tables_most, &bad_line))
        return report(what, bad_line, ret_message, ret_line);
    try {
        auto document = std::make_unique<struct toml_document>();
        std::string_view all(text, len);
        toml::table parsed = toml::parse(all);
        document->root = copy_node(parsed, places(all), 0);
        *ret_document = document.release();
        return 0;
    } catch (const toml::parse_error &error) {
        return report(error.description(), static_cast<int>(error.source().begin.line), ret_message,
                      ret_line);
    } catch (const refusal &error) {
        return report(error.message, error.line, ret_message, ret_line);
    } catch (const std::exception &) {
        return ERROR_NO_MEMORY;
    }
}
} // namespace

int toml_parse(const char *text, size_t len, struct toml_document **ret_document,
               char **ret_message, int *ret_line)
{
    return parse(text, len, TOML_TABLES_MAX, ret_document, ret_message, ret_line);
}

int toml_parse_lock(const char *text, size_t len, struct toml_document **ret_document,
                    char **ret_message, int *ret_line)
{
    return parse(text, len, TOML_LOCK_TABLES_MAX, ret_document, ret_message, ret_line);
}

void toml_free(struct toml_document *document)
{
    delete document;
}

const struct toml_node *toml_root(const struct toml_document *document)
{
    return document->root.get();
}

enum toml_type toml_type(const struct toml_node *node)
{
    return node ? node->type : TOML_NONE;
}

int toml_line(const struct toml_node *node)
{
    return node ? static_cast<int>(node->begin.line) : 0;
}

size_t toml_count(const struct toml_node *table_or_array)
{
    return table_or_array ? table_or_array->members.size() : 0;
}

const struct toml_node *toml_at(const struct toml_node *table_or_array, size_t i,
                                const char **ret_name)
{
    if (i >= toml_count(table_or_array))
        return nullptr;
    const toml_node *member = table_or_array->members[i].get();
    if (ret_name)
        *ret_name = table_or_array->type == TOML_TABLE ? member->name.c_str() : nullptr;
    return member;
}

const struct toml_node *toml_get(const struct toml_node *table, const char *name)
{
    if (toml_type(table) != TOML_TABLE)
        return nullptr;
    for (auto &member : table->members)
        if (member->name == name)
            return member.get();
    return nullptr;
}

const char *toml_string(const struct toml_node *node)
{
    return toml_type(node) == TOML_STRING ? node->string.c_str() : nullptr;
}

int64_t toml_integer(const struct toml_node *node)
{
    return node ? node->integer : 0;
}

bool toml_boolean(const struct toml_node *node)
{
    return node && node->boolean;
}

const char *toml_date(const struct toml_node *node)
{
    return toml_type(node) == TOML_DATE ? node->string.c_str() : nullptr;
}

bool toml_place(const struct toml_node *node, size_t *ret_offset, size_t *ret_len)
{
    if (toml_type(node) != TOML_STRING || !node->offset)
        return false;
    *ret_offset = node->offset;
    *ret_len = node->len;
    return true;
}
