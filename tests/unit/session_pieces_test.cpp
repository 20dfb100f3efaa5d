// Contents and responses that come in pieces: what handlers are told, what clients get, and that
// whatever happens in between leaves nothing behind.
#include <gtest/gtest.h>

#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "session_fixture.hpp"

namespace enduring::http {
namespace {

std::string sized(std::string_view content, std::string_view fields = {}) {
    return "POST /in HTTP/1.1\r\nHost: a\r\n" + std::string(fields) +
           "Content-Length: " + std::to_string(content.size()) + "\r\n\r\n" + std::string(content);
}

class SessionPiecesTest : public SessionFixture {
  protected:
    // What the handlers of /in and /out keep.
    struct Upload {
        std::optional<Responder> responder;
        std::optional<RequestContent> content;
        std::string bytes;
        unsigned ends = 0;
        unsigned gone = 0;
    };

    SessionPiecesTest() {
        // Takes a content and answers with its length.
        router_.on(
            Method::post, "/in",
            [this](const Request&, Responder responder) {
                upload_ = Upload();
                upload_.content = responder.content();
                responder.on_gone([this] { ++upload_.gone; });
                upload_.responder = std::move(responder);
                if (asks_at_once_) {
                    ask();
                }
            },
            ContentMode::streamed);
        router_.get("/out", [this](const Request&, Responder responder) {
            Response head;
            head.content_type("text/plain");
            out_ = std::move(responder).begin(std::move(head), out_size_);
            out_->on_gone([this] { ++out_gone_; });
            out_->on_room([this] { ++out_rooms_; });
        });
        router_.get("/", [](const Request&, Responder responder) {
            responder.send(Status::ok, "text/plain", "next");
        });
    }
    void TearDown() override {
        SessionFixture::TearDown();
        upload_ = Upload();
        out_.reset();
    }

    void ask() {
        upload_.content->on_piece([this](std::string_view piece, bool last) {
            EXPECT_TRUE(last || !piece.empty());
            upload_.bytes += piece;
            if (pauses_) {
                upload_.content->pause();
            }
            if (throws_) {
                throw std::runtime_error("no");
            }
            if (last) {
                ++upload_.ends;
                upload_.responder->send(Status::ok, "text/plain",
                                        std::to_string(upload_.bytes.size()));
            }
        });
    }
    static std::string length_answer(std::size_t size) {
        return text("200 OK", std::to_string(size));
    }
    static std::string chunked_head(std::string_view connection = {}) {
        return response("200 OK", "Content-Type: text/plain\r\n" + std::string(connection) +
                                      "Transfer-Encoding: chunked\r\n");
    }

