#include "http/authority.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

#include "http/text.hpp"

namespace enduring::http {

namespace {

// unreserved / sub-delims of RFC 3986 §2.
constexpr auto name_characters = [] {
    std::array<bool, 256> table{};
    for (unsigned c = 0; c < 128; ++c) {
        const char character = static_cast<char>(c);
        table[c] = is_letter(character) || is_digit(character) ||
                   std::string_view("-._~!$&'()*+,;=").contains(character);
    }
    return table;
}();

bool is_name_character(char c) noexcept { return name_characters[static_cast<unsigned char>(c)]; }

// A comma is allowed by the grammar, but a list of hosts is the likelier meaning.
bool is_registered_name(std::string_view text) noexcept {
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%') {
            if (i + 2 >= text.size() || hex_value(text[i + 1]) < 0 || hex_value(text[i + 2]) < 0) {
                return false;
            }
            i += 2;
        } else if (!is_name_character(text[i]) || text[i] == ',') {
            return false;
        }
    }
    return !text.empty();
}

// Takes what stands before the separator off the front, with the separator.
std::string_view take_until(std::string_view& text, char separator) noexcept {
    const std::size_t end = text.find(separator);
    const std::string_view part = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    return part;
}

// dec-octet "." dec-octet "." dec-octet "." dec-octet, without leading zeros.
bool is_ipv4_address(std::string_view text) noexcept {
    if (text.empty() || text.back() == '.' || std::ranges::count(text, '.') != 3) {
        return false;
    }
    while (!text.empty()) {
        const std::string_view octet = take_until(text, '.');
        if (octet.empty() || octet.size() > 3 || !std::ranges::all_of(octet, is_digit) ||
            (octet.size() > 1 && octet[0] == '0') || (octet.size() == 3 && octet > "255")) {
            return false;
        }
    }
    return true;
}

// The number of groups of 16 bits, separated by colons; the last may be an IPv4 address, which
// stands for two. Negative if it is malformed.
int count_groups(std::string_view text, bool may_end_in_ipv4) noexcept {
    int count = 0;
    while (!text.empty()) {
        const bool last = !text.contains(':');
        if (!last && text.back() == ':') {
            return -1;
        }
        const std::string_view group = take_until(text, ':');
        if (last && may_end_in_ipv4 && group.contains('.')) {
            return is_ipv4_address(group) ? count + 2 : -1;
        }
        if (group.empty() || group.size() > 4 ||
            !std::ranges::all_of(group, [](char c) { return hex_value(c) >= 0; })) {
            return -1;
        }
        ++count;
    }
    return count;
}

// IPvFuture = "v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" )
bool is_future_address(std::string_view text) noexcept {
    const std::size_t dot = text.find('.');
    if (dot == std::string_view::npos || dot < 2 || (text[0] != 'v' && text[0] != 'V')) {
        return false;
    }
    const std::string_view version = text.substr(1, dot - 1);
    const std::string_view address = text.substr(dot + 1);
    return std::ranges::all_of(version, [](char c) { return hex_value(c) >= 0; }) &&
           !address.empty() &&
           std::ranges::all_of(address, [](char c) { return is_name_character(c) || c == ':'; });
}

bool is_port(std::string_view text) noexcept {
    if (!std::ranges::all_of(text, is_digit)) {
        return false;
    }
    unsigned number = 0;
    for (const char digit : text) {
        number = number * 10 + static_cast<unsigned>(digit - '0');
        if (number > 65535) {
            return false;
        }
    }
    return true;
}

}  // namespace

bool is_ipv6_address(std::string_view text) noexcept {
    const std::size_t gap = text.find("::");
    if (gap == std::string_view::npos) {
        return count_groups(text, true) == 8;
    }
    const int before = count_groups(text.substr(0, gap), false);
    const int behind = count_groups(text.substr(gap + 2), true);
    return before >= 0 && behind >= 0 && before + behind <= 7;
}

std::optional<Authority> parse_authority(std::string_view text) noexcept {
    std::size_t end = 0;
    if (text.starts_with('[')) {
        end = text.find(']');
        if (end == std::string_view::npos) {
            return std::nullopt;
        }
        const std::string_view address = text.substr(1, end - 1);
        ++end;
        if (!is_ipv6_address(address) && !is_future_address(address)) {
            return std::nullopt;
        }
    } else {
        end = std::min(text.find(':'), text.size());
        if (!is_registered_name(text.substr(0, end))) {
            return std::nullopt;
        }
    }
    Authority authority{text.substr(0, end), {}};
    if (end < text.size()) {
        authority.port = text.substr(end + 1);
        if (text[end] != ':' || !is_port(authority.port)) {
            return std::nullopt;
        }
    }
    return authority;
}

}  // namespace enduring::http
