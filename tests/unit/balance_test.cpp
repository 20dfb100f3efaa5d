#include "core/balance.hpp"

#include <gtest/gtest.h>

#include <latch>
#include <thread>
#include <vector>

namespace enduring::core {
namespace {

void fill(Balance& balance, const std::vector<unsigned>& counts) {
    for (unsigned worker = 0; worker < counts.size(); ++worker) {
        for (unsigned i = 0; i < counts[worker]; ++i) {
            balance.add(worker);
        }
    }
}

TEST(Balance, Counts) {
    Balance balance(3);
    EXPECT_EQ(balance.workers(), 3U);
    fill(balance, {2, 0, 5});
    EXPECT_EQ(balance.count(0), 2U);
    EXPECT_EQ(balance.count(1), 0U);
    EXPECT_EQ(balance.count(2), 5U);
    balance.remove(2);
    EXPECT_EQ(balance.count(2), 4U);
    EXPECT_EQ(balance.count(0), 2U);
}

TEST(Balance, OneWorkerKeepsEverything) {
    Balance balance(1);
    fill(balance, {1'000});
    EXPECT_EQ(balance.choose(0), 0U);
}

TEST(Balance, WhoIsStuckGetsNothing) {
    Balance balance(3);
    fill(balance, {20, 0, 5});
    balance.set_stuck(1, true);
    EXPECT_TRUE(balance.stuck(1));
    EXPECT_EQ(balance.choose(0), 2U);
    EXPECT_EQ(balance.choose(0, true), 2U);
    balance.set_stuck(2, true);
    EXPECT_EQ(balance.choose(0, true), 0U);
    balance.set_stuck(1, false);
    EXPECT_EQ(balance.choose(0), 1U);
}

TEST(Balance, TheNewcomersOfAStuckWorkerGoToTheLeastLoadedThatCanTakeThem) {
    Balance balance(4);
    fill(balance, {0, 12, 9, 11});
    balance.set_stuck(0, true);
    EXPECT_EQ(balance.choose_other(0, 20), 2U);
    EXPECT_EQ(balance.choose_other(2, 20), 3U) << "not to the one that is stuck";
    balance.set_stuck(2, true);
    EXPECT_EQ(balance.choose_other(0, 20), 3U);
    EXPECT_EQ(balance.choose_other(0, 12), 3U);
    EXPECT_EQ(balance.choose_other(0, 11), 0U) << "all have as many as they take";
}

TEST(Balance, SmallDifferencesStay) {
    Balance balance(2);
    EXPECT_EQ(balance.choose(1), 1U);
    balance.add(0);
    balance.add(0);
    EXPECT_EQ(balance.choose(0), 0U) << "two more than nothing";
    balance.add(0);
    EXPECT_EQ(balance.choose(0), 1U) << "three more than nothing";
    EXPECT_EQ(balance.choose(1), 1U) << "who has less keeps";
}

TEST(Balance, TheToleranceGrowsWithTheLoad) {
    Balance balance(2);
    fill(balance, {160 + 10 + 2, 160});
    EXPECT_EQ(balance.choose(0), 0U);
    balance.add(0);
    EXPECT_EQ(balance.choose(0), 1U);
}

TEST(Balance, TheLeastLoadedGetsIt) {
    Balance balance(4);
    fill(balance, {100, 50, 20, 60});
    EXPECT_EQ(balance.choose(0), 2U);
    EXPECT_EQ(balance.choose(1), 2U);
    EXPECT_EQ(balance.choose(2), 2U);
}

// What the rule is for: wherever connections arrive, no worker ends up with much more than another.
TEST(Balance, SpreadsABurstThatArrivesAtOneWorker) {
    Balance balance(4);
    for (int i = 0; i < 1'000; ++i) {
        balance.add(balance.choose(3));
    }
    for (unsigned worker = 0; worker < 4; ++worker) {
        EXPECT_GE(balance.count(worker), 230U);
        EXPECT_LE(balance.count(worker), 270U);
    }
}

TEST(Balance, KnowsWhoStillHandsOver) {
    Balance balance(2);
    EXPECT_EQ(balance.accepting(), 2U);
    balance.stop_accepting();
    EXPECT_EQ(balance.accepting(), 1U);
    balance.stop_accepting();
    EXPECT_EQ(balance.accepting(), 0U);
}

TEST(Balance, LosesNothingBetweenThreads) {
    constexpr unsigned workers = 4;
    Balance balance(workers);
    std::latch start(workers);  // together, or they would run one after the other
    std::vector<std::thread> threads;
    for (unsigned self = 0; self < workers; ++self) {
        threads.emplace_back([&balance, &start, self] {
            start.arrive_and_wait();
            for (int i = 0; i < 100'000; ++i) {
                const unsigned target = balance.choose(self);
                ASSERT_LT(target, balance.workers());
                balance.add(target);
                balance.add(0);
                balance.remove(target);
            }
            balance.stop_accepting();
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(balance.count(0), workers * 100'000U);
    EXPECT_EQ(balance.count(1), 0U);
    EXPECT_EQ(balance.accepting(), 0U);
}

}  // namespace
}  // namespace enduring::core
