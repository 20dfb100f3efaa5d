// Characters, tokens, case, white space and lists.
#include "http/text.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace enduring::http {
namespace {

TEST(TextTest, KnowsTheCharactersOfTokens) {
    // RFC 9110 §5.6.2, typed in anew.
    const std::string token =
        "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    unsigned count = 0;
    for (int byte = 0; byte < 256; ++byte) {
        const char c = static_cast<char>(byte);
        EXPECT_EQ(is_token_character(c), c != '\0' && token.contains(c)) << byte;
        count += is_token_character(c) ? 1 : 0;
    }
    EXPECT_EQ(count, token.size());
}

TEST(TextTest, KnowsDigitsLettersAndHexadecimalDigits) {
    const std::string hex = "0123456789abcdef";
    for (int byte = 0; byte < 256; ++byte) {
        const char c = static_cast<char>(byte);
        const char lower = byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + 32) : c;
        EXPECT_EQ(is_digit(c), byte >= '0' && byte <= '9') << byte;
        EXPECT_EQ(is_letter(c), lower >= 'a' && lower <= 'z') << byte;
        EXPECT_EQ(to_lower(c), lower) << byte;
        const std::size_t value = byte == 0 ? std::string::npos : hex.find(lower);
        EXPECT_EQ(hex_value(c), value == std::string::npos ? -1 : static_cast<int>(value)) << byte;
    }
}

TEST(TextTest, ATokenHasACharacterAndNothingElse) {
    EXPECT_TRUE(is_token("a"));
    EXPECT_TRUE(is_token("X-Custom_1!"));
    EXPECT_FALSE(is_token(""));
    EXPECT_FALSE(is_token(" a"));
    EXPECT_FALSE(is_token("a "));
    EXPECT_FALSE(is_token("a b"));
    EXPECT_FALSE(is_token("a:"));
    EXPECT_FALSE(is_token("\"a\""));
    EXPECT_FALSE(is_token("a\x80"));
    EXPECT_FALSE(is_token(std::string_view("a\0", 2)));
}

TEST(TextTest, ComparesLettersWithoutCaseAndNothingElse) {
    EXPECT_TRUE(equals_ignoring_case("", ""));
    EXPECT_TRUE(equals_ignoring_case("Content-LENGTH", "cONTENT-length"));
    EXPECT_FALSE(equals_ignoring_case("a", ""));
    EXPECT_FALSE(equals_ignoring_case("a", "ab"));
    EXPECT_FALSE(equals_ignoring_case("ab", "ac"));
    // These differ from each other by the bit that letters' case is.
    EXPECT_FALSE(equals_ignoring_case("@", "`"));
    EXPECT_FALSE(equals_ignoring_case("[", "{"));
    EXPECT_FALSE(equals_ignoring_case("\r", "-"));
    EXPECT_FALSE(equals_ignoring_case("\xc4", "\xe4"));
}

TEST(TextTest, TrimsSpacesAndTabsOnly) {
    EXPECT_EQ(trim(""), "");
    EXPECT_EQ(trim(" \t \t"), "");
    EXPECT_EQ(trim("a"), "a");
    EXPECT_EQ(trim("\t a \t b\t "), "a \t b");
    EXPECT_EQ(trim("\ra\n"), "\ra\n");
    EXPECT_EQ(trim("\va\f"), "\va\f");
}

std::vector<std::string_view> elements_of(std::string_view list) {
    std::vector<std::string_view> elements;
    for_each_element(list, [&](std::string_view element) { elements.push_back(element); });
    return elements;
}

TEST(TextTest, SplitsListsAndKeepsEmptyElements) {
    using Elements = std::vector<std::string_view>;
    EXPECT_EQ(elements_of(""), Elements{""});
    EXPECT_EQ(elements_of(" \t "), Elements{""});
    EXPECT_EQ(elements_of("a"), Elements{"a"});
    EXPECT_EQ(elements_of("a,b"), (Elements{"a", "b"}));
    EXPECT_EQ(elements_of(" a\t, b c ,d "), (Elements{"a", "b c", "d"}));
    EXPECT_EQ(elements_of(",a,,"), (Elements{"", "a", "", ""}));
}

}  // namespace
}  // namespace enduring::http
