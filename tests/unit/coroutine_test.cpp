#include "http/coroutine.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "http/thread_mailbox.hpp"
#include "tests/unit/session_fixture.hpp"

namespace enduring::http {
namespace {

using namespace std::chrono_literals;

// Counts itself: what a coroutine holds while it waits.
class Held {
  public:
    explicit Held(int& count) noexcept : count_(count) { ++count_; }
    ~Held() { --count_; }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;

  private:
    int& count_;
};

class CoroutineTest : public SessionFixture {
  protected:
    void TearDown() override {
        for (const auto& connection : connections_) {
            close(*connection);
        }
        pass(1s);
        if (service_ != nullptr) {
            EXPECT_EQ(service_->coroutines().size(), 0U);
            EXPECT_EQ(service_->coroutines().frames().bytes(), 0U);
        }
        EXPECT_EQ(held, 0);
        SessionFixture::TearDown();
    }

    void pass(std::chrono::milliseconds time) {
        now_ += static_cast<std::uint64_t>(time.count());
        service_->begin_turn(now_ * 1'000);
        pump();
    }

    int held = 0;
};

Task<void> answer_at_once(Request request, Responder responder) {
    responder.send(Status::ok, "text/plain", request.path());
    co_return;
}

Task<void> answer_late(Request request, Responder responder) {
    const std::string path(request.path());
    co_await sleep_for(20ms);
    co_await sleep_for(20ms);
    responder.send(Status::ok, "text/plain", path);
}

TEST_F(CoroutineTest, AnswersAtOnce) {
    router_.get("/now", coroutine(answer_at_once));
    start();
    EXPECT_EQ(exchange("GET /now HTTP/1.1\r\nHost: a\r\n\r\n"), text("200 OK", "/now"));
    EXPECT_EQ(service_->coroutines().size(), 0U);
}

TEST_F(CoroutineTest, AnswersAfterATime) {
    router_.get("/late/{n}", coroutine(answer_late));
    start();
    TestConnection& one = connect();
    TestConnection& two = connect();
    give(one, "GET /late/1 HTTP/1.1\r\nHost: a\r\n\r\nGET /late/3 HTTP/1.1\r\nHost: a\r\n\r\n");
    give(two, "GET /late/2 HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(service_->coroutines().size(), 2U);
    pass(21ms);
    EXPECT_EQ(one.received, "");
    pass(21ms);
    EXPECT_EQ(take_received(one), text("200 OK", "/late/1"));
    EXPECT_EQ(take_received(two), text("200 OK", "/late/2"));
    EXPECT_EQ(service_->coroutines().size(), 1U);
    pass(21ms);
    pass(21ms);
    EXPECT_EQ(take_received(one), text("200 OK", "/late/3"));
}

TEST_F(CoroutineTest, IsDestroyedWhereItWaitsWhenItsConnectionGoes) {
    bool went_on = false;
    router_.get("/", coroutine([&](Request, Responder responder) -> Task<void> {
                    const Held one(held);
                    co_await sleep_for(20ms);
                    went_on = true;
                    responder.send(Response(Status::ok));
                }));
    start();
    TestConnection& connection = connect();
    give(connection, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(held, 1);
    EXPECT_EQ(service_->timers().size(), 1U);
    close(connection);
    EXPECT_EQ(held, 0);
    EXPECT_EQ(service_->timers().size(), 0U) << "its timer has gone with it";
    EXPECT_EQ(service_->coroutines().size(), 0U);
    pass(1s);
    EXPECT_FALSE(went_on);
}

TEST_F(CoroutineTest, IsDestroyedWhenItsTimeIsOver) {
    router_.get("/", coroutine([&](Request, Responder responder) -> Task<void> {
                    const Held one(held);
                    co_await sleep_for(1h);
                    responder.send(Response(Status::ok));
                }));
    start();
    TestConnection& connection = connect();
    give(connection, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    time_out(connection);
    EXPECT_EQ(held, 0);
    EXPECT_EQ(connection.received, error("503 Service Unavailable", "close"));
}

TEST_F(CoroutineTest, MaySetWhatIsToldWhenItsClientLeaves) {
    int gone = 0;
    router_.get("/", coroutine([&](Request, Responder responder) -> Task<void> {
                    const Held one(held);
                    responder.on_gone([&gone] { ++gone; });
                    co_await sleep_for(20ms);
                    responder.send(Response(Status::ok));
                }));
    start();
    TestConnection& connection = connect();
    give(connection, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    close(connection);
    EXPECT_EQ(gone, 1);
    EXPECT_EQ(held, 0) << "it is destroyed all the same";
}

TEST_F(CoroutineTest, EndsItsStreamWhenTheServerStops) {
    router_.get("/", coroutine([&](Request, Responder responder) -> Task<void> {
                    const Held one(held);
                    ResponseStream stream = std::move(responder).begin(Response());
                    while (!stream.should_end()) {
                        stream.write("x");
                        co_await sleep_for(20ms);
                    }
                    stream.finish();
                }));
    start();
    TestConnection& connection = connect();
    give(connection, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    pass(21ms);
    EXPECT_FALSE(connection.received.ends_with("0\r\n\r\n"));
    service_->retire(connection.session, core::Reason::drain);
    pass(21ms);
    EXPECT_TRUE(connection.received.ends_with("1\r\nx\r\n1\r\nx\r\n0\r\n\r\n"));
    EXPECT_EQ(held, 0);
    TestConnection& head = connect();
    give(head, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(held, 0) << "nobody wants its content";
}

TEST_F(CoroutineTest, MayGoOnAfterItsAnswer) {
    std::string log;
    router_.get("/", coroutine([&](Request, Responder responder) -> Task<void> {
                    const Held one(held);
                    responder.send(Status::ok, "text/plain", "done");
                    co_await sleep_for(20ms);
                    log += "logged";
                }));
    start();
    TestConnection& connection = connect();
    give(connection, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(take_received(connection), text("200 OK", "done"));
    close(connection);
    EXPECT_EQ(held, 1);
    pass(21ms);
    EXPECT_EQ(log, "logged");
}

TEST_F(CoroutineTest, EndsWithItsWorker) {
    router_.get("/", coroutine([&](Request, Responder responder) -> Task<void> {
                    const Held one(held);
                    responder.send(Status::ok, "text/plain", "done");
                    co_await sleep_for(1h);
                }));
    Service& service = start();
    exchange("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(held, 1);
    service.end();
    EXPECT_EQ(held, 0);
}

Task<int> twice(int value) {
    co_await sleep_for(5ms);
    co_return 2 * value;
}

Task<int> four_times(int value) {
    const int once = co_await twice(value);
    co_return co_await twice(once);
}

Task<int> failing() {
    co_await sleep_for(5ms);
    throw std::runtime_error("as was asked for");
}

TEST_F(CoroutineTest, AwaitsOthers) {
    router_.get("/", coroutine([&](Request, Responder responder) -> Task<void> {
                    const Held one(held);
                    const int value = co_await four_times(10);
                    responder.send(Status::ok, "text/plain", std::to_string(value));
                }));
    start();
    TestConnection& connection = connect();
    give(connection, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    pass(6ms);
    EXPECT_EQ(connection.received, "");
    pass(6ms);
    EXPECT_EQ(connection.received, text("200 OK", "40"));
    TestConnection& gone = connect();
    give(gone, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    pass(6ms);
    EXPECT_EQ(held, 1);
    close(gone);
    EXPECT_EQ(held, 0) << "the inner ones go with it";
    EXPECT_EQ(service_->coroutines().frames().bytes(), 0U);
}

TEST_F(CoroutineTest, WhatOthersThrowIsThrown) {
    router_.get("/caught", coroutine([](Request, Responder responder) -> Task<void> {
                    std::string what;
                    try {
                        co_await failing();
                    } catch (const std::runtime_error& error) {
                        what = error.what();
                    }
                    responder.send(Status::ok, "text/plain", what);
                }));
    router_.get("/thrown", coroutine([](Request, Responder) -> Task<void> { co_await failing(); }));
    start();
    TestConnection& connection = connect();
    give(connection, "GET /caught HTTP/1.1\r\nHost: a\r\n\r\n");
    pass(6ms);
    EXPECT_EQ(take_received(connection), text("200 OK", "as was asked for"));
    EXPECT_EQ(service_->handlers_threw(), 0U);
    give(connection, "GET /thrown HTTP/1.1\r\nHost: a\r\n\r\n");
    pass(6ms);
    EXPECT_EQ(take_received(connection), error("500 Internal Server Error"));
    EXPECT_EQ(service_->handlers_threw(), 1U);
}

TEST_F(CoroutineTest, OneThatThrowsAtOnceOrEndsUnansweredGives500) {
    router_.get("/throw", coroutine([](Request, Responder) -> Task<void> {
                    throw std::runtime_error("as was asked for");
                    co_return;
                }));
    router_.get("/drop", coroutine([](Request, Responder) -> Task<void> { co_return; }));
    start();
    TestConnection& connection = connect();
    give(connection, "GET /throw HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(take_received(connection), error("500 Internal Server Error"));
    EXPECT_EQ(service_->handlers_threw(), 1U);
    give(connection, "GET /drop HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(take_received(connection), error("500 Internal Server Error"));
}

// ---- contents and responses in pieces ----------------------------------------------------------

Task<void> echo_pieces(Request, Responder responder) {
    const ContentReader reader(responder.content());
    ResponseStream stream = std::move(responder).begin(Response());
    while (const auto piece = co_await reader.next()) {
        const std::string kept(*piece);
        co_await sleep_for(10ms);
        if (!co_await write_to(stream, kept)) {
            co_return;
        }
    }
    stream.finish();
}

TEST_F(CoroutineTest, ReadsAContentAndWritesAResponseInPieces) {
    router_.on(Method::post, "/", coroutine(echo_pieces), ContentMode::streamed);
    start();
    TestConnection& connection = connect();
    give(connection, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nab");
    pass(11ms);
    give(connection, "cd");
    EXPECT_EQ(connection.progress.need, core::Need::answer) << "while it sleeps, no more is wanted";
    EXPECT_TRUE(connection.progress.moved);
    EXPECT_FALSE(connection.progress.new_message) << "the content goes on";
    pass(11ms);
    EXPECT_EQ(connection.progress.need, core::Need::content);
    give(connection, "ef");
    pass(11ms);
    EXPECT_EQ(connection.received, response("200 OK", "Transfer-Encoding: chunked\r\n",
                                            "2\r\nab\r\n2\r\ncd\r\n2\r\nef\r\n0\r\n\r\n"));
    EXPECT_EQ(connection.progress.need, core::Need::request);
}

TEST_F(CoroutineTest, ReadsAContentThatIsThereAlready) {
    router_.on(Method::post, "/", coroutine(echo_pieces), ContentMode::streamed);
    start();
    TestConnection& connection = connect();
    give(connection,
         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
         "2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n"
         "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    pass(11ms);
    pass(11ms);
    EXPECT_EQ(
        connection.received,
        response("200 OK", "Transfer-Encoding: chunked\r\n", "2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n") +
            response("200 OK", "Transfer-Encoding: chunked\r\n", "0\r\n\r\n"));
}

TEST_F(CoroutineTest, IsDestroyedInTheMiddleOfAContent) {
    router_.on(Method::post, "/", coroutine(echo_pieces), ContentMode::streamed);
    start();
    for (const bool sleeps : {false, true}) {
        TestConnection& connection = connect();
        give(connection, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nab");
        if (!sleeps) {
            pass(11ms);
        }
        close(connection);
        EXPECT_EQ(service_->coroutines().size(), 0U) << sleeps;
    }
}

TEST_F(CoroutineTest, NoPieceComesAfterTheAnswer) {
    router_.on(Method::get, "/", coroutine(echo_pieces), ContentMode::streamed);
    router_.on(Method::post, "/refuse", coroutine([&](Request, Responder responder) -> Task<void> {
                   const Held one(held);
                   const ContentReader reader(responder.content());
                   static_cast<void>(co_await reader.next());
                   responder.send(Status::content_too_large, "text/plain", "enough");
                   while (co_await reader.next()) {
                   }
               }),
               ContentMode::streamed);
    router_.on(Method::post, "/refuse-at-once",
               coroutine([&](Request, Responder responder) -> Task<void> {
                   const Held one(held);
                   const ContentReader reader(responder.content());
                   responder.send(Status::content_too_large, "text/plain", "enough");
                   while (co_await reader.next()) {
                   }
               }),
               ContentMode::streamed);
    start();
    TestConnection& head = connect();
    give(head, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_TRUE(head.received.starts_with("HTTP/1.1 200 OK\r\n"));
    EXPECT_EQ(service_->coroutines().size(), 0U) << "though its connection is still open";
    for (const char* const path : {"/refuse", "/refuse-at-once"}) {
        TestConnection& connection = connect();
        give(connection,
             "POST " + std::string(path) + " HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
        EXPECT_TRUE(connection.received.starts_with("HTTP/1.1 413 ")) << path;
        EXPECT_EQ(service_->coroutines().size(), 0U) << path;
        EXPECT_EQ(held, 0) << path;
    }
}

TEST_F(CoroutineTest, OneThatThrowsInTheMiddleOfAContentCutsOrRefuses) {
    router_.on(Method::post, "/", coroutine([&](Request, Responder responder) -> Task<void> {
                   const Held one(held);
                   const ContentReader reader(responder.content());
                   static_cast<void>(co_await reader.next());
                   throw std::runtime_error("as was asked for");
               }),
               ContentMode::streamed);
    start();
    TestConnection& connection = connect();
    give(connection, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nab");
    EXPECT_EQ(connection.received, error("500 Internal Server Error", "close"));
    EXPECT_EQ(service_->handlers_threw(), 1U);
    EXPECT_EQ(held, 0);
}

TEST_F(CoroutineTest, WaitsForRoom) {
    constexpr std::size_t pieces = 40;
    const std::string piece(10'000, 'x');
    std::size_t written = 0;
    router_.get("/", coroutine([&](Request, Responder responder) -> Task<void> {
                    const Held one(held);
                    ResponseStream stream =
                        std::move(responder).begin(Response(), pieces * piece.size());
                    for (std::size_t i = 0; i < pieces; ++i) {
                        if (!co_await write_to(stream, piece)) {
                            co_return;
                        }
                        ++written;
                    }
                    stream.finish();
                }));
    Limits limits;
    limits.output_bytes_max = 20'000;
    start(limits);
    TestConnection& connection = connect();
    connection.blocked = true;
    give(connection, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(written, 1U) << "the second one waits";
    pass(1s);
    EXPECT_EQ(written, 1U);
    unblock(connection);
    for (std::size_t i = 0; i < pieces; ++i) {
        pass(1ms);
    }
    EXPECT_EQ(written, pieces);
    EXPECT_TRUE(connection.received.ends_with(piece));
    EXPECT_EQ(connection.progress.need, core::Need::request);

    TestConnection& gone = connect();
    gone.blocked = true;
    give(gone, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(held, 1);
    close(gone);
    EXPECT_EQ(held, 0);
}

TEST_F(CoroutineTest, NobodyWantsTheContentOfHead) {
    bool wanted = true;
    router_.get("/", coroutine([&](Request, Responder responder) -> Task<void> {
                    ResponseStream stream = std::move(responder).begin(Response(), 5);
                    wanted = co_await write_to(stream, "12345");
                    stream.finish();
                }));
    start();
    EXPECT_EQ(exchange("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"),
              response("200 OK", "Content-Length: 5\r\n"));
    EXPECT_FALSE(wanted);
}

// What a function takes, as far as it can be known: references would not last.
constexpr auto by_value = [](Request, Responder) -> Task<void> { co_return; };
constexpr auto by_reference = [](const Request&, Responder) -> Task<void> { co_return; };
constexpr auto by_any = [](auto, auto) -> Task<void> { co_return; };
static_assert(detail::Parameters<decltype(by_value)>::are_values);
static_assert(detail::Parameters<Task<void> (*)(Request, Responder)>::are_values);
static_assert(!detail::Parameters<decltype(by_reference)>::are_values);
static_assert(!detail::Parameters<Task<void> (*)(Request, Responder&&)>::are_values);
static_assert(!detail::HasKnownParameters<decltype(by_any)>);
static_assert(CoroutineFunction<decltype(by_any)>);

// ---- memory ------------------------------------------------------------------------------------

TEST_F(CoroutineTest, WhenFramesTakeTooMuchNewOnesGet503) {
    router_.get("/", coroutine([&](Request, Responder responder) -> Task<void> {
                    const Held one(held);
                    co_await sleep_for(20ms);
                    static_cast<void>(co_await twice(1));
                    responder.send(Status::ok, "text/plain", "done");
                }));
    Limits limits;
    limits.coroutine_bytes_max = 64 * 1024;
    start(limits);
    std::vector<TestConnection*> connections;
    for (unsigned i = 0; i < 400; ++i) {
        connections.push_back(&connect());
        give(*connections.back(), "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    const auto running = static_cast<std::size_t>(held);
    EXPECT_GT(running, 50U);
    EXPECT_LT(running, 400U);
    EXPECT_GE(service_->coroutines().frames().bytes(), 56U * 1024);
    EXPECT_LE(service_->coroutines().frames().bytes(), 64U * 1024);
    EXPECT_EQ(connections.back()->received, error("503 Service Unavailable"));
    pass(21ms);
    pass(21ms);
    std::size_t answered = 0;
    for (TestConnection* connection : connections) {
        answered += connection->received == text("200 OK", "done") ? 1U : 0U;
    }
    EXPECT_GT(answered, 0U) << "an eighth is left to those that run";
    EXPECT_EQ(answered + service_->handlers_threw(), running) << "the others had no memory: 500";
    give(*connections.front(), "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(held, 1) << "what was given back may be used again";
}

TEST(FramePoolTest, GivesAFrameAgain) {
    FramePool pool(10'000);
    const FramePool::Use use(pool);
    void* const first = FramePool::allocate(300);
    EXPECT_GE(pool.bytes(), 300U);
    FramePool::give_back(first);
    EXPECT_EQ(pool.bytes(), 0U);
    void* const again = FramePool::allocate(290);
    EXPECT_EQ(again, first);
    void* const large = FramePool::allocate(5'000);
    EXPECT_THROW(static_cast<void>(FramePool::allocate(5'000)), std::bad_alloc);
    FramePool::give_back(large);
    FramePool::give_back(again);
    EXPECT_EQ(pool.bytes(), 0U);
}

TEST(FramePoolTest, WhatIsKeptTakesNoMemoryFromOtherSizes) {
    FramePool pool(10'000);
    const FramePool::Use use(pool);
    std::vector<void*> frames;
    for (unsigned i = 0; i < 9; ++i) {
        frames.push_back(FramePool::allocate(1'000));
    }
    for (void* frame : frames) {
        FramePool::give_back(frame);
    }
    EXPECT_EQ(pool.kept_bytes(), 9U * 1'024);
    void* const again = FramePool::allocate(1'000);
    EXPECT_EQ(pool.kept_bytes(), 8U * 1'024) << "it is one of those that were kept";
    void* const large = FramePool::allocate(4'000);
    EXPECT_EQ(pool.kept_bytes(), 0U) << "used and kept ones together would have been too many";
    FramePool::give_back(large);
    FramePool::give_back(again);
}

TEST(FramePoolTest, WithoutAPoolTheHeapGives) {
    void* const frame = FramePool::allocate(100);
    FramePool pool(1'000);
    const FramePool::Use use(pool);
    FramePool::give_back(frame);
    EXPECT_EQ(pool.bytes(), 0U);
}

// ---- other threads -----------------------------------------------------------------------------

class CompletedTest : public CoroutineTest {
  protected:
    /// What a handler of this route awaits is set by the test.
    void start_with_mailbox() {
        router_.get("/{n}", coroutine([this](Request request, Responder responder) -> Task<void> {
                        const Held one(held);
                        const std::string name(request.parameter("n"));
                        std::string answer;
                        try {
                            answer = co_await completed<std::string>(
                                [this](Completion<std::string> completion) {
                                    completions.push_back(std::move(completion));
                                });
                        } catch (const Abandoned&) {
                            answer = "abandoned";
                        }
                        responder.send(Status::ok, "text/plain", name + answer);
                    }));
        start(
            {}, [] { return std::int64_t{784111777} * 1000; },
            std::make_shared<ThreadMailbox>([] { return true; }));
    }
    void TearDown() override {
        completions.clear();
        pass(1ms);
        CoroutineTest::TearDown();
    }

    std::vector<Completion<std::string>> completions;
};

TEST_F(CompletedTest, AnotherThreadGivesWhatIsAwaited) {
    start_with_mailbox();
    TestConnection& one = connect();
    TestConnection& two = connect();
    give(one, "GET /one- HTTP/1.1\r\nHost: a\r\n\r\n");
    give(two, "GET /two- HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_EQ(completions.size(), 2U);
    std::thread([this] {
        completions[1].set("b");
        completions[0].set("a");
    }).join();
    EXPECT_EQ(one.received, "") << "not in the other thread";
    pass(1ms);
    EXPECT_EQ(one.received, text("200 OK", "one-a"));
    EXPECT_EQ(two.received, text("200 OK", "two-b"));
}

TEST_F(CompletedTest, WhoDropsItAbandonsIt) {
    start_with_mailbox();
    TestConnection& connection = connect();
    give(connection, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(take_received(connection), error("404 Not Found"));
    give(connection, "GET /x- HTTP/1.1\r\nHost: a\r\n\r\n");
    completions.clear();
    pass(1ms);
    EXPECT_EQ(take_received(connection), text("200 OK", "x-abandoned"));
}

TEST_F(CompletedTest, MovedOntoAnotherItAbandonsThat) {
    start_with_mailbox();
    TestConnection& one = connect();
    TestConnection& two = connect();
    give(one, "GET /one- HTTP/1.1\r\nHost: a\r\n\r\n");
    give(two, "GET /two- HTTP/1.1\r\nHost: a\r\n\r\n");
    completions[0] = std::move(completions[1]);
    completions[0].set("b");
    pass(1ms);
    EXPECT_EQ(one.received, text("200 OK", "one-abandoned"));
    EXPECT_EQ(two.received, text("200 OK", "two-b"));
}

TEST_F(CompletedTest, NobodyIsThereAnyMore) {
    start_with_mailbox();
    TestConnection& gone = connect();
    give(gone, "GET /gone- HTTP/1.1\r\nHost: a\r\n\r\n");
    close(gone);
    EXPECT_EQ(held, 0);
    completions[0].set("too late");
    pass(1ms);
    TestConnection& left = connect();
    give(left, "GET /left- HTTP/1.1\r\nHost: a\r\n\r\n");
    service_->end();
    EXPECT_EQ(held, 0);
    completions[1].set("too late");
}

TEST_F(CompletedTest, MayGiveNothingOrAnError) {
    std::vector<Completion<void>> kept;
    router_.get("/", coroutine([&](Request, Responder responder) -> Task<void> {
                    const auto keep = [&](Completion<void> completion) {
                        kept.push_back(std::move(completion));
                    };
                    std::string log;
                    co_await completed<void>(keep);
                    log += "done, ";
                    try {
                        co_await completed<void>(keep);
                    } catch (const std::runtime_error& error) {
                        log += error.what();
                    }
                    try {
                        co_await completed<void>(keep);
                    } catch (const Abandoned&) {
                        log += ", abandoned";
                    }
                    responder.send(Status::ok, "text/plain", log);
                }));
    start_with_mailbox();
    TestConnection& connection = connect();
    give(connection, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_EQ(kept.size(), 1U);
    kept.back().set();
    pass(1ms);
    ASSERT_EQ(kept.size(), 2U);
    kept.back().fail(std::make_exception_ptr(std::runtime_error("no such row")));
    pass(1ms);
    ASSERT_EQ(kept.size(), 3U);
    kept.clear();
    pass(1ms);
    EXPECT_EQ(connection.received, text("200 OK", "done, no such row, abandoned"));
}

TEST_F(CompletedTest, ACallThatThrowsLeavesNothingBehind) {
    std::vector<Completion<int>> kept;
    router_.get("/", coroutine([&](Request, Responder responder) -> Task<void> {
                    std::string what;
                    try {
                        static_cast<void>(co_await completed<int>([&](Completion<int> completion) {
                            kept.push_back(std::move(completion));
                            throw std::runtime_error("no thread is free");
                        }));
                    } catch (const std::runtime_error& error) {
                        what = error.what();
                    }
                    co_await sleep_for(20ms);
                    responder.send(Status::ok, "text/plain", what);
                }));
    start_with_mailbox();
    TestConnection& connection = connect();
    give(connection, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_EQ(kept.size(), 1U);
    kept.front().set(1);  // when something else is awaited
    pass(1ms);
    EXPECT_EQ(connection.received, "");
    pass(20ms);
    EXPECT_EQ(connection.received, text("200 OK", "no thread is free"));
    kept.clear();
}

}  // namespace
}  // namespace enduring::http
