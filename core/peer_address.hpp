// What the system says of where a connection comes from.
#pragma once

#include <sys/socket.h>

#include <optional>

#include "core/address.hpp"

namespace enduring::core {

/// What a peer's socket address says; an IPv4 address that is mapped into IPv6 as IPv4. Of a local
/// socket, whose peers mostly have none, the path. Nothing for other families.
[[nodiscard]] std::optional<Address> address_of(const sockaddr_storage& address);

}  // namespace enduring::core
