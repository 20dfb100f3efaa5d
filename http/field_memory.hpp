// Field lines that a worker has parsed before. Clients say the same of themselves with each
// request, and of a head that is not known as a whole most lines are: when the next line is one
// that is remembered, octet for octet, then where its name and value lie is known, and the parser
// need not see it. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "http/request_head.hpp"

namespace enduring::http {

/// Not thread-safe; one per worker. What is remembered depends on the line's bytes alone.
class FieldMemory {
  public:
    /// Sizes of lines that can be remembered, with their CRLF.
    static constexpr std::size_t line_bytes_min = 10;
    static constexpr std::size_t line_bytes_max = 256;

    /// Where name and value lie in a line, counted from its first byte; nothing if it is not known.
    /// line: with its CRLF.
    [[nodiscard]] std::optional<FieldSpan> find(std::string_view line) const noexcept {
        if (line.size() < line_bytes_min || line.size() > line_bytes_max) {
            return std::nullopt;
        }
        const Line& known = lines_[place_of(line)];
        if (known.size != line.size() ||
            std::memcmp(known.bytes.data(), line.data(), line.size()) != 0) {
            return std::nullopt;
        }
        return known.field;
    }

    /// A line, with its CRLF, that was found to be this field (places counted from its first byte).
    /// The value must not be empty.
    void remember(std::string_view line, const FieldSpan& field) noexcept {
        if (line.size() < line_bytes_min || line.size() > line_bytes_max) {
            return;
        }
        Line& known = lines_[place_of(line)];
        known.size = static_cast<std::uint32_t>(line.size());
        known.field = field;
        std::memcpy(known.bytes.data(), line.data(), line.size());
    }

  private:
    struct Line {
        std::uint32_t size = 0;  // 0: nothing is remembered here
        FieldSpan field;
        std::array<char, line_bytes_max> bytes;
    };
    static constexpr unsigned places_log2 = 6;

    // By the size, the first and the last eight bytes before the CRLF.
    static std::size_t place_of(std::string_view line) noexcept {
        std::uint64_t first = 0;
        std::uint64_t last = 0;
        std::memcpy(&first, line.data(), sizeof first);
        std::memcpy(&last, line.data() + line.size() - 2 - sizeof last, sizeof last);
        const std::uint64_t mixed = (first ^ (last << 1 | last >> 63)) + line.size();
        return mixed * 0x9e37'79b9'7f4a'7c15 >> (64 - places_log2);
    }

    std::array<Line, std::size_t{1} << places_log2> lines_{};
};

}  // namespace enduring::http
