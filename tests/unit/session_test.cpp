// One connection's exchanges: order, framing, persistence, bounds, ends.
#include "http/session.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "session_fixture.hpp"

namespace enduring::http {
namespace {

using core::Need;
using core::Reason;

class SessionTest : public SessionFixture {
  protected:
    void SetUp() override {
        router_.get("/", [](const Request&, Responder responder) {
            responder.send(Status::ok, "text/plain", "OK");
        });
        router_.get("/echo/{word}", [](const Request& request, Responder responder) {
            responder.send(Status::ok, "text/plain", request.parameter("word"));
        });
        router_.post("/echo", echo);
        router_.on(Method::put, "/ignored", describe, ContentMode::ignored);
        router_.get("/later", keep());
        router_.post("/later", keep());
        router_.on(Method::put, "/later", keep(), ContentMode::ignored);
        router_.get("/close", [](const Request&, Responder responder) {
            responder.send(std::move(Response().content_type("text/plain").content("bye").close()));
        });
        router_.get("/empty", [](const Request&, Responder responder) {
            responder.send(Response(Status::no_content));
        });
        router_.get("/large", [this](const Request&, Responder responder) {
            responder.send(std::move(Response().content(std::string_view(large_))));
        });
        router_.get("/drop", [](const Request&, const Responder&) {});
        router_.get("/throw", [](const Request&, const Responder&) {
            throw std::runtime_error("a handler failed");
        });
        router_.get("/answer-and-throw", [](const Request&, Responder responder) {
            responder.send(Status::ok, "text/plain", "done");
            throw std::runtime_error("a handler failed");
        });
        router_.get("/keep-and-throw", [this](const Request&, Responder responder) {
            held_.push_back(std::move(responder));
            throw std::runtime_error("a handler failed");
        });
    }

    static void echo(const Request& request, Responder responder) {
        responder.send(Status::ok, "text/plain", request.content());
    }
    static void describe(const Request& request, Responder responder) {
        responder.send(Status::ok, "text/plain",
                       "content: " + std::to_string(request.content().size()));
    }

    static std::string get(std::string_view path, std::string_view fields = {}) {
        return "GET " + std::string(path) + " HTTP/1.1\r\nHost: h\r\n" + std::string(fields) +
               "\r\n";
    }
    static std::string post(std::string_view path, std::string_view content) {
        return "POST " + std::string(path) +
               " HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(content.size()) +
               "\r\n\r\n" + std::string(content);
    }
    static std::string put(std::string_view path, std::size_t size, std::string_view fields = {}) {
        return "PUT " + std::string(path) +
               " HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(size) + "\r\n" +
               std::string(fields) + "\r\n";
    }
    static std::string chunked(std::string_view path, std::string_view body,
                               std::string_view method = "POST") {
        return std::string(method) + " " + std::string(path) +
               " HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + std::string(body);
    }

    void expect_end(const TestConnection& connection, Reason reason) {
        EXPECT_EQ(connection.progress.need, Need::nothing);
        EXPECT_EQ(core::name_of(connection.progress.reason), core::name_of(reason));
    }

