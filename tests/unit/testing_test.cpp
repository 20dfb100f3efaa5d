// The client for tests of handlers: that it sees what a client of a server would see.
#include "http/testing.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "http/remote_responder.hpp"
#include "http/static_files.hpp"

namespace enduring::http {
namespace {

using namespace std::chrono_literals;

void answer(Responder& responder, std::string_view content) {
    responder.send(Status::ok, "text/plain", content);
}

class TestingTest : public testing::Test {
  protected:
    TestingTest() {
        router_.get("/", [](const Request&, Responder responder) { answer(responder, "root"); });
        router_.post("/echo", [](const Request& request, Responder responder) {
            std::string text(request.content());
            text += request.field("X").value_or("-");
            answer(responder, text);
        });
        router_.get("/kept", [this](const Request&, Responder responder) {
            responder.on_gone([this] { ++gone_; });
            kept_.emplace(std::move(responder));
        });
        router_.get("/pieces", [this](const Request&, Responder responder) {
            stream_.emplace(std::move(responder).begin(http::Response(), stream_size_));
            stream_->on_room([this] { ++rooms_; });
            stream_->on_gone([this] { ++gone_; });
        });
        router_.on(
            Method::post, "/upload",
            [this](const Request&, Responder responder) {
                content_.emplace(responder.content());
                content_->on_piece([this, responder = std::move(responder)](std::string_view piece,
                                                                            bool last) mutable {
                    taken_.emplace_back(piece);
                    if (pauses_) {
                        content_->pause();
                    }
                    if (last) {
                        answer(responder, std::to_string(taken_.size()));
                    }
                });
            },
            ContentMode::streamed);
        router_.get("/close", [](const Request&, Responder responder) {
            http::Response response;
            responder.send(std::move(response.content("bye").close()));
        });
        router_.get("/throws", [](const Request&, Responder) { throw std::runtime_error("no"); });
        router_.get("/peer", [](const Request& request, Responder responder) {
            const auto peer = request.peer();
            answer(responder, peer ? peer->text() : "unknown");
        });
    }

    void answer_kept(std::string_view content) {
        answer(*kept_, content);
        kept_.reset();
    }

