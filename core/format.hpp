// Text from a format string that is checked at compile time. What fmt defines in its headers is
// machine code by the thousand lines; it is made in format.cpp, once, instead of wherever a number
// is written. Not installed: who uses the libraries needs no fmt. Pure.
#pragma once

#include <fmt/core.h>

#include <cstddef>
#include <span>
#include <string>

namespace enduring::core {

namespace format_detail {
std::string formatted(fmt::string_view format, fmt::format_args values);
void append(std::string& text, fmt::string_view format, fmt::format_args values);
std::size_t put(std::span<char> room, fmt::string_view format, fmt::format_args values);
}  // namespace format_detail

template <class... Values>
[[nodiscard]] std::string formatted(fmt::format_string<Values...> format, Values&&... values) {
    return format_detail::formatted(format, fmt::make_format_args(values...));
}

template <class... Values>
void append_formatted(std::string& text, fmt::format_string<Values...> format, Values&&... values) {
    format_detail::append(text, format, fmt::make_format_args(values...));
}

/// As much as there is room for. Returns how many characters those are. Allocates nothing.
template <class... Values>
std::size_t put_formatted(std::span<char> room, fmt::format_string<Values...> format,
                          Values&&... values) {
    return format_detail::put(room, format, fmt::make_format_args(values...));
}

}  // namespace enduring::core
