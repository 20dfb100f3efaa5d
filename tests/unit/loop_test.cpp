// The loop on a ring that a test plays: what is submitted is looked at, and completions and time
// are given by hand. What comes of long random runs is the business of tests/simulation.
#include "core/loop.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/buffer_ring.hpp"
#include "core/token.hpp"
#include "http/responder.hpp"
#include "http/router.hpp"
#include "http/service.hpp"
#include "http/survey.hpp"

namespace enduring::core {
namespace {

/// Sends everything that is to be sent, and completes only what it is told to.
class PlayedRing {
  public:
    std::uint64_t time_ms = 1'000;
    std::deque<Completion> completions;
    std::string sent;
    std::optional<std::uint64_t> waited_ms;
    std::uint32_t waited_for = 0;
    std::vector<std::uint64_t> receives;  // their tokens
    std::string had_come;                 // for the receive with this token:
    std::uint64_t asked_last = 0;
    std::uint32_t room = 64;
    unsigned accepts = 0;
    mutable unsigned clock_readings = 0;

    [[nodiscard]] std::uint32_t sqe_room() const {
        return room - static_cast<std::uint32_t>(submissions_.size());
    }
    io_uring_sqe& take_sqe() { return submissions_.emplace_back(); }
    int submit() {
        for (const io_uring_sqe& sqe : submissions_) {
            if (sqe.opcode == IORING_OP_SEND) {
                sent.append(reinterpret_cast<const char*>(sqe.addr), sqe.len);
                completions.push_back({sqe.user_data, static_cast<std::int32_t>(sqe.len), 0});
            } else if (sqe.opcode == IORING_OP_ACCEPT) {
                ++accepts;
            } else if (sqe.opcode == IORING_OP_RECV) {
                receive_token_ = sqe.user_data;
                receives.push_back(sqe.user_data);
                if (sqe.user_data == asked_last) {
                    receive(had_come);
                }
            }
        }
        const auto count = static_cast<int>(submissions_.size());
        submissions_.clear();
        return count;
    }
    int submit_and_wait(std::optional<std::uint64_t> timeout_ms, std::uint32_t count) {
        waited_ms = timeout_ms;
        waited_for = count;
        submit();
        return 0;
    }
    template <class Take>
    unsigned drain(Take&& take) {
        unsigned count = 0;
        while (!completions.empty() && take(completions.front())) {
            completions.pop_front();
            ++count;
        }
        return count;
    }
    Result<void> register_buffer_ring(io_uring_buf_ring* memory, std::uint32_t, std::uint16_t) {
        buffers_ = memory;
        return {};
    }
    [[nodiscard]] std::uint64_t now_us() const {
        ++clock_readings;
        return time_ms * 1'000;
    }
    void shutdown_write(int) {}
    void limit_unsent(int, Unsent) {}
    [[nodiscard]] static std::optional<std::int32_t> move_file(int /*socket*/, int /*file*/,
                                                               std::uint64_t /*offset*/,
                                                               std::uint32_t /*size*/) {
        return std::nullopt;
    }
    [[nodiscard]] static std::optional<Address> peer_address(int /*socket*/) {
        return std::nullopt;
    }
    [[nodiscard]] std::optional<std::uint64_t> peer(int) { return std::nullopt; }
    void reset_on_close(int) {}

    /// Bytes come into the first buffer. more: the receive goes on.
    void receive(std::string_view bytes, bool more = true) {
        const auto* entry = reinterpret_cast<const io_uring_buf*>(buffers_);
        bytes.copy(reinterpret_cast<char*>(entry->addr), bytes.size());
        completions.push_back({receive_token_, static_cast<std::int32_t>(bytes.size()),
                               IORING_CQE_F_BUFFER | (more ? IORING_CQE_F_MORE : 0)});
    }

  private:
    std::deque<io_uring_sqe> submissions_;
    io_uring_buf_ring* buffers_ = nullptr;
    std::uint64_t receive_token_ = 0;
};

class LoopTest : public testing::Test {
  protected:
    LoopTest() {
        router_.get("/", [this](const http::Request&, http::Responder responder) {
            awaited_.push_back(std::move(responder));
        });
        router_.get("/work", [this](const http::Request&, http::Responder responder) {
            ring_.time_ms += 3;
            responder.send(http::Status::ok, "text/plain", "done");
        });
    }

