// Conditional and partial requests: the order of RFC 9110 §13.2.2, and the ranges of §14.
#include "http/conditional.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "parsed_request.hpp"

namespace enduring::http {
namespace {

using Kind = Selection::Kind;

// Sun, 06 Nov 1994 08:49:37 GMT
constexpr std::int64_t modified = 784111777;
constexpr std::string_view at = "Sun, 06 Nov 1994 08:49:37 GMT";
constexpr std::string_view before = "Sun, 06 Nov 1994 08:49:36 GMT";
constexpr std::string_view after = "Sun, 06 Nov 1994 08:49:38 GMT";
constexpr Validators validators{"\"v1\"", modified, modified + 1000, 1000};

Selection selection_of(std::string_view fields, std::string_view method = "GET",
                       const Validators& known = validators) {
    const ParsedRequest parsed(std::string(method) + " / HTTP/1.1\r\nHost: h\r\n" +
                               std::string(fields) + "\r\n");
    return select(parsed.request(), known);
}

Kind kind_of(const std::string& fields, std::string_view method = "GET") {
    return selection_of(fields, method).kind;
}

std::string line(std::string_view name, std::string_view value) {
    return std::string(name) + ": " + std::string(value) + "\r\n";
}

TEST(ConditionalTest, WithoutConditionsTheWholeIsGiven) {
    const Selection selection = selection_of("");
    EXPECT_EQ(selection.kind, Kind::whole);
    EXPECT_EQ(selection.offset, 0U);
    EXPECT_EQ(selection.size, 1000U);
}

TEST(ConditionalTest, IfMatchComparesStrongly) {
    EXPECT_EQ(kind_of(line("If-Match", "\"v1\"")), Kind::whole);
    EXPECT_EQ(kind_of(line("If-Match", "\"v2\", \"v1\"")), Kind::whole);
    EXPECT_EQ(kind_of(line("If-Match", "*")), Kind::whole);
    EXPECT_EQ(kind_of(line("If-Match", "\"v2\"")), Kind::failed);
    EXPECT_EQ(kind_of(line("If-Match", "W/\"v1\"")), Kind::failed);
    EXPECT_EQ(kind_of(line("If-Match", "v1")), Kind::failed);
    EXPECT_EQ(kind_of(line("If-Match", "\"v1")), Kind::failed);
    EXPECT_EQ(kind_of(line("If-Match", "")), Kind::failed);
}

TEST(ConditionalTest, IfNoneMatchComparesWeakly) {
    EXPECT_EQ(kind_of(line("If-None-Match", "\"v1\"")), Kind::not_modified);
    EXPECT_EQ(kind_of(line("If-None-Match", "W/\"v1\"")), Kind::not_modified);
    EXPECT_EQ(kind_of(line("If-None-Match", "\"v2\",W/\"v1\"")), Kind::not_modified);
    EXPECT_EQ(kind_of(line("If-None-Match", "\"v2\" , , \"v1\" ,")), Kind::not_modified);
    EXPECT_EQ(kind_of(line("If-None-Match", "*")), Kind::not_modified);
    EXPECT_EQ(kind_of(line("If-None-Match", "\"v2\"")), Kind::whole);
    EXPECT_EQ(kind_of(line("If-None-Match", "\"V1\"")), Kind::whole);
    EXPECT_EQ(kind_of(line("If-None-Match", "v1")), Kind::whole);
    EXPECT_EQ(kind_of(line("If-None-Match", "w/\"v1\"")), Kind::whole);
    EXPECT_EQ(kind_of(line("If-None-Match", "")), Kind::whole);
}

TEST(ConditionalTest, ATagMayHoldCommasAndTheListMayBeSpreadOverFields) {
    const Validators known{"\"a,b\"", modified, modified + 1000, 1000};
    EXPECT_EQ(selection_of(line("If-None-Match", "\"x\", \"a,b\""), "GET", known).kind,
              Kind::not_modified);
    EXPECT_EQ(selection_of(line("If-None-Match", "\"a\", \"b\""), "GET", known).kind, Kind::whole);
    EXPECT_EQ(kind_of(line("If-Match", "\"v0\"") + line("If-Match", "\"v1\"")), Kind::whole);
    EXPECT_EQ(kind_of(line("If-None-Match", "\"v0\"") + line("if-none-match", "\"v1\"")),
              Kind::not_modified);
}

// RFC 9110 §13.2.2, step 3: 304 is for GET and HEAD, other methods get 412.
TEST(ConditionalTest, IfNoneMatchFailsOtherMethods) {
    for (const std::string_view method : {"GET", "HEAD"}) {
        EXPECT_EQ(kind_of(line("If-None-Match", "*"), method), Kind::not_modified) << method;
        EXPECT_EQ(kind_of(line("If-Modified-Since", at), method), Kind::not_modified) << method;
    }
    for (const std::string_view method : {"PUT", "POST", "DELETE", "PATCH"}) {
        EXPECT_EQ(kind_of(line("If-None-Match", "*"), method), Kind::failed) << method;
        EXPECT_EQ(kind_of(line("If-Modified-Since", at), method), Kind::whole) << method;
    }
}

TEST(ConditionalTest, DatesCompareBySeconds) {
    EXPECT_EQ(kind_of(line("If-Modified-Since", before)), Kind::whole);
    EXPECT_EQ(kind_of(line("If-Modified-Since", at)), Kind::not_modified);
    EXPECT_EQ(kind_of(line("If-Modified-Since", after)), Kind::not_modified);
    EXPECT_EQ(kind_of(line("If-Modified-Since", "yesterday")), Kind::whole);
    EXPECT_EQ(kind_of(line("If-Unmodified-Since", before)), Kind::failed);
    EXPECT_EQ(kind_of(line("If-Unmodified-Since", at)), Kind::whole);
    EXPECT_EQ(kind_of(line("If-Unmodified-Since", after)), Kind::whole);
    EXPECT_EQ(kind_of(line("If-Unmodified-Since", "yesterday")), Kind::whole);
}

// Every combination of the four conditions, each absent, true or false, against the text of
// §13.2.2 written as code.
TEST(ConditionalTest, TheOrderOfTheConditionsIsThatOfTheRfc) {
    enum State : unsigned { absent, holds, fails };
    for (unsigned code = 0; code < 81; ++code) {
        const std::array<State, 4> state{
            static_cast<State>(code % 3), static_cast<State>(code / 3 % 3),
            static_cast<State>(code / 9 % 3), static_cast<State>(code / 27)};
        const auto [match, unmodified, none_match, modified_since] = state;
        std::string fields;
        if (match != absent) {
            fields += line("If-Match", match == holds ? "\"v1\"" : "\"v2\"");
        }
        if (unmodified != absent) {
            fields += line("If-Unmodified-Since", unmodified == holds ? after : before);
        }
        if (none_match != absent) {
            fields += line("If-None-Match", none_match == holds ? "\"v2\"" : "\"v1\"");
        }
        if (modified_since != absent) {
            fields += line("If-Modified-Since", modified_since == holds ? before : after);
        }
        Kind expected = Kind::whole;
        if (match == fails || (match == absent && unmodified == fails)) {
            expected = Kind::failed;
        } else if (none_match == fails || (none_match == absent && modified_since == fails)) {
            expected = Kind::not_modified;
        }
        EXPECT_EQ(kind_of(fields), expected) << fields;
        // The range is looked at last, and only if the answer would be 200.
        EXPECT_EQ(kind_of(fields + line("Range", "bytes=0-9")),
                  expected == Kind::whole ? Kind::part : expected)
            << fields;
    }
}

struct RangeCase {
    std::string_view value;
    std::uint64_t size;
    Kind kind;
    std::uint64_t offset;
    std::uint64_t count;
};

TEST(ConditionalTest, SelectsOneRange) {
    constexpr std::uint64_t most = ~std::uint64_t{0};
    constexpr std::array cases{
        RangeCase{"bytes=0-0", 1000, Kind::part, 0, 1},
        RangeCase{"bytes=0-499", 1000, Kind::part, 0, 500},
        RangeCase{"bytes=500-999", 1000, Kind::part, 500, 500},
        RangeCase{"bytes=500-1000", 1000, Kind::part, 500, 500},
        RangeCase{"bytes=500-18446744073709551615", 1000, Kind::part, 500, 500},
        RangeCase{"bytes=999-", 1000, Kind::part, 999, 1},
        RangeCase{"bytes=0-", 1000, Kind::part, 0, 1000},
        RangeCase{"bytes=-1", 1000, Kind::part, 999, 1},
        RangeCase{"bytes=-1000", 1000, Kind::part, 0, 1000},
        RangeCase{"bytes=-1001", 1000, Kind::part, 0, 1000},
        RangeCase{"bytes=-18446744073709551615", 1000, Kind::part, 0, 1000},
        RangeCase{"BYTES=1-2", 1000, Kind::part, 1, 2},
        // Numbers may have any length.
        RangeCase{"bytes=500-18446744073709551616", 1000, Kind::part, 500, 500},
        RangeCase{"bytes=-99999999999999999999999", 1000, Kind::part, 0, 1000},
        RangeCase{"bytes=00000000000000000000001-0000000000000000000002", 1000, Kind::part, 1, 2},
        RangeCase{"bytes=0-18446744073709551614", most, Kind::part, 0, most},
        RangeCase{"bytes=0-18446744073709551615", most, Kind::part, 0, most},
        // Beyond the end.
        RangeCase{"bytes=1000-", 1000, Kind::unsatisfiable, 0, 1000},
        RangeCase{"bytes=1000-2000", 1000, Kind::unsatisfiable, 0, 1000},
        RangeCase{"bytes=18446744073709551616-", 1000, Kind::unsatisfiable, 0, 1000},
        RangeCase{"bytes=99999999999999999999-99999999999999999999999", 1000, Kind::unsatisfiable,
                  0, 1000},
        RangeCase{"bytes=-0", 1000, Kind::unsatisfiable, 0, 1000},
        RangeCase{"bytes=0-", 0, Kind::unsatisfiable, 0, 0},
        RangeCase{"bytes=-0", 0, Kind::unsatisfiable, 0, 0},
        // §14.1.2: a suffix that is not empty is satisfiable, also in an empty representation.
        RangeCase{"bytes=-5", 0, Kind::whole, 0, 0},
        // Malformed or not for us: as if it were not there.
        RangeCase{"bytes=2-1", 1000, Kind::whole, 0, 1000},
        RangeCase{"bytes=-", 1000, Kind::whole, 0, 1000},
        RangeCase{"bytes=", 1000, Kind::whole, 0, 1000},
        RangeCase{"bytes", 1000, Kind::whole, 0, 1000},
        RangeCase{"bytes=1", 1000, Kind::whole, 0, 1000},
        RangeCase{"bytes=a-b", 1000, Kind::whole, 0, 1000},
        RangeCase{"bytes=1-b", 1000, Kind::whole, 0, 1000},
        RangeCase{"bytes=a-1", 1000, Kind::whole, 0, 1000},
        RangeCase{"bytes=--1", 1000, Kind::whole, 0, 1000},
        RangeCase{"bytes=1-2-3", 1000, Kind::whole, 0, 1000},
        RangeCase{"bytes=+1-2", 1000, Kind::whole, 0, 1000},
        RangeCase{"bytes=0x1-2", 1000, Kind::whole, 0, 1000},
        RangeCase{"bytes= 1-2", 1000, Kind::whole, 0, 1000},
        RangeCase{"bytes=1 -2", 1000, Kind::whole, 0, 1000},
        RangeCase{"bytes=1- 2", 1000, Kind::whole, 0, 1000},
        RangeCase{"bytes =1-2", 1000, Kind::whole, 0, 1000},
        RangeCase{"bytes=- 2", 1000, Kind::whole, 0, 1000},
        RangeCase{"items=0-5", 1000, Kind::whole, 0, 1000},
        RangeCase{"0-5", 1000, Kind::whole, 0, 1000},
        RangeCase{"bytes=0-1,5-6", 1000, Kind::whole, 0, 1000},
        RangeCase{"bytes=0-1, 5-6", 1000, Kind::whole, 0, 1000},
        RangeCase{"bytes=0-1,", 1000, Kind::whole, 0, 1000},
    };
    for (const RangeCase& c : cases) {
        const Validators known{"\"v1\"", modified, modified + 1000, c.size};
        const Selection selection = selection_of(line("Range", c.value), "GET", known);
        EXPECT_EQ(selection.kind, c.kind) << c.value;
        EXPECT_EQ(selection.offset, c.offset) << c.value;
        EXPECT_EQ(selection.size, c.count) << c.value;
    }
}

// RFC 9110 §14.2: Range is defined for GET only.
TEST(ConditionalTest, OtherMethodsHaveNoRange) {
    for (const std::string_view method : {"HEAD", "POST", "PUT"}) {
        EXPECT_EQ(kind_of(line("Range", "bytes=0-1"), method), Kind::whole) << method;
        EXPECT_EQ(kind_of(line("Range", "bytes=5000-"), method), Kind::whole) << method;
    }
}

TEST(ConditionalTest, IfRangeGivesThePartOfTheSameRepresentationOnly) {
    const std::string range = line("Range", "bytes=0-1");
    EXPECT_EQ(kind_of(range + line("If-Range", "\"v1\"")), Kind::part);
    EXPECT_EQ(kind_of(range + line("If-Range", "\"v2\"")), Kind::whole);
    EXPECT_EQ(kind_of(range + line("If-Range", "\"v2\", \"v1\"")), Kind::whole);
    // Weak tags never match here: §13.1.5.
    EXPECT_EQ(kind_of(range + line("If-Range", "W/\"v1\"")), Kind::whole);
    // A date must be the very same, not only as late.
    EXPECT_EQ(kind_of(range + line("If-Range", at)), Kind::part);
    EXPECT_EQ(kind_of(range + line("If-Range", before)), Kind::whole);
    EXPECT_EQ(kind_of(range + line("If-Range", after)), Kind::whole);
    EXPECT_EQ(kind_of(range + line("If-Range", "")), Kind::whole);
    EXPECT_EQ(kind_of(range + line("If-Range", "v1")), Kind::whole);
    // Nor is it strong in the second of the change: §8.8.2.2.
    const Validators fresh{"\"v1\"", modified, modified, 1000};
    EXPECT_EQ(selection_of(range + line("If-Range", at), "GET", fresh).kind, Kind::whole);
    EXPECT_EQ(selection_of(range + line("If-Range", "\"v1\""), "GET", fresh).kind, Kind::part);
    // What is not the same cannot be out of range either, and without a range it says nothing.
    EXPECT_EQ(kind_of(line("Range", "bytes=5000-") + line("If-Range", "\"v2\"")), Kind::whole);
    EXPECT_EQ(kind_of(line("If-Range", "\"v2\"")), Kind::whole);
}

// §13.1.3, §13.1.4: a date that is there twice is ignored. The same for a range; a condition of a
// range that cannot be read does not hold.
TEST(ConditionalTest, FieldsThatAreThereTwiceMeanNothing) {
    const auto twice = [](std::string_view name, std::string_view value) {
        return line(name, value) + line("X", "y") + line(name, value);
    };
    EXPECT_EQ(kind_of(twice("If-Modified-Since", at)), Kind::whole);
    EXPECT_EQ(kind_of(twice("If-Unmodified-Since", before)), Kind::whole);
    EXPECT_EQ(kind_of(twice("Range", "bytes=0-1")), Kind::whole);
    EXPECT_EQ(kind_of(twice("Range", "bytes=5000-")), Kind::whole);
    EXPECT_EQ(kind_of(line("Range", "bytes=0-1") + twice("If-Range", "\"v1\"")), Kind::whole);
    EXPECT_EQ(kind_of(line("Range", "bytes=0-1") + twice("If-Range", at)), Kind::whole);
}

}  // namespace
}  // namespace enduring::http
