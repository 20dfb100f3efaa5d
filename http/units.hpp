// Durations and sizes as users write them. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace enduring::http {

/// "500ms", "10s", "5m", "1h", "1.5h"; a bare number is seconds. In milliseconds; nothing if it is
/// none of these, or more than a year.
[[nodiscard]] std::optional<std::uint64_t> parse_duration_ms(std::string_view text);

/// "512", "16k", "1m", "2g" (powers of 1024, any case). Nothing if it is none of these.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);

/// The shortest way to write it: "75s", "1m".
[[nodiscard]] std::string format_duration(std::uint64_t milliseconds);
[[nodiscard]] std::string format_size(std::uint64_t bytes);

}  // namespace enduring::http