    void start(const TimeLimits& times, std::uint32_t connections_max = 16) {
        service_ = std::make_unique<http::Service>(router_, http::Limits{},
                                                   [] { return std::int64_t{784111777} * 1000; });
        ASSERT_TRUE(buffers_.attach(ring_, 0));
        LoopOptions options;
        options.times = times;
        options.connections_max = connections_max;
        loop_ = std::make_unique<Loop<PlayedRing, http::Service>>(ring_, buffers_, *service_,
                                                                  std::move(options));
        loop_->add_listener(3, 16);
        turn();
        ring_.completions.push_back({pack({Operation::accept, 0, 0}), 4, IORING_CQE_F_MORE});
        turn(2);
    }
    /// Of the only connection.
    [[nodiscard]] Phase phase() {
        Phase found = Phase::released;
        loop_->for_each_connection([&](const auto& view) { found = view.lifecycle.phase(); });
        return found;
    }
    /// The only place is taken by a connection whose answer goes out, and whose next receive
    /// begins, in the turn in which another one comes.
    void meet_newcomer() {
        start({}, 1);
        ring_.receive("GET / HTTP/1.1\r\nHost: a\r\n\r\n", false);
        turn();
        ASSERT_EQ(awaited_.size(), 1U);
        awaited_.front().send(http::Status::ok, "text/plain", "first");
        ring_.completions.push_back({pack({Operation::accept, 0, 0}), 5, IORING_CQE_F_MORE});
        for (unsigned i = 0; i < 8 && !ring_.sent.ends_with("first"); ++i) {
            turn();
        }
        ASSERT_TRUE(ring_.sent.ends_with("\r\n\r\nfirst")) << ring_.sent;
    }
    /// Ten connections, of which each has found no buffer. Gives the tokens of their receives.
    std::vector<std::uint64_t> starve_ten() {
        for (int descriptor = 5; descriptor < 14; ++descriptor) {
            ring_.completions.push_back(
                {pack({Operation::accept, 0, 0}), descriptor, IORING_CQE_F_MORE});
        }
        turn(2);
        std::vector<std::uint64_t> tokens = std::exchange(ring_.receives, {});
        EXPECT_EQ(tokens.size(), 10U);
        for (const std::uint64_t token : tokens) {
            ring_.completions.push_back({token, -ENOBUFS, 0});
        }
        return tokens;
    }
    void turn(unsigned times = 1) {
        for (; times > 0; --times) {
            loop_->turn();
        }
    }

