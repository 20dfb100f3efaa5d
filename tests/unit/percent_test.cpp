// Percent-encoding.
#include "http/percent.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace enduring::http {
namespace {

TEST(PercentTest, LeavesWhatIsNotEncoded) {
    EXPECT_EQ(percent_decode(""), "");
    EXPECT_EQ(percent_decode("/a/b+c?d"), "/a/b+c?d");
    EXPECT_EQ(percent_decode("\xc3\xa4"), "\xc3\xa4");
}

TEST(PercentTest, DecodesEveryOctetInBothCases) {
    for (unsigned byte = 0; byte < 256; ++byte) {
        const std::string octet(1, static_cast<char>(byte));
        for (const char* digits : {"0123456789abcdef", "0123456789ABCDEF"}) {
            const std::string encoded{'%', digits[byte / 16], digits[byte % 16]};
            EXPECT_EQ(percent_decode(encoded), octet) << encoded;
            EXPECT_EQ(percent_decode("x" + encoded + "y"), "x" + octet + "y") << encoded;
        }
    }
}

TEST(PercentTest, DecodesOnce) {
    EXPECT_EQ(percent_decode("%2541"), "%41");
    EXPECT_EQ(percent_decode("%25"), "%");
    EXPECT_EQ(percent_decode("%41%42%43"), "ABC");
}

TEST(PercentTest, RefusesWhatIsNotFollowedByTwoDigits) {
    for (const std::string encoded : {"%", "%4", "%%", "%4%41", "a%", "a%4", "%g0", "%0g", "% 1",
                                      "%+1", "%-1", "%0x41", "%41%", "%u0041"}) {
        EXPECT_EQ(percent_decode(encoded), std::nullopt) << encoded;
    }
}

}  // namespace
}  // namespace enduring::http
