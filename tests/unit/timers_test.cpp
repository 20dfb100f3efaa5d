#include "http/timers.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <vector>

namespace enduring::http {
namespace {

using std::chrono::milliseconds;

TEST(Timers, CallsInTheOrderOfTimeAndThenOfSetting) {
    Timers timers;
    std::vector<int> called;
    timers.run(100);
    timers.after(milliseconds(20), [&] { called.push_back(3); });
    timers.after(milliseconds(10), [&] { called.push_back(1); });
    timers.after(milliseconds(10), [&] { called.push_back(2); });
    timers.run(200);
    EXPECT_EQ(called, (std::vector{1, 2, 3}));
    EXPECT_EQ(timers.next_ms(), Timers::never);
}

TEST(Timers, NeverCallsTooEarlyThoughATurnsTimeIsThatOfItsBeginning) {
    Timers timers;
    int called = 0;
    timers.run(100);
    timers.after(milliseconds(10), [&] { ++called; });
    EXPECT_EQ(timers.next_ms(), 111U) << "it may be nearly 101 by now";
    timers.run(110);
    EXPECT_EQ(called, 0);
    timers.run(111);
    EXPECT_EQ(called, 1);
}

TEST(Timers, AnyDelayIsTaken) {
    Timers timers;
    int called = 0;
    timers.run(100);
    timers.after(milliseconds(-5), [&] { called += 1; });
    timers.after(milliseconds::max(), [&] { called += 10; });
    timers.run(101);
    EXPECT_EQ(called, 1);
    EXPECT_EQ(timers.size(), 1U);
}

TEST(Timers, WhatIsCancelledIsNotCalledAndIsDestroyed) {
    Timers timers;
    auto held = std::make_shared<int>(0);
    const Timers::Id id = timers.after(milliseconds(1), [held] { ++*held; });
    EXPECT_TRUE(timers.cancel(id));
    EXPECT_EQ(held.use_count(), 1);
    EXPECT_FALSE(timers.cancel(id));
    timers.run(1'000);
    EXPECT_EQ(*held, 0);
}

TEST(Timers, AFunctionMaySetAndCancelTimers) {
    Timers timers;
    std::vector<int> called;
    Timers::Id last;
    timers.after(milliseconds(1), [&] {
        called.push_back(1);
        EXPECT_TRUE(timers.cancel(last));
        timers.after(milliseconds(0), [&] { called.push_back(2); });
    });
    last = timers.after(milliseconds(2), [&] { called.push_back(3); });
    timers.run(10);
    EXPECT_EQ(called, (std::vector{1})) << "what was set meanwhile waits for the next turn";
    timers.run(11);
    EXPECT_EQ(called, (std::vector{1, 2}));
}

TEST(Timers, AnExceptionEndsWithItsFunction) {
    Timers timers;
    int called = 0;
    timers.after(milliseconds(1), [] { throw std::runtime_error("no"); });
    timers.after(milliseconds(1), [&] { ++called; });
    EXPECT_EQ(timers.run(10), 1U);
    EXPECT_EQ(called, 1);
}

TEST(Timers, WhatIsLeftIsDestroyed) {
    auto held = std::make_shared<int>(0);
    Timers timers;
    timers.after(milliseconds(1), [held] { ++*held; });
    timers.clear();
    EXPECT_EQ(held.use_count(), 1);
    EXPECT_EQ(timers.run(1'000), 0U);
    EXPECT_EQ(*held, 0);
}

}  // namespace
}  // namespace enduring::http