    const std::string ok_ = text("200 OK", "OK");
    const std::string large_ = std::string(40 * 1024, 'L');
};

// ---- persistence -------------------------------------------------------------------------------

TEST_F(SessionTest, AnHttp11ConnectionPersists) {
    start();
    TestConnection& c = connect();
    for (unsigned i = 1; i <= 5; ++i) {
        give(c, get("/"));
        EXPECT_EQ(take_received(c), ok_);
        EXPECT_EQ(c.progress.need, Need::request);
        EXPECT_EQ(c.messages, i);
    }
}

TEST_F(SessionTest, TheClientMayAskForTheEnd) {
    start();
    for (const std::string_view fields :
         {"Connection: close\r\n", "Connection: keep-alive\r\nConnection: x, CLOSE\r\n"}) {
        TestConnection& c = connect();
        give(c, get("/", fields));
        EXPECT_EQ(c.received, text("200 OK", "OK", "close"));
        expect_end(c, Reason::client_close);
    }
}

TEST_F(SessionTest, AnHttp10ConnectionPersistsOnlyWhenAsked) {
    start();
    TestConnection& plain = connect();
    give(plain, "GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n");
    EXPECT_EQ(plain.received, text("200 OK", "OK", "close"));
    expect_end(plain, Reason::client_close);
    TestConnection& kept = connect();
    for (unsigned i = 0; i < 3; ++i) {
        give(kept, "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
        EXPECT_EQ(take_received(kept), text("200 OK", "OK", "keep-alive"));
        EXPECT_EQ(kept.progress.need, Need::request);
    }
    give(kept, "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n");
    EXPECT_EQ(take_received(kept), text("200 OK", "OK", "close"));
    expect_end(kept, Reason::client_close);
}

TEST_F(SessionTest, TheHandlerMayAskForTheEnd) {
    start();
    TestConnection& c = connect();
    give(c, get("/close") + get("/"));
    EXPECT_EQ(c.received, text("200 OK", "bye", "close"));
    expect_end(c, Reason::server_close);
}

TEST_F(SessionTest, TheLastOfTheMostRequestsCloses) {
    Limits limits;
    limits.requests_max = 3;
    start(limits);
    TestConnection& c = connect();
    give(c, get("/") + get("/") + get("/") + get("/"));
    EXPECT_EQ(c.received, ok_ + ok_ + text("200 OK", "OK", "close"));
    expect_end(c, Reason::keepalive_requests);
    TestConnection& later = connect();
    give(later, get("/"));
    give(later, post("/echo", "x"));
    give(later, get("/later"));
    answer("third");
    EXPECT_EQ(later.received, ok_ + text("200 OK", "x") + text("200 OK", "third", "close"));
    expect_end(later, Reason::keepalive_requests);
}

TEST_F(SessionTest, ZeroMeansAnyNumberOfRequests) {
    Limits limits;
    limits.requests_max = 0;
    start(limits);
    TestConnection& c = connect();
    for (unsigned i = 0; i < 3000; ++i) {
        give(c, get("/"));
    }
    EXPECT_EQ(c.progress.need, Need::request);
    EXPECT_EQ(c.received.size(), 3000 * ok_.size());
}

TEST_F(SessionTest, ARetiredConnectionAnswersOnceMore) {
    start();
    TestConnection& idle = connect();
    give(idle, get("/"));
    retire(idle);
    give(idle, get("/") + get("/"));
    EXPECT_EQ(idle.received, ok_ + text("200 OK", "OK", "close"));
    expect_end(idle, Reason::drain);
    TestConnection& busy = connect();
    give(busy, get("/later"));
    retire(busy);
    EXPECT_EQ(busy.progress.need, Need::answer);
    answer("x");
    EXPECT_EQ(busy.received, text("200 OK", "x", "close"));
    expect_end(busy, Reason::drain);
}

TEST_F(SessionTest, AnOldConnectionEndsWithItsNextResponse) {
    start();
    TestConnection& c = connect();
    give(c, get("/"));
    retire(c, Reason::max_age);
    EXPECT_EQ(c.progress.need, Need::request) << "nothing happens before the next request";
    give(c, get("/"));
    EXPECT_EQ(c.received, ok_ + text("200 OK", "OK", "close"));
    expect_end(c, Reason::max_age);
}

TEST_F(SessionTest, WhoComesFromAnAddressWithTooManyConnectionsIsRefused) {
    start();
    const std::string refusal = error("429 Too Many Requests", "close");
    give(connect(), get("/"));  // now this head is known
    for (const std::string& request :
         {get("/"), get("/none"), post("/echo", "x"), "HEAD" + get("/").substr(3)}) {
        TestConnection& c = connect();
        retire(c, Reason::connections_per_ip);
        give(c, request + get("/"));
        EXPECT_EQ(c.received, request.starts_with("HEAD")
                                  ? refusal.substr(0, refusal.find("\r\n\r\n") + 4)
                                  : refusal);
        expect_end(c, Reason::connections_per_ip);
    }
    TestConnection& broken = connect();
    retire(broken, Reason::connections_per_ip);
    give(broken, "GET / HTTP/1.1\r\nno field\r\n\r\n");
    EXPECT_EQ(broken.received, error("400 Bad Request", "close"));
}

// ---- the Keep-Alive field ----------------------------------------------------------------------

TEST_F(SessionTest, SaysHowLongTheConnectionPersists) {
    Limits limits;
    limits.requests_max = 3;
    limits.keepalive_field = true;
    limits.keepalive_timeout_s = 75;
    start(limits);
    const auto ok = [](std::string_view connection) {
        return response(
            "200 OK",
            "Content-Type: text/plain\r\n" + std::string(connection) + "Content-Length: 2\r\n",
            "OK");
    };
    const std::string old = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    for (const std::string& request : {get("/"), old}) {
        TestConnection& c = connect();
        give(c, request + request + request);
        EXPECT_EQ(c.received,
                  ok("Connection: keep-alive\r\nKeep-Alive: timeout=75, max=2\r\n") +
                      ok("Connection: keep-alive\r\nKeep-Alive: timeout=75, max=1\r\n") +
                      ok("Connection: close\r\n"));
        expect_end(c, Reason::keepalive_requests);
    }
    TestConnection& last = connect();
    give(last, "GET / HTTP/1.0\r\n\r\n");
    EXPECT_EQ(last.received, ok("Connection: close\r\n"));
}

TEST_F(SessionTest, SaysNothingOfWhatHasNoLimit) {
    Limits limits;
    limits.requests_max = 0;
    limits.keepalive_field = true;
    start(limits);
    EXPECT_EQ(exchange(get("/")), text("200 OK", "OK", "keep-alive"));
}

// ---- order and splits --------------------------------------------------------------------------

TEST_F(SessionTest, PipelinedRequestsAreAnsweredInOrder) {
    start();
    TestConnection& c = connect();
    std::string requests;
    std::string expected;
    for (unsigned i = 0; i < 30; ++i) {
        const std::string word = "w" + std::to_string(i);
        requests += i % 3 == 2 ? post("/echo", word) : get("/echo/" + word);
        expected += text("200 OK", word);
    }
    give(c, requests);
    EXPECT_EQ(c.received, expected);
    EXPECT_EQ(c.progress.need, Need::request);
}

TEST_F(SessionTest, NoSplitChangesTheResponses) {
    start();
    const std::vector<std::string> scripts{
        get("/") + get("/echo/a") + "\r\n" + post("/echo", "hello\r\n\r\nGET / HTTP/1.1") +
            get("/empty") + chunked("/echo", "3;x=\"y\"\r\nabc\r\n2\r\nde\r\n0\r\nT: u\r\n\r\n") +
            put("/ignored", 4) + "GET " + chunked("/ignored", "4\r\nGET \r\n0\r\n\r\n", "PUT") +
            "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n" + get("/none") + post("/none", "gone") +
            "BREW / HTTP/1.1\r\n\r\n" + get("/"),
        get("/echo/b") + get("/close") + get("/"),
        post("/echo", "x") + get("/", "Connection: close\r\n") + post("/echo", "y"),
        get("/") + chunked("/echo", "1\r\nx\r\nZ\r\n") + get("/"),
        get("/") + get("/", "Content-Length: 1\r\nContent-Length: 1\r\n") + "x" + get("/"),
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + get("/throw") + get("/drop") +
            "GET / HTTP/1.0\r\n\r\n",
        get("/") + "GET / HTTP/1.1\r\nHost : h\r\n\r\n" + get("/"),
        "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n" + get("/later") + post("/later", "content") +
            get("/"),
    };
    const auto play = [&](const std::string& script, const std::vector<std::size_t>& cuts) {
        TestConnection& c = connect();
        std::size_t begin = 0;
        for (std::size_t i = 0; i <= cuts.size(); ++i) {
            const std::size_t end = i < cuts.size() ? cuts[i] : script.size();
            give(c, std::string_view(script).substr(begin, end - begin));
            begin = end;
            while (!held_.empty()) {
                answer("later");
            }
        }
        std::string received = c.received + " need " +
                               std::to_string(static_cast<int>(c.progress.need)) + " because " +
                               std::string(core::name_of(c.progress.reason));
        close(c);
        connections_.clear();
        return received;
    };
    std::mt19937 random(1);
    for (const std::string& script : scripts) {
        const std::string whole = play(script, {});
        EXPECT_TRUE(whole.starts_with("HTTP/1.1 2")) << whole;
        std::vector<std::size_t> every;
        for (std::size_t cut = 1; cut < script.size(); ++cut) {
            ASSERT_EQ(play(script, {cut}), whole) << "cut at " << cut << " of\n" << script;
            every.push_back(cut);
        }
        ASSERT_EQ(play(script, every), whole) << "each byte alone of\n" << script;
        for (unsigned round = 0; round < 300; ++round) {
            std::vector<std::size_t> cuts;
            for (std::size_t at = random() % 40 + 1; at < script.size(); at += random() % 40 + 1) {
                cuts.push_back(at);
            }
            ASSERT_EQ(play(script, cuts), whole) << script;
        }
    }
}

// The same while the client takes nothing until all has been given.
TEST_F(SessionTest, NoSplitChangesTheResponsesToASlowClient) {
    Limits limits;
    limits.pipelined_max = 2;
    start(limits);
    const std::string script = get("/echo/a") + post("/echo", "b") + get("/echo/c") +
                               chunked("/echo", "1\r\nd\r\n0\r\n\r\n") + get("/echo/e") +
                               get("/close") + get("/");
    const std::string expected = text("200 OK", "a") + text("200 OK", "b") + text("200 OK", "c") +
                                 text("200 OK", "d") + text("200 OK", "e") +
                                 text("200 OK", "bye", "close");
    for (std::size_t cut = 0; cut <= script.size(); ++cut) {
        TestConnection& c = connect();
        c.blocked = true;
        give(c, std::string_view(script).substr(0, cut));
        give(c, std::string_view(script).substr(cut));
        EXPECT_EQ(c.received, "");
        unblock(c);
        ASSERT_EQ(c.received, expected) << "cut at " << cut;
        expect_end(c, Reason::server_close);
        close(c);
        connections_.clear();
    }
}

TEST_F(SessionTest, WhileItWaitsItSaysForWhat) {
    start();
    TestConnection& c = connect();
    give(c, "GET / HT");
    EXPECT_EQ(c.progress.need, Need::head);
    EXPECT_EQ(c.messages, 0U);
    give(c, "TP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_EQ(c.progress.need, Need::request);
    EXPECT_EQ(c.messages, 1U);
    give(c, post("/echo", "abc").substr(0, 50));
    EXPECT_EQ(c.progress.need, Need::head);
    give(c, post("/echo", "abc").substr(50));
    EXPECT_EQ(c.progress.need, Need::request);
    const std::string request = post("/echo", "abc");
    give(c, request.substr(0, request.size() - 2));
    EXPECT_EQ(c.progress.need, Need::content);
    give(c, "b");
    EXPECT_EQ(c.progress.need, Need::content);
    give(c, "c");
    EXPECT_EQ(c.progress.need, Need::request);
    give(c, get("/later"));
    EXPECT_EQ(c.progress.need, Need::answer);
    answer("x");
    EXPECT_EQ(c.progress.need, Need::request);
}

// ---- content -----------------------------------------------------------------------------------

TEST_F(SessionTest, ContentReachesItsHandlerWhole) {
    start();
    std::string content(200'000, '\0');
    std::mt19937 random(1);
    for (char& c : content) {
        c = static_cast<char>(random());
    }
    TestConnection& c = connect();
    const std::string request = post("/echo", content);
    for (std::size_t at = 0; at < request.size(); at += 4096) {
        give(c, std::string_view(request).substr(at, 4096));
    }
    EXPECT_EQ(take_received(c), text("200 OK", content));
    std::string body;
    for (std::size_t at = 0; at < content.size(); at += 1000) {
        body += "3e8\r\n" + content.substr(at, 1000) + "\r\n";
    }
    give(c, chunked("/echo", body + "0\r\n\r\n"));
    EXPECT_EQ(take_received(c), text("200 OK", content));
    give(c, get("/"));
    EXPECT_EQ(c.received, ok_);
}

TEST_F(SessionTest, AnEmptyContentIsOne) {
    start();
    EXPECT_EQ(exchange("POST /echo HTTP/1.1\r\nHost: h\r\n\r\n"), text("200 OK", ""));
    EXPECT_EQ(exchange(post("/echo", "")), text("200 OK", ""));
    EXPECT_EQ(exchange(chunked("/echo", "0\r\n\r\n")), text("200 OK", ""));
}

TEST_F(SessionTest, ContentThatIsTooLargeIsRefused) {
    Limits limits;
    limits.content_bytes_max = 10;
    start(limits);
    EXPECT_EQ(exchange(post("/echo", "0123456789")), text("200 OK", "0123456789"));
    EXPECT_EQ(exchange(chunked("/echo", "a\r\n0123456789\r\n0\r\n\r\n")),
              text("200 OK", "0123456789"));
    for (const std::string& request :
         {post("/echo", "0123456789a"), post("/echo", "0123456789a").substr(0, 60),
          chunked("/echo", "b\r\n0123456789a\r\n0\r\n\r\n"),
          chunked("/echo", "a\r\n0123456789\r\n1\r\na")}) {
        TestConnection& c = connect();
        give(c, request + get("/"));
        EXPECT_EQ(c.received, error("413 Content Too Large", "close")) << request;
        expect_end(c, Reason::protocol_error);
    }
    // A chunk that only promises too much is refused before it comes, as a length is.
    for (const std::string_view chunks : {"b\r\n", "ffffff\r\n0", "5\r\nhello\r\n6\r\n"}) {
        TestConnection& promised = connect();
        give(promised, chunked("/echo", chunks));
        EXPECT_EQ(promised.received, error("413 Content Too Large", "close")) << chunks;
    }
    TestConnection& fitting = connect();
    give(fitting, chunked("/echo", "5\r\nhello\r\n5\r\n"));
    EXPECT_EQ(fitting.progress.need, Need::content);
}

TEST_F(SessionTest, ContentThatNobodyWantsIsDroppedUpToALimit) {
    Limits limits;
    limits.discard_bytes_max = 10;
    start(limits);
    TestConnection& c = connect();
    give(c, put("/ignored", 10) + "0123456789" + get("/"));
    EXPECT_EQ(take_received(c), text("200 OK", "content: 0") + ok_);
    give(c, put("/ignored", 10) + "01234");
    EXPECT_EQ(c.progress.need, Need::content);
    EXPECT_EQ(take_received(c), "");
    give(c, "56789" + get("/"));
    EXPECT_EQ(take_received(c), text("200 OK", "content: 0") + ok_);
    give(c, chunked("/ignored", "a\r\n0123456789\r\n0\r\n\r\n", "PUT") + get("/"));
    EXPECT_EQ(take_received(c), text("200 OK", "content: 0") + ok_);
    // The same for requests that no handler gets.
    give(c, post("/none", "0123456789") + get("/"));
    EXPECT_EQ(take_received(c), error("404 Not Found") + ok_);
    EXPECT_EQ(c.progress.need, Need::request);
}

TEST_F(SessionTest, LargeContentThatNobodyWantsIsNotRead) {
    Limits limits;
    limits.discard_bytes_max = 10;
    start(limits);
    const std::string answered = text("200 OK", "content: 0", "close");
    for (const std::string& request :
         {put("/ignored", 11), put("/ignored", 11) + "0123456789a",
          put("/ignored", 1'000'000'000) + "some of it",
          chunked("/ignored", "b\r\n0123456789a\r\n", "PUT"), chunked("/ignored", "b\r\n", "PUT"),
          chunked("/ignored", "a\r\n0123456789\r\n1\r\nx", "PUT")}) {
        TestConnection& c = connect();
        give(c, request);
        give(c, get("/"));
        EXPECT_EQ(c.received, answered) << request;
        EXPECT_EQ(c.progress.need, Need::nothing) << request;
    }
    TestConnection& unknown = connect();
    give(unknown, post("/none", "0123456789a"));
    EXPECT_EQ(unknown.received, error("404 Not Found", "close"));
}

// The content stays where it is while the handler works; then the connection ends.
TEST_F(SessionTest, LargeContentThatNobodyWantsIsNotReadAfterALateAnswerEither) {
    Limits limits;
    limits.discard_bytes_max = 10;
    start(limits);
    for (const std::string& request :
         {put("/later", 11), chunked("/later", "b\r\n0123456789a\r\n", "PUT")}) {
        TestConnection& c = connect();
        give(c, request);
        give(c, get("/"));
        EXPECT_EQ(c.progress.need, Need::answer);
        answer("x");
        EXPECT_EQ(c.received, text("200 OK", "x", "close")) << request;
        EXPECT_EQ(c.progress.need, Need::nothing);
    }
}

TEST_F(SessionTest, BrokenChunksAreRefusedOnce) {
    start();
    for (const std::string_view body : {"x", "5\r\nhello!\r\n", "1;\r\nx\r\n0\r\n\r\n",
                                        "0\r\nbad trailer\r\n\r\n", "1\nx\r\n0\r\n\r\n"}) {
        for (const std::string_view method : {"POST", "PUT"}) {
            TestConnection& c = connect();
            give(c, chunked(method == "POST" ? "/echo" : "/ignored", body, method) + get("/"));
            EXPECT_EQ(c.received, error("400 Bad Request", "close")) << body;
            expect_end(c, Reason::protocol_error);
        }
    }
}

TEST_F(SessionTest, TrailersChangeNothing) {
    start();
    TestConnection& c = connect();
    give(c, chunked("/echo", "1\r\nx\r\n0\r\nConnection: close\r\nContent-Length: 9\r\n\r\n") +
                get("/"));
    EXPECT_EQ(c.received, text("200 OK", "x") + ok_);
}

// ---- Expect ------------------------------------------------------------------------------------

constexpr std::string_view expect = "Expect: 100-continue\r\n";
constexpr std::string_view continue_line = "HTTP/1.1 100 Continue\r\n\r\n";

TEST_F(SessionTest, AskedForContentThatIsWantedItSaysContinue) {
    start();
    for (const std::string_view version :
         {"Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n"}) {
        const bool sized = version.starts_with("C");
        TestConnection& c = connect();
        give(c, "POST /echo HTTP/1.1\r\nHost: h\r\n" + std::string(version) + std::string(expect) +
                    "\r\n");
        EXPECT_EQ(take_received(c), continue_line);
        EXPECT_EQ(c.progress.need, Need::content);
        give(c, sized ? "abc" : "3\r\nabc\r\n0\r\n\r\n");
        EXPECT_EQ(take_received(c), text("200 OK", "abc"));
        EXPECT_EQ(c.progress.need, Need::request);
    }
}

TEST_F(SessionTest, WhenTheContentIsThereAlreadyNoContinueIsNeeded) {
    start();
    TestConnection& c = connect();
    const std::string head =
        "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n" + std::string(expect) + "\r\n";
    give(c, head + "abc");
    EXPECT_EQ(take_received(c), text("200 OK", "abc"));
    give(c, head + "a");
    EXPECT_EQ(take_received(c), "");
    give(c, "bc");
    EXPECT_EQ(take_received(c), text("200 OK", "abc"));
}

TEST_F(SessionTest, AskedForContentThatIsNotWantedItAnswersAndCloses) {
    Limits limits;
    limits.content_bytes_max = 10;
    start(limits);
    // The client may send the content or not: only the end of the connection is sure.
    TestConnection& ignored = connect();
    give(ignored, put("/ignored", 3, expect));
    EXPECT_EQ(ignored.received, text("200 OK", "content: 0", "close"));
    EXPECT_EQ(ignored.progress.need, Need::nothing);
    TestConnection& unknown = connect();
    give(unknown,
         "POST /none HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n" + std::string(expect) + "\r\n");
    EXPECT_EQ(unknown.received, error("404 Not Found", "close"));
    TestConnection& large = connect();
    give(large,
         "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n" + std::string(expect) + "\r\n");
    EXPECT_EQ(large.received, error("413 Content Too Large", "close"));
}

TEST_F(SessionTest, OtherExpectationsFailAndOldOnesAreIgnored) {
    start();
    TestConnection& c = connect();
    give(c, get("/", "Expect: 200-ok\r\n"));
    EXPECT_EQ(c.received, error("417 Expectation Failed", "close"));
    expect_end(c, Reason::protocol_error);
    // RFC 9110 §10.1.1: no 100 for HTTP/1.0, and none without content.
    TestConnection& old = connect();
    give(old, "POST /echo HTTP/1.0\r\nContent-Length: 3\r\n" + std::string(expect) + "\r\n");
    EXPECT_EQ(old.received, "");
    give(old, "abc");
    EXPECT_EQ(old.received, text("200 OK", "abc", "close"));
    EXPECT_EQ(exchange(get("/", expect)), ok_);
}

// ---- refusals ----------------------------------------------------------------------------------

TEST_F(SessionTest, ABrokenRequestIsRefusedOnceAndEndsTheConnection) {
    Limits limits;
    limits.head.target_bytes_max = 100;
    limits.head.fields_max = 5;
    start(limits);
    struct Case {
        std::string request;
        std::string_view status;
    };
    for (const Case& broken : std::vector<Case>{
             {"GET / HTTP/1.1\r\n\r\n", "400 Bad Request"},
             {"GET / HTTP/1.1\nHost: h\n\n", "400 Bad Request"},
             {get("/" + std::string(100, 'x')), "414 URI Too Long"},
             {get("/", "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5\r\n"),
              "431 Request Header Fields Too Large"},
             {"BREW / HTTP/1.1\r\nHost: h\r\n\r\n", "501 Not Implemented"},
             {"GET / HTTP/2.0\r\nHost: h\r\n\r\n", "505 HTTP Version Not Supported"},
             {get("/", "Transfer-Encoding: foo\r\n"), "501 Not Implemented"},
             {get("/", "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"), "400 Bad Request"},
         }) {
        TestConnection& c = connect();
        give(c, get("/") + broken.request + get("/"));
        EXPECT_EQ(c.received, ok_ + error(broken.status, "close")) << broken.request;
        expect_end(c, Reason::protocol_error);
    }
}

// RFC 9110 §9.3.2: a HEAD that cannot be understood, or does not come to its end, is one.
TEST_F(SessionTest, RefusalsOfHeadHaveNoContent) {
    start();
    const auto without_content = [](std::string_view status) {
        std::string answer = error(status, "close");
        return answer.substr(0, answer.find("\r\n\r\n") + 4);
    };
    for (const std::string_view bad :
         {"HEAD / HTTP/1.1\r\nA : b\r\n\r\n", "HEAD x\x01", "HEAD / HTTP/1.x\r\n"}) {
        TestConnection& whole = connect();
        give(whole, bad);
        EXPECT_EQ(whole.received, without_content("400 Bad Request")) << bad;
        TestConnection& cut = connect();
        give(cut, "\r\n\r");
        give(cut, "\nHE");
        give(cut, bad.substr(2));
        EXPECT_EQ(cut.received, without_content("400 Bad Request")) << bad;
    }
    TestConnection& truncated = connect();
    give(truncated, "HEAD / HT");
    finish_input(truncated);
    EXPECT_EQ(truncated.received, without_content("400 Bad Request"));
    TestConnection& slow = connect();
    give(slow, "HEAD / HT");
    time_out(slow);
    EXPECT_EQ(slow.received, without_content("408 Request Timeout"));
    TestConnection& other = connect();
    give(other, "HEADS / HTTP/1.1\r\n\r\n");
    EXPECT_EQ(other.received, error("501 Not Implemented", "close"));
}

// The request before it was HEAD, or HTTP/1.0: that says nothing about the answer to garbage.
TEST_F(SessionTest, ARefusalDoesNotDependOnTheRequestBefore) {
    start();
    TestConnection& c = connect();
    give(c, "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n\x01");
    EXPECT_EQ(c.received, response("200 OK", "Content-Type: text/plain\r\nContent-Length: 2\r\n") +
                              error("400 Bad Request", "close"));
}

TEST_F(SessionTest, MethodsAndPathsThatAreNotThere) {
    start();
    EXPECT_EQ(exchange(get("/none")), error("404 Not Found"));
    EXPECT_EQ(exchange("DELETE / HTTP/1.1\r\nHost: h\r\n\r\n"),
              response("405 Method Not Allowed",
                       "Content-Type: text/plain\r\nAllow: GET, HEAD, OPTIONS\r\n"
                       "Content-Length: 23\r\n",
                       "405 Method Not Allowed\n"));
    EXPECT_EQ(exchange("TRACE / HTTP/1.1\r\nHost: h\r\n\r\n"),
              response("405 Method Not Allowed",
                       "Content-Type: text/plain\r\nAllow: GET, HEAD, OPTIONS\r\n"
                       "Content-Length: 23\r\n",
                       "405 Method Not Allowed\n"));
    EXPECT_EQ(exchange("PROPFIND /x HTTP/1.1\r\nHost: h\r\n\r\n"), error("501 Not Implemented"));
    EXPECT_EQ(exchange("OPTIONS / HTTP/1.1\r\nHost: h\r\n\r\n"),
              response("204 No Content", "Allow: GET, HEAD, OPTIONS\r\n"));
    EXPECT_EQ(exchange("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"),
              response("204 No Content", "Allow: GET, HEAD, POST, PUT, OPTIONS\r\n"));
    EXPECT_EQ(exchange("OPTIONS /none HTTP/1.1\r\nHost: h\r\n\r\n"), error("404 Not Found"));
    // What follows a CONNECT would not be HTTP.
    TestConnection& tunnel = connect();
    give(tunnel, "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n" + get("/"));
    EXPECT_TRUE(tunnel.received.starts_with("HTTP/1.1 405 ")) << tunnel.received;
    EXPECT_TRUE(tunnel.received.contains("\r\nConnection: close\r\n"));
    EXPECT_EQ(tunnel.progress.need, Need::nothing);
}

TEST_F(SessionTest, AnUpgradeThatNobodyTakesIsIgnored) {
    start();
    TestConnection& c = connect();
    give(c,
         get("/", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n") +
             get("/"));
    EXPECT_EQ(c.received, ok_ + ok_);
}

TEST_F(SessionTest, HeadIsGetWithoutTheContent) {
    start();
    TestConnection& c = connect();
    give(c, "HEAD /echo/abc HTTP/1.1\r\nHost: h\r\n\r\n" + get("/") +
                "HEAD /none HTTP/1.1\r\nHost: h\r\n\r\n" + get("/"));
    EXPECT_EQ(c.received,
              response("200 OK", "Content-Type: text/plain\r\nContent-Length: 3\r\n") + ok_ +
                  response("404 Not Found", "Content-Type: text/plain\r\nContent-Length: 14\r\n") +
                  ok_);
}

// ---- bounds ------------------------------------------------------------------------------------

TEST_F(SessionTest, UnsentAnswersHaveABound) {
    Limits limits;
    limits.pipelined_max = 3;
    start(limits);
    TestConnection& c = connect();
    c.blocked = true;
    give(c, get("/echo/1") + get("/echo/2"));
    EXPECT_EQ(c.progress.need, Need::request);
    give(c, get("/echo/3") + get("/echo/4") + get("/echo/5"));
    EXPECT_EQ(c.progress.need, Need::room);
    EXPECT_FALSE(c.progress.hold_input);
    EXPECT_EQ(c.output.size_bytes(), 3 * text("200 OK", "1").size());
    give(c, get("/echo/6"));
    EXPECT_EQ(c.progress.need, Need::room);
    EXPECT_EQ(c.output.size_bytes(), 3 * text("200 OK", "1").size());
    unblock(c);
    EXPECT_EQ(c.progress.need, Need::request);
    std::string expected;
    for (const std::string_view word : {"1", "2", "3", "4", "5", "6"}) {
        expected += text("200 OK", word);
    }
    EXPECT_EQ(c.received, expected);
}

// The receive is cancelled before that, but what the kernel had delivered by then comes all the
// same.
TEST_F(SessionTest, WhoKeepsSendingAndNeverReadsIsCut) {
    Limits limits;
    limits.pipelined_max = 1;
    limits.held_bytes_max = 1000;
    limits.held_bytes_limit = 2000;
    start(limits);
    TestConnection& c = connect();
    c.blocked = true;
    give(c, get("/echo/1") + get("/echo/2"));
    EXPECT_FALSE(c.progress.hold_input);
    give(c, std::string(2000, 'G'));
    EXPECT_EQ(c.progress.need, Need::nothing);
    EXPECT_EQ(c.progress.reason, Reason::overload);
    unblock(c);
    EXPECT_EQ(c.received, text("200 OK", "1"));
}

TEST_F(SessionTest, TheMemoryOfAllInputTogetherHasABound) {
    Limits limits;
    limits.buffered_bytes_max = 120'000;
    Service& service = start(limits);
    const std::string half = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 60000\r\n\r\n" +
                             std::string(45'000, 'a');
    TestConnection& first = connect();
    give(first, half);
    EXPECT_EQ(first.progress.need, Need::content);
    TestConnection& second = connect();
    give(second, half);
    TestConnection& third = connect();
    give(third, half);
    EXPECT_EQ(third.progress.need, Need::nothing);
    EXPECT_EQ(third.progress.reason, Reason::overload);
    EXPECT_TRUE(third.received.starts_with("HTTP/1.1 503 ")) << third.received;
    // The others are not disturbed, and what ends makes room.
    give(first, std::string(15'000, 'a'));
    EXPECT_TRUE(first.received.starts_with("HTTP/1.1 200 ")) << first.received.substr(0, 100);
    TestConnection& fourth = connect();
    give(fourth, half);
    EXPECT_EQ(fourth.progress.need, Need::content);
    EXPECT_EQ(service.inputs().lent(), 2U);
}

TEST_F(SessionTest, TheLastEighthOfTheInputsMemoryIsForSmallRequests) {
    Limits limits;
    limits.buffered_bytes_max = 400'000;
    start(limits);
    const auto half = [](std::size_t size) {
        return "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n" +
               std::string(size, 'a');
    };
    TestConnection& large = connect();
    give(large, half(200'000));
    EXPECT_EQ(large.progress.need, Need::content);
    TestConnection& other = connect();
    give(other, half(149'000));
    EXPECT_EQ(other.progress.need, Need::content);
    TestConnection& refused = connect();
    give(refused, half(40'000));
    EXPECT_TRUE(refused.received.starts_with("HTTP/1.1 503 ")) << refused.received;
    TestConnection& small = connect();
    give(small, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Le");
    give(small, "ngth: 5\r\n\r\nhel");
    give(small, "lo");
    EXPECT_TRUE(small.received.starts_with("HTTP/1.1 200 ")) << small.received;
}

TEST_F(SessionTest, APromisedContentReservesLittle) {
    Limits limits;
    limits.buffered_bytes_max = 100'000;
    start(limits);
    for (int i = 0; i < 15; ++i) {
        TestConnection& c = connect();
        give(c, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\na");
        EXPECT_EQ(c.progress.need, Need::content) << i;
    }
}

TEST_F(SessionTest, TheMemoryOfAllOutputTogetherHasABound) {
    const std::string large(40'000, 'x');
    router_.get("/text", [&](const Request&, Responder responder) {
        responder.send(std::move(Response().content(std::string(large)).close()));
    });
    router_.get("/view", [&](const Request&, Responder responder) {
        responder.send(std::move(Response().content(std::string_view(large))));
    });
    Limits limits;
    limits.buffered_bytes_max = 100'000;
    start(limits);
    std::vector<TestConnection*> readers;
    for (int i = 0; i < 2; ++i) {
        readers.push_back(&connect());
        readers.back()->blocked = true;
        give(*readers.back(), get("/text"));
    }
    TestConnection& refused = connect();
    give(refused, get("/view"));
    EXPECT_TRUE(refused.received.starts_with("HTTP/1.1 503 ")) << refused.received;
    EXPECT_EQ(refused.received.find("Retry-After"), std::string::npos) << "the handler has run";
    EXPECT_FALSE(refused.ended()) << "it may ask again";
    TestConnection& last = connect();
    give(last, get("/text"));
    EXPECT_TRUE(last.received.starts_with("HTTP/1.1 503 ")) << last.received;
    EXPECT_TRUE(last.ended()) << "the handler wanted the connection to end";
    give(refused, get("/echo/small"));
    EXPECT_TRUE(refused.received.ends_with("\r\n\r\nsmall")) << "small answers go on";
    // What is taken makes room, and no answer that was begun has suffered.
    unblock(*readers[0]);
    EXPECT_TRUE(readers[0]->received.ends_with(large));
    refused.received.clear();
    give(refused, get("/view"));
    EXPECT_TRUE(refused.received.ends_with(large)) << refused.received.substr(0, 100);
    unblock(*readers[1]);
    EXPECT_TRUE(readers[1]->received.ends_with(large));
}

TEST_F(SessionTest, UnsentOutputHasABound) {
    Limits limits;
    limits.output_bytes_max = 64 * 1024;
    start(limits);
    TestConnection& c = connect();
    c.blocked = true;
    give(c, get("/large") + get("/large") + get("/large") + get("/echo/end"));
    EXPECT_EQ(c.progress.need, Need::room);
    EXPECT_LT(c.output.size_bytes(), 64 * 1024 + large_.size() + 1000);
    EXPECT_GT(c.output.size_bytes(), 64U * 1024);
    unblock(c);
    EXPECT_EQ(c.progress.need, Need::request);
    EXPECT_TRUE(c.received.ends_with(text("200 OK", "end")));
    EXPECT_GT(c.received.size(), 3 * large_.size());
}

TEST_F(SessionTest, InputThatWaitsHasABound) {
    Limits limits;
    limits.pipelined_max = 1;
    limits.held_bytes_max = 1000;
    start(limits);
    TestConnection& stalled = connect();
    stalled.blocked = true;
    TestConnection& handling = connect();
    for (TestConnection* c : {&stalled, &handling}) {
        give(*c, c == &stalled ? get("/") : get("/later"));
        std::size_t given = 0;
        unsigned requests = 0;
        while (!c->progress.hold_input) {
            given += get("/").size();
            ++requests;
            ASSERT_LT(given, 2000U);
            give(*c, get("/"));
        }
        EXPECT_GE(given, 1000U);
        EXPECT_EQ(c->progress.need, c == &stalled ? Need::room : Need::answer);
        if (c == &stalled) {
            unblock(*c);
        } else {
            answer("late");
        }
        EXPECT_FALSE(c->progress.hold_input);
        EXPECT_EQ(c->progress.need, Need::request);
        std::string expected = c == &stalled ? ok_ : text("200 OK", "late");
        for (unsigned i = 0; i < requests; ++i) {
            expected += ok_;
        }
        EXPECT_EQ(c->received, expected);
    }
}

// ---- late answers ------------------------------------------------------------------------------

TEST_F(SessionTest, ALateAnswerIsSentAndWhatCameMeanwhileFollows) {
    start();
    TestConnection& c = connect();
    give(c, get("/echo/1") + get("/later") + get("/echo/3") + "GET /ec");
    EXPECT_EQ(take_received(c), text("200 OK", "1"));
    EXPECT_EQ(c.progress.need, Need::answer);
    give(c, "ho/4 HTTP/1.1\r\nHost: h\r\n\r\n" + post("/later", "x") + get("/echo/6"));
    EXPECT_EQ(c.received, "");
    ASSERT_EQ(held_.size(), 1U);
    EXPECT_TRUE(held_.front().alive());
    answer("2");
    EXPECT_EQ(take_received(c), text("200 OK", "2") + text("200 OK", "3") + text("200 OK", "4"));
    EXPECT_EQ(c.progress.need, Need::answer);
    answer("5");
    EXPECT_EQ(take_received(c), text("200 OK", "5") + text("200 OK", "6"));
    EXPECT_EQ(c.progress.need, Need::request);
}

TEST_F(SessionTest, AResponderThatIsDroppedAnswers500) {
    start();
    TestConnection& c = connect();
    give(c, get("/drop") + get("/"));
    EXPECT_EQ(take_received(c), error("500 Internal Server Error") + ok_);
    give(c, get("/later"));
    held_.clear();
    pump();
    EXPECT_EQ(take_received(c), error("500 Internal Server Error"));
    EXPECT_EQ(c.progress.need, Need::request);
}

TEST_F(SessionTest, AnAnswerAfterTheConnectionHasGoneDoesNothing) {
    start();
    TestConnection& c = connect();
    give(c, get("/later"));
    EXPECT_TRUE(held_.front().alive());
    close(c);
    EXPECT_FALSE(held_.front().alive());
    answer("too late");
    EXPECT_EQ(c.received, "");
    EXPECT_EQ(pool_.lent(), 0U);
    TestConnection& next = connect();
    give(next, get("/later"));
    next.id.generation = 2;
    EXPECT_FALSE(held_.front().alive()) << "another connection has the slot now";
    answer("too late");
    EXPECT_TRUE(next.output.empty());
    EXPECT_EQ(next.received, "");
}

TEST_F(SessionTest, AThrowingHandlerIs500AndTheConnectionGoesOn) {
    start();
    TestConnection& c = connect();
    give(c, get("/throw") + get("/answer-and-throw") + get("/"));
    EXPECT_EQ(take_received(c), error("500 Internal Server Error") + text("200 OK", "done") + ok_);
    EXPECT_EQ(service_->handlers_threw(), 2U);
    give(c, get("/keep-and-throw") + get("/"));
    EXPECT_EQ(c.progress.need, Need::answer);
    EXPECT_EQ(service_->handlers_threw(), 3U);
    answer("kept");
    EXPECT_EQ(take_received(c), text("200 OK", "kept") + ok_);
}

// ---- the end of the input ----------------------------------------------------------------------

TEST_F(SessionTest, TheEndOfInputBetweenRequestsEndsSilently) {
    start();
    TestConnection& fresh = connect();
    finish_input(fresh);
    EXPECT_EQ(fresh.received, "");
    expect_end(fresh, Reason::peer);
    TestConnection& used = connect();
    give(used, get("/"));
    finish_input(used);
    EXPECT_EQ(used.received, ok_);
    expect_end(used, Reason::peer);
}

TEST_F(SessionTest, TheEndOfInputInARequestIsSaid) {
    start();
    for (const std::string& request :
         {get("/").substr(0, 20), post("/echo", "abc").substr(0, post("/echo", "abc").size() - 1),
          chunked("/echo", "1\r\nx\r\n0\r\n"), put("/ignored", 3)}) {
        TestConnection& c = connect();
        give(c, get("/") + request);
        finish_input(c);
        EXPECT_EQ(c.received, ok_ + error("400 Bad Request", "close")) << request;
        expect_end(c, Reason::peer_truncated);
    }
}

TEST_F(SessionTest, AHalfClosedClientGetsItsAnswers) {
    start();
    TestConnection& c = connect();
    give(c, get("/later") + get("/echo/2") + get("/later"));
    finish_input(c);
    EXPECT_EQ(c.progress.need, Need::answer);
    EXPECT_EQ(c.received, "");
    EXPECT_TRUE(held_.front().alive());
    answer("1");
    EXPECT_EQ(c.received, text("200 OK", "1") + text("200 OK", "2"));
    EXPECT_EQ(c.progress.need, Need::answer);
    answer("3");
    EXPECT_TRUE(c.received.ends_with(text("200 OK", "3")));
    expect_end(c, Reason::peer);
}

TEST_F(SessionTest, AHalfClosedClientThatIsSlowGetsItsAnswers) {
    Limits limits;
    limits.pipelined_max = 1;
    start(limits);
    TestConnection& c = connect();
    c.blocked = true;
    give(c, get("/echo/1") + get("/echo/2") + get("/echo/3"));
    finish_input(c);
    EXPECT_EQ(c.progress.need, Need::room);
    unblock(c);
    EXPECT_EQ(c.received, text("200 OK", "1") + text("200 OK", "2") + text("200 OK", "3"));
    expect_end(c, Reason::peer);
}

// RFC 9112 §2.2: an empty line is no request. Some clients send one after a content.
TEST_F(SessionTest, AnEmptyLineIsNoBeginningOfARequest) {
    start();
    TestConnection& c = connect();
    give(c, post("/echo", "abc") + "\r\n");
    EXPECT_EQ(c.received, text("200 OK", "abc"));
    EXPECT_EQ(c.progress.need, Need::request);
    for (const std::string_view lines : {"\r\n\r\n\r\n", "\r", "\n", "\r\n\r", "\n\r\n"}) {
        give(c, lines);
        EXPECT_EQ(c.progress.need, lines.ends_with('\r') ? Need::head : Need::request);
    }
    finish_input(c);
    EXPECT_EQ(c.received, text("200 OK", "abc"));
    expect_end(c, Reason::peer);
}

// ---- time --------------------------------------------------------------------------------------

TEST_F(SessionTest, TimeOutsAreAnswered) {
    start();
    struct Case {
        std::string request;
        std::string_view status;
    };
    for (const Case& c : std::vector<Case>{
             {"GET / HT", "408 Request Timeout"},
             {get("/") + "G", "408 Request Timeout"},
             {post("/echo", "abc").substr(0, 52), "408 Request Timeout"},
             {put("/ignored", 3) + "a", "408 Request Timeout"},
             {chunked("/echo", "5\r\nhel"), "408 Request Timeout"},
             {get("/later"), "503 Service Unavailable"},
             {post("/later", "x") + get("/"), "503 Service Unavailable"},
         }) {
        TestConnection& connection = connect();
        give(connection, c.request);
        take_received(connection);
        time_out(connection);
        EXPECT_EQ(connection.received, error(c.status, "close")) << c.request;
        // What comes later is too late.
        if (!held_.empty()) {
            EXPECT_FALSE(held_.front().alive());
            answer("too late");
        }
        EXPECT_EQ(connection.received, error(c.status, "close")) << c.request;
    }
}

TEST_F(SessionTest, TheTimeOutOfAHeadRequestHasNoContent) {
    start();
    TestConnection& c = connect();
    give(c, "HEAD /later HTTP/1.1\r\nHost: h\r\n\r\n");
    time_out(c);
    EXPECT_EQ(c.received, response("503 Service Unavailable",
                                   "Content-Type: text/plain\r\nConnection: close\r\n"
                                   "Content-Length: 24\r\n"));
}

// ---- after the end -----------------------------------------------------------------------------

// Even if the loop gave it more.
TEST_F(SessionTest, NothingIsParsedAfterTheEnd) {
    start();
    unsigned calls = 0;
    router_.get("/count", [&](const Request&, Responder responder) {
        ++calls;
        responder.send(Response(Status::no_content));
    });
    for (const std::string& last : {get("/", "Connection: close\r\n"), get("/close"),
                                    std::string("BREW / HTTP/1.1\r\n"), put("/ignored", 1 << 20)}) {
        TestConnection& c = connect();
        give(c, last + get("/count"));
        ASSERT_TRUE(c.ended());
        const std::string received = c.received;
        const std::string more = get("/count");
        const core::Progress progress = service_->receive(c.session, c.output, more);
        EXPECT_EQ(progress.need, Need::nothing);
        EXPECT_EQ(progress.reason, c.progress.reason);
        EXPECT_TRUE(c.output.empty());
        EXPECT_EQ(service_->resume(c.session, c.output).need, Need::nothing);
        EXPECT_EQ(service_->finish_input(c.session, c.output).need, Need::nothing);
        EXPECT_TRUE(c.output.empty());
    }
    EXPECT_EQ(calls, 0U);
}

TEST_F(SessionTest, ACloseGivesEverythingBackInEveryState) {
    start();
    for (const std::string& request :
         {std::string("GET / HT"), post("/echo", "abc").substr(0, 52), chunked("/echo", "5\r\nhel"),
          get("/later") + get("/"), post("/later", "x") + "GET"}) {
        TestConnection& c = connect();
        give(c, request);
        EXPECT_NE(c.progress.need, Need::request);
        close(c);
        EXPECT_EQ(service_->inputs().lent(), 0U) << request;
        held_.clear();
    }
}

}  // namespace
}  // namespace enduring::http
