// The addresses that a server listens on, as a user writes them, and those of its peers. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.hpp"

namespace enduring::core {

/// Where to listen. Written as PORT, HOST:PORT, [IPV6]:PORT or unix:PATH.
struct Address {
    enum class Kind : std::uint8_t {
        any,    ///< every address of the machine: IPv6 and IPv4 where there is IPv6
        host,   ///< a name or a numeric address
        local,  ///< a path of the file system: unix(7)
    };
    Kind kind = Kind::any;
    std::string host{};      ///< for Kind::host, without brackets
    std::uint16_t port = 0;  ///< 0: one that is free
    std::string path{};      ///< for Kind::local

    /// As a user would write it.
    [[nodiscard]] std::string text() const;

    friend bool operator==(const Address&, const Address&) = default;
};

/// Reads what a user wrote. The error says what is allowed.
[[nodiscard]] Result<Address> parse_address(std::string_view text);

}  // namespace enduring::core