    bool asks_at_once_ = true;
    bool pauses_ = false;
    bool throws_ = false;
    Upload upload_;
    std::optional<ResponseStream> out_;
    std::optional<std::uint64_t> out_size_;
    unsigned out_gone_ = 0;
    unsigned out_rooms_ = 0;
};

constexpr std::string_view next_request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr std::string_view out_request = "GET /out HTTP/1.1\r\nHost: a\r\n\r\n";

TEST_F(SessionPiecesTest, AContentComesWholeHoweverItIsSplit) {
    start();
    const std::string content = "0123456789";
    const std::string chunked =
        "POST /in HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\n012\r\n1;x=y\r\n3\r\n6\r\n456789\r\n0\r\nA: b\r\n\r\n";
    for (const std::string& request : {sized(content), chunked}) {
        const std::string all = request + std::string(next_request);
        for (std::size_t first = 1; first < all.size(); ++first) {
            for (const std::size_t second : {first, first + 1, first + 7}) {
                TestConnection& connection = connect();
                give(connection, all.substr(0, first));
                give(connection, all.substr(first, second - first));
                give(connection, all.substr(std::min(second, all.size())));
                EXPECT_EQ(connection.received, length_answer(10) + text("200 OK", "next"))
                    << first << " " << second;
                EXPECT_EQ(upload_.bytes, content);
                EXPECT_EQ(upload_.ends, 1U);
                EXPECT_EQ(upload_.gone, 0U);
                close(connection);
            }
        }
    }
}

TEST_F(SessionPiecesTest, ARequestWithoutContentHasAnEmptyLastPiece) {
    start();
    EXPECT_EQ(exchange("POST /in HTTP/1.1\r\nHost: a\r\n\r\n"), length_answer(0));
    EXPECT_EQ(upload_.ends, 1U);
    EXPECT_EQ(exchange(sized("")), length_answer(0));
    EXPECT_EQ(exchange("POST /in HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "0\r\n\r\n"),
              length_answer(0));
}

TEST_F(SessionPiecesTest, AContentWaitsUntilItIsAskedFor) {
    asks_at_once_ = false;
    start();
    TestConnection& connection = connect();
    give(connection, sized("01234"));
    EXPECT_EQ(connection.progress.need, core::Need::answer) << "the handler's time runs";
    EXPECT_TRUE(upload_.responder->alive());
    EXPECT_EQ(upload_.bytes, "");
    ask();
    pump();
    EXPECT_EQ(connection.received, length_answer(5));
}

TEST_F(SessionPiecesTest, AClientIsToldToGoOnWhenItsContentIsAskedFor) {
    asks_at_once_ = false;
    start();
    const std::string all = sized("01234", "Expect: 100-continue\r\n");
    TestConnection& connection = connect();
    give(connection, all.substr(0, all.size() - 5));
    EXPECT_EQ(connection.received, "");
    ask();
    pump();
    EXPECT_EQ(take_received(connection), "HTTP/1.1 100 Continue\r\n\r\n");
    give(connection, "01234");
    EXPECT_EQ(connection.received, length_answer(5));
}

TEST_F(SessionPiecesTest, WhoAnswersWithoutTheContentClosesTheConnection) {
    asks_at_once_ = false;
    start();
    const std::string all = sized("01234", "Expect: 100-continue\r\n");
    TestConnection& connection = connect();
    give(connection, all.substr(0, all.size() - 5));
    upload_.responder->send(Status::forbidden, "text/plain", "no");
    pump();
    EXPECT_EQ(connection.received, text("403 Forbidden", "no", "close"));
    EXPECT_TRUE(connection.ended());
    EXPECT_EQ(connection.progress.reason, core::Reason::server_close);
    EXPECT_EQ(upload_.gone, 0U) << "it was answered";
}

TEST_F(SessionPiecesTest, APauseMakesTheClientWait) {
    pauses_ = true;
    Limits limits;
    limits.held_bytes_max = 8;
    start(limits);
    const std::string all = sized("0123456789abcdef");
    TestConnection& connection = connect();
    give(connection, all.substr(0, all.size() - 12));
    EXPECT_EQ(upload_.bytes, "0123");
    EXPECT_EQ(connection.progress.need, core::Need::answer);
    EXPECT_FALSE(connection.progress.hold_input);
    give(connection, all.substr(all.size() - 12));
    EXPECT_EQ(upload_.bytes, "0123");
    EXPECT_TRUE(connection.progress.hold_input) << "nothing more is received";
    pauses_ = false;
    upload_.content->resume();
    pump();
    EXPECT_EQ(upload_.bytes, "0123456789abcdef");
    EXPECT_EQ(connection.received, length_answer(16));
    EXPECT_EQ(connection.progress.need, core::Need::request);
}

TEST_F(SessionPiecesTest, AFunctionThatThrowsEndsTheExchange) {
    throws_ = true;
    Service& service = start();
    TestConnection& connection = connect();
    const std::string all = sized("01234");
    give(connection, all.substr(0, all.size() - 2));
    EXPECT_EQ(connection.received, error("500 Internal Server Error", "close"));
    EXPECT_TRUE(connection.ended());
    EXPECT_EQ(service.handlers_threw(), 1U);
    EXPECT_EQ(upload_.gone, 1U);
}

TEST_F(SessionPiecesTest, AContentHasALimit) {
    Limits limits;
    limits.content_bytes_max = 4;
    start(limits);
    EXPECT_EQ(exchange(sized("01234")), error("413 Content Too Large", "close"));
    EXPECT_EQ(upload_.content, std::nullopt) << "the handler was not even called";
    EXPECT_EQ(exchange("POST /in HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "3\r\n012\r\n2\r\n34\r\n0\r\n\r\n"),
              error("413 Content Too Large", "close"));
    EXPECT_EQ(upload_.gone, 1U);
    EXPECT_EQ(exchange("POST /in HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                       "3\r\n012\r\nx\r\n"),
              error("400 Bad Request", "close"));
    EXPECT_EQ(upload_.gone, 1U);
}

TEST_F(SessionPiecesTest, WhoeverTakesAContentIsToldWhenItWillNotBeWhole) {
    start();
    const std::string all = sized("01234");
    {
        TestConnection& connection = connect();
        give(connection, all.substr(0, all.size() - 1));
        finish_input(connection);
        EXPECT_EQ(connection.received, error("400 Bad Request", "close"));
        EXPECT_EQ(upload_.gone, 1U);
        EXPECT_FALSE(upload_.responder->alive());
        close(connection);
    }
    {
        TestConnection& connection = connect();
        give(connection, all.substr(0, all.size() - 1));
        time_out(connection);
        EXPECT_EQ(connection.received, error("408 Request Timeout", "close"));
        EXPECT_EQ(upload_.gone, 1U);
        close(connection);
    }
    {
        pauses_ = true;
        TestConnection& connection = connect();
        give(connection, all.substr(0, all.size() - 1));
        time_out(connection);
        EXPECT_EQ(connection.received, error("503 Service Unavailable", "close"))
            << "it was not the client who took too long";
        EXPECT_EQ(upload_.gone, 1U);
        close(connection);
    }
    TestConnection& connection = connect();
    give(connection, all.substr(0, all.size() - 1));
    close(connection);
    EXPECT_EQ(upload_.gone, 1U);
    EXPECT_EQ(upload_.ends, 0U);
}

TEST_F(SessionPiecesTest, AResponseIsSentInChunks) {
    start();
    TestConnection& connection = connect();
    give(connection, std::string(out_request) + std::string(next_request));
    EXPECT_EQ(take_received(connection), chunked_head());
    EXPECT_TRUE(out_->write("0123456789abcdefX"));
    pump();
    EXPECT_EQ(take_received(connection), "11\r\n0123456789abcdefX\r\n");
    EXPECT_TRUE(connection.progress.moved) << "the handler's time begins anew";
    EXPECT_FALSE(connection.progress.new_message);
    EXPECT_TRUE(out_->write("")) << "which is not the end";
    EXPECT_TRUE(out_->write("y"));
    out_->finish();
    pump();
    EXPECT_EQ(take_received(connection), "1\r\ny\r\n0\r\n\r\n" + text("200 OK", "next"));
    EXPECT_EQ(connection.progress.need, core::Need::request);
    EXPECT_FALSE(out_->alive());
    EXPECT_EQ(out_gone_, 0U);
}

TEST_F(SessionPiecesTest, AResponseOfKnownLengthHasNoChunks) {
    out_size_ = 5;
    start();
    TestConnection& connection = connect();
    give(connection, out_request);
    out_->write("01");
    out_->write("234");
    out_->finish();
    give(connection, next_request);
    EXPECT_EQ(connection.received, text("200 OK", "01234") + text("200 OK", "next"));
}

TEST_F(SessionPiecesTest, ToAnOldClientItEndsWithTheConnection) {
    start();
    TestConnection& connection = connect();
    give(connection, "GET /out HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    out_->write("0123");
    out_->finish();
    pump();
    EXPECT_EQ(connection.received,
              response("200 OK", "Content-Type: text/plain\r\nConnection: close\r\n", "0123"));
    EXPECT_TRUE(connection.ended());
    EXPECT_FALSE(connection.progress.broken);
}

TEST_F(SessionPiecesTest, ToHeadTheContentIsLeftOut) {
    start();
    TestConnection& connection = connect();
    give(connection, "HEAD /out HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_FALSE(out_->write("0123")) << "else who has much to say would not stop";
    EXPECT_FALSE(out_->alive());
    out_->finish();
    pump();
    EXPECT_EQ(out_gone_, 0U);
    EXPECT_EQ(take_received(connection), chunked_head());
    EXPECT_EQ(connection.progress.need, core::Need::request);
    out_size_ = 5;
    give(connection, "HEAD /out HTTP/1.1\r\nHost: a\r\n\r\n");
    out_->finish();
    pump();
    EXPECT_EQ(connection.received,
              response("200 OK", "Content-Type: text/plain\r\nContent-Length: 5\r\n"));
    EXPECT_EQ(connection.progress.need, core::Need::request);
}

TEST_F(SessionPiecesTest, WhoWritesIsToldWhenThereIsEnoughAndWhenThereIsRoom) {
    Limits limits;
    limits.output_bytes_max = 1'000;
    start(limits);
    TestConnection& connection = connect();
    connection.blocked = true;
    give(connection, out_request);
    EXPECT_TRUE(out_->write(std::string(500, 'x')));
    EXPECT_FALSE(out_->write(std::string(500, 'y')));
    pump();
    EXPECT_EQ(connection.progress.need, core::Need::room);
    EXPECT_EQ(out_rooms_, 0U);
    unblock(connection);
    EXPECT_EQ(out_rooms_, 1U);
    EXPECT_EQ(connection.progress.need, core::Need::answer);
    EXPECT_TRUE(out_->write("z"));
    out_->finish();
    pump();
    EXPECT_EQ(out_rooms_, 1U);
    EXPECT_TRUE(connection.received.ends_with("1\r\nz\r\n0\r\n\r\n"));
}

TEST_F(SessionPiecesTest, RoomIsToldOfAlsoWhenAnotherOneWritesMeanwhile) {
    Limits limits;
    limits.output_bytes_max = 1'000;
    start(limits);
    TestConnection& connection = connect();
    connection.blocked = true;
    give(connection, out_request);
    EXPECT_FALSE(out_->write(std::string(1'000, 'x')));
    connection.output.consume(connection.output.size_bytes() - 600, pool_);  // not yet enough
    EXPECT_FALSE(out_->write("y"));
    unblock(connection);
    EXPECT_EQ(out_rooms_, 1U);
}

TEST_F(SessionPiecesTest, TheFunctionForRoomMaySetAnotherOne) {
    Limits limits;
    limits.output_bytes_max = 100;
    start(limits);
    std::string told;
    TestConnection& connection = connect();
    connection.blocked = true;
    give(connection, out_request);
    const std::string held(1'000, 'h');  // on the heap, so that a sanitizer sees its end
    out_->on_room([this, &told, held] {
        out_->on_room([this, &told] {
            told += "second ";
            out_->on_room(nullptr);
            told += "still ";
        });
        told += held.substr(0, 1) + " ";
    });
    for (int i = 0; i < 3; ++i) {
        connection.blocked = true;
        EXPECT_FALSE(out_->write(std::string(100, 'x')));
        pump();
        unblock(connection);
    }
    EXPECT_EQ(told, "h second still ");
    out_->finish();
}

TEST_F(SessionPiecesTest, OneAnswerThatWaitsIsNoReasonToStopWhenItHasGone) {
    std::optional<ResponseStream> echo;
    router_.on(
        Method::post, "/echo",
        [&](const Request&, Responder responder) {
            const RequestContent content = responder.content();
            echo = std::move(responder).begin(Response(), 3);
            content.on_piece([&](std::string_view piece, bool last) {
                echo->write(piece);
                if (last) {
                    echo->finish();
                }
            });
        },
        ContentMode::streamed);
    Limits limits;
    limits.pipelined_max = 1;
    start(limits);
    TestConnection& connection = connect();
    give(connection,
         "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n012\r\n");
    EXPECT_TRUE(connection.output.empty());
    give(connection, "0\r\n\r\n" + std::string(next_request));
    EXPECT_EQ(connection.received,
              response("200 OK", "Content-Length: 3\r\n", "012") + text("200 OK", "next"));
}

TEST_F(SessionPiecesTest, WhoIsAnsweredAtTheLastMomentGetsNoSecondAnswer) {
    router_.get("/held", keep());
    start();
    TestConnection& connection = connect();
    give(connection, "GET /held HTTP/1.1\r\nHost: a\r\n\r\n");
    held_.front().send(Status::ok, "text/plain", "just in time");
    held_.pop_front();
    time_out(connection);  // before the session could go on
    EXPECT_EQ(connection.received, text("200 OK", "just in time"));
    EXPECT_EQ(connection.progress.reason, core::Reason::server_close);
}

TEST_F(SessionPiecesTest, WhoDoesNotLookAtTheRoomIsCutBeforeMemoryIsUsedUp) {
    Limits limits;
    limits.buffered_bytes_max = 100'000;
    start(limits);
    TestConnection& connection = connect();
    connection.blocked = true;
    give(connection, out_request);
    for (int i = 0; i < 200; ++i) {
        out_->write(std::string(1'000, 'x'));
    }
    pump();
    EXPECT_TRUE(connection.ended());
    EXPECT_TRUE(connection.progress.broken);
    EXPECT_EQ(connection.progress.reason, core::Reason::overload);
    EXPECT_EQ(out_gone_, 1U);
}

TEST_F(SessionPiecesTest, AResponseThatIsNotWholeCutsTheConnection) {
    out_size_ = 5;
    start();
    const auto expect_cut = [this](TestConnection& connection, core::Reason reason) {
        pump();
        EXPECT_TRUE(connection.ended());
        EXPECT_TRUE(connection.progress.broken);
        EXPECT_EQ(connection.progress.reason, reason);
        close(connection);
    };
    {
        TestConnection& connection = connect();
        give(connection, out_request);
        out_->write("012");
        out_.reset();
        expect_cut(connection, core::Reason::content_failed);
        EXPECT_EQ(out_gone_, 0U) << "it went by itself";
    }
    {
        TestConnection& connection = connect();
        give(connection, out_request);
        out_->write("012");
        out_->finish();
        expect_cut(connection, core::Reason::content_failed);
    }
    {
        TestConnection& connection = connect();
        give(connection, out_request);
        out_->write("012345");
        expect_cut(connection, core::Reason::content_failed);
        EXPECT_FALSE(out_->alive());
        EXPECT_EQ(out_gone_, 1U);
    }
    TestConnection& connection = connect();
    give(connection, out_request);
    time_out(connection);
    EXPECT_TRUE(connection.progress.broken) << "503 cannot follow what was begun";
    EXPECT_EQ(out_gone_, 2U);
}

TEST_F(SessionPiecesTest, WhoMakesAResponseIsToldThatItsClientHasGone) {
    start();
    TestConnection& connection = connect();
    give(connection, out_request);
    EXPECT_TRUE(out_->alive());
    close(connection);
    EXPECT_EQ(out_gone_, 1U);
    EXPECT_FALSE(out_->alive());
    EXPECT_FALSE(out_->write("to nobody"));
    out_->finish();
}

TEST_F(SessionPiecesTest, TheLastRequestOfAConnectionMayBeAnsweredInPieces) {
    Limits limits;
    limits.requests_max = 1;
    start(limits);
    TestConnection& connection = connect();
    give(connection, std::string(out_request) + std::string(next_request));
    out_->finish();
    pump();
    EXPECT_EQ(connection.received, chunked_head("Connection: close\r\n") + "0\r\n\r\n");
    EXPECT_TRUE(connection.ended());
    EXPECT_EQ(connection.progress.reason, core::Reason::keepalive_requests);
}

TEST_F(SessionPiecesTest, AnEchoMayBeginBeforeItsRequestHasEnded) {
    std::optional<ResponseStream> echo;
    router_.on(
        Method::post, "/echo",
        [&](const Request&, Responder responder) {
            const RequestContent content = responder.content();
            echo = std::move(responder).begin(Response());
            content.on_piece([&](std::string_view piece, bool last) {
                echo->write(piece);
                if (last) {
                    echo->finish();
                }
            });
        },
        ContentMode::streamed);
    start();
    const std::string request = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n";
    const std::string head = response("200 OK", "Transfer-Encoding: chunked\r\n");
    TestConnection& connection = connect();
    give(connection, request + "012");
    EXPECT_EQ(take_received(connection), head + "3\r\n012\r\n");
    EXPECT_EQ(connection.progress.need, core::Need::content);
    give(connection, "345" + std::string(next_request));
    EXPECT_EQ(take_received(connection), "3\r\n345\r\n0\r\n\r\n" + text("200 OK", "next"));
    // The client stops in the middle: it cannot be told but by a cut.
    give(connection, request + "012");
    finish_input(connection);
    EXPECT_TRUE(connection.progress.broken);
    EXPECT_EQ(connection.progress.reason, core::Reason::peer_truncated);
    // A response that is complete before its request ends the connection.
    TestConnection& other = connect();
    give(other, request + "012");
    echo->finish();
    pump();
    EXPECT_EQ(other.received, head + "3\r\n012\r\n0\r\n\r\n");
    EXPECT_TRUE(other.ended());
    EXPECT_FALSE(other.progress.broken);
    EXPECT_EQ(other.progress.reason, core::Reason::server_close);
    close(connection);
    close(other);
    echo.reset();
}

}  // namespace
}  // namespace enduring::http
