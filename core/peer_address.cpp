#include "core/peer_address.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

namespace enduring::core {

std::optional<Address> address_of(const sockaddr_storage& address) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    Address result{.kind = Address::Kind::host};
    switch (address.ss_family) {
        case AF_INET: {
            sockaddr_in name;
            std::memcpy(&name, &address, sizeof name);
            ::inet_ntop(AF_INET, &name.sin_addr, text.data(), text.size());
            result.port = ntohs(name.sin_port);
            break;
        }
        case AF_INET6: {
            sockaddr_in6 name;
            std::memcpy(&name, &address, sizeof name);
            const bool is_mapped = IN6_IS_ADDR_V4MAPPED(&name.sin6_addr);
            constexpr std::size_t ipv4_begin = 12;
            ::inet_ntop(is_mapped ? AF_INET : AF_INET6,
                        name.sin6_addr.s6_addr + (is_mapped ? ipv4_begin : 0), text.data(),
                        text.size());
            result.port = ntohs(name.sin6_port);
            break;
        }
        case AF_UNIX: {
            sockaddr_un name;
            std::memcpy(&name, &address, sizeof name);
            const std::string_view path(name.sun_path, sizeof name.sun_path);
            return Address{.kind = Address::Kind::local,
                           .path = std::string(path.substr(0, path.find('\0')))};
        }
        default:
            return std::nullopt;
    }
    result.host = text.data();
    return result;
}

}  // namespace enduring::core
