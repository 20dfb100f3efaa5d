#include "core/address.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace enduring::core {
namespace {

using namespace std::string_view_literals;

Address any(std::uint16_t port) { return {.kind = Address::Kind::any, .port = port}; }
Address host(std::string name, std::uint16_t port) {
    return {.kind = Address::Kind::host, .host = std::move(name), .port = port};
}
Address unix_path(std::string path) {
    return {.kind = Address::Kind::local, .path = std::move(path)};
}

struct Row {
    std::string_view text;
    Address address;
    std::string_view shown;  // as text() gives it
};

TEST(Address, ReadsWhatAUserWrites) {
    const std::string longest(107, 'p');
    const std::string longest_text = "unix:" + longest;
    const Row rows[]{
        {"8080", any(8080), "*:8080"},
        {"0", any(0), "*:0"},
        {"65535", any(65535), "*:65535"},
        {":80", any(80), "*:80"},
        {"*:80", any(80), "*:80"},
        {"0.0.0.0:80", host("0.0.0.0", 80), "0.0.0.0:80"},
        {"127.0.0.1:0", host("127.0.0.1", 0), "127.0.0.1:0"},
        {"localhost:8080", host("localhost", 8080), "localhost:8080"},
        {"[::1]:8080", host("::1", 8080), "[::1]:8080"},
        {"[::]:80", host("::", 80), "[::]:80"},
        {"[fe80::1%eth0]:80", host("fe80::1%eth0", 80), "[fe80::1%eth0]:80"},
        {"unix:/run/enduring.sock", unix_path("/run/enduring.sock"), "unix:/run/enduring.sock"},
        {"unix:relative:8080", unix_path("relative:8080"), "unix:relative:8080"},
        {longest_text, unix_path(longest), longest_text},
    };
    for (const Row& row : rows) {
        const auto address = parse_address(row.text);
        ASSERT_TRUE(address.has_value()) << row.text << ": " << address.error().text();
        EXPECT_EQ(*address, row.address) << row.text;
        EXPECT_EQ(address->text(), row.shown);
        EXPECT_EQ(parse_address(address->text()).value(), row.address) << "reads what it shows";
    }
}

TEST(Address, SaysWhatIsAllowedOfWhatItCannotRead) {
    const std::string too_long = "unix:" + std::string(108, 'p');
    const struct {
        std::string_view text;
        std::string_view why;
    } rows[]{
        {"", "not a port number"},
        {"http", "not a port number"},
        {"65536", "not a port number"},
        {"-1", "not a port number"},
        {"+80", "not a port number"},
        {" 80", "not a port number"},
        {"80 ", "not a port number"},
        {"8o", "not a port number"},
        {"0x50", "not a port number"},
        {"localhost", "not a port number"},
        {"localhost:", "not a port number after the last colon"},
        {"localhost:http", "not a port number after the last colon"},
        {"localhost:65536", "not a port number after the last colon"},
        {"http://localhost:80/", "not a port number after the last colon"},
        {"[::1]", "not a port number after the last colon"},
        {"::1:80", "an IPv6 address stands in brackets"},
        {"[::1:80", "an IPv6 address stands in brackets"},
        {"::1]:80", "an IPv6 address stands in brackets"},
        {"name]:80", "an IPv6 address stands in brackets"},
        {" host:80", "a host has no spaces"},
        {"[::1\t]:80", "a host has no spaces"},
        {"[:80", "an IPv6 address stands in brackets"},
        // As an address's text() these would be something else.
        {"[unix]:80", "only an IPv6 address stands in brackets"},
        {"[[::1]]:80", "only an IPv6 address stands in brackets"},
        {"[*]:80", "only an IPv6 address stands in brackets"},
        {"[]:80", "only an IPv6 address stands in brackets"},
        {"unix:", "the path must have 1 to 107 bytes"},
        {too_long, "the path must have 1 to 107 bytes"},
        {"unix:a\0b"sv, "the path must have 1 to 107 bytes"},
    };
    for (const auto& row : rows) {
        const auto address = parse_address(row.text);
        ASSERT_FALSE(address.has_value()) << row.text;
        EXPECT_EQ(
            address.error().what,
            "'" + std::string(row.text) + "' is no address to listen on: " + std::string(row.why));
        EXPECT_EQ(address.error().remedy,
                  "write PORT, HOST:PORT, [IPV6]:PORT or unix:PATH, with a port from 0 to 65535");
    }
}

}  // namespace
}  // namespace enduring::core
