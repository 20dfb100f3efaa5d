// Dates of HTTP: RFC 9110 §5.6.7. Pure: the time is an argument.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace enduring::http {

/// Seconds since 1970-01-01 00:00:00 UTC as an IMF-fixdate: "Sun, 06 Nov 1994 08:49:37 GMT".
[[nodiscard]] std::string format_date(std::int64_t unix_seconds);

/// The same second as logs write it: "06/Nov/1994:08:49:37 +0000".
[[nodiscard]] std::string format_log_date(std::int64_t unix_seconds);

/// The same second by RFC 3339, without a fraction and its end: "1994-11-06T08:49:37".
[[nodiscard]] std::string format_iso_date(std::int64_t unix_seconds);

/// Reads the three formats that a recipient must accept: IMF-fixdate, RFC 850 and asctime. A
/// two-digit year lies at most 50 years after now_seconds.
[[nodiscard]] std::optional<std::int64_t> parse_date(std::string_view text,
                                                     std::int64_t now_seconds);

}  // namespace enduring::http
