#include "core/address.hpp"

#include <charconv>
#include <optional>
#include <string>

namespace enduring::core {

namespace {

constexpr const char* allowed =
    "write PORT, HOST:PORT, [IPV6]:PORT or unix:PATH, with a port from 0 to 65535";
// sun_path holds 108 bytes with its end mark: unix(7).
constexpr std::size_t path_bytes_max = 107;

std::optional<std::uint16_t> parse_port(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return port;
}

}  // namespace

std::string Address::text() const {
    switch (kind) {
        case Kind::local:
            return "unix:" + path;
        case Kind::any:
            return "*:" + std::to_string(port);
        case Kind::host:
            break;
    }
    const bool ipv6 = host.find(':') != std::string::npos;
    return (ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<Address> parse_address(std::string_view text) {
    const auto bad = [&](std::string_view why) {
        return fail("'" + std::string(text) + "' is no address to listen on: " + std::string(why),
                    allowed);
    };
    if (text.starts_with("unix:")) {
        const std::string_view path = text.substr(5);
        if (path.empty() || path.size() > path_bytes_max || path.contains('\0')) {
            return bad("the path must have 1 to 107 bytes");
        }
        return Address{.kind = Address::Kind::local, .path = std::string(path)};
    }
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) {
        if (const auto port = parse_port(text)) {
            return Address{.kind = Address::Kind::any, .port = *port};
        }
        return bad("not a port number");
    }
    const auto port = parse_port(text.substr(colon + 1));
    if (!port) {
        return bad("not a port number after the last colon");
    }
    std::string_view host = text.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) {
        host = host.substr(1, host.size() - 2);
        if (!host.contains(':') || host.contains('[') || host.contains(']')) {
            return bad("only an IPv6 address stands in brackets");
        }
    } else if (host.contains(':') || host.contains('[') || host.contains(']')) {
        return bad("an IPv6 address stands in brackets");
    }
    if (host.find_first_of(" \t") != std::string_view::npos) {
        return bad("a host has no spaces");
    }
    if (host.empty() || host == "*") {
        return Address{.kind = Address::Kind::any, .port = *port};
    }
    return Address{.kind = Address::Kind::host, .host = std::string(host), .port = *port};
}

}  // namespace enduring::core
