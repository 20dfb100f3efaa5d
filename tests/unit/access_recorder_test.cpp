// One line for each exchange, whatever becomes of it.
#include "http/access_recorder.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "http/log_channel.hpp"
#include "session_fixture.hpp"

namespace enduring::http {
namespace {

class AccessRecorderTest : public SessionFixture {
  protected:
    void SetUp() override {
        router_.get("/", [](const Request&, Responder responder) {
            responder.send(Status::ok, "text/plain", "hello");
        });
        router_.get("/later", keep());
        router_.post("/in", [](const Request& request, Responder responder) {
            responder.send(Status::created, "text/plain", request.content());
        });
        router_.get("/empty", [](const Request&, Responder responder) {
            responder.send(Response(Status::no_content));
        });
        router_.get("/pieces", [this](const Request&, Responder responder) {
            out_ = std::move(responder).begin(Response(), std::nullopt);
        });
        Limits limits;
        limits.content_bytes_max = 100;
        start(limits).record_with(std::make_unique<AccessRecorder>(
            LogFormat::combined, channel_,
            AccessRecorder::Clocks{[] { return std::int64_t{784111777} * 1000; },
                                   [] { return std::uint64_t{7}; }}));
    }
    void TearDown() override {
        out_.reset();
        SessionFixture::TearDown();
        EXPECT_EQ(lines(), "");
    }

    /// What has been written since the last call, without peer and time, which are always the same.
    std::string lines() {
        constexpr std::string_view same = "192.0.2.1 - - [06/Nov/1994:08:49:37 +0000] ";
        std::string text;
        channel_.take(text);
        for (std::size_t at = 0; (at = text.find(same, at)) != std::string::npos;) {
            text.erase(at, same.size());
        }
        return text;
    }

    static std::string get(std::string_view target, std::string_view fields = {}) {
        return "GET " + std::string(target) + " HTTP/1.1\r\nHost: h\r\n" + std::string(fields) +
               "\r\n";
    }

