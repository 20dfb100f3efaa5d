// Percent-encoding: RFC 3986 §2.1. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "http/text.hpp"

namespace enduring::http {

/// The octets that are meant; nothing if a percent sign is not followed by two hexadecimal digits.
[[nodiscard]] inline std::optional<std::string> percent_decode(std::string_view encoded) {
    std::string decoded;
    decoded.reserve(encoded.size());
    for (std::size_t i = 0; i < encoded.size(); ++i) {
        if (encoded[i] != '%') {
            decoded.push_back(encoded[i]);
            continue;
        }
        if (i + 2 >= encoded.size()) {
            return std::nullopt;
        }
        const int high = hex_value(encoded[i + 1]);
        const int low = hex_value(encoded[i + 2]);
        if (high < 0 || low < 0) {
            return std::nullopt;
        }
        decoded.push_back(static_cast<char>(high * 16 + low));
        i += 2;
    }
    return decoded;
}

}  // namespace enduring::http
