#include "http/trouble.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/reason.hpp"

namespace enduring::http {
namespace {

core::Counter& closed(Trouble::Counts& counts, core::Reason reason) {
    return counts.counters.closed[static_cast<std::size_t>(reason)];
}

std::vector<std::string> texts(const std::vector<Trouble::Message>& messages) {
    std::vector<std::string> all;
    for (const Trouble::Message& message : messages) {
        // The number and the next two words are enough to know it.
        std::size_t end = 0;
        for (int words = 0; words < 3 && end != std::string::npos; ++words) {
            end = message.text.find(' ', end + 1);
        }
        all.push_back(message.text.substr(0, end));
    }
    return all;
}

using Texts = std::vector<std::string>;

TEST(Trouble, NothingIsSaidWhileNothingIsWrong) {
    Trouble trouble;
    Trouble::Counts counts;
    EXPECT_TRUE(trouble.look(counts, 0, LogLevel::debug).empty());
    counts.counters.accepted += 1'000;
    closed(counts, core::Reason::peer) += 1'000;
    EXPECT_TRUE(trouble.look(counts, 1'000, LogLevel::debug).empty());
    EXPECT_TRUE(trouble.look_last(counts, LogLevel::debug).empty());
}

TEST(Trouble, IsToldAtOnceAndThenNotForAWhile) {
    Trouble trouble;
    Trouble::Counts counts;
    ++counts.counters.accept_errors;
    EXPECT_EQ(texts(trouble.look(counts, 500, LogLevel::error)), Texts{"1 connections could"});
    counts.counters.accept_errors += 70;
    for (std::uint64_t now_ms = 501; now_ms < 500 + Trouble::quiet_ms; now_ms += 333) {
        EXPECT_TRUE(trouble.look(counts, now_ms, LogLevel::error).empty()) << now_ms;
    }
    counts.counters.accept_errors += 30;
    EXPECT_EQ(texts(trouble.look(counts, 500 + Trouble::quiet_ms, LogLevel::error)),
              Texts{"100 connections could"});
    EXPECT_TRUE(trouble.look(counts, 500 + 3 * Trouble::quiet_ms, LogLevel::error).empty());
}

// A flood of one kind hides no other.
TEST(Trouble, EachKindHasItsOwnTime) {
    Trouble trouble;
    Trouble::Counts counts;
    closed(counts, core::Reason::evicted) += 5;
    EXPECT_EQ(texts(trouble.look(counts, 0, LogLevel::warning)), Texts{"5 idle connections"});
    closed(counts, core::Reason::evicted) += 5;
    counts.handlers_threw += 2;
    closed(counts, core::Reason::content_failed) += 3;
    EXPECT_EQ(texts(trouble.look(counts, 1, LogLevel::warning)),
              (Texts{"2 handlers, or", "3 responses were"}));
}

TEST(Trouble, WhatIsLeftIsToldAtTheEnd) {
    Trouble trouble;
    Trouble::Counts counts;
    closed(counts, core::Reason::aborted) += 1;
    EXPECT_EQ(trouble.look(counts, 7, LogLevel::warning).size(), 1U);
    closed(counts, core::Reason::aborted) += 8;
    EXPECT_TRUE(trouble.look(counts, 8, LogLevel::warning).empty());
    EXPECT_EQ(texts(trouble.look_last(counts, LogLevel::warning)), Texts{"8 connections were"});
    EXPECT_TRUE(trouble.look_last(counts, LogLevel::warning).empty());
}

TEST(Trouble, TellsNoMoreThanItsLevel) {
    const auto levels = [](LogLevel level) {
        Trouble trouble;
        Trouble::Counts counts;
        ++counts.counters.accept_errors;
        ++closed(counts, core::Reason::evicted);
        ++closed(counts, core::Reason::header_timeout);
        std::string all;
        for (const Trouble::Message& message : trouble.look(counts, 0, level)) {
            all += name_of(message.level);
            all += ' ';
        }
        return all;
    };
    EXPECT_EQ(levels(LogLevel::error), "error ");
    EXPECT_EQ(levels(LogLevel::warning), "error warning ");
    EXPECT_EQ(levels(LogLevel::info), "error warning ");
    EXPECT_EQ(levels(LogLevel::debug), "error warning debug ");
}

TEST(LogLevel, HasANameForEach) {
    for (const LogLevel level :
         {LogLevel::error, LogLevel::warning, LogLevel::info, LogLevel::debug}) {
        EXPECT_EQ(log_level_of(name_of(level)), level);
    }
    EXPECT_EQ(log_level_of("warn"), std::nullopt);
    EXPECT_EQ(log_level_of(""), std::nullopt);
}

}  // namespace
}  // namespace enduring::http
