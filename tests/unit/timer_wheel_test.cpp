// The timer wheel, by hand for its edges and at random against a std::multimap, over long virtual
// times with small steps and large jumps.
#include "core/timer_wheel.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <vector>

namespace enduring::core {
namespace {

constexpr std::uint64_t tick = TimerWheel::tick_ms;
constexpr std::uint64_t never = TimerWheel::never;

std::vector<std::uint32_t> expired(TimerWheel& wheel, std::uint64_t now_ms) {
    std::vector<std::uint32_t> slots;
    wheel.expire(now_ms, [&](std::uint32_t slot) { slots.push_back(slot); });
    std::ranges::sort(slots);
    return slots;
}

using Slots = std::vector<std::uint32_t>;

TEST(TimerWheel, AnEmptyWheelHasNothingToDo) {
    TimerWheel wheel(4, 1'000);
    EXPECT_EQ(wheel.next_ms(), TimerWheel::never);
    EXPECT_EQ(wheel.armed(), 0U);
    EXPECT_EQ(wheel.deadline_ms(3), never);
    EXPECT_EQ(expired(wheel, 1'000'000'000), Slots{});
    wheel.cancel(3);
    EXPECT_EQ(wheel.armed(), 0U);
}

TEST(TimerWheel, FiresNotBeforeTheDeadlineAndOnlyOnce) {
    TimerWheel wheel(4, 1'000);
    wheel.set(2, 1'000 + 3 * tick);
    EXPECT_EQ(wheel.deadline_ms(2), 1'000 + 3 * tick);
    EXPECT_EQ(wheel.next_ms(), 1'000 + 3 * tick);
    EXPECT_EQ(wheel.armed(), 1U);
    EXPECT_EQ(expired(wheel, 1'000 + 3 * tick - 1), Slots{});
    EXPECT_EQ(expired(wheel, 1'000 + 3 * tick), Slots{2});
    EXPECT_EQ(wheel.armed(), 0U);
    EXPECT_EQ(wheel.deadline_ms(2), never);
    EXPECT_EQ(expired(wheel, 1'000'000), Slots{});
}

TEST(TimerWheel, RoundsUpToATick) {
    TimerWheel wheel(1, 1'000);
    wheel.set(0, 1'000 + 2 * tick + 1);
    EXPECT_EQ(wheel.deadline_ms(0), 1'000 + 3 * tick);
    EXPECT_EQ(expired(wheel, 1'000 + 3 * tick - 1), Slots{});
    EXPECT_EQ(expired(wheel, 1'000 + 3 * tick), Slots{0});
}

TEST(TimerWheel, ADeadlineThatHasPassedFiresWithTheNextTick) {
    TimerWheel wheel(3, 1'000);
    EXPECT_EQ(expired(wheel, 5'000), Slots{});
    wheel.set(0, 0);
    wheel.set(1, 4'999);
    wheel.set(2, 5'000);
    ASSERT_NE(wheel.next_ms(), TimerWheel::never);
    EXPECT_LE(wheel.next_ms(), 5'000 + tick);
    EXPECT_EQ(expired(wheel, wheel.next_ms()), (Slots{0, 1, 2}));
}

TEST(TimerWheel, SettingMovesTheTimer) {
    TimerWheel wheel(2, 0);
    wheel.set(0, 10 * tick);
    wheel.set(0, 20 * tick);
    EXPECT_EQ(wheel.armed(), 1U);
    EXPECT_EQ(expired(wheel, 19 * tick), Slots{});
    wheel.set(0, 100'000 * tick);
    wheel.set(0, 30 * tick);
    EXPECT_EQ(wheel.deadline_ms(0), 30 * tick);
    EXPECT_EQ(expired(wheel, 30 * tick), Slots{0});
    wheel.set(1, 40 * tick);
    wheel.set(1, never);
    EXPECT_EQ(wheel.armed(), 0U);
    EXPECT_EQ(expired(wheel, 50 * tick), Slots{});
}

TEST(TimerWheel, CancelTakesOneOutOfAPlaceThatOthersShare) {
    for (std::uint32_t gone = 0; gone < 3; ++gone) {
        TimerWheel wheel(3, 0);
        for (std::uint32_t slot = 0; slot < 3; ++slot) {
            wheel.set(slot, 5 * tick);
        }
        wheel.cancel(gone);
        wheel.cancel(gone);
        EXPECT_EQ(wheel.armed(), 2U);
        Slots rest{0, 1, 2};
        std::erase(rest, gone);
        EXPECT_EQ(expired(wheel, 5 * tick), rest);
    }
}

TEST(TimerWheel, TheLastCancelLeavesNothingToWaitFor) {
    TimerWheel wheel(2, 0);
    wheel.set(0, 5 * tick);
    wheel.set(1, 70'000 * tick);
    wheel.cancel(0);
    EXPECT_GT(wheel.next_ms(), 5 * tick);
    wheel.cancel(1);
    EXPECT_EQ(wheel.next_ms(), TimerWheel::never);
}

// A timer goes down level by level; each border between levels is a place to get it wrong.
TEST(TimerWheel, FiresExactlyAtTheBordersOfItsLevels) {
    for (unsigned level = 1; level < 6; ++level) {
        for (const std::uint64_t begin : {0ULL, 1ULL, 63ULL, 64ULL, 4'095ULL}) {
            for (int offset = -1; offset <= 1; ++offset) {
                const std::uint64_t at =
                    begin + (1ULL << (6 * level)) + static_cast<std::uint64_t>(offset);
                TimerWheel wheel(1, 0);
                EXPECT_EQ(expired(wheel, begin * tick), Slots{});
                wheel.set(0, at * tick);
                EXPECT_EQ(wheel.deadline_ms(0), at * tick);
                EXPECT_EQ(expired(wheel, at * tick - 1), Slots{}) << level << " " << begin;
                EXPECT_EQ(wheel.next_ms(), at * tick);
                EXPECT_EQ(expired(wheel, at * tick), Slots{0}) << level << " " << begin;
            }
        }
    }
}

TEST(TimerWheel, OneJumpFiresEverythingItPasses) {
    TimerWheel wheel(64, 0);
    Slots all;
    for (std::uint32_t slot = 0; slot < 34; ++slot) {
        wheel.set(slot, tick << slot);
        all.push_back(slot);
    }
    EXPECT_EQ(expired(wheel, tick << 34), all);
    EXPECT_EQ(wheel.next_ms(), TimerWheel::never);
}

TEST(TimerWheel, TheCallbackMaySetItsOwnTimerWithoutEnd) {
    TimerWheel wheel(1, 0);
    wheel.set(0, tick);
    unsigned fired = 0;
    const auto again = [&](std::uint32_t slot) {
        ++fired;
        EXPECT_EQ(wheel.deadline_ms(slot), never) << "gone before the call";
        wheel.set(slot, 0);
        EXPECT_EQ(wheel.armed(), 1U);
    };
    wheel.expire(10 * tick, again);
    EXPECT_EQ(fired, 1U);
    wheel.expire(wheel.next_ms(), again);
    EXPECT_EQ(fired, 2U);
}

TEST(TimerWheel, TheCallbackMayTakeAwayOrMoveWhatWasDueWithIt) {
    TimerWheel wheel(3, 0);
    for (std::uint32_t slot = 0; slot < 3; ++slot) {
        wheel.set(slot, 5 * tick);
    }
    Slots fired;
    wheel.expire(5 * tick, [&](std::uint32_t slot) {
        fired.push_back(slot);
        EXPECT_EQ(wheel.next_ms(), 5 * tick) << "others are still due";
        wheel.cancel((slot + 1) % 3);
        wheel.set((slot + 2) % 3, 9 * tick);
    });
    ASSERT_EQ(fired.size(), 1U);
    EXPECT_EQ(wheel.armed(), 1U);
    EXPECT_EQ(expired(wheel, 9 * tick), Slots{(fired[0] + 2) % 3});
}

TEST(TimerWheel, TimeThatStandsStillOrGoesBackFiresNothing) {
    TimerWheel wheel(1, 1'000);
    EXPECT_EQ(expired(wheel, 2'000), Slots{});
    wheel.set(0, 2'000 + 2 * tick);
    EXPECT_EQ(expired(wheel, 2'000), Slots{});
    EXPECT_EQ(expired(wheel, 0), Slots{});
    EXPECT_EQ(expired(wheel, 2'000 + 3 * tick), Slots{0});
}

TEST(TimerWheel, WhatLiesBeyondItsReachFiresAtItsEnd) {
    TimerWheel wheel(2, 0);
    constexpr std::uint64_t reach_ms = ((1ULL << 36) - 1) * tick;
    wheel.set(0, reach_ms);
    wheel.set(1, never - 1);
    EXPECT_EQ(wheel.deadline_ms(1), reach_ms);
    EXPECT_EQ(expired(wheel, reach_ms - 1), Slots{});
    EXPECT_EQ(expired(wheel, reach_ms), (Slots{0, 1}));
}

TEST(TimerWheelDeathTest, ASlotOutOfRangeIsABug) {
    TimerWheel wheel(4, 0);
    EXPECT_DEATH(wheel.set(4, 100), "timer slot out of range");
    EXPECT_DEATH(wheel.cancel(4), "timer slot out of range");
}

// ---- at random, against a model ----------------------------------------------------------------

/// What a wheel should be: the simplest thing that keeps deadlines.
class Model {
  public:
    explicit Model(std::uint32_t capacity) : deadlines_(capacity, never), set_at_(capacity, 0) {}

    void set(std::uint32_t slot, std::uint64_t deadline_ms, std::uint64_t now_ms) {
        cancel(slot);
        if (deadline_ms != never) {
            deadlines_[slot] = deadline_ms;
            set_at_[slot] = now_ms;
            queue_.emplace(deadline_ms, slot);
        }
    }
    void cancel(std::uint32_t slot) {
        const auto [begin, end] = queue_.equal_range(deadlines_[slot]);
        const auto found =
            std::find_if(begin, end, [slot](const auto& entry) { return entry.second == slot; });
        if (found != end) {
            queue_.erase(found);
        }
        deadlines_[slot] = never;
    }
    [[nodiscard]] std::uint64_t deadline_ms(std::uint32_t slot) const { return deadlines_[slot]; }
    /// The latest moment at which the slot may fire: a tick after it became due.
    [[nodiscard]] std::uint64_t latest_ms(std::uint32_t slot) const {
        return std::max(deadlines_[slot], set_at_[slot]) + tick;
    }
    [[nodiscard]] std::uint64_t earliest_ms() const {
        return queue_.empty() ? never : queue_.begin()->first;
    }
    [[nodiscard]] std::size_t size() const { return queue_.size(); }
    /// Slots that should have fired by now, whatever the rounding.
    [[nodiscard]] bool overdue(std::uint64_t now_ms) const {
        for (const auto& [deadline_ms, slot] : queue_) {
            if (deadline_ms > now_ms) {
                return false;
            }
            if (latest_ms(slot) <= now_ms) {
                return true;
            }
        }
        return false;
    }

  private:
    std::vector<std::uint64_t> deadlines_;
    std::vector<std::uint64_t> set_at_;
    std::multimap<std::uint64_t, std::uint32_t> queue_;
};

class TimerWheelAtRandom : public testing::TestWithParam<unsigned> {
  protected:
    static constexpr std::uint32_t capacity = 40;

    std::mt19937_64 random_{GetParam()};
    std::uint64_t now_ms_ = 7'777'777 + GetParam();
    TimerWheel wheel_{capacity, now_ms_};
    Model model_{capacity};

    std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
    /// Of every order of magnitude up to about a year.
    std::uint64_t span_ms() { return below(1ULL << (1 + below(35))); }

    void change_one() {
        const auto slot = static_cast<std::uint32_t>(below(capacity));
        switch (below(8)) {
            case 0:
            case 1:
                wheel_.cancel(slot);
                model_.cancel(slot);
                break;
            case 2: {
                const std::uint64_t past_ms = now_ms_ - std::min(now_ms_, span_ms());
                wheel_.set(slot, past_ms);
                model_.set(slot, past_ms, now_ms_);
                break;
            }
            case 3:
                wheel_.set(slot, never);
                model_.set(slot, never, now_ms_);
                break;
            default: {
                const std::uint64_t deadline_ms = now_ms_ + span_ms();
                wheel_.set(slot, deadline_ms);
                model_.set(slot, deadline_ms, now_ms_);
                break;
            }
        }
    }

    void expire(bool prompt) {
        wheel_.expire(now_ms_, [&](std::uint32_t slot) {
            ASSERT_NE(model_.deadline_ms(slot), never) << "fired without a timer";
            ASSERT_LE(model_.deadline_ms(slot), now_ms_) << "fired early";
            if (prompt) {
                ASSERT_LE(now_ms_, model_.latest_ms(slot)) << "fired more than a tick late";
            }
            ASSERT_EQ(wheel_.deadline_ms(slot), never);
            model_.cancel(slot);
            for (std::uint64_t changes = below(3); changes > 0; --changes) {
                change_one();
            }
        });
        ASSERT_FALSE(model_.overdue(now_ms_)) << "something did not fire";
    }

    void compare() {
        ASSERT_EQ(wheel_.armed(), model_.size());
        for (std::uint32_t slot = 0; slot < capacity; ++slot) {
            const std::uint64_t expected_ms = model_.deadline_ms(slot);
            if (expected_ms == never) {
                ASSERT_EQ(wheel_.deadline_ms(slot), never);
            } else {
                ASSERT_GE(wheel_.deadline_ms(slot), expected_ms);
                ASSERT_LE(wheel_.deadline_ms(slot), model_.latest_ms(slot));
            }
        }
        const std::uint64_t next_ms = wheel_.next_ms();
        ASSERT_EQ(next_ms != never, model_.size() > 0);
        if (next_ms != never) {
            ASSERT_GE(next_ms + tick, now_ms_) << "a wake-up in the past would spin";
            bool kept = false;
            for (std::uint32_t slot = 0; slot < capacity; ++slot) {
                kept = kept || next_ms <= wheel_.deadline_ms(slot);
                ASSERT_LE(next_ms, wheel_.deadline_ms(slot)) << "would wake too late";
            }
            ASSERT_TRUE(kept);
            ASSERT_LT(next_ms, std::max(model_.earliest_ms(), now_ms_) + tick + 1);
        }
    }
};

// As the loop uses it: sleeps until next_ms() or until something else happens.
TEST_P(TimerWheelAtRandom, IsPromptWhenWokenAsItAsks) {
    unsigned wake_ups_in_vain = 0;
    for (unsigned round = 0; round < 20'000; ++round) {
        for (std::uint64_t changes = below(4); changes > 0; --changes) {
            change_one();
        }
        ASSERT_NO_FATAL_FAILURE(compare());
        const std::uint64_t interrupted_ms = now_ms_ + span_ms();
        const std::uint64_t before = wheel_.armed();
        const bool by_timer = wheel_.next_ms() <= interrupted_ms;
        now_ms_ = std::max(now_ms_, std::min(wheel_.next_ms(), interrupted_ms));
        ASSERT_NO_FATAL_FAILURE(expire(true));
        wake_ups_in_vain += by_timer && wheel_.armed() == before ? 1 : 0;
    }
    // Sorting far timers into nearer places happens at most once for each level of each timer.
    EXPECT_LT(wake_ups_in_vain, 20'000U);
}

TEST_P(TimerWheelAtRandom, LosesNothingInJumps) {
    for (unsigned round = 0; round < 20'000; ++round) {
        for (std::uint64_t changes = below(4); changes > 0; --changes) {
            change_one();
        }
        // Years in all, but less than the wheel reaches.
        now_ms_ += below(1ULL << (1 + below(below(50) == 0 ? 32 : 22)));
        ASSERT_NO_FATAL_FAILURE(expire(false));
        ASSERT_NO_FATAL_FAILURE(compare());
    }
}

TEST_P(TimerWheelAtRandom, LosesNothingInSmallSteps) {
    for (unsigned round = 0; round < 50'000; ++round) {
        if (below(4) == 0) {
            change_one();
        }
        now_ms_ += below(2 * tick);
        ASSERT_NO_FATAL_FAILURE(expire(false));
    }
    ASSERT_NO_FATAL_FAILURE(compare());
}

INSTANTIATE_TEST_SUITE_P(Seeds, TimerWheelAtRandom, testing::Range(0U, 5U));

}  // namespace
}  // namespace enduring::core
