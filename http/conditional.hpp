// Conditional and partial requests: RFC 9110 §13 and §14. Pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "http/request.hpp"

namespace enduring::http {

/// What is known of the representation that a GET would give.
struct Validators {
    std::string_view entity_tag;    ///< strong, with its quotes
    std::int64_t modified_seconds;  ///< since 1970
    std::int64_t now_seconds;
    std::uint64_t size;
};

/// What to answer.
struct Selection {
    enum class Kind : std::uint8_t {
        whole,          ///< 200
        part,           ///< 206 with [offset, offset + size)
        not_modified,   ///< 304
        failed,         ///< 412
        unsatisfiable,  ///< 416
    };
    Kind kind = Kind::whole;
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
};

/// Applies If-Match, If-Unmodified-Since, If-None-Match, If-Modified-Since, Range and If-Range in
/// the order of §13.2.2. Several ranges at once get the whole, which a server may always give.
[[nodiscard]] Selection select(const Request& request, const Validators& validators);

}  // namespace enduring::http
