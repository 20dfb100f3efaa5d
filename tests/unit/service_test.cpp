// What the sessions of a worker share: the date, the remembered heads, the answers that come late.
#include "http/service.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "session_fixture.hpp"

namespace enduring::http {
namespace {

static_assert(core::Protocol<Service>);

std::int64_t wall_ms = 0;

class ServiceTest : public SessionFixture {
  protected:
    void start_at(std::int64_t ms) {
        wall_ms = ms;
        start({}, [] { return wall_ms; });
    }
    std::string date_of(std::string_view path = "/") {
        const std::string received =
            exchange("GET " + std::string(path) + " HTTP/1.1\r\nHost: h\r\n\r\n");
        const std::size_t at = received.find("Date: ");
        return at == std::string::npos ? received : received.substr(at + 6, 29);
    }
};

TEST_F(ServiceTest, ErrorsSayTheirCodeAndPhrase) {
    for (unsigned code = 400; code < 600; ++code) {
        const auto status = static_cast<Status>(code);
        Response response = error_response(status);
        EXPECT_EQ(response.status(), status);
        EXPECT_EQ(response.content_type(), "text/plain");
        EXPECT_EQ(std::get<std::string_view>(response.take_content()),
                  std::to_string(code) + " " + std::string(reason_phrase(status)) + "\n");
        EXPECT_FALSE(response.closes());
    }
}

TEST_F(ServiceTest, TheDateIsRenewedEachSecond) {
    router_.get("/", [](const Request&, Responder responder) {
        responder.send(Response(Status::no_content));
    });
    now_ = 5000;
    start_at(784111777'400);
    EXPECT_EQ(date_of(), "Sun, 06 Nov 1994 08:49:37 GMT");
    // The second changes 600 ms later, and not before.
    wall_ms = 784111777'999;
    service_->begin_turn(5'599'000);
    EXPECT_EQ(date_of(), "Sun, 06 Nov 1994 08:49:37 GMT");
    wall_ms = 784111778'000;
    service_->begin_turn(5'600'000);
    EXPECT_EQ(date_of(), "Sun, 06 Nov 1994 08:49:38 GMT");
    EXPECT_EQ(date_of("/none"), "Sun, 06 Nov 1994 08:49:38 GMT");
    service_->begin_turn(6'599'000);
    EXPECT_EQ(date_of(), "Sun, 06 Nov 1994 08:49:38 GMT");
    wall_ms = 784111790'000;
    service_->begin_turn(20'000'000);
    EXPECT_EQ(date_of("/none"), "Sun, 06 Nov 1994 08:49:50 GMT");
    EXPECT_EQ(date_of(), "Sun, 06 Nov 1994 08:49:50 GMT");
    // Also when the clock was set back.
    wall_ms = 784111777'000;
    service_->begin_turn(21'000'000);
    EXPECT_EQ(date_of(), "Sun, 06 Nov 1994 08:49:37 GMT");
}

TEST_F(ServiceTest, EveryStatusThatMayBeFinalIsWritten) {
    unsigned code = 0;
    router_.get("/", [&](const Request&, Responder responder) {
        responder.send(Response(static_cast<Status>(code)));
    });
    start();
    for (code = 200; code < 600; ++code) {
        const auto status = static_cast<Status>(code);
        EXPECT_EQ(exchange("GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
                  response(std::to_string(code) + " " + std::string(reason_phrase(status)),
                           forbids_content(status) ? "" : "Content-Length: 0\r\n"));
    }
}

using ServiceDeathTest = ServiceTest;

TEST_F(ServiceDeathTest, AStatusOutsideTheRangeIsABug) {
    unsigned code = 0;
    router_.get("/", [&](const Request&, Responder responder) {
        responder.send(Response(static_cast<Status>(code)));
    });
    start();
    for (const unsigned bad : {0U, 99U, 600U, 65535U}) {
        code = bad;
        EXPECT_DEATH(exchange("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), "from 100 to 599") << bad;
    }
}

// Heads that were seen before take a shorter way: nobody may notice.
TEST_F(ServiceTest, WhatWasRememberedMeansTheSame) {
    router_.get("/{rest...}", [](const Request& request, Responder responder) {
        std::string seen =
            std::string(name_of(request.method())) + " " + std::string(request.target()) + " 1." +
            std::to_string(request.minor_version()) + " at " + std::string(request.authority()) +
            " path " + std::string(request.path()) + " query " + std::string(request.query()) +
            " rest " + std::string(request.parameter("rest"));
        for (std::size_t i = 0; i < request.field_count(); ++i) {
            const Field field = request.field_at(i);
            seen += " [" + std::string(field.name) + ": " + std::string(field.value) + "]";
        }
        responder.send(Status::ok, "text/plain", seen);
    });
    router_.post("/", [](const Request& request, Responder responder) {
        responder.send(Status::ok, "text/plain", request.content());
    });
    std::vector<std::string> requests{
        "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n",
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nxx",
        "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
        "POST /none HTTP/1.1\r\nHost: h\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
        "DELETE /x HTTP/1.1\r\nHost: h\r\n\r\n",
    };
    for (const std::string_view target : {"/", "/a", "/b", "/a?q", "/%61"}) {
        for (const std::string_view fields : {"", "A: b\r\n", "A: c\r\n"}) {
            requests.push_back("GET " + std::string(target) + " HTTP/1.1\r\nHost: h\r\n" +
                               std::string(fields) + "\r\n");
        }
    }
    // Around the size up to which a head is remembered.
    for (const std::size_t size : {900U, 990U, 991U, 992U, 993U, 994U, 2000U}) {
        requests.push_back("GET /long HTTP/1.1\r\nHost: h\r\nA: " + std::string(size, 'x') +
                           "\r\n\r\n");
    }
    std::vector<std::string> expected;
    for (const std::string& request : requests) {
        start();
        expected.push_back(exchange(request));
        EXPECT_TRUE(expected.back().starts_with("HTTP/1.1 ")) << request;
        connections_.clear();
    }
    Limits limits;
    limits.requests_max = 0;
    start(limits);
    TestConnection& c = connect();
    std::mt19937 random(1);
    std::size_t near = 0;
    for (unsigned round = 0; round < 5000; ++round) {
        // Few at a time, so that they are met again while they are remembered.
        near = round % 40 == 0 ? random() % requests.size() : near;
        const std::size_t index = (near + random() % 6) % requests.size();
        const std::string& request = requests[index];
        const std::size_t cut = random() % 3 == 0 ? random() % request.size() : request.size();
        give(c, std::string_view(request).substr(0, cut));
        give(c, std::string_view(request).substr(cut));
        ASSERT_EQ(take_received(c), expected[index]) << request;
    }
}

// A refusal, a close and a handler's answer do not stick to a head that was remembered.
TEST_F(ServiceTest, WhatHappensToAConnectionIsNotRemembered) {
    unsigned calls = 0;
    router_.get("/", [&](const Request&, Responder responder) {
        ++calls;
        Response response;
        if (calls % 2 == 0) {
            response.close();
        }
        responder.send(std::move(response));
    });
    start();
    const std::string request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    for (unsigned i = 0; i < 4; ++i) {
        EXPECT_EQ(exchange(request), response("200 OK", i % 2 == 1 ? "Connection: close\r\n"
                                                                     "Content-Length: 0\r\n"
                                                                   : "Content-Length: 0\r\n"));
    }
    EXPECT_EQ(calls, 4U);
}

// A handler may hold requests of many connections, and answer them in any order from anywhere, also
// from within another handler.
TEST_F(ServiceTest, AnswersFindTheirConnections) {
    router_.get("/later", keep());
    router_.get("/release", [this](const Request&, Responder responder) {
        for (unsigned i = 0; !held_.empty(); ++i) {
            Responder next = std::move(held_.back());
            held_.pop_back();
            next.send(Status::ok, "text/plain", std::to_string(i));
        }
        responder.send(Status::ok, "text/plain", "released");
    });
    start();
    const std::string later = "GET /later HTTP/1.1\r\nHost: h\r\n\r\n";
    const std::string release = "GET /release HTTP/1.1\r\nHost: h\r\n\r\n";
    TestConnection& a = connect();
    TestConnection& b = connect();
    TestConnection& gone = connect();
    TestConnection& d = connect();
    for (TestConnection* c : {&a, &b, &gone}) {
        give(*c, later + later);
    }
    EXPECT_EQ(held_.size(), 3U);
    close(gone);
    give(d, release + release);
    EXPECT_EQ(a.received, text("200 OK", "2"));
    EXPECT_EQ(b.received, text("200 OK", "1"));
    EXPECT_EQ(gone.received, "");
    EXPECT_EQ(d.received, text("200 OK", "released") + text("200 OK", "released"));
    // Their second requests were waiting behind.
    EXPECT_EQ(held_.size(), 2U);
    give(d, release);
    EXPECT_EQ(a.received + b.received, text("200 OK", "2") + text("200 OK", "1") +
                                           text("200 OK", "1") + text("200 OK", "0"));
}

TEST_F(ServiceTest, AnAnswerToARequestThatDoesNotWaitDoesNothing) {
    router_.get("/later", keep());
    start();
    TestConnection& c = connect();
    EXPECT_FALSE(service_->is_waiting(c.id, 0));
    give(c, "GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_TRUE(service_->is_waiting(c.id, 1));
    for (const std::uint32_t number : {0U, 2U}) {
        EXPECT_FALSE(service_->is_waiting(c.id, number));
        service_->answer(c.id, number, Response());
        pump();
        EXPECT_EQ(c.received, "");
    }
    answer("right");
    EXPECT_EQ(take_received(c), text("200 OK", "right"));
    EXPECT_FALSE(service_->is_waiting(c.id, 1));
    service_->answer(c.id, 1, Response());
    pump();
    EXPECT_EQ(c.received, "");
}

}  // namespace
}  // namespace enduring::http
