#include "core/counters.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace enduring::core {
namespace {

TEST(Counter, CountsUpAndDown) {
    Counter counter;
    EXPECT_EQ(counter, 0U);
    ++counter;
    counter += 41;
    EXPECT_EQ(counter, 42U);
    --counter;
    counter -= 2;
    EXPECT_EQ(counter, 39U);
    Counter copy = counter;
    ++counter;
    EXPECT_EQ(copy, 39U);
    copy = counter;
    EXPECT_EQ(copy, 40U);
}

TEST(Counters, AreAllDescribed) {
    // The description is the only list of them, so a number that it leaves out is never shown.
    EXPECT_EQ(sizeof(Counters), sizeof(Counter) * (counter_descriptions.size() + reason_count));
    std::set<std::string> names;
    Counters counters;
    for (const CounterDescription& description : counter_descriptions) {
        EXPECT_TRUE(names.insert(description.name).second) << description.name;
        ++(counters.*description.counter);
    }
    for (const CounterDescription& description : counter_descriptions) {
        EXPECT_EQ(counters.*description.counter, 1U) << description.name << " is there twice";
    }
}

TEST(Counters, AreAdded) {
    Counters sum;
    sum.accepted += 5;
    sum.closed[1] += 2;
    Counters other;
    other.accepted += 3;
    other.bytes_sent += 7;
    other.closed[1] += 1;
    other.closed[reason_count - 1] += 4;
    sum += other;
    EXPECT_EQ(sum.accepted, 8U);
    EXPECT_EQ(sum.bytes_sent, 7U);
    EXPECT_EQ(sum.closed[1], 3U);
    EXPECT_EQ(sum.closed_total(), 7U);
}

TEST(Reason, NamesAreDistinct) {
    std::set<std::string> names;
    for (std::size_t i = 0; i < reason_count; ++i) {
        names.emplace(name_of(static_cast<Reason>(i)));
    }
    EXPECT_EQ(names.size(), reason_count);
    EXPECT_EQ(name_of(Reason::none), "none");
    EXPECT_EQ(name_of(Reason::max_age), "max_age");
    EXPECT_EQ(name_of(Reason::body_min_rate), "body_min_rate");
    EXPECT_EQ(name_of(Reason::write_timeout), "write_timeout");
    EXPECT_EQ(name_of(Reason::write_min_rate), "write_min_rate");
    EXPECT_EQ(name_of(Reason::evicted), "evicted");
    EXPECT_EQ(name_of(Reason::connections_per_ip), "connections_per_ip");
    EXPECT_EQ(name_of(Reason::protocol_error), "protocol_error");
    EXPECT_EQ(name_of(Reason::aborted), "aborted");
}

}  // namespace
}  // namespace enduring::core
