#include "core/peer_address.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace enduring::core {
namespace {

sockaddr_storage name_of(int family, std::string_view text, std::uint16_t port) {
    sockaddr_storage storage{};
    if (family == AF_INET) {
        sockaddr_in name{};
        name.sin_family = AF_INET;
        name.sin_port = htons(port);
        EXPECT_EQ(::inet_pton(AF_INET, std::string(text).c_str(), &name.sin_addr), 1);
        std::memcpy(&storage, &name, sizeof name);
    } else {
        sockaddr_in6 name{};
        name.sin6_family = AF_INET6;
        name.sin6_port = htons(port);
        EXPECT_EQ(::inet_pton(AF_INET6, std::string(text).c_str(), &name.sin6_addr), 1);
        std::memcpy(&storage, &name, sizeof name);
    }
    return storage;
}

TEST(PeerAddress, SaysWhereAPeerIs) {
    EXPECT_EQ(address_of(name_of(AF_INET, "192.0.2.7", 1234)),
              (Address{.kind = Address::Kind::host, .host = "192.0.2.7", .port = 1234}));
    EXPECT_EQ(address_of(name_of(AF_INET6, "2001:db8::7", 1)),
              (Address{.kind = Address::Kind::host, .host = "2001:db8::7", .port = 1}));
    EXPECT_EQ(address_of(name_of(AF_INET6, "::ffff:192.0.2.7", 65535)),
              (Address{.kind = Address::Kind::host, .host = "192.0.2.7", .port = 65535}))
        << "a socket of both families has IPv4 peers, too";
    sockaddr_un local{};
    local.sun_family = AF_UNIX;
    sockaddr_storage storage{};
    std::memcpy(&storage, &local, sizeof local);
    EXPECT_EQ(address_of(storage), (Address{.kind = Address::Kind::local}));
    std::string_view("/run/x").copy(local.sun_path, sizeof local.sun_path);
    std::memcpy(&storage, &local, sizeof local);
    EXPECT_EQ(address_of(storage), (Address{.kind = Address::Kind::local, .path = "/run/x"}));
    storage.ss_family = AF_NETLINK;
    EXPECT_EQ(address_of(storage), std::nullopt);
}

}  // namespace
}  // namespace enduring::core
