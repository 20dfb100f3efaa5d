// How much a server says while it runs. Pure.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace enduring::http {

/// Each says what those before it say, too.
enum class LogLevel : std::uint8_t {
    error,    ///< requests or connections were lost, or the server cannot do what it should
    warning,  ///< a limit was reached, so that somebody was turned away
    info,     ///< what was decided at the start, and how it ends
    debug,    ///< what clients did
};

inline constexpr std::array<std::string_view, 4> log_level_names{"error", "warning", "info",
                                                                 "debug"};

[[nodiscard]] constexpr std::string_view name_of(LogLevel level) noexcept {
    return log_level_names[static_cast<std::size_t>(level)];
}
[[nodiscard]] constexpr std::optional<LogLevel> log_level_of(std::string_view name) noexcept {
    const auto* const found = std::ranges::find(log_level_names, name);
    return found == log_level_names.end()
               ? std::nullopt
               : std::optional(static_cast<LogLevel>(found - log_level_names.begin()));
}

}  // namespace enduring::http
