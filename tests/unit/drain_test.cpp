#include "core/drain.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <string_view>

namespace enduring::core {
namespace {

using Actions = Drain::Actions;
constexpr std::uint64_t never = Drain::never;
constexpr std::uint64_t retry_ms = Drain::scarcity_retry_ms;
constexpr Actions none{};

template <class... Bits>
constexpr Actions does(Bits... bits) {
    Actions actions;
    (actions.add(bits), ...);
    return actions;
}

constexpr Actions begins_to_drain = does(Actions::close_listeners, Actions::retire_connections);

class DrainTest : public testing::Test {
  protected:
    static constexpr std::uint32_t connections_max = 3;
    static constexpr std::uint64_t timeout_ms = 30'000;
    Drain drain{connections_max, 0, timeout_ms};
};

TEST_F(DrainTest, BeginsServing) {
    EXPECT_EQ(drain.state(), ServerState::serving);
    EXPECT_EQ(drain.deadline_ms(), never);
    EXPECT_EQ(drain.on_connections(connections_max - 1), none);
    EXPECT_EQ(drain.on_time(1'000'000), none);
    EXPECT_EQ(drain.state(), ServerState::serving);
}

// ---- full --------------------------------------------------------------------------------------

TEST_F(DrainTest, PausesOnceWhenFullAndResumesOnceWithRoom) {
    EXPECT_EQ(drain.on_connections(3), does(Actions::pause_accept));
    EXPECT_EQ(drain.state(), ServerState::full);
    EXPECT_EQ(drain.on_connections(3), none);
    EXPECT_EQ(drain.on_connections(4), none) << "a burst may bring more than there is room for";
    EXPECT_EQ(drain.on_connections(3), none);
    EXPECT_EQ(drain.on_connections(2), none);
    EXPECT_EQ(drain.state(), ServerState::serving);
    EXPECT_EQ(drain.on_connections(3), does(Actions::pause_accept)) << "each time anew";
}

TEST_F(DrainTest, ScarcityPausesForAWhile) {
    EXPECT_EQ(drain.on_scarcity(1'000), does(Actions::pause_accept));
    EXPECT_EQ(drain.state(), ServerState::full);
    EXPECT_EQ(drain.deadline_ms(), 1'000 + retry_ms);
    EXPECT_EQ(drain.on_time(1'000 + retry_ms - 1), none);
    EXPECT_EQ(drain.state(), ServerState::full);
    EXPECT_EQ(drain.on_time(1'000 + retry_ms), none);
    EXPECT_EQ(drain.state(), ServerState::serving);
    EXPECT_EQ(drain.deadline_ms(), never);
}

TEST_F(DrainTest, ARepeatedScarcityWaitsFromTheLastTime) {
    static_cast<void>(drain.on_scarcity(1'000));
    EXPECT_EQ(drain.on_scarcity(1'050), does(Actions::pause_accept))
        << "accepts may have been armed for others";
    EXPECT_EQ(drain.deadline_ms(), 1'050 + retry_ms);
}

TEST_F(DrainTest, AFreedDescriptorEndsScarcityAtOnce) {
    static_cast<void>(drain.on_scarcity(1'000));
    EXPECT_EQ(drain.on_descriptor_freed(), none);
    EXPECT_EQ(drain.state(), ServerState::serving);
    EXPECT_EQ(drain.deadline_ms(), never);
    EXPECT_EQ(drain.on_descriptor_freed(), none);
}

TEST_F(DrainTest, FewerConnectionsAloneDoNotEndScarcity) {
    static_cast<void>(drain.on_connections(2));
    static_cast<void>(drain.on_scarcity(1'000));
    EXPECT_EQ(drain.on_connections(1), none);
    EXPECT_EQ(drain.state(), ServerState::full);
}

TEST_F(DrainTest, TheEndOfScarcityDoesNotResumeWithoutRoom) {
    static_cast<void>(drain.on_connections(3));
    EXPECT_EQ(drain.on_scarcity(1'000), does(Actions::pause_accept))
        << "a full server accepts as well, one by one";
    EXPECT_EQ(drain.on_time(2'000), none);
    EXPECT_EQ(drain.state(), ServerState::full);
    EXPECT_EQ(drain.deadline_ms(), never);
    EXPECT_EQ(drain.on_connections(2), none);
    EXPECT_EQ(drain.state(), ServerState::serving);
}

TEST_F(DrainTest, AFreedDescriptorChangesNothingWhenOnlyRoomIsMissing) {
    static_cast<void>(drain.on_connections(3));
    EXPECT_EQ(drain.on_descriptor_freed(), none);
    EXPECT_EQ(drain.state(), ServerState::full);
}

// ---- draining ----------------------------------------------------------------------------------

TEST_F(DrainTest, DrainsUntilNoConnectionIsLeft) {
    static_cast<void>(drain.on_connections(2));
    EXPECT_EQ(drain.on_drain(1'000), begins_to_drain);
    EXPECT_EQ(drain.state(), ServerState::draining);
    EXPECT_EQ(drain.deadline_ms(), 31'000U);
    EXPECT_EQ(drain.on_connections(1), none);
    EXPECT_EQ(drain.on_connections(0), none);
    EXPECT_EQ(drain.state(), ServerState::stopped);
    EXPECT_EQ(drain.deadline_ms(), never);
}

TEST_F(DrainTest, WithoutConnectionsItStopsAtOnce) {
    EXPECT_EQ(drain.on_drain(1'000), begins_to_drain);
    EXPECT_EQ(drain.state(), ServerState::stopped);
    EXPECT_EQ(drain.deadline_ms(), never);
}

TEST_F(DrainTest, WhatIsLeftAfterTheTimeIsAborted) {
    static_cast<void>(drain.on_connections(2));
    static_cast<void>(drain.on_drain(1'000));
    EXPECT_EQ(drain.on_time(30'999), none);
    EXPECT_FALSE(drain.overdue());
    EXPECT_EQ(drain.on_time(31'000), does(Actions::abort_connections));
    EXPECT_TRUE(drain.overdue());
    EXPECT_EQ(drain.state(), ServerState::draining) << "until the kernel has given back everything";
    EXPECT_EQ(drain.on_time(40'000), none) << "once";
    EXPECT_EQ(drain.on_connections(1), none);
    EXPECT_EQ(drain.on_connections(0), none);
    EXPECT_EQ(drain.state(), ServerState::stopped);
}

TEST_F(DrainTest, ASecondCallEndsTheTime) {
    static_cast<void>(drain.on_connections(2));
    static_cast<void>(drain.on_drain(1'000));
    EXPECT_EQ(drain.on_drain(3'000), none);
    EXPECT_EQ(drain.deadline_ms(), 3'000U);
    EXPECT_EQ(drain.on_time(3'000), does(Actions::abort_connections));
}

TEST_F(DrainTest, ASecondCallDoesNotLengthenTheTime) {
    static_cast<void>(drain.on_connections(2));
    static_cast<void>(drain.on_drain(1'000));
    EXPECT_EQ(drain.on_drain(32'000), none) << "the clock was looked at late";
    EXPECT_EQ(drain.deadline_ms(), 31'000U);
}

// ---- the delay before it -----------------------------------------------------------------------

class DelayedDrainTest : public testing::Test {
  protected:
    static constexpr std::uint64_t delay_ms = 5'000;
    Drain drain{3, delay_ms, 30'000};
};

TEST_F(DelayedDrainTest, AllGoesOnUntilTheDelayIsOver) {
    static_cast<void>(drain.on_connections(2));
    EXPECT_FALSE(drain.leaving());
    EXPECT_EQ(drain.on_drain(1'000), none);
    EXPECT_TRUE(drain.leaving());
    EXPECT_EQ(drain.state(), ServerState::serving);
    EXPECT_EQ(drain.deadline_ms(), 6'000U);
    EXPECT_EQ(drain.on_connections(3), does(Actions::pause_accept)) << "full is still full";
    EXPECT_EQ(drain.on_connections(2), none);
    EXPECT_EQ(drain.on_time(5'999), none);
    EXPECT_EQ(drain.on_time(6'000), begins_to_drain);
    EXPECT_EQ(drain.state(), ServerState::draining);
    EXPECT_EQ(drain.deadline_ms(), 36'000U) << "the time of the drain runs from its beginning";
}

TEST_F(DelayedDrainTest, ASecondCallEndsTheDelayAndAThirdTheDrain) {
    static_cast<void>(drain.on_connections(2));
    static_cast<void>(drain.on_drain(1'000));
    EXPECT_EQ(drain.on_drain(2'000), begins_to_drain);
    EXPECT_EQ(drain.deadline_ms(), 32'000U);
    EXPECT_EQ(drain.on_drain(3'000), none);
    EXPECT_EQ(drain.on_time(3'000), does(Actions::abort_connections));
}

TEST_F(DelayedDrainTest, ScarcityDuringTheDelayEndsBeforeIt) {
    static_cast<void>(drain.on_connections(2));
    static_cast<void>(drain.on_drain(1'000));
    EXPECT_EQ(drain.on_scarcity(2'000), does(Actions::pause_accept));
    EXPECT_EQ(drain.deadline_ms(), 2'000 + retry_ms);
    EXPECT_EQ(drain.on_time(2'000 + retry_ms), none);
    EXPECT_EQ(drain.state(), ServerState::serving);
    EXPECT_EQ(drain.deadline_ms(), 6'000U);
}

TEST_F(DelayedDrainTest, WithoutConnectionsItStopsAfterTheDelay) {
    static_cast<void>(drain.on_drain(1'000));
    EXPECT_EQ(drain.state(), ServerState::serving) << "connections may still come";
    EXPECT_EQ(drain.on_time(6'000), begins_to_drain);
    EXPECT_EQ(drain.state(), ServerState::stopped);
    EXPECT_TRUE(drain.leaving());
    EXPECT_EQ(drain.deadline_ms(), never);
}

// ---- what does not matter any more -------------------------------------------------------------

TEST_F(DrainTest, NeitherFullnessNorScarcityMatterWhileDraining) {
    static_cast<void>(drain.on_connections(3));
    EXPECT_EQ(drain.state(), ServerState::full);
    EXPECT_EQ(drain.on_drain(1'000), begins_to_drain);
    EXPECT_EQ(drain.on_connections(2), none) << "nothing is resumed";
    EXPECT_EQ(drain.on_scarcity(1'000), none);
    EXPECT_EQ(drain.deadline_ms(), 31'000U);
    EXPECT_EQ(drain.on_descriptor_freed(), none);
    EXPECT_EQ(drain.deadline_ms(), 31'000U);
}

TEST_F(DrainTest, ScarcityThatWasThereBeforeDoesNotCutTheDrainShort) {
    static_cast<void>(drain.on_connections(1));
    static_cast<void>(drain.on_scarcity(1'000));
    EXPECT_EQ(drain.on_drain(1'010), begins_to_drain);
    EXPECT_EQ(drain.deadline_ms(), 31'010U);
    EXPECT_EQ(drain.on_descriptor_freed(), none);
    EXPECT_EQ(drain.deadline_ms(), 31'010U);
    EXPECT_EQ(drain.on_time(1'000 + retry_ms), none);
}

TEST_F(DrainTest, StoppedIsTheEnd) {
    static_cast<void>(drain.on_drain(1'000));
    EXPECT_EQ(drain.on_drain(2'000), none);
    EXPECT_EQ(drain.on_connections(1), none);
    EXPECT_EQ(drain.on_connections(0), none);
    EXPECT_EQ(drain.on_scarcity(3'000), none);
    EXPECT_EQ(drain.on_time(1'000'000), none);
    EXPECT_EQ(drain.state(), ServerState::stopped);
    EXPECT_EQ(drain.deadline_ms(), never);
}

TEST(DrainNames, AreDistinct) {
    std::set<std::string_view> names;
    for (int state = 0; state < 4; ++state) {
        names.insert(name_of(static_cast<ServerState>(state)));
    }
    EXPECT_EQ(names, (std::set<std::string_view>{"serving", "full", "draining", "stopped"}));
    EXPECT_EQ(name_of(ServerState::serving), "serving");
    EXPECT_EQ(name_of(ServerState::stopped), "stopped");
}

}  // namespace
}  // namespace enduring::core
