// What heads begin with, as dates and types of content change.
#include "http/preamble.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace enduring::http {
namespace {

constexpr std::string_view date = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
constexpr std::string_view later = "Date: Sun, 06 Nov 1994 08:49:38 GMT\r\n";

std::string begin(std::string_view status, std::string_view date_field, std::string_view type) {
    return "HTTP/1.1 " + std::string(status) + "\r\nServer: enduring\r\n" +
           std::string(date_field) + std::string(type);
}

TEST(Preamble, HasTheTypeThatWasAskedFor) {
    Preamble preamble;
    EXPECT_EQ(preamble.date_number(), 0U);
    preamble.renew(Status::ok, date, 7);
    EXPECT_EQ(preamble.date_number(), 7U);
    // Each of them after another one, and after itself.
    for (const std::string_view type :
         {"", "a/b", "a/c", "", "text/plain", "a/b", "a", "text/plainer", "text/plain", "text/plai",
          "Content-Type", "a\r\nb", "a  b"}) {
        std::string cleaned(type);
        for (char& c : cleaned) {
            c = c == '\r' || c == '\n' ? ' ' : c;
        }
        const std::string expected =
            begin("200 OK", date, type.empty() ? "" : "Content-Type: " + cleaned + "\r\n");
        EXPECT_EQ(preamble.with_type(type), expected) << type;
        EXPECT_EQ(preamble.with_type(std::string(type)), expected) << type;
    }
}

TEST(Preamble, ForgetsTheTypeWithTheDate) {
    Preamble preamble;
    preamble.renew(Status::not_found, date, 1);
    EXPECT_EQ(preamble.with_type("text/html"),
              begin("404 Not Found", date, "Content-Type: text/html\r\n"));
    preamble.renew(Status::not_found, later, 2);
    EXPECT_EQ(preamble.with_type(""), begin("404 Not Found", later, ""));
    EXPECT_EQ(preamble.with_type("text/html"),
              begin("404 Not Found", later, "Content-Type: text/html\r\n"));
    preamble.renew(Status::not_found, {}, 3);
    EXPECT_EQ(preamble.with_type("text/html"),
              begin("404 Not Found", "", "Content-Type: text/html\r\n"));
}

}  // namespace
}  // namespace enduring::http
