// Hosts and ports, good and bad, and addresses of IPv6 against what inet_pton() takes.
#include "http/authority.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>

namespace enduring::http {
namespace {

TEST(AuthorityTest, KnowsHosts) {
    for (const std::string_view host : {"a",
                                        "a.example",
                                        "a.example.",
                                        "localhost:8080",
                                        "127.0.0.1",
                                        "127.0.0.1:80",
                                        "[::1]",
                                        "[::]",
                                        "[2001:db8::1]:8080",
                                        "[::ffff:1.2.3.4]",
                                        "[1::]:",
                                        "[v1.a:b]",
                                        "[VF.!]:80",
                                        "a:",
                                        "a:0",
                                        "a:65535",
                                        "a:0000080",
                                        "a-b_c~d",
                                        "%41",
                                        "a%2eb:1",
                                        "a!$&'()*+;=",
                                        "256.1.1.1"}) {
        EXPECT_TRUE(parse_authority(host)) << host;
    }
    for (const std::string_view host : {"",
                                        ":",
                                        ":80",
                                        "a b",
                                        "a,b",
                                        "a/b",
                                        "a?b",
                                        "a#b",
                                        "a@b",
                                        "a\\b",
                                        "a:b",
                                        "a:80:80",
                                        "a:+1",
                                        "a:-1",
                                        "a: 1",
                                        "a:65536",
                                        "a:123456",
                                        "a:0x1",
                                        "a:999999999999999999999",
                                        "[",
                                        "[]",
                                        "[:]",
                                        "[::1",
                                        "::1",
                                        "[::1]x",
                                        "[::1]80",
                                        "[::g]",
                                        "[::1]:x",
                                        "a[::1]",
                                        "[[::1]]",
                                        "[::1%a]",
                                        "[::1%25a]",
                                        "[1.2.3.4]",
                                        "[v.a]",
                                        "[v1]",
                                        "[v1.]",
                                        "[vg.a]",
                                        "[v1.[]",
                                        "[1.a]",
                                        "[x1.a]",
                                        "%",
                                        "a%",
                                        "a%4",
                                        "a%4g",
                                        "%4",
                                        "a\"b",
                                        "a<b>",
                                        "a|b",
                                        "a\x80",
                                        "a\x7f",
                                        "a^b",
                                        "a`b",
                                        "a{b}",
                                        "a\tb",
                                        "u:p@a"}) {
        EXPECT_FALSE(parse_authority(host)) << host;
    }
    EXPECT_FALSE(parse_authority(std::string_view("a\0b", 3)));
}

TEST(AuthorityTest, SplitsHostAndPort) {
    const auto both = parse_authority("a.example:80");
    ASSERT_TRUE(both);
    EXPECT_EQ(both->host, "a.example");
    EXPECT_EQ(both->port, "80");
    const auto address = parse_authority("[::1]:443");
    ASSERT_TRUE(address);
    EXPECT_EQ(address->host, "[::1]");
    EXPECT_EQ(address->port, "443");
    EXPECT_EQ(parse_authority("[::1]")->port, "");
    EXPECT_EQ(parse_authority("a:")->host, "a");
    EXPECT_EQ(parse_authority("a:")->port, "");
}

TEST(AuthorityTest, KnowsAddressesOfIpv6) {
    for (const std::string_view address :
         {"::", "::1", "1::", "1:2:3:4:5:6:7:8", "1::8", "::2:3:4:5:6:7:8",
          "1:2:3:4:5:6:7::", "1:2:3::5:6:7:8", "ABCD:ef01::", "::1.2.3.4", "1:2:3:4:5:6:1.2.3.4",
          "1::255.255.255.255", "::0:0.0.0.0"}) {
        EXPECT_TRUE(is_ipv6_address(address)) << address;
    }
    for (const std::string_view address : {"",
                                           ":",
                                           ":::",
                                           ":::1",
                                           "1:::2",
                                           "1::2::3",
                                           "1:2:3:4:5:6:7",
                                           "1:2:3:4:5:6:7:8:9",
                                           "1:2:3:4::5:6:7:8",
                                           ":1:2:3:4:5:6:7",
                                           "1:2:3:4:5:6:7:",
                                           "1::2:",
                                           ":1::2",
                                           "12345::",
                                           "::g",
                                           "::1.2.3",
                                           "::1.2.3.4.5",
                                           "::1.2.3.256",
                                           "::01.2.3.4",
                                           "::1.2.3.",
                                           "::.1.2.3",
                                           "::1..2.3",
                                           "1.2.3.4::",
                                           "1.2.3.4",
                                           "::1.2.3.4:5",
                                           "1:2:3:4:5:6:7:1.2.3.4",
                                           "::1%1",
                                           " ::1",
                                           "::1 "}) {
        EXPECT_FALSE(is_ipv6_address(address)) << address;
    }
}

// The C library reads the same grammar.
TEST(AuthorityTest, AgreesWithTheLibraryAboutRandomAddresses) {
    std::mt19937 random(1);
    unsigned good = 0;
    for (unsigned round = 0; round < 200'000; ++round) {
        std::string text;
        for (auto parts = random() % 10; parts > 0; --parts) {
            constexpr std::string_view pieces[] = {":", "::", ":1", ":ab",     "1:", "0:", ":12345",
                                                   ":", "::", ":2", "1.2.3.4", ":f", ".5", "c:"};
            text += pieces[random() % std::size(pieces)];
        }
        in6_addr address{};
        const bool known = ::inet_pton(AF_INET6, text.c_str(), &address) == 1;
        ASSERT_EQ(is_ipv6_address(text), known) << text;
        good += known ? 1 : 0;
    }
    EXPECT_GT(good, 1000U);
}

}  // namespace
}  // namespace enduring::http
