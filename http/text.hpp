// Characters and lists of RFC 9110 §5.6: tokens, optional white space, comma-separated lists,
// comparison without regard to case; and what no value of a field may have. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace enduring::http {

namespace detail {
constexpr auto token_characters = [] {
    std::array<bool, 256> table{};
    for (unsigned c = '0'; c <= '9'; ++c) {
        table[c] = true;
    }
    for (unsigned c = 'a'; c <= 'z'; ++c) {
        table[c] = true;
        table[c - 'a' + 'A'] = true;
    }
    for (const char c :
         {'!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~'}) {
        table[static_cast<unsigned char>(c)] = true;
    }
    return table;
}();
}  // namespace detail

constexpr bool is_token_character(char c) noexcept {
    return detail::token_characters[static_cast<unsigned char>(c)];
}
constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool is_letter(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
/// The value of a hexadecimal digit, or -1.
constexpr int hex_value(char c) noexcept {
    if (is_digit(c)) {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

constexpr bool is_token(std::string_view text) noexcept {
    for (const char c : text) {
        if (!is_token_character(c)) {
            return false;
        }
    }
    return !text.empty();
}

constexpr char to_lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// Compares ASCII letters without regard to case.
constexpr bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept {
    if (a.size() != b.size()) {
        return false;
    }
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (to_lower(a[i]) != to_lower(b[i])) {
            return false;
        }
    }
    return true;
}

/// Makes spaces of control characters, so that none in a field's value begins a line of its own:
/// RFC 9110 §5.5.
constexpr void replace_controls(std::span<char> value) noexcept {
    for (char& c : value) {
        const auto byte = static_cast<unsigned char>(c);
        c = (byte < 0x20 && byte != '\t') || byte == 0x7f ? ' ' : c;
    }
}

/// Without the spaces and tabs at both ends (OWS).
constexpr std::string_view trim(std::string_view text) noexcept {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
        text.remove_prefix(1);
    }
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
        text.remove_suffix(1);
    }
    return text;
}

/// Calls each(element) for the elements of a list without quoted strings, trimmed; empty ones are
/// passed as well.
template <class Each>
constexpr void for_each_element(std::string_view list, Each&& each) {
    for (;;) {
        const std::size_t comma = list.find(',');
        each(trim(list.substr(0, comma)));
        if (comma == std::string_view::npos) {
            return;
        }
        list.remove_prefix(comma + 1);
    }
}

}  // namespace enduring::http
