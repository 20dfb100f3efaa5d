// Reads configuration files: a setting in each line, "key = value". It knows neither the keys that
// there are nor what their values mean.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"
#include "http/text.hpp"

namespace enduring::http {

/// A line that sets something.
struct Setting {
    std::size_t line;   ///< in the file, from 1
    std::string key;    ///< letters, digits and hyphens
    std::string value;  ///< not empty
};

/// A larger file is none that a person wrote.
inline constexpr std::size_t configuration_bytes_max = 1024 * 1024;

/// The settings in their order. Empty lines say nothing, and what begins with # is a comment. A
/// value reaches to the end of its line, which is LF or CRLF; white space at its ends does not
/// belong to it, nor do quotation marks around it. Everything else is an error that names the line.
/// name: what errors call the text.
[[nodiscard]] core::Result<std::vector<Setting>> parse_configuration(std::string_view text,
                                                                     std::string_view name);

/// The settings of a file, which may also be a pipe.
[[nodiscard]] core::Result<std::vector<Setting>> read_configuration_file(const std::string& path);

[[nodiscard]] constexpr bool is_key_character(char c) noexcept {
    return is_letter(c) || is_digit(c) || c == '-';
}

/// How errors name a place.
[[nodiscard]] std::string line_of(std::string_view name, std::size_t line);

}  // namespace enduring::http
