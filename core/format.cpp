#include "core/format.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace enduring::core::format_detail {

std::string formatted(fmt::string_view format, fmt::format_args values) {
    return fmt::vformat(format, values);
}

void append(std::string& text, fmt::string_view format, fmt::format_args values) {
    fmt::vformat_to(std::back_inserter(text), format, values);
}

std::size_t put(std::span<char> room, fmt::string_view format, fmt::format_args values) {
    const auto whole = fmt::vformat_to_n(room.data(), room.size(), format, values);
    return std::min(room.size(), whole.size);
}

}  // namespace enduring::core::format_detail
