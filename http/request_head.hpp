// The head of a request as it was parsed: places in the bytes that it was parsed from, so that it
// stays good when those bytes are moved. Pure.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "http/method.hpp"

namespace enduring::http {

/// A place in the head, counted from its first byte.
struct Span {
    std::uint32_t offset = 0;
    std::uint32_t size = 0;

    [[nodiscard]] std::string_view in(const char* base) const noexcept {
        return {base + offset, size};
    }
    [[nodiscard]] std::uint32_t end() const noexcept { return offset + size; }
};

struct FieldSpan {
    Span name;
    Span value;  ///< may have white space at its end
};

struct RequestHead {
    Method method = Method::other;
    std::uint8_t minor_version = 1;  ///< 0 or 1; HTTP/1.2 to 1.9 are taken for 1.1
    Span target;
    std::vector<FieldSpan> fields;  ///< in the order of the request

    /// Ready for the next head; keeps the memory.
    void clear() noexcept {
        method = Method::other;
        minor_version = 1;
        target = {};
        fields.clear();
    }
};

}  // namespace enduring::http
