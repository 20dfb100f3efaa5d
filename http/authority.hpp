// Hosts and ports as they stand in a Host field and in a target: RFC 3986 §3.2, RFC 9110 §4.2 and
// §7.2. Pure.
#pragma once

#include <optional>
#include <string_view>

namespace enduring::http {

/// uri-host [":" port], split at the colon.
struct Authority {
    std::string_view host;  ///< an address of IPv6 with its brackets; not empty
    std::string_view port;  ///< digits, up to 65535; may be empty
};

/// Nothing if the text is none: user information, an empty host, an address in brackets that is no
/// address, or a port that TCP does not have are all refused.
[[nodiscard]] std::optional<Authority> parse_authority(std::string_view text) noexcept;

/// An address of IPv6 as RFC 3986 §3.2.2 has it, without brackets and without a zone.
[[nodiscard]] bool is_ipv6_address(std::string_view text) noexcept;

}  // namespace enduring::http
