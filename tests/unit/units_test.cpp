// Durations and sizes as users write them.
#include "http/units.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

namespace enduring::http {
namespace {

TEST(UnitsTest, ReadsDurations) {
    EXPECT_EQ(parse_duration_ms("0"), 0U);
    EXPECT_EQ(parse_duration_ms("0ms"), 0U);
    EXPECT_EQ(parse_duration_ms("500ms"), 500U);
    EXPECT_EQ(parse_duration_ms("10s"), 10'000U);
    EXPECT_EQ(parse_duration_ms("10"), 10'000U);
    EXPECT_EQ(parse_duration_ms("5m"), 300'000U);
    EXPECT_EQ(parse_duration_ms("1h"), 3'600'000U);
    EXPECT_EQ(parse_duration_ms("1.5h"), 5'400'000U);
    EXPECT_EQ(parse_duration_ms("0.25"), 250U);
    EXPECT_EQ(parse_duration_ms("007s"), 7'000U);
    // The nearest millisecond, not the one below: 1.001 is not exact in binary.
    EXPECT_EQ(parse_duration_ms("1.001s"), 1001U);
    EXPECT_EQ(parse_duration_ms("0.0006s"), 1U);
}

TEST(UnitsTest, RefusesWhatIsNoDuration) {
    for (const std::string text :
         {"",     " ",     "s",     "ms",  ".5s", "-1s",  "+1s", " 1s",  "1s ",
          "1 s",  "1S",    "1M",    "1d",  "1w",  "1sec", "1us", "1e3s", "0x10s",
          "1,5s", "1h30m", "1..5s", "inf", "nan", "infs", "ten"}) {
        EXPECT_EQ(parse_duration_ms(text), std::nullopt) << '\'' << text << '\'';
    }
}

TEST(UnitsTest, RefusesDurationsOfMoreThanAYear) {
    EXPECT_EQ(parse_duration_ms("8784h"), 8784ULL * 3'600'000);
    EXPECT_EQ(parse_duration_ms("8784.1h"), std::nullopt);
    EXPECT_EQ(parse_duration_ms("8785h"), std::nullopt);
    EXPECT_EQ(parse_duration_ms("99999999999999999999999ms"), std::nullopt);
    EXPECT_EQ(parse_duration_ms(std::string(400, '9') + "s"), std::nullopt);
}

TEST(UnitsTest, ReadsSizes) {
    EXPECT_EQ(parse_size("0"), 0U);
    EXPECT_EQ(parse_size("512"), 512U);
    EXPECT_EQ(parse_size("16k"), 16U * 1024);
    EXPECT_EQ(parse_size("16K"), 16U * 1024);
    EXPECT_EQ(parse_size("1m"), 1024U * 1024);
    EXPECT_EQ(parse_size("1M"), 1024U * 1024);
    EXPECT_EQ(parse_size("2g"), 2048ULL * 1024 * 1024);
    EXPECT_EQ(parse_size("2G"), 2048ULL * 1024 * 1024);
}

TEST(UnitsTest, RefusesWhatIsNoSize) {
    for (const std::string text : {"", " ", "k", "-1", "+1", " 1", "1 ", "1 k", "1kb", "1kib", "1b",
                                   "1t", "1.5k", "0x10", "1e3", "1,024", "many"}) {
        EXPECT_EQ(parse_size(text), std::nullopt) << '\'' << text << '\'';
    }
}

TEST(UnitsTest, RefusesSizesThatOverflow) {
    constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
    EXPECT_EQ(parse_size("18446744073709551615"), most);
    EXPECT_EQ(parse_size("18446744073709551616"), std::nullopt);
    EXPECT_EQ(parse_size("18014398509481983k"), most - 1023);
    EXPECT_EQ(parse_size("18014398509481984k"), std::nullopt);
    EXPECT_EQ(parse_size("17179869183g"), 17179869183ULL << 30);
    EXPECT_EQ(parse_size("17179869184g"), std::nullopt);
}

TEST(UnitsTest, WritesDurationsInTheLargestUnitThatFits) {
    EXPECT_EQ(format_duration(0), "0");
    EXPECT_EQ(format_duration(1), "1ms");
    EXPECT_EQ(format_duration(1500), "1500ms");
    EXPECT_EQ(format_duration(1000), "1s");
    EXPECT_EQ(format_duration(75'000), "75s");
    EXPECT_EQ(format_duration(60'000), "1m");
    EXPECT_EQ(format_duration(300'000), "5m");
    EXPECT_EQ(format_duration(3'600'000), "1h");
    EXPECT_EQ(format_duration(5'400'000), "90m");
}

TEST(UnitsTest, WritesSizesInTheLargestUnitThatFits) {
    EXPECT_EQ(format_size(0), "0");
    EXPECT_EQ(format_size(512), "512");
    EXPECT_EQ(format_size(1023), "1023");
    EXPECT_EQ(format_size(1024), "1k");
    EXPECT_EQ(format_size(1025), "1025");
    EXPECT_EQ(format_size(16 * 1024), "16k");
    EXPECT_EQ(format_size(1024 * 1024), "1m");
    EXPECT_EQ(format_size(1536 * 1024), "1536k");
    EXPECT_EQ(format_size(3ULL << 30), "3g");
}

// What --help shows as a default can be given back as a value.
TEST(UnitsTest, ReadsWhatItWrites) {
    for (std::uint64_t value = 0; value < 200'000'000; value = value * 5 / 4 + 1) {
        for (const std::uint64_t ms : {value, value / 1000 * 1000, value / 60'000 * 60'000}) {
            EXPECT_EQ(parse_duration_ms(format_duration(ms)), ms) << format_duration(ms);
        }
        for (const std::uint64_t size : {value, value << 10, value << 20, value << 30}) {
            EXPECT_EQ(parse_size(format_size(size)), size) << format_size(size);
        }
    }
}

}  // namespace
}  // namespace enduring::http