    Router router_;
    // What the handlers keep.
    std::optional<Responder> kept_;
    std::optional<ResponseStream> stream_;
    std::optional<std::uint64_t> stream_size_;
    std::optional<RequestContent> content_;
    std::vector<std::string> taken_;
    bool pauses_ = false;
    unsigned rooms_ = 0;
    unsigned gone_ = 0;
};

TEST_F(TestingTest, AResponseIsReadAsItCame) {
    test::Client client(router_);
    const test::Response response = client.get("/");
    EXPECT_EQ(response.status, Status::ok);
    EXPECT_EQ(response.reason, "OK");
    EXPECT_EQ(response.content, "root");
    EXPECT_FALSE(response.chunked);
    EXPECT_EQ(response.field("CONTENT-LENGTH"), "4");
    EXPECT_EQ(response.field("X"), std::nullopt);
    ASSERT_EQ(response.fields.size(), 4U);
    EXPECT_EQ(response.fields[0].name, "Server");
    EXPECT_EQ(response.bytes,
              "HTTP/1.1 200 OK\r\nServer: enduring\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
              "Content-Type: text/plain\r\nContent-Length: 4\r\n\r\nroot");
}

TEST_F(TestingTest, FieldsAndContentsReachTheHandler) {
    test::Client client(router_);
    EXPECT_EQ(client.post("/echo", "content", {{"X", "1"}, {"Y", "2"}}).content, "content1");
    EXPECT_EQ(client.post("/echo", "").content, "-");
    EXPECT_EQ(
        client.send({.method = Method::post, .target = "/echo", .fields = {{"X", "2"}}}).content,
        "2");
    EXPECT_EQ(client
                  .send({.method = Method::post,
                         .target = "/echo",
                         .fields = {{"Transfer-Encoding", "chunked"}},
                         .content = "3\r\nabc\r\n0\r\n\r\n"})
                  .content,
              "abc-");
    const std::string large(100'000, 'x');
    EXPECT_EQ(client.post("/echo", large).content, large + "-");
}

TEST_F(TestingTest, WhatTheServerRefusesIsAResponse) {
    test::Options options;
    options.limits.content_bytes_max = 10;
    test::Client client(router_, options);
    EXPECT_EQ(client.get("/none").status, Status::not_found);
    const test::Response refused = client.post("/", "");
    EXPECT_EQ(refused.status, Status::method_not_allowed);
    EXPECT_EQ(refused.field("Allow"), "GET, HEAD, OPTIONS");
    EXPECT_EQ(client.post("/echo", "more than ten").status, Status::content_too_large);
    EXPECT_EQ(client.send_bytes("nonsense\r\n\r\n").status, Status::bad_request);
    EXPECT_EQ(client.get("/", {{"Content-Length", "x"}}).status, Status::bad_request);
    EXPECT_EQ(client.get("/throws").status, Status::internal_server_error);
    EXPECT_EQ(client.handlers_threw(), 1U);
}

TEST_F(TestingTest, HeadHasNoContent) {
    test::Client client(router_);
    test::Connection& connection = client.connect();
    const test::Response response =
        connection.start({.method = Method::head, .target = "/"}).response();
    EXPECT_EQ(response.field("Content-Length"), "4");
    EXPECT_EQ(response.content, "");
    EXPECT_EQ(connection.start({.target = "/"}).response().content, "root");
    EXPECT_EQ(client.head("/none").status, Status::not_found);
}

TEST_F(TestingTest, AnOpenConnectionIsUsedAgain) {
    test::Client client(router_);
    EXPECT_EQ(client.get("/peer").content, "192.0.2.1:0");
    EXPECT_EQ(client.get("/peer").content, "192.0.2.1:0");
    const test::Exchange kept = client.start({.target = "/kept"});
    EXPECT_EQ(client.get("/peer").content, "192.0.2.1:1") << "the first is busy";
    answer_kept("");
    client.run();
    EXPECT_TRUE(kept.done());
    EXPECT_EQ(client.get("/close").field("Connection"), "close");
    EXPECT_FALSE(kept.connection().open());
    EXPECT_EQ(kept.connection().reason(), core::Reason::server_close);
    EXPECT_EQ(client.get("/peer").content, "192.0.2.1:1");

    test::Options options;
    options.peer = std::nullopt;
    EXPECT_EQ(test::Client(router_, options).get("/peer").content, "unknown");
}

TEST_F(TestingTest, AClosedConnectionTakesNothing) {
    test::Client client(router_);
    test::Connection& connection = client.connect();
    EXPECT_EQ(connection.start({.target = "/", .fields = {{"Connection", "close"}}})
                  .response()
                  .field("Connection"),
              "close");
    EXPECT_FALSE(connection.open());
    EXPECT_EQ(connection.reason(), core::Reason::client_close);
    EXPECT_TRUE(connection.start({.target = "/"}).failed());
    connection.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_TRUE(connection.expect().failed());
}

TEST_F(TestingTest, AnAnswerMayComeLater) {
    test::Client client(router_);
    const test::Exchange exchange = client.start({.target = "/kept"});
    EXPECT_FALSE(exchange.done());
    EXPECT_FALSE(exchange.failed());
    EXPECT_EQ(exchange.begun(), nullptr);
    EXPECT_THROW(static_cast<void>(exchange.response()), test::Failure);
    EXPECT_THROW(client.get("/kept"), test::Failure);
    answer_kept("second");  // the first is answered by its end: 500
    client.run();
    EXPECT_EQ(exchange.response().status, Status::internal_server_error);
}

TEST_F(TestingTest, PipelinedRequestsAreAnsweredInOrder) {
    test::Client client(router_);
    test::Connection& connection = client.connect();
    const test::Exchange first = connection.start({.target = "/kept"});
    const test::Exchange second = connection.start({.target = "/"});
    EXPECT_FALSE(second.done());
    answer_kept("first");
    client.run();
    EXPECT_EQ(first.response().content, "first");
    EXPECT_EQ(second.response().content, "root");
}

TEST_F(TestingTest, BytesAreSentAsTheyAre) {
    test::Client client(router_);
    test::Connection& connection = client.connect();
    connection.write("GET / HTTP/1.1\r\nHo");
    const test::Exchange first = connection.expect();
    EXPECT_FALSE(first.done());
    connection.write("st: a\r\n\r\nHEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(first.response().content, "root");
    EXPECT_EQ(connection.expect(Method::head).response().content, "");
    EXPECT_TRUE(connection.received().starts_with("HTTP/1.1 200 OK\r\n"));
    // Without keep-alive HTTP/1.0 has one exchange.
    EXPECT_EQ(client.send_bytes("GET / HTTP/1.0\r\n\r\n").field("Connection"), "close");
}

TEST_F(TestingTest, ChunksAreDecodedAsTheyCome) {
    test::Client client(router_);
    const test::Exchange exchange = client.start({.target = "/pieces"});
    ASSERT_NE(exchange.begun(), nullptr);
    EXPECT_TRUE(exchange.begun()->chunked);
    EXPECT_EQ(exchange.begun()->content, "");
    stream_->write("one ");
    client.run();
    EXPECT_EQ(exchange.begun()->content, "one ");
    EXPECT_FALSE(exchange.done());
    stream_->write("two");
    stream_->finish();
    client.run();
    EXPECT_EQ(exchange.response().content, "one two");
    EXPECT_TRUE(exchange.response().bytes.ends_with("4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n"));
    EXPECT_TRUE(exchange.connection().open());
    EXPECT_EQ(gone_, 0U);
}

TEST_F(TestingTest, ToHttp10PiecesEndWithTheConnection) {
    test::Client client(router_);
    const test::Exchange exchange = client.start({.target = "/pieces", .minor_version = 0});
    stream_->write("one");
    client.run();
    EXPECT_EQ(exchange.begun()->content, "one");
    EXPECT_FALSE(exchange.done());
    stream_->finish();
    client.run();
    EXPECT_EQ(exchange.response().content, "one");
    EXPECT_FALSE(exchange.connection().open());
}

TEST_F(TestingTest, WhoLeavesInTheMiddleHasNotGotAResponseThatEndsWithTheConnection) {
    test::Client client(router_);
    test::Connection& connection = client.connect();
    connection.stop_reading();
    const test::Exchange exchange = connection.start({.target = "/pieces", .minor_version = 0});
    stream_->write(std::string(2000, 'x'));
    stream_->finish();
    client.run();
    connection.read(300);
    ASSERT_NE(exchange.begun(), nullptr);
    connection.disconnect();
    EXPECT_TRUE(exchange.failed());
    EXPECT_FALSE(exchange.done());
}

TEST_F(TestingTest, AResponseThatIsNotFinishedIsCut) {
    test::Client client(router_);
    for (const unsigned minor_version : {0U, 1U}) {
        const test::Exchange exchange =
            client.start({.target = "/pieces", .minor_version = minor_version});
        stream_->write("one");
        client.run();
        stream_.reset();
        client.run();
        EXPECT_TRUE(exchange.failed());
        EXPECT_FALSE(exchange.done());
        EXPECT_EQ(exchange.begun()->content, "one");
        EXPECT_TRUE(exchange.connection().cut());
        EXPECT_EQ(exchange.connection().reason(), core::Reason::content_failed);
        EXPECT_THROW(static_cast<void>(exchange.response()), test::Failure);
    }
}

TEST_F(TestingTest, AContentIsSentInPieces) {
    test::Client client(router_);
    for (const std::optional<std::uint64_t> size : {std::optional<std::uint64_t>(), {7}}) {
        taken_.clear();
        const test::Exchange exchange =
            client.begin({.method = Method::post, .target = "/upload"}, size);
        exchange.write("one");
        EXPECT_EQ(taken_, std::vector<std::string>{"one"});
        EXPECT_FALSE(exchange.done());
        exchange.write("");
        exchange.write("more");
        exchange.finish();
        std::string all;
        for (const std::string& piece : taken_) {
            all += piece;
        }
        EXPECT_EQ(all, "onemore");
        EXPECT_EQ(exchange.response().content, std::to_string(taken_.size()));
    }
    EXPECT_THROW(client.begin({.content = "x"}), test::Failure);
}

TEST_F(TestingTest, AContentThatIsNotWantedWaits) {
    test::Options options;
    options.limits.held_bytes_max = 1000;
    test::Client client(router_, options);
    pauses_ = true;
    const test::Exchange exchange =
        client.begin({.method = Method::post, .target = "/upload"}, 100'000);
    exchange.write("a");
    EXPECT_EQ(taken_.size(), 1U);
    exchange.write(std::string(99'999, 'b'));
    EXPECT_EQ(taken_.size(), 1U);
    EXPECT_GT(exchange.connection().unreceived(), 90'000U);
    pauses_ = false;
    content_->resume();
    client.run();
    EXPECT_EQ(exchange.connection().unreceived(), 0U);
    EXPECT_TRUE(exchange.done());
}

TEST_F(TestingTest, AClientMayWaitFor100) {
    test::Client client(router_);
    const test::Exchange exchange = client.begin(
        {.method = Method::post, .target = "/upload", .fields = {{"Expect", "100-continue"}}}, 1);
    ASSERT_EQ(exchange.interim().size(), 1U);
    EXPECT_EQ(exchange.interim()[0].status, Status::continue_);
    EXPECT_EQ(exchange.begun(), nullptr);
    exchange.write("x");
    EXPECT_EQ(exchange.response().status, Status::ok);
}

TEST_F(TestingTest, AClientThatGoesIsNoticed) {
    test::Client client(router_);
    const test::Exchange exchange = client.start({.target = "/kept"});
    EXPECT_TRUE(kept_->alive());
    exchange.connection().disconnect();
    EXPECT_FALSE(kept_->alive());
    EXPECT_EQ(gone_, 1U);
    EXPECT_TRUE(exchange.failed());
    answer_kept("too late");
    client.run();
    EXPECT_TRUE(exchange.failed());
    EXPECT_EQ(exchange.connection().received(), "");
}

TEST_F(TestingTest, AClientMayFinishAndStillBeAnswered) {
    test::Client client(router_);
    const test::Exchange exchange = client.start({.target = "/kept"});
    exchange.connection().finish();
    EXPECT_EQ(gone_, 0U);
    answer_kept("last");
    client.run();
    EXPECT_EQ(exchange.response().content, "last");
    EXPECT_FALSE(exchange.connection().open());
    // In the middle of a request.
    test::Connection& cut = client.connect();
    cut.write("GET / HT");
    cut.finish();
    EXPECT_EQ(cut.reason(), core::Reason::peer_truncated);
}

TEST_F(TestingTest, AClientThatDoesNotReadHoldsTheResponseUp) {
    test::Options options;
    options.limits.output_bytes_max = 1000;
    test::Client client(router_, options);
    test::Connection& connection = client.connect();
    connection.stop_reading();
    const test::Exchange exchange = connection.start({.target = "/pieces"});
    EXPECT_EQ(exchange.begun(), nullptr);
    EXPECT_FALSE(stream_->write(std::string(2000, 'x')));
    client.run();
    EXPECT_EQ(rooms_, 0U);
    connection.read(100);
    EXPECT_EQ(connection.received().size(), 100U);
    EXPECT_EQ(rooms_, 0U);
    connection.read(1900);
    EXPECT_EQ(connection.received().size(), 2000U);
    EXPECT_EQ(rooms_, 1U);
    stream_->finish();
    connection.resume_reading();
    EXPECT_EQ(exchange.response().content, std::string(2000, 'x'));
}

TEST_F(TestingTest, TheTimeMayBeOver) {
    test::Client client(router_);
    const test::Exchange exchange = client.start({.target = "/kept"});
    exchange.connection().time_out();
    EXPECT_EQ(exchange.response().status, Status::service_unavailable);
    EXPECT_EQ(gone_, 1U);
    kept_.reset();
    test::Connection& slow = client.connect();
    slow.write("GET /");
    slow.time_out();
    EXPECT_EQ(slow.expect().response().status, Status::request_timeout);
    EXPECT_FALSE(slow.open());
}

TEST_F(TestingTest, TimersRunInOrderAndAtTheirTime) {
    std::vector<int> ran;
    router_.get("/timers", [&ran](const Request&, Responder responder) {
        Timers& timers = responder.timers();
        timers.after(20ms, [&] { ran.push_back(20); });
        timers.after(10ms, [&] {
            ran.push_back(10);
            timers.after(5ms, [&] { ran.push_back(15); });
        });
        answer(responder, "");
    });
    test::Client client(router_);
    client.get("/timers");
    client.advance(9ms);
    EXPECT_EQ(ran, std::vector<int>());
    client.advance(100ms);
    EXPECT_EQ(ran, (std::vector{10, 15, 20}));
}

TEST_F(TestingTest, AnotherThreadMayAnswer) {
    std::vector<std::jthread> threads;
    router_.get("/remote", [&threads](const Request&, Responder responder) {
        threads.emplace_back([remote = std::move(responder).remote()]() mutable {
            std::this_thread::sleep_for(5ms);
            remote.send(Status::ok, "text/plain", "from afar");
        });
    });
    test::Client client(router_);
    std::vector<test::Exchange> exchanges;
    for (int i = 0; i < 4; ++i) {
        exchanges.push_back(client.start({.target = "/remote"}));
    }
    for (const test::Exchange& exchange : exchanges) {
        EXPECT_TRUE(exchange.wait());
        EXPECT_EQ(exchange.response().content, "from afar");
    }
    bool ran = false;
    client.mailbox()->post([&ran] { ran = true; });
    EXPECT_FALSE(ran);
    client.run();
    EXPECT_TRUE(ran);
    // Nobody answers.
    const test::Exchange kept = client.start({.target = "/kept"});
    EXPECT_FALSE(kept.wait(1ms));
    kept_.reset();
}

TEST(TestingHandlerTest, OneHandlerNeedsNoRouter) {
    test::Client client([](const Request& request, Responder responder) {
        std::string text(name_of(request.method()));
        text.append(" ").append(request.parameter("path")).append(" ").append(request.content());
        answer(responder, text);
    });
    EXPECT_EQ(client.get("/a/b?c").content, "GET a/b ");
    EXPECT_EQ(client.post("/", "text").content, "POST  text");
    EXPECT_EQ(client.send({.method = Method::delete_, .target = "/x"}).content, "DELETE x ");
    EXPECT_EQ(client.head("/").field("Content-Length"), "6");
}

TEST(TestingHandlerTest, FilesAreRead) {
    namespace fs = std::filesystem;
    std::string directory = (fs::temp_directory_path() / "enduring-testing-XXXXXX").string();
    ASSERT_NE(::mkdtemp(directory.data()), nullptr);
    std::string large;
    for (int i = 0; large.size() < 200'000; ++i) {
        large += std::to_string(i);
    }
    std::ofstream(directory + "/large.txt") << large;
    std::ofstream(directory + "/small.txt") << "small";
    {
        auto files = StaticFiles::open(directory);
        ASSERT_TRUE(files.has_value());
        test::Client client(std::move(*files));
        EXPECT_EQ(client.get("/small.txt").content, "small");
        const test::Response whole = client.get("/large.txt");
        EXPECT_EQ(whole.content, large);
        EXPECT_EQ(client.get("/large.txt", {{"Range", "bytes=70000-169999"}}).content,
                  large.substr(70'000, 100'000));
        EXPECT_EQ(client.get("/large.txt", {{"If-None-Match", *whole.field("ETag")}}).status,
                  Status::not_modified);
        EXPECT_EQ(client.head("/large.txt").field("Content-Length"), std::to_string(large.size()));
        EXPECT_EQ(client.get("/none").status, Status::not_found);

        // It becomes shorter after its head has been sent.
        test::Connection& connection = client.connect();
        connection.stop_reading();
        const test::Exchange cut = connection.start({.target = "/large.txt"});
        connection.read(100'000);
        fs::resize_file(directory + "/large.txt", 150'000);
        connection.resume_reading();
        EXPECT_TRUE(cut.failed());
        EXPECT_TRUE(connection.cut());
        EXPECT_EQ(connection.reason(), core::Reason::content_failed);
    }
    fs::remove_all(directory);
}

TEST(TestingHandlerTest, TheClientOwnsARouterThatItIsGiven) {
    const auto make = [] {
        Router router;
        router.get("/", [](const Request&, Responder responder) { answer(responder, "owned"); });
        return router;
    };
    test::Client client(make());
    EXPECT_EQ(client.get("/").content, "owned");
}

TEST(TestingHandlerTest, WhatIsStillRunningEndsWithTheClient) {
    unsigned gone = 0;
    const auto held = std::make_shared<int>(0);
    std::optional<test::Exchange> exchange;
    {
        test::Client client([&gone, held](const Request&, Responder responder) {
            responder.on_gone([&gone] { ++gone; });
            Timers& timers = responder.timers();
            timers.after(1h, [held, responder = std::move(responder)] {});
        });
        exchange = client.start({});
        EXPECT_EQ(held.use_count(), 3);
    }
    EXPECT_EQ(gone, 1U);
    EXPECT_EQ(held.use_count(), 1);
    EXPECT_FALSE(exchange->done());
}

}  // namespace
}  // namespace enduring::http
