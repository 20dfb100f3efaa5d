#include "core/rate_meter.hpp"

#include <gtest/gtest.h>

#include <cstdint>

namespace enduring::core {
namespace {

constexpr std::uint64_t no_end = ~std::uint64_t{0};
constexpr std::uint64_t grace_ms = 5'000;
constexpr std::uint64_t begin_ms = 1'000'000;

class RateMeterTest : public testing::Test {
  protected:
    RateMeterTest() { meter.begin(begin_ms); }
    /// From the beginning to the deadline.
    [[nodiscard]] std::uint64_t time_ms() const { return meter.deadline_ms(grace_ms) - begin_ms; }

    RateMeter meter;
};

TEST_F(RateMeterTest, NothingIsJudgedBeforeTheGraceIsOver) {
    EXPECT_EQ(time_ms(), grace_ms);
    meter.add(100, 100, no_end);
    EXPECT_EQ(time_ms(), grace_ms) << "a second is paid for, the grace reaches further";
    meter.add(400, 100, no_end);
    EXPECT_EQ(time_ms(), grace_ms) << "exactly the rate so far";
}

TEST_F(RateMeterTest, WhoIsFasterThanTheRateMaySlowDownLater) {
    meter.add(2'400, 240, no_end);
    EXPECT_EQ(time_ms(), 10'000U);
    meter.add(240, 240, no_end);
    EXPECT_EQ(time_ms(), 11'000U);
}

TEST_F(RateMeterTest, ButNotBeyondTheCredit) {
    meter.add(1'000'000, 240, begin_ms + 30'000);
    EXPECT_EQ(time_ms(), 30'000U);
    meter.add(1, 240, begin_ms + 31'000);
    EXPECT_EQ(time_ms(), 30'005U) << "paid for by this byte, not by those that were too many";
}

TEST_F(RateMeterTest, SingleBytesAreWorthAsMuchAsManyAtOnce) {
    for (unsigned i = 0; i < 2'400; ++i) {
        meter.add(1, 240, no_end);
    }
    // Each is rounded up by less than a microsecond.
    EXPECT_GE(time_ms(), 10'000U);
    EXPECT_LE(time_ms(), 10'003U);
}

TEST_F(RateMeterTest, WhileItIsStoppedNoTimePasses) {
    meter.add(800, 100, no_end);
    meter.stop(begin_ms + 2'000);
    meter.go_on(begin_ms + 5'000'000);
    EXPECT_EQ(meter.begin_ms(), begin_ms + 4'998'000);
    EXPECT_EQ(time_ms(), 4'998'000U + 8'000U);
    meter.stop(begin_ms + 5'001'000);
    meter.go_on(begin_ms + 5'001'000);
    EXPECT_EQ(time_ms(), 4'998'000U + 8'000U);
}

TEST_F(RateMeterTest, NoNumberIsTooLarge) {
    meter.add(~std::uint32_t{0}, 1, no_end);
    EXPECT_EQ(time_ms(), std::uint64_t{~std::uint32_t{0}} * 1'000);
    meter.begin(begin_ms);
    meter.add(~std::uint32_t{0}, std::uint64_t{1} << 40, no_end);
    EXPECT_EQ(time_ms(), grace_ms);
    EXPECT_EQ(meter.paid_until_ms(), begin_ms + 4);
}

TEST_F(RateMeterTest, BeginsAnew) {
    meter.add(2'400, 240, no_end);
    meter.begin(begin_ms + 7'000);
    EXPECT_EQ(time_ms(), 7'000 + grace_ms);
    EXPECT_EQ(meter.begin_ms(), begin_ms + 7'000);
    EXPECT_EQ(meter.paid_until_ms(), begin_ms + 7'000);
}

}  // namespace
}  // namespace enduring::core