    Bell bell_;
    LogChannel channel_{1 << 16, bell_};
    std::optional<ResponseStream> out_;
};

TEST_F(AccessRecorderTest, AnExchangeIsALine) {
    TestConnection& connection = connect();
    give(connection, get("/?a=b", "referer: http://r/ \r\nUSER-AGENT:\tx/1\r\n"));
    EXPECT_EQ(lines(), "\"GET /?a=b HTTP/1.1\" 200 5 \"http://r/\" \"x/1\"\n");
    give(connection, get("/none"));
    EXPECT_EQ(lines(), "\"GET /none HTTP/1.1\" 404 14 \"-\" \"-\"\n");
    give(connection, "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n" + get("/empty") +
                         "BREW / HTTP/1.0\r\nHost: h\r\n\r\n");
    EXPECT_EQ(lines(),
              "\"HEAD / HTTP/1.1\" 200 0 \"-\" \"-\"\n"
              "\"GET /empty HTTP/1.1\" 204 0 \"-\" \"-\"\n"
              "\"BREW / HTTP/1.0\" 501 20 \"-\" \"-\"\n");
}

TEST_F(AccessRecorderTest, SoIsOneInPieces) {
    TestConnection& connection = connect();
    const std::string request =
        "POST /in HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
        "User-Agent: split\r\nContent-Length: 6\r\n\r\n";
    for (const char byte : request) {
        give(connection, {&byte, 1});
    }
    EXPECT_EQ(lines(), "") << "it has not been answered";
    give(connection, "abc");
    give(connection, "def" + get("/"));
    EXPECT_EQ(lines(),
              "\"POST /in HTTP/1.1\" 201 6 \"-\" \"split\"\n"
              "\"GET / HTTP/1.1\" 200 5 \"-\" \"-\"\n");
}

TEST_F(AccessRecorderTest, WhatIsRefusedIsTold) {
    give(connect(), "NONSENSE\r\n\r\n");
    EXPECT_EQ(lines(), "\"NONSENSE\" 400 16 \"-\" \"-\"\n");
    give(connect(), "POST /in HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\n");
    EXPECT_EQ(lines(), "\"POST /in HTTP/1.1\" 413 22 \"-\" \"-\"\n");
    TestConnection& slow = connect();
    give(slow, "GET / HT");
    time_out(slow);
    EXPECT_EQ(lines(), "\"GET / HT\" 408 20 \"-\" \"-\"\n");
    TestConnection& half = connect();
    give(half, "POST /in HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nab");
    time_out(half);
    EXPECT_EQ(lines(), "\"POST /in HTTP/1.1\" 408 20 \"-\" \"-\"\n");
}

TEST_F(AccessRecorderTest, AnAnswerThatComesLaterIsToldThen) {
    TestConnection& first = connect();
    TestConnection& second = connect();
    give(first, get("/later?1", "User-Agent: one\r\n"));
    give(second, get("/later?2", "User-Agent: two\r\n"));
    EXPECT_EQ(lines(), "");
    answer("abc");
    EXPECT_EQ(lines(), "\"GET /later?1 HTTP/1.1\" 200 3 \"-\" \"one\"\n");
    time_out(second);
    EXPECT_EQ(lines(), "\"GET /later?2 HTTP/1.1\" 503 24 \"-\" \"two\"\n");
    held_.clear();
    EXPECT_EQ(lines(), "") << "once";
}

TEST_F(AccessRecorderTest, WhoLeavesUnansweredIsToldOf) {
    TestConnection& connection = connect();
    give(connection, get("/later"));
    close(connection);
    EXPECT_EQ(lines(), "\"GET /later HTTP/1.1\" 499 0 \"-\" \"-\"\n");
    TestConnection& half = connect();
    give(half, "POST /in HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nab");
    close(half);
    EXPECT_EQ(lines(), "\"POST /in HTTP/1.1\" 499 0 \"-\" \"-\"\n");
    TestConnection& idle = connect();
    close(idle);
    EXPECT_EQ(lines(), "") << "who asks nothing is not";
}

TEST_F(AccessRecorderTest, AnAnswerInPiecesIsToldAtItsEnd) {
    TestConnection& connection = connect();
    give(connection, get("/pieces"));
    out_->write("abc");
    out_->write("defg");
    EXPECT_EQ(lines(), "");
    std::move(*out_).finish();
    pump();
    EXPECT_EQ(lines(), "\"GET /pieces HTTP/1.1\" 200 7 \"-\" \"-\"\n");
    give(connection, "HEAD /pieces HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_EQ(lines(), "\"HEAD /pieces HTTP/1.1\" 200 0 \"-\" \"-\"\n");
    give(connection, get("/pieces"));
    out_->write("abc");
    close(connection);
    EXPECT_EQ(lines(), "\"GET /pieces HTTP/1.1\" 200 3 \"-\" \"-\"\n") << "as far as it went";
}

TEST_F(AccessRecorderTest, OneConnectionsWordsAreNotAnothers) {
    // The second gets the slot of the first, and asks for nothing that could be told.
    TestConnection& first = connect();
    give(first, get("/", "User-Agent: first\r\nReferer: http://r/\r\n"));
    close(first);
    EXPECT_EQ(lines(), "\"GET / HTTP/1.1\" 200 5 \"http://r/\" \"first\"\n");
    TestConnection& second = connect();
    give(second, get("/"));
    EXPECT_EQ(lines(), "\"GET / HTTP/1.1\" 200 5 \"-\" \"-\"\n");
    give(second, "BAD\r\n\r\n");
    EXPECT_EQ(lines(), "\"BAD\" 400 16 \"-\" \"-\"\n");
}

TEST_F(AccessRecorderTest, OfWhatIsNoRequestTheBeginningIsTold) {
    give(connect(), std::string(1'000, 'x') + "\r\n\r\n");
    EXPECT_EQ(lines(), "\"" + std::string(256, 'x') + "\" 400 16 \"-\" \"-\"\n");
}

TEST_F(AccessRecorderTest, AFullChannelCostsTheLineOnly) {
    TestConnection& connection = connect();
    for (int i = 0; i < 900; ++i) {
        give(connection, get("/", "User-Agent: " + std::string(100, 'a') + "\r\n"));
        EXPECT_EQ(take_received(connection), text("200 OK", "hello")) << i;
    }
    EXPECT_GT(channel_.dropped(), 0U);
    lines();
}

}  // namespace
}  // namespace enduring::http
