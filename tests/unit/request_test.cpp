// What a handler sees of a request.
#include "http/request.hpp"

#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <string>

#include "parsed_request.hpp"

namespace enduring::http {
namespace {

TEST(RequestTest, ShowsTheRequestLine) {
    const ParsedRequest parsed("DELETE /a%20b/c?x=1&y=?/ HTTP/1.1\r\nHost: example:81\r\n\r\n");
    const Request request = parsed.request();
    EXPECT_EQ(request.method(), Method::delete_);
    EXPECT_EQ(request.target(), "/a%20b/c?x=1&y=?/");
    EXPECT_EQ(request.path(), "/a%20b/c");
    EXPECT_EQ(request.query(), "x=1&y=?/");
    EXPECT_EQ(request.authority(), "example:81");
    EXPECT_EQ(request.minor_version(), 1U);
    EXPECT_EQ(request.content(), "");
}

TEST(RequestTest, TheAuthorityOfAnAbsoluteTargetWins) {
    const ParsedRequest parsed("GET http://a.example/x?y HTTP/1.1\r\nHost: b.example\r\n\r\n");
    EXPECT_EQ(parsed.request().authority(), "a.example");
    EXPECT_EQ(parsed.request().target(), "http://a.example/x?y");
    EXPECT_EQ(parsed.request().path(), "/x");
    EXPECT_EQ(parsed.request().query(), "y");
    EXPECT_EQ(parsed.request().field("host"), "b.example");
}

TEST(RequestTest, AnOldRequestMayHaveNoAuthority) {
    const ParsedRequest parsed("GET / HTTP/1.0\r\n\r\n");
    EXPECT_EQ(parsed.request().authority(), "");
    EXPECT_EQ(parsed.request().minor_version(), 0U);
    EXPECT_EQ(parsed.request().field_count(), 0U);
}

TEST(RequestTest, GivesFieldsInOrderWithoutTheSpaceAround) {
    const ParsedRequest parsed(
        "GET / HTTP/1.1\r\nHost: h\r\nX-A: \t one two \t\r\nx-a:three\r\nX-Empty:\r\n"
        "X-Blank: \t \r\n\r\n");
    const Request request = parsed.request();
    ASSERT_EQ(request.field_count(), 5U);
    EXPECT_EQ(request.field_at(0).name, "Host");
    EXPECT_EQ(request.field_at(0).value, "h");
    EXPECT_EQ(request.field_at(1).name, "X-A");
    EXPECT_EQ(request.field_at(1).value, "one two");
    EXPECT_EQ(request.field_at(2).name, "x-a");
    EXPECT_EQ(request.field_at(2).value, "three");
    EXPECT_EQ(request.field_at(3).value, "");
    EXPECT_EQ(request.field_at(4).value, "");
}

TEST(RequestTest, FindsTheFirstFieldOfANameInAnyCase) {
    const ParsedRequest parsed(
        "GET / HTTP/1.1\r\nHost: h\r\nX-A: one \r\nx-a: two\r\nX-Empty:\r\n\r\n");
    const Request request = parsed.request();
    EXPECT_EQ(request.field("X-A"), "one");
    EXPECT_EQ(request.field("x-A"), "one");
    EXPECT_EQ(request.field("X-EMPTY"), "");
    EXPECT_EQ(request.field("X-B"), std::nullopt);
    EXPECT_EQ(request.field("X-"), std::nullopt);
    EXPECT_EQ(request.field(""), std::nullopt);
}

TEST(RequestTest, GivesContentAndParameters) {
    const std::array<Parameter, 2> parameters{Parameter{"id", "7"}, Parameter{"rest", "a/b"}};
    const ParsedRequest parsed("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n", "abc",
                               parameters);
    const Request request = parsed.request();
    EXPECT_EQ(request.content(), "abc");
    EXPECT_EQ(request.parameter("id"), "7");
    EXPECT_EQ(request.parameter("rest"), "a/b");
    EXPECT_EQ(request.parameter("ID"), "");
    EXPECT_EQ(request.parameter("other"), "");
}

TEST(Request, DecodesParametersWhenAsked) {
    const std::array<Parameter, 3> parameters{
        {{"plain", "a+b"}, {"coded", "a%20b%2f"}, {"bad", "%4"}}};
    const ParsedRequest parsed("GET / HTTP/1.1\r\nHost: a\r\n\r\n", {}, parameters);
    const Request request = parsed.request();
    EXPECT_EQ(request.decoded_parameter("plain"), "a+b") << "only in a form a plus is a space";
    EXPECT_EQ(request.decoded_parameter("coded"), "a b/");
    EXPECT_EQ(request.decoded_parameter("bad"), std::nullopt);
    EXPECT_EQ(request.decoded_parameter("other"), std::nullopt);
}

TEST(Request, FindsValuesInItsQuery) {
    const ParsedRequest parsed(
        "GET /?a=13&b=4+2&&c&d=&e=%3D%26&%66=x&a=14&g=%zz&h=1=2 HTTP/1.1\r\nHost: a\r\n\r\n");
    const Request request = parsed.request();
    EXPECT_EQ(request.query_value("a"), "13") << "the first";
    EXPECT_EQ(request.query_value("b"), "4 2");
    EXPECT_EQ(request.query_value("c"), "");
    EXPECT_EQ(request.query_value("d"), "");
    EXPECT_EQ(request.query_value("e"), "=&");
    EXPECT_EQ(request.query_value("f"), "x");
    EXPECT_EQ(request.query_value("g"), std::nullopt);
    EXPECT_EQ(request.query_value("h"), "1=2");
    EXPECT_EQ(request.query_value("z"), std::nullopt);
    EXPECT_EQ(request.peer(), std::nullopt) << "it came from nowhere";
    const ParsedRequest without("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(without.request().query_value("a"), std::nullopt);
}

}  // namespace
}  // namespace enduring::http
