// Dates: against gmtime_r for every day, and by hand where the formats have corners.
#include "http/date.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

namespace enduring::http {
namespace {

constexpr std::int64_t example = 784111777;  // the example of RFC 9110 §5.6.7
constexpr std::int64_t now_2026 = 1767225600;

std::string formatted_by_the_c_library(std::int64_t seconds, const char* format) {
    const std::time_t time = seconds;
    std::tm fields{};
    gmtime_r(&time, &fields);
    std::array<char, 64> text{};
    const std::size_t size = std::strftime(text.data(), text.size(), format, &fields);
    return {text.data(), size};
}

TEST(DateTest, FormatsTheExampleOfTheRfc) {
    EXPECT_EQ(format_date(example), "Sun, 06 Nov 1994 08:49:37 GMT");
    EXPECT_EQ(format_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    EXPECT_EQ(format_date(-1), "Wed, 31 Dec 1969 23:59:59 GMT");
}

// 97 is coprime to the length of a day, so that all times of a day come up too.
TEST(DateTest, FormatsAndReadsEveryDayOfTwoCenturies) {
    constexpr std::int64_t step = 86400 + 97;
    for (std::int64_t time = -2208988800; time < 4102444800; time += step) {
        const std::string text = format_date(time);
        ASSERT_EQ(text, formatted_by_the_c_library(time, "%a, %d %b %Y %H:%M:%S GMT"));
        ASSERT_EQ(parse_date(text, now_2026), time) << text;
        const std::string asctime = formatted_by_the_c_library(time, "%a %b %e %H:%M:%S %Y");
        ASSERT_EQ(parse_date(asctime, now_2026), time) << asctime;
    }
}

TEST(DateTest, ReadsAllThreeFormatsOfTheRfc) {
    EXPECT_EQ(parse_date("Sun, 06 Nov 1994 08:49:37 GMT", now_2026), example);
    EXPECT_EQ(parse_date("Sunday, 06-Nov-94 08:49:37 GMT", now_2026), example);
    EXPECT_EQ(parse_date("Sun Nov  6 08:49:37 1994", now_2026), example);
    EXPECT_EQ(parse_date("Wed Nov 16 08:49:37 1994", now_2026), example + 10 * 86400);
}

// RFC 9110 §5.6.7: what seems to be more than 50 years ahead was in the past.
TEST(DateTest, ATwoDigitYearLiesAtMostFiftyYearsAhead) {
    for (int year = 1977; year <= 2076; ++year) {
        const std::int64_t time =
            *parse_date("Mon, 01 Mar " + std::to_string(year) + " 00:00:00 GMT", now_2026);
        const std::string text = formatted_by_the_c_library(time, "%A, %d-%b-%y %H:%M:%S GMT");
        EXPECT_EQ(parse_date(text, now_2026), time) << text << " for " << year;
    }
}

TEST(DateTest, ReadsEveryWeekdayAndMonthOfTheOldFormat) {
    for (std::int64_t day = 0; day < 366; ++day) {
        const std::int64_t time = example + day * 86400;
        const std::string text = formatted_by_the_c_library(time, "%A, %d-%b-%y %H:%M:%S GMT");
        EXPECT_EQ(parse_date(text, now_2026), time) << text;
    }
}

TEST(DateTest, KnowsLeapYears) {
    EXPECT_EQ(parse_date("Tue, 29 Feb 2000 00:00:00 GMT", now_2026), 951782400);
    EXPECT_EQ(parse_date("Thu, 29 Feb 2024 00:00:00 GMT", now_2026), 1709164800);
    EXPECT_EQ(parse_date("Wed, 29 Feb 2023 00:00:00 GMT", now_2026), std::nullopt);
    EXPECT_EQ(parse_date("Thu, 29 Feb 1900 00:00:00 GMT", now_2026), std::nullopt);
    EXPECT_EQ(parse_date("Thu, 29 Feb 2100 00:00:00 GMT", now_2026), std::nullopt);
    EXPECT_EQ(parse_date("Wednesday, 29-Feb-23 00:00:00 GMT", now_2026), std::nullopt);
    EXPECT_EQ(parse_date("Wed Feb 29 00:00:00 2023", now_2026), std::nullopt);
}

TEST(DateTest, ALeapSecondIsTheNextMinute) {
    EXPECT_EQ(parse_date("Sat, 31 Dec 2016 23:59:60 GMT", now_2026),
              parse_date("Sun, 01 Jan 2017 00:00:00 GMT", now_2026));
}

TEST(DateTest, RefusesWhatIsNoDate) {
    constexpr std::array bad{
        "",
        " ",
        "0",
        "Sun",
        "now",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 ",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 gmt",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "sun, 06 Nov 1994 08:49:37 GMT",
        "Sun 06 Nov 1994 08:49:37 GMT",
        "Sun,06 Nov 1994 08:49:37 GMT",
        "Xyz, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Xyz 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 32 Dec 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, 06 Nov 1994 08-49-37 GMT",
        "Sun, +6 Nov 1994 08:49:37 GMT",
        "Sun, -6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov -994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:3x GMT",
        "Sun, 06 Nov 199x 08:49:37 GMT",
        "Sunday, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sunday, 6-Nov-94 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov 06 08:49:37 94",
        "Sun Nov  6 08:49:37 1994 GMT",
        "Sun Nov  66 08:49:37 1994",
        "Sunday Nov  6 08:49:37 1994",
    };
    for (const char* text : bad) {
        EXPECT_EQ(parse_date(text, now_2026), std::nullopt) << '\'' << text << '\'';
    }
}

// A text cut anywhere is no date: nothing is read beyond the end of the view.
TEST(DateTest, RefusesEveryPrefix) {
    for (const std::string_view text :
         {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
          "Sun Nov  6 08:49:37 1994"}) {
        for (std::size_t size = 0; size < text.size(); ++size) {
            // Copied, so that a sanitizer sees a read beyond it.
            const std::string prefix(text.substr(0, size));
            EXPECT_EQ(parse_date(prefix, now_2026), std::nullopt) << prefix;
        }
    }
}

}  // namespace
}  // namespace enduring::http
