#include "core/peer_counts.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace enduring::core {
namespace {

std::optional<std::uint64_t> peer(const std::string& text) {
    sockaddr_storage storage{};
    if (text.find(':') == std::string::npos) {
        sockaddr_in name{};
        name.sin_family = AF_INET;
        EXPECT_EQ(inet_pton(AF_INET, text.c_str(), &name.sin_addr), 1);
        name.sin_port = htons(1234);
        std::memcpy(&storage, &name, sizeof name);
    } else {
        sockaddr_in6 name{};
        name.sin6_family = AF_INET6;
        EXPECT_EQ(inet_pton(AF_INET6, text.c_str(), &name.sin6_addr), 1);
        name.sin6_port = htons(1234);
        std::memcpy(&storage, &name, sizeof name);
    }
    return peer_of(storage);
}

TEST(PeerOf, IsAnIPv4Address) {
    EXPECT_NE(peer("192.0.2.1"), std::nullopt);
    EXPECT_EQ(peer("192.0.2.1"), peer("192.0.2.1"));
    EXPECT_NE(peer("192.0.2.1"), peer("192.0.2.2"));
    EXPECT_NE(peer("192.0.2.1"), peer("193.0.2.1"));
}

TEST(PeerOf, IsAnIPv6NetworkOf64Bits) {
    EXPECT_EQ(peer("2001:db8:1:2::1"), peer("2001:db8:1:2:ffff:ffff:ffff:ffff"));
    EXPECT_NE(peer("2001:db8:1:2::1"), peer("2001:db8:1:3::1"));
    EXPECT_NE(peer("2001:db8:1:2::1"), peer("2002:db8:1:2::1"));
    EXPECT_NE(peer("::1"), std::nullopt);
}

TEST(PeerOf, IsTheSameAddressOnASocketForBothFamilies) {
    EXPECT_EQ(peer("::ffff:192.0.2.1"), peer("192.0.2.1"));
    EXPECT_NE(peer("::ffff:192.0.2.1"), peer("::ffff:192.0.2.2"));
    EXPECT_NE(peer("::ffff:192.0.2.1"), peer("::1")) << "though their networks are the same";
    EXPECT_NE(peer("::192.0.2.1"), peer("192.0.2.1"));
}

TEST(PeerOf, IsNothingForASocketWithoutAddresses) {
    sockaddr_storage storage{};
    storage.ss_family = AF_UNIX;
    EXPECT_EQ(peer_of(storage), std::nullopt);
}

TEST(PeerCounts, TakesAsManyAsTheLimit) {
    PeerCounts counts(100, 3, 1);
    for (unsigned i = 0; i < 3; ++i) {
        EXPECT_EQ(counts.count(7), i);
        EXPECT_TRUE(counts.add(7));
    }
    EXPECT_FALSE(counts.add(7));
    EXPECT_FALSE(counts.add(7));
    EXPECT_EQ(counts.count(7), 3U) << "what was refused is not counted";
    EXPECT_TRUE(counts.add(8)) << "others have their own";
    counts.remove(7);
    EXPECT_TRUE(counts.add(7));
    EXPECT_FALSE(counts.add(7));
}

TEST(PeerCounts, KeepsManyPeersApart) {
    constexpr std::uint32_t peers = 20'000;
    PeerCounts counts(peers * 2, 2, 42);
    for (std::uint64_t round = 0; round < 2; ++round) {
        for (std::uint64_t i = 0; i < peers; ++i) {
            ASSERT_TRUE(counts.add(i << 20)) << i;
        }
    }
    for (std::uint64_t i = 0; i < peers; ++i) {
        ASSERT_EQ(counts.count(i << 20), 2U) << i;
        ASSERT_FALSE(counts.add(i << 20)) << i;
        counts.remove(i << 20);
        counts.remove(i << 20);
    }
    for (std::uint64_t i = 0; i < peers; ++i) {
        ASSERT_EQ(counts.count(i << 20), 0U) << i;
    }
}

TEST(PeerCounts, ATableThatIsFullRefuses) {
    // Far more peers than there may be connections: no bucket may lose count.
    PeerCounts counts(1, 1, 3);
    std::uint64_t added = 0;
    while (added < 1'000 && counts.add(added)) {
        ++added;
    }
    EXPECT_GE(added, 16U);
    EXPECT_LT(added, 1'000U);
    for (std::uint64_t i = 0; i < added; ++i) {
        counts.remove(i);
    }
    EXPECT_TRUE(counts.add(added));
}

TEST(PeerCountsDeathTest, WhatWasNotCountedCannotGo) {
    PeerCounts counts(10, 2, 5);
    ASSERT_TRUE(counts.add(1));
    counts.remove(1);
    EXPECT_DEATH(counts.remove(1), "not counted");
}

// The limit holds in every moment, whoever comes and goes.
TEST(PeerCounts, HoldsTheLimitForThreadsThatComeAtOnce) {
    constexpr std::uint32_t limit = 3;
    constexpr unsigned rounds = 20'000;
    PeerCounts counts(64, limit, 9);
    std::atomic<std::uint32_t> inside = 0;
    std::atomic<std::uint32_t> most = 0;
    std::atomic<std::uint32_t> admitted = 0;
    std::vector<std::thread> threads;
    for (unsigned number = 0; number < 4; ++number) {
        threads.emplace_back([&, number] {
            for (unsigned i = 0; i < rounds; ++i) {
                // Neighbours in the same bucket come and go as well.
                const bool neighbour = counts.add(100 + number);
                if (counts.add(1)) {
                    const std::uint32_t now = ++inside;
                    std::uint32_t seen = most;
                    while (now > seen && !most.compare_exchange_weak(seen, now)) {
                    }
                    ++admitted;
                    --inside;
                    counts.remove(1);
                }
                if (neighbour) {
                    counts.remove(100 + number);
                }
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_LE(most, limit);
    EXPECT_GT(admitted, rounds / 2);
    EXPECT_EQ(counts.count(1), 0U);
    for (unsigned number = 0; number < 4; ++number) {
        EXPECT_EQ(counts.count(100 + number), 0U);
    }
}

}  // namespace
}  // namespace enduring::core
