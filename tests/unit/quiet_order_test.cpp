#include "core/quiet_order.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace enduring::core {
namespace {

using Entry = QuietOrder::Entry;

void search(QuietOrder& order, const std::vector<Entry>& entries) {
    order.search([&](const auto& add) {
        for (const Entry& entry : entries) {
            add(entry);
        }
    });
}

TEST(QuietOrder, IsEmptyWithoutASearch) {
    QuietOrder order(1'000);
    EXPECT_EQ(order.take(), std::nullopt);
    search(order, {});
    EXPECT_EQ(order.take(), std::nullopt);
}

TEST(QuietOrder, GivesWhoHasBeenQuietForLongestFirst) {
    QuietOrder order(1'000);
    search(order, {{30, 1, 7}, {10, 2, 8}, {20, 3, 9}});
    EXPECT_EQ(order.take(), (Entry{10, 2, 8}));
    EXPECT_EQ(order.take(), (Entry{20, 3, 9}));
    EXPECT_EQ(order.take(), (Entry{30, 1, 7}));
    EXPECT_EQ(order.take(), std::nullopt);
}

TEST(QuietOrder, KeepsTheLongestOfMany) {
    constexpr std::uint32_t count = 10'000;
    std::vector<Entry> entries;
    for (std::uint32_t i = 0; i < count; ++i) {
        // Each time once, in no order: the factor has no divisor in common with the count.
        entries.push_back({std::uint64_t{i} * 7'919 % count, i, 0});
    }
    QuietOrder order(1'000);
    search(order, entries);
    std::uint64_t taken = 0;
    while (const auto entry = order.take()) {
        ASSERT_EQ(entry->since_ms, taken) << "none is left out, and none comes too early";
        ++taken;
    }
    EXPECT_GE(taken, count / 16);
    EXPECT_LE(taken, count / 8) << "a search must not keep them all in memory";
}

TEST(QuietOrder, WhatWasPutBackComesNext) {
    QuietOrder order(1'000);
    search(order, {{1, 1, 0}, {2, 2, 0}});
    order.put_back(*order.take());
    EXPECT_EQ(order.take(), (Entry{1, 1, 0}));
    EXPECT_EQ(order.take(), (Entry{2, 2, 0}));
}

TEST(QuietOrder, ASearchForgetsWhatTheLastOneFound) {
    QuietOrder order(1'000);
    search(order, {{1, 1, 0}, {2, 2, 0}});
    search(order, {{3, 3, 0}});
    EXPECT_EQ(order.take(), (Entry{3, 3, 0}));
    EXPECT_EQ(order.take(), std::nullopt);
}

}  // namespace
}  // namespace enduring::core
