// Status codes against the registry's phrases.
#include "http/status.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <string_view>

namespace enduring::http {
namespace {

// From the IANA registry of HTTP status codes, typed in anew.
const std::map<unsigned, std::string_view> registry{
    {100, "Continue"},
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {426, "Upgrade Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

TEST(StatusTest, EachCodeHasThePhraseOfTheRegistryOrNone) {
    for (unsigned code = 100; code < 600; ++code) {
        const auto known = registry.find(code);
        const std::string_view phrase = known == registry.end() ? "" : known->second;
        EXPECT_EQ(reason_phrase(static_cast<Status>(code)), phrase) << code;
    }
}

TEST(StatusTest, TheLineHoldsVersionCodeAndPhraseEvenWhenThePhraseIsEmpty) {
    // RFC 9112 §4: the space after the code stays when there is no phrase.
    for (unsigned code = 100; code < 600; ++code) {
        const auto known = registry.find(code);
        const std::string phrase(known == registry.end() ? "" : known->second);
        EXPECT_EQ(status_line(static_cast<Status>(code)),
                  "HTTP/1.1 " + std::to_string(code) + " " + phrase + "\r\n");
    }
}

TEST(StatusTest, TheNamesHaveTheirCodes) {
    EXPECT_EQ(code_of(Status::continue_), 100U);
    EXPECT_EQ(code_of(Status::ok), 200U);
    EXPECT_EQ(code_of(Status::no_content), 204U);
    EXPECT_EQ(code_of(Status::not_modified), 304U);
    EXPECT_EQ(code_of(Status::request_timeout), 408U);
    EXPECT_EQ(code_of(Status::content_too_large), 413U);
    EXPECT_EQ(code_of(Status::uri_too_long), 414U);
    EXPECT_EQ(code_of(Status::expectation_failed), 417U);
    EXPECT_EQ(code_of(Status::header_fields_too_large), 431U);
    EXPECT_EQ(code_of(Status::version_not_supported), 505U);
}

TEST(StatusTest, InformationalNoContentAndNotModifiedForbidContent) {
    for (unsigned code = 100; code < 600; ++code) {
        EXPECT_EQ(forbids_content(static_cast<Status>(code)),
                  code < 200 || code == 204 || code == 304)
            << code;
    }
}

TEST(StatusDeathTest, ACodeOutsideTheRangeIsABug) {
    EXPECT_DEATH((void)status_line(static_cast<Status>(99)), "from 100 to 599");
    EXPECT_DEATH((void)status_line(static_cast<Status>(600)), "from 100 to 599");
}

}  // namespace
}  // namespace enduring::http
