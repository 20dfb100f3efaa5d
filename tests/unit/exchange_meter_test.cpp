#include "http/exchange_meter.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

#include "session_fixture.hpp"

namespace enduring::http {
namespace {

constexpr auto get = static_cast<unsigned>(Method::get);
constexpr auto head = static_cast<unsigned>(Method::head);
constexpr auto post = static_cast<unsigned>(Method::post);

/// How many took as long as the place with this bound is for.
std::uint64_t up_to(const ExchangeMeter& meter, std::uint64_t bound_us) {
    const auto* const bound = std::ranges::find(DurationCounts::bounds_us, bound_us);
    return meter.counts()
        .durations.counts[static_cast<std::size_t>(bound - DurationCounts::bounds_us.begin())];
}

std::uint64_t all(const DurationCounts& durations) {
    std::uint64_t sum = 0;
    for (const core::Counter& count : durations.counts) {
        sum += count;
    }
    return sum;
}

TEST(DurationCounts, ABoundBelongsToItsPlace) {
    DurationCounts durations;
    durations.add(0, 1);
    durations.add(50, 2);
    durations.add(51, 4);
    durations.add(10'000'000, 8);
    durations.add(10'000'001, 16);
    EXPECT_EQ(durations.counts[0], 3U);
    EXPECT_EQ(durations.counts[1], 4U);
    EXPECT_EQ(durations.counts[DurationCounts::bounds_us.size() - 1], 8U);
    EXPECT_EQ(durations.counts[DurationCounts::bounds_us.size()], 16U);
    EXPECT_EQ(durations.sum_us, 100U + 204U + 80'000'000U + 160'000'016U);
}

TEST(ExchangeMeter, WhatIsAnsweredAtOnceTakesItsTurn) {
    ExchangeMeter meter;
    meter.begin_turn(1'000'000);
    EXPECT_FALSE(meter.measures());
    for (int i = 0; i < 3; ++i) {
        meter.answered(get, Status::ok, meter.turn());
    }
    EXPECT_TRUE(meter.measures());
    meter.end_turn(1'000'240);
    EXPECT_FALSE(meter.measures());
    EXPECT_EQ(up_to(meter, 250), 3U);
    EXPECT_EQ(meter.counts().durations.sum_us, 720U);
    // Nothing is measured twice.
    meter.end_turn(2'000'000);
    EXPECT_EQ(all(meter.counts().durations), 3U);
}

TEST(ExchangeMeter, WhatIsAnsweredLaterTakesAllTurnsUntilThen) {
    ExchangeMeter meter;
    meter.begin_turn(1'000'000);
    const ExchangeMeter::Moment begun = meter.turn();
    meter.end_turn(1'000'010);
    meter.begin_turn(1'040'000);
    meter.answered(get, Status::ok, begun);
    meter.answered(get, Status::ok, meter.turn());
    meter.end_turn(1'048'000);
    EXPECT_EQ(up_to(meter, 50'000), 1U);
    EXPECT_EQ(up_to(meter, 10'000), 1U);
    EXPECT_EQ(meter.counts().durations.sum_us, 48'000U + 8'000U);
}

TEST(ExchangeMeter, MomentsMayComeAgain) {
    ExchangeMeter meter;
    constexpr std::uint64_t all_us =
        (std::uint64_t{std::numeric_limits<ExchangeMeter::Moment>::max()} + 1) *
        ExchangeMeter::moment_us;
    meter.begin_turn(all_us - 16'000);
    const ExchangeMeter::Moment begun = meter.turn();
    meter.end_turn(all_us - 16'000);
    meter.begin_turn(all_us + 16'000);
    meter.answered(get, Status::ok, begun);
    meter.end_turn(all_us + 16'000);
    EXPECT_EQ(meter.counts().durations.sum_us, 32'000U);
}

TEST(ExchangeMeter, AnyNumberMayBeAnsweredLater) {
    ExchangeMeter meter;
    meter.begin_turn(0);
    const ExchangeMeter::Moment begun = meter.turn();
    meter.begin_turn(160'000);
    for (int i = 0; i < 10'000; ++i) {
        meter.answered(get, Status::ok, begun);
    }
    meter.end_turn(200'000);
    EXPECT_EQ(up_to(meter, 250'000), 10'000U);
}

// What sessions tell it.
class SessionsMeterTest : public SessionFixture {
  protected:
    std::uint64_t answers(unsigned method, unsigned first_digit) {
        return service_->meter().counts().answers[method][first_digit - 1];
    }
    /// All that were counted; each has been measured.
    std::uint64_t total() {
        std::uint64_t sum = 0;
        for (const auto& classes : service_->meter().counts().answers) {
            for (const core::Counter& count : classes) {
                sum += count;
            }
        }
        service_->end_turn(now_ * 1'000);
        EXPECT_EQ(all(service_->meter().counts().durations), sum);
        return sum;
    }
};

TEST_F(SessionsMeterTest, CountsEachAnswerOnce) {
    router_.get("/", [](const Request&, Responder responder) {
        responder.send(Status::ok, "text/plain", "x");
    });
    router_.post("/", [](const Request& request, Responder responder) {
        responder.send(Response(request.content() == "bad" ? Status::internal_server_error
                                                           : Status::see_other));
    });
    start();
    exchange(
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
        "GET /none HTTP/1.1\r\nHost: a\r\n\r\n"
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nbad"
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\ngood");
    EXPECT_EQ(answers(get, 2), 1U);
    EXPECT_EQ(answers(head, 2), 1U);
    EXPECT_EQ(answers(get, 4), 1U);
    EXPECT_EQ(answers(post, 5), 1U);
    EXPECT_EQ(answers(post, 3), 1U);
    EXPECT_EQ(total(), 5U);
}

TEST_F(SessionsMeterTest, WhatIsNoRequestHasNoMethod) {
    router_.get("/", keep());
    start();
    exchange("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
    EXPECT_EQ(answers(get, 4), 1U) << "a request, though a bad one";
    exchange("rubbish\r\n\r\n");
    exchange("HEAD / HTTP/1.1\r\nrubbish\r\n\r\n");
    EXPECT_EQ(answers(methodless, 4), 2U);
    TestConnection& slow = connect();
    give(slow, "GET / HTT");
    time_out(slow);
    EXPECT_EQ(answers(methodless, 4), 3U);
    EXPECT_EQ(total(), 4U);
}

TEST_F(SessionsMeterTest, AfterWhatIsNoRequestTheMethodIsNotThatOfTheLastOne) {
    router_.post("/", [](const Request&, Responder responder) {
        responder.send(Status::ok, "text/plain", "x");
    });
    start();
    exchange("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\nrubbish\r\n\r\n");
    EXPECT_EQ(answers(post, 2), 1U);
    EXPECT_EQ(answers(methodless, 4), 1U);
    EXPECT_EQ(total(), 2U);
}

TEST_F(SessionsMeterTest, AnAnswerInPiecesCountsAtItsEnd) {
    std::vector<ResponseStream> streams;
    router_.get("/", [&](const Request&, Responder responder) {
        streams.push_back(std::move(responder).begin(Response(Status::ok)));
    });
    start();
    TestConnection& whole = connect();
    give(whole, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    TestConnection& cut = connect();
    give(cut, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    streams.front().write("some");
    EXPECT_EQ(total(), 0U);
    streams.front().finish();
    pump();
    EXPECT_EQ(answers(get, 2), 1U);
    close(cut);
    streams.clear();
    EXPECT_EQ(total(), 1U) << "half an answer is none";
}

TEST_F(SessionsMeterTest, AnAnswerThatComesLaterIsMeasuredFromItsHead) {
    router_.get("/", keep());
    start();
    TestConnection& connection = connect();
    give(connection, "GET / HTTP/1.1\r\nHo");
    now_ += 5'000;
    service_->begin_turn(now_ * 1'000);
    give(connection, "st: a\r\n\r\n");
    now_ += 30;
    service_->begin_turn(now_ * 1'000);
    answer("late");
    EXPECT_EQ(total(), 1U);
    EXPECT_EQ(service_->meter().counts().durations.sum_us / 1'000, 30U);
}

}  // namespace
}  // namespace enduring::http
