#include "core/catch_up.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

namespace enduring::core {
namespace {

constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t late_ms = CatchUp::late_ms_min;

TEST(CatchUp, ATurnInTimeJudgesAtOnce) {
    CatchUp catch_up;
    catch_up.begin_turn(1'000, 500, 1'000 + late_ms);
    EXPECT_FALSE(catch_up.active());
    EXPECT_TRUE(catch_up.may_judge(10, 1'000 + late_ms));
}

TEST(CatchUp, WhoHadNoPlanIsNeverLate) {
    CatchUp catch_up;
    catch_up.begin_turn(never, 0, 1'000'000'000);
    EXPECT_TRUE(catch_up.may_judge(0, 1'000'000'000));
    catch_up.begin_turn(0, 0, late_ms);
    EXPECT_TRUE(catch_up.may_judge(0, late_ms));
}

TEST(CatchUp, ALateTurnJudgesWhenNothingMoreIsThere) {
    CatchUp catch_up;
    catch_up.begin_turn(1'000, 500, 2'500);
    EXPECT_TRUE(catch_up.active());
    EXPECT_FALSE(catch_up.may_judge(0, 2'500)) << "the wait may have been interrupted";
    for (const unsigned completions : {16U, 16U, 3U}) {
        catch_up.begin_turn(2'500, 2'500, 2'501);
        EXPECT_FALSE(catch_up.may_judge(completions, 2'501));
        EXPECT_TRUE(catch_up.active());
    }
    catch_up.begin_turn(2'501, 2'501, 2'502);
    EXPECT_TRUE(catch_up.may_judge(0, 2'502));
    EXPECT_FALSE(catch_up.active());
}

TEST(CatchUp, DeadlinesArePutOffNoLongerThanTheDelayWas) {
    CatchUp catch_up;
    catch_up.begin_turn(1'000, 500, 2'500);
    EXPECT_FALSE(catch_up.may_judge(16, 2'500));
    catch_up.begin_turn(2'500, 2'500, 4'499);
    EXPECT_FALSE(catch_up.may_judge(16, 4'499));
    catch_up.begin_turn(4'499, 4'499, 4'500);
    EXPECT_TRUE(catch_up.may_judge(16, 4'500));
}

TEST(CatchUp, TheNextDelayIsCaughtUpLikeTheFirst) {
    CatchUp catch_up;
    catch_up.begin_turn(0, 0, 100);
    EXPECT_FALSE(catch_up.may_judge(0, 100));
    catch_up.begin_turn(100, 100, 100);
    EXPECT_TRUE(catch_up.may_judge(0, 100));
    catch_up.begin_turn(150, 100, 200);
    EXPECT_FALSE(catch_up.may_judge(0, 200));
    catch_up.begin_turn(200, 200, 200);
    EXPECT_TRUE(catch_up.may_judge(0, 200));
}

}  // namespace
}  // namespace enduring::core