    http::Router router_;
    PlayedRing ring_;
    BufferRing buffers_{4, 1024};
    std::unique_ptr<http::Service> service_;
    std::unique_ptr<Loop<PlayedRing, http::Service>> loop_;
    std::vector<http::Responder> awaited_;  // refer to the service
};

TEST_F(LoopTest, AnAnswerInTheTurnOfItsDeadlineIsNotTooLate) {
    TimeLimits times;
    times.handler_timeout_ms = 1'000;
    start(times);
    ring_.receive("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    turn();
    ASSERT_EQ(awaited_.size(), 1U);
    awaited_.front().send(http::Status::ok, "text/plain", "in time");
    ring_.time_ms += 1'100;
    turn(4);
    EXPECT_TRUE(ring_.sent.starts_with("HTTP/1.1 200 ")) << ring_.sent;
    EXPECT_TRUE(ring_.sent.ends_with("\r\n\r\nin time")) << ring_.sent;
}

TEST_F(LoopTest, AnAnswerThatDoesNotComeIsReplaced) {
    TimeLimits times;
    times.handler_timeout_ms = 1'000;
    start(times);
    ring_.receive("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    turn();
    ring_.time_ms += 1'100;
    turn(4);
    EXPECT_TRUE(ring_.sent.starts_with("HTTP/1.1 503 ")) << ring_.sent;
}

TEST_F(LoopTest, AFullServerThatDrainsWaitsForItsLastAnswer) {
    start({}, 1);
    ring_.receive("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    turn();
    ring_.completions.push_back({pack({Operation::accept, 0, 0}), 5, IORING_CQE_F_MORE});
    turn(4);
    ASSERT_EQ(awaited_.size(), 1U);
    loop_->drain();
    awaited_.front().send(http::Status::ok, "text/plain", "last");
    turn(8);
    EXPECT_TRUE(ring_.sent.ends_with("\r\n\r\nlast")) << ring_.sent;
    EXPECT_GT(ring_.waited_ms.value_or(1), 0U) << "it lingers, and must not turn meanwhile";
}

// Its receive had ended. What the client has sent since may wait for the next one, which begins in
// the turn in which another connection needs the place.
TEST_F(LoopTest, OneWhoseReceiveBeginsMayBeAskedBeforeItMakesRoom) {
    meet_newcomer();
    ASSERT_EQ(phase(), Phase::idle);
    ring_.receive("GET /work HTTP/1.1\r\nHost: a\r\n\r\n");
    turn(2);
    EXPECT_TRUE(ring_.sent.ends_with("\r\n\r\ndone")) << ring_.sent;
}

TEST_F(LoopTest, OneWhoseReceiveBringsNothingMakesRoom) {
    meet_newcomer();
    ASSERT_EQ(phase(), Phase::idle);
    turn();
    EXPECT_EQ(phase(), Phase::joining);
}

// That a small answer was sent is known when it was submitted: no turn is made for that alone.
TEST_F(LoopTest, AWaitDoesNotEndForWhatIsSentAlone) {
    TimeLimits times;
    times.connection_max_age_ms = 0;
    start(times);
    ring_.receive("GET /work HTTP/1.1\r\nHost: a\r\n\r\n");
    turn();
    EXPECT_EQ(ring_.waited_for, 1U);
    EXPECT_EQ(ring_.sent, "");
    turn();
    EXPECT_TRUE(ring_.sent.ends_with("\r\n\r\ndone")) << ring_.sent;
    EXPECT_EQ(ring_.waited_for, 2U);
    EXPECT_EQ(ring_.waited_ms, 20U) << "but it does not stay unknown";
    turn();
    EXPECT_EQ(ring_.waited_for, 1U);
    EXPECT_GT(ring_.waited_ms.value_or(1'000'000), 20U);
}

TEST_F(LoopTest, AWaitEndsForWhatIsSentIfSomethingFollows) {
    start({});
    ring_.receive("GET /work HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    turn(2);
    ASSERT_TRUE(ring_.sent.ends_with("\r\n\r\ndone")) << ring_.sent;
    EXPECT_EQ(ring_.waited_for, 1U) << "the connection is to be closed";
    EXPECT_EQ(phase(), Phase::lingering);
}

TEST_F(LoopTest, AWaitEndsForWhatIsSentIfAnotherConnectionNeedsThePlace) {
    start({}, 1);
    ring_.receive("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    turn();
    ASSERT_EQ(awaited_.size(), 1U);
    ring_.completions.push_back({pack({Operation::accept, 0, 0}), 5, IORING_CQE_F_MORE});
    turn(2);
    awaited_.front().send(http::Status::ok, "text/plain", "first");
    turn(2);
    ASSERT_TRUE(ring_.sent.ends_with("\r\n\r\nfirst")) << ring_.sent;
    EXPECT_EQ(ring_.waited_for, 1U);
}

TEST_F(LoopTest, NotMoreReceivesBeginAnewThanThereAreBuffers) {
    start({});
    const std::vector<std::uint64_t> tokens = starve_ten();
    turn(2);
    ASSERT_EQ(buffers_.count(), 4U);
    EXPECT_EQ(ring_.receives, std::vector(tokens.begin(), tokens.begin() + 4));
    turn();
    EXPECT_EQ(ring_.receives, std::vector(tokens.begin(), tokens.begin() + 8));
    turn();
    EXPECT_EQ(ring_.receives, tokens) << "each in its turn";
}

TEST_F(LoopTest, WhoseTurnToBeAskedIsStillToComeIsNotTooLate) {
    TimeLimits times;
    times.header_timeout_ms = 1'000;
    start(times);
    const std::vector<std::uint64_t> tokens = starve_ten();
    ring_.had_come = "GET /work HTTP/1.1\r\nHost: a\r\n\r\n";
    ring_.asked_last = tokens.back();
    ring_.time_ms += 5'000;
    turn(8);
    EXPECT_TRUE(ring_.sent.ends_with("\r\n\r\ndone")) << ring_.sent;
}

TEST_F(LoopTest, SubmissionsAreCounted) {
    start({}, 16);
    // An accept for each slot, all at once, and the receive of the connection.
    EXPECT_EQ(loop_->counters().submissions, 17U);
    ring_.receive("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    turn();
    ASSERT_EQ(awaited_.size(), 1U);
    awaited_.front().send(http::Status::ok, "text/plain", "sent");
    turn(2);
    EXPECT_EQ(loop_->counters().submissions, 18U);
}

TEST_F(LoopTest, TheLagOfTimersIsCounted) {
    TimeLimits times;
    times.header_timeout_ms = 1'000;
    times.connection_max_age_ms = 0;
    start(times);
    ring_.time_ms += 999;
    turn();
    EXPECT_EQ(loop_->counters().timers_due, 0U);
    ring_.time_ms += 201;
    turn(4);  // first the loop takes what came while it was away
    EXPECT_EQ(loop_->counters().timers_due, 1U);
    EXPECT_EQ(loop_->counters().timer_lag_ms, 200U);
}

TEST_F(LoopTest, ExchangesAreMeasuredUntilTheirAnswersAreHandedOver) {
    start({});
    const http::DurationCounts& durations = service_->exchanges().durations;
    ring_.receive("GET /work HTTP/1.1\r\nHost: a\r\n\r\nGET /work HTTP/1.1\r\nHost: a\r\n\r\n");
    turn();
    EXPECT_EQ(durations.sum_us, 0U) << "the turn has not ended";
    turn();
    EXPECT_EQ(durations.sum_us, 2 * 6'000U);
    ring_.receive("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    turn();
    ring_.time_ms += 40;
    turn();
    ASSERT_EQ(awaited_.size(), 1U);
    awaited_.front().send(http::Status::ok, "text/plain", "late");
    turn(2);
    EXPECT_EQ(durations.sum_us, 2 * 6'000U + 40'000U);
    EXPECT_EQ(service_->exchanges().answers[0][1], 3U);
}

TEST_F(LoopTest, TheClockIsReadTwiceATurnAtMost) {
    start({});
    ring_.receive("GET /work HTTP/1.1\r\nHost: a\r\n\r\nGET /work HTTP/1.1\r\nHost: a\r\n\r\n");
    ring_.clock_readings = 0;
    turn(3);
    EXPECT_LE(ring_.clock_readings, 6U);
}

TEST_F(LoopTest, ASurveyGoesThroughAllConnections) {
    start({});
    ring_.time_ms += 100;
    for (const int descriptor : {5, 6}) {
        ring_.completions.push_back(
            {pack({Operation::accept, 0, 0}), descriptor, IORING_CQE_F_MORE});
        turn(2);
        // Of the connection that was accepted last.
        ring_.receive(descriptor == 5 ? "GET /work HTTP/1.1\r\nHost: a\r\n\r\n" : "GET / HT");
        turn(4);
    }
    ring_.time_ms += 50;
    turn();
    http::WorkerSurvey survey;
    http::survey_connections(*loop_, 3, 2, survey);
    EXPECT_EQ(survey.phases[static_cast<std::size_t>(Phase::opening)], 1U);
    EXPECT_EQ(survey.phases[static_cast<std::size_t>(Phase::idle)], 1U);
    EXPECT_EQ(survey.phases[static_cast<std::size_t>(Phase::head)], 1U);
    ASSERT_EQ(survey.oldest.size(), 2U);
    EXPECT_EQ(survey.oldest[0].phase, Phase::opening);
    EXPECT_EQ(survey.oldest[0].age_ms, 153U);
    EXPECT_EQ(survey.oldest[0].worker, 3U);
    EXPECT_EQ(survey.oldest[1].phase, Phase::idle);
    EXPECT_EQ(survey.oldest[1].age_ms, 53U);
    EXPECT_EQ(survey.oldest[1].requests, 1U);
    ASSERT_EQ(survey.slowest.size(), 2U) << "who is idle owes nothing";
    EXPECT_EQ(survey.slowest[0].phase, Phase::opening);
    EXPECT_EQ(survey.slowest[1].phase, Phase::head);
    EXPECT_EQ(survey.slowest[1].phase_ms, 50U);
    http::WorkerSurvey short_survey;
    http::survey_connections(*loop_, 3, 0, short_survey);
    EXPECT_EQ(short_survey.phases, survey.phases);
    EXPECT_TRUE(short_survey.oldest.empty());
}

TEST_F(LoopTest, AnAcceptThatFindsNoRoomIsTriedAgainAtOnce) {
    start({}, 64);
    ASSERT_EQ(ring_.accepts, 1U);
    ring_.completions.push_back({pack({Operation::accept, 0, 0}), -ECONNABORTED, 0});
    turn();
    ring_.room = 4;
    turn();
    EXPECT_EQ(ring_.accepts, 1U);
    EXPECT_EQ(ring_.waited_ms, 0U) << "nothing else would wake it";
    ring_.room = 64;
    turn(2);
    EXPECT_EQ(ring_.accepts, 2U);
    EXPECT_NE(ring_.waited_ms, 0U);
}

}  // namespace
}  // namespace enduring::core
