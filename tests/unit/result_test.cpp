#include "core/result.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "core/check.hpp"

namespace enduring::core {
namespace {

Result<std::unique_ptr<int>> halve(int value) {
    if (value % 2 != 0) {
        return fail("cannot halve " + std::to_string(value), "give an even number");
    }
    return std::make_unique<int>(value / 2);
}

TEST(Result, IsAValueOrAnError) {
    auto half = halve(4);
    ASSERT_TRUE(half.has_value());
    const std::unique_ptr<int> taken = *std::move(half);
    EXPECT_EQ(*taken, 2);

    const auto none = halve(3);
    ASSERT_FALSE(none.has_value());
    EXPECT_EQ(none.error().what, "cannot halve 3");
    EXPECT_EQ(none.error().remedy, "give an even number");
}

TEST(Result, TellsAPersonWhatAndWhatToDo) {
    EXPECT_EQ(halve(3).error().text(), "cannot halve 3; give an even number");
    EXPECT_EQ(fail("no remedy is known").error().text(), "no remedy is known");
}

TEST(Check, PassesWhatIsTrue) {
    int evaluated = 0;
    ENDURING_CHECK(++evaluated == 1, "evaluated once");
    EXPECT_EQ(evaluated, 1);
}

TEST(CheckDeathTest, AbortsAndSaysWhereAndWhat) {
    const int value = 3;
    EXPECT_DEATH(ENDURING_CHECK(value == 4, "the value is wrong"),
                 "enduring: bug: the value is wrong \\(value == 4\\) at .*result_test.cpp:[0-9]+");
}

}  // namespace
}  // namespace enduring::core
