#include "core/catch_up.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

namespace enduring::core {
namespace {

constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t late_ms = CatchUp::late_ms_min;

TEST(CatchUp, ATurnThatBytesBeganJudgesAtOnce) {
    CatchUp catch_up;
    catch_up.begin_turn(1'000, 500, 999);
    EXPECT_FALSE(catch_up.active());
    EXPECT_TRUE(catch_up.may_judge(10, true));
}

TEST(CatchUp, ATurnThatTookLongJudgesAtOnce) {
    CatchUp catch_up;
    catch_up.begin_turn(500, 500, 500 + late_ms);
    EXPECT_TRUE(catch_up.may_judge(10, true));
}

TEST(CatchUp, WhoHadNoPlanIsNeverLate) {
    CatchUp catch_up;
    catch_up.begin_turn(never, 0, 1'000'000'000);
    EXPECT_TRUE(catch_up.may_judge(0, true));
    catch_up.begin_turn(0, 0, late_ms);
    EXPECT_TRUE(catch_up.may_judge(0, true));
}

TEST(CatchUp, AfterAWaitThatTimedOutTurnsTakeWhatCameAtThatMoment) {
    CatchUp catch_up;
    catch_up.begin_turn(1'000, 500, 1'000);
    EXPECT_FALSE(catch_up.may_judge(0, true));
    EXPECT_TRUE(catch_up.active());
    catch_up.begin_turn(1'000, 1'000, 1'000);
    EXPECT_FALSE(catch_up.may_judge(16, true));
    catch_up.begin_turn(1'000, 1'000, 1'001);
    EXPECT_TRUE(catch_up.may_judge(16, true)) << "but not for long";
}

TEST(CatchUp, ALateTurnJudgesWhenNothingMoreIsThere) {
    CatchUp catch_up;
    catch_up.begin_turn(1'000, 500, 2'500);
    EXPECT_TRUE(catch_up.active());
    EXPECT_FALSE(catch_up.may_judge(0, true)) << "the wait may have been interrupted";
    for (const unsigned completions : {16U, 16U, 3U}) {
        catch_up.begin_turn(2'500, 2'500, 2'501);
        EXPECT_FALSE(catch_up.may_judge(completions, true));
        EXPECT_TRUE(catch_up.active());
    }
    catch_up.begin_turn(2'501, 2'501, 2'502);
    EXPECT_TRUE(catch_up.may_judge(0, true));
    EXPECT_FALSE(catch_up.active());
}

TEST(CatchUp, WhatTheKernelHasNotTakenCannotHaveBroughtAnything) {
    CatchUp catch_up;
    catch_up.begin_turn(1'000, 500, 2'500);
    EXPECT_FALSE(catch_up.may_judge(0, true));
    catch_up.begin_turn(2'500, 2'500, 2'501);
    EXPECT_FALSE(catch_up.may_judge(0, false));
    catch_up.begin_turn(2'501, 2'501, 2'502);
    EXPECT_TRUE(catch_up.may_judge(0, true));
}

TEST(CatchUp, DeadlinesArePutOffNoLongerThanTheDelayWas) {
    CatchUp catch_up;
    catch_up.begin_turn(1'000, 500, 2'500);
    EXPECT_FALSE(catch_up.may_judge(16, true));
    std::uint64_t now_ms = 2'500;
    while (now_ms < 4'000) {
        now_ms += 10;
        catch_up.begin_turn(now_ms - 10, now_ms - 10, now_ms);
        EXPECT_FALSE(catch_up.may_judge(16, true)) << now_ms;
    }
    catch_up.begin_turn(4'000, 4'000, 4'001);
    EXPECT_TRUE(catch_up.may_judge(16, true));
}

TEST(CatchUp, TurnsWhoseSubmissionsWereRefusedDoNotCount) {
    CatchUp catch_up;
    catch_up.begin_turn(1'000, 500, 1'100);
    EXPECT_FALSE(catch_up.may_judge(1, false));
    std::uint64_t now_ms = 1'100;
    for (int i = 0; i < 100; ++i) {
        now_ms += 10;
        catch_up.begin_turn(now_ms - 10, now_ms - 10, now_ms);
        EXPECT_FALSE(catch_up.may_judge(1, false)) << i;
    }
    // However short the delay was, a second is left.
    for (int i = 0; i < 100; ++i) {
        EXPECT_FALSE(catch_up.may_judge(1, true)) << i;
        now_ms += 10;
        catch_up.begin_turn(now_ms - 10, now_ms - 10, now_ms);
    }
    EXPECT_TRUE(catch_up.may_judge(1, true));
}

TEST(CatchUp, RefusalsPutDeadlinesOffNotForEver) {
    CatchUp catch_up;
    std::uint64_t now_ms = 1'100;
    catch_up.begin_turn(1'000, 500, now_ms);
    unsigned turns = 0;
    while (!catch_up.may_judge(1, false) && turns < 1'000) {
        now_ms += 10;
        catch_up.begin_turn(now_ms - 10, now_ms - 10, now_ms);
        ++turns;
    }
    EXPECT_EQ(turns, 200U) << "ten times the delay, and a second";
}

TEST(CatchUp, WhoNeverTakesATurnInTimeStillJudges) {
    CatchUp catch_up;
    std::uint64_t now_ms = 1'000;
    int turns = 0;
    do {
        now_ms += 2 * late_ms;
        catch_up.begin_turn(now_ms - 2 * late_ms, now_ms - 2 * late_ms, now_ms);
        ++turns;
    } while (!catch_up.may_judge(16, true));
    EXPECT_EQ(turns, 51) << "a second, at most the least late part of each turn";
}

TEST(CatchUp, ASecondLongerDelayIsCaughtUpToo) {
    CatchUp catch_up;
    catch_up.begin_turn(1'000, 500, 1'100);
    EXPECT_FALSE(catch_up.may_judge(16, true));
    catch_up.begin_turn(1'100, 1'100, 6'100);
    EXPECT_FALSE(catch_up.may_judge(0, true));
    for (std::uint64_t now_ms = 6'110; now_ms < 11'000; now_ms += 10) {
        catch_up.begin_turn(now_ms - 10, now_ms - 10, now_ms);
        EXPECT_FALSE(catch_up.may_judge(16, true)) << now_ms;
    }
}

TEST(CatchUp, StopsInARowAreNoTimeInWhichAnythingWasTaken) {
    CatchUp catch_up;
    std::uint64_t now_ms = 6'000;
    catch_up.begin_turn(1'000, 500, now_ms);
    EXPECT_FALSE(catch_up.may_judge(16, true));
    for (int i = 0; i < 5; ++i) {
        now_ms += 4'000;
        catch_up.begin_turn(now_ms - 4'000, now_ms - 4'000, now_ms);
        EXPECT_FALSE(catch_up.may_judge(0, true)) << "it may have looked before the stop";
    }
    catch_up.begin_turn(now_ms, now_ms, now_ms + 1);
    EXPECT_TRUE(catch_up.may_judge(0, true));
}

TEST(CatchUp, TheNextDelayIsCaughtUpLikeTheFirst) {
    CatchUp catch_up;
    catch_up.begin_turn(0, 0, 100);
    EXPECT_FALSE(catch_up.may_judge(0, true));
    catch_up.begin_turn(100, 100, 100);
    EXPECT_TRUE(catch_up.may_judge(0, true));
    catch_up.begin_turn(150, 100, 200);
    EXPECT_FALSE(catch_up.may_judge(0, true));
    catch_up.begin_turn(200, 200, 200);
    EXPECT_TRUE(catch_up.may_judge(0, true));
}

}  // namespace
}  // namespace enduring::core
