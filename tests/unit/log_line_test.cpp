#include "http/log_line.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

namespace enduring::http {
namespace {

LogEntry entry() {
    return {.peer = "192.0.2.1",
            .begun_ms = 971'186'136'042,
            .took_us = 1'234,
            .method = "GET",
            .target = "/a?b=c",
            .status = 200,
            .bytes = 2'326,
            .referer = "http://a/",
            .user_agent = "x/1"};
}

std::string line_of(LogFormat format, const LogEntry& entry) {
    LogLine line(format);
    std::string text = "before\n";
    line.append(text, entry);
    return text.substr(7);
}

TEST(LogLine, IsWhatToolsRead) {
    const std::string common =
        R"(192.0.2.1 - - [10/Oct/2000:13:55:36 +0000] "GET /a?b=c HTTP/1.1" 200 2326)";
    EXPECT_EQ(line_of(LogFormat::common, entry()), common + "\n");
    EXPECT_EQ(line_of(LogFormat::combined, entry()), common + " \"http://a/\" \"x/1\"\n");
    EXPECT_EQ(line_of(LogFormat::json, entry()),
              R"({"time":"2000-10-10T13:55:36.042Z","peer":"192.0.2.1","method":"GET",)"
              R"("target":"/a?b=c","version":"1.1","status":200,"bytes":2326,"took_us":1234,)"
              R"("referer":"http://a/","user_agent":"x/1"})"
              "\n");
}

TEST(LogLine, SaysWhatIsNotKnown) {
    LogEntry bare{.begun_ms = 0, .status = 400, .bytes = 16};
    EXPECT_EQ(line_of(LogFormat::combined, bare),
              "- - - [01/Jan/1970:00:00:00 +0000] \"-\" 400 16 \"-\" \"-\"\n");
    bare.complete = false;
    EXPECT_EQ(line_of(LogFormat::json, bare),
              R"({"time":"1970-01-01T00:00:00.000Z","status":400,"bytes":16,"took_us":0,)"
              R"("cut":true})"
              "\n");
    bare.refused = "SSH-2.0 \"x\"";
    EXPECT_NE(line_of(LogFormat::common, bare).find(R"( "SSH-2.0 \"x\"" 400 16)"),
              std::string::npos);
    EXPECT_NE(line_of(LogFormat::json, bare).find(R"("refused":"SSH-2.0 \"x\"")"),
              std::string::npos);
    bare.method = "GET";
    bare.target = "/";
    bare.minor_version = 0;
    EXPECT_NE(line_of(LogFormat::common, bare).find("\"GET / HTTP/1.0\""), std::string::npos);
}

TEST(LogLine, FollowsTheClockBackAndForth) {
    LogLine line(LogFormat::common);
    std::string text;
    for (const std::int64_t ms : {1'999LL, 2'000LL, 1'000LL, -1LL}) {
        LogEntry at = entry();
        at.begun_ms = ms;
        line.append(text, at);
    }
    for (const char* time : {"01/Jan/1970:00:00:01", "01/Jan/1970:00:00:02", "01/Jan/1970:00:00:01",
                             "31/Dec/1969:23:59:59"}) {
        const std::size_t found = text.find(time);
        ASSERT_NE(found, std::string::npos) << time;
        text.erase(0, text.find('\n') + 1);
    }
}

// Of every byte: no peer can end a line, end a field, or steer a terminal.
TEST(LogLine, EscapesWhateverAPeerSends) {
    for (int byte = 0; byte < 256; ++byte) {
        const std::string value = std::string("a") + static_cast<char>(byte) + "b";
        LogEntry hostile = entry();
        hostile.target = hostile.referer = hostile.user_agent = hostile.method = value;
        hostile.refused = value;
        for (const LogFormat format : {LogFormat::common, LogFormat::combined, LogFormat::json}) {
            const std::string text = line_of(format, hostile);
            EXPECT_EQ(text.find('\n'), text.size() - 1) << byte;
            for (const char c : text.substr(0, text.size() - 1)) {
                EXPECT_TRUE(c >= 0x20 && c < 0x7f) << byte;
            }
        }
        const auto read = nlohmann::json::parse(line_of(LogFormat::json, hostile));
        if (byte < 0x80) {
            EXPECT_EQ(read["target"], value);
        } else {
            EXPECT_EQ(read["target"],
                      "a\xef\xbf\xbd"
                      "b")
                << "which is no UTF-8";
        }
    }
    LogEntry quoted = entry();
    quoted.user_agent = "a\"b\\c\x1b";
    EXPECT_TRUE(line_of(LogFormat::combined, quoted).ends_with("\"a\\\"b\\\\c\\x1B\"\n"));
    quoted.user_agent = "\xc3\xa4";
    EXPECT_EQ(nlohmann::json::parse(line_of(LogFormat::json, quoted))["user_agent"], "\xc3\xa4");
}

}  // namespace
}  // namespace enduring::http
