// The connection state machine, step by step: an event goes in, and the exact actions, the phase,
// the reason and the deadlines that come out are compared. The walk over all reachable states is in
// tests/model; here is what each of them should be.
#include "core/lifecycle.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <ostream>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include "core/check.hpp"

namespace enduring::core {

// How a failed comparison shows what was asked for.
static void PrintTo(const Actions& actions, std::ostream* out) {
    constexpr std::array names{
        "time_out",    "shutdown_write", "arm_receive", "send",    "cancel_receive",
        "cancel_send", "reset_on_close", "close",       "release", "age"};
    *out << "{";
    for (std::size_t bit = 0; bit < names.size(); ++bit) {
        if ((actions.bits >> bit & 1) != 0) {
            *out << " " << names[bit];
        }
    }
    *out << " }";
}
static void PrintTo(Phase phase, std::ostream* out) { *out << name_of(phase); }
static void PrintTo(Reason reason, std::ostream* out) { *out << name_of(reason); }

namespace {

constexpr std::uint64_t never = Lifecycle::never;
constexpr Actions none{};

template <class... Bits>
constexpr Actions does(Bits... bits) {
    Actions actions;
    (actions.add(bits), ...);
    return actions;
}

constexpr std::array open_phases{Phase::opening, Phase::idle,     Phase::head,
                                 Phase::content, Phase::handling, Phase::stalled};
constexpr std::array all_needs{Need::request, Need::head, Need::content,
                               Need::answer,  Need::room, Need::nothing};

constexpr Phase phase_of(Need need) {
    constexpr std::array phases{Phase::idle,     Phase::head,    Phase::content,
                                Phase::handling, Phase::stalled, Phase::flushing};
    return phases[static_cast<std::size_t>(need)];
}

/// One connection, and the time at which its next event comes.
class Connection {
  public:
    /// Limits that no two of them share, so that no deadline can be mistaken for another.
    TimeLimits limits{.keepalive_timeout_ms = 75'000,
                      .header_timeout_ms = 10'000,
                      .body_timeout_ms = 30'000,
                      .handler_timeout_ms = 20'000,
                      .write_timeout_ms = 60'000,
                      .linger_timeout_ms = 2'000,
                      .linger_max_ms = 5'000,
                      .connection_max_age_ms = 0,
                      .body_bytes_per_s_min = 0,
                      .write_bytes_per_s_min = 0,
                      .last_call_ms = 1'500};
    std::uint64_t now_ms = 1'000'000;
    Lifecycle machine;

    Actions step(const Event& event) { return machine.step(event, now_ms, limits); }
    Actions step_after(std::uint64_t wait_ms, const Event& event) {
        now_ms += wait_ms;
        return step(event);
    }
    Actions accept() { return step(events::accepted()); }

    /// The session ran and says what it waits for.
    Actions need(Need need, bool output_waiting = false) {
        return step(events::progressed(
            {.need = need, .reason = need == Need::nothing ? Reason::client_close : Reason::none},
            output_waiting));
    }
    Actions hold(Need need, bool hold_input = true, bool output_waiting = false) {
        return step(events::progressed({.need = need, .hold_input = hold_input}, output_waiting));
    }
    Actions next_message(Need need, bool output_waiting = false) {
        return step(events::progressed({.need = need, .new_message = true}, output_waiting));
    }
    Actions end(Reason reason, bool output_waiting = false) {
        return step(events::progressed({.need = Need::nothing, .reason = reason}, output_waiting));
    }
    /// Time passes until the earliest deadline.
    Actions time_out() {
        now_ms = machine.deadline_ms();
        return step(events::time_passed());
    }

    [[nodiscard]] Phase phase() const { return machine.phase(); }
    [[nodiscard]] Reason reason() const { return machine.reason(); }
    /// How long from now until the deadline.
    [[nodiscard]] std::uint64_t read_time_ms() const { return time_ms(machine.read_deadline_ms()); }
    [[nodiscard]] std::uint64_t write_time_ms() const {
        return time_ms(machine.write_deadline_ms());
    }

    /// Leads an accepted connection into an open phase; stalled comes with output in the kernel.
    void reach(Phase phase) {
        accept();
        if (phase == Phase::stalled) {
            need(Need::room, true);
        } else if (phase != Phase::opening) {
            for (const Need candidate : all_needs) {
                if (phase_of(candidate) == phase) {
                    next_message(candidate);
                }
            }
        }
        ASSERT_EQ(machine.phase(), phase);
    }
    void reach_flushing() {
        accept();
        need(Need::nothing, true);
        ASSERT_EQ(phase(), Phase::flushing);
    }
    void reach_lingering() {
        reach_flushing();
        step(events::sent(false));
        ASSERT_EQ(phase(), Phase::lingering);
    }

  private:
    [[nodiscard]] std::uint64_t time_ms(std::uint64_t deadline_ms) const {
        return deadline_ms == never ? never : deadline_ms - now_ms;
    }
};

class LifecycleTest : public testing::Test, protected Connection {};

// ---- the table ---------------------------------------------------------------------------------

TEST(LifecycleTable, NeedsNameThePhaseOfAnOpenConnection) {
    for (const Phase from : open_phases) {
        for (const Need need : all_needs) {
            EXPECT_EQ(next_phase(from, static_cast<Trigger>(need)), phase_of(need))
                << name_of(from);
        }
    }
}

TEST(LifecycleTable, RowsOfTheEnd) {
    EXPECT_EQ(next_phase(Phase::flushing, Trigger::flushed), Phase::lingering);
    EXPECT_EQ(next_phase(Phase::flushing, Trigger::broken), Phase::joining);
    EXPECT_EQ(next_phase(Phase::lingering, Trigger::quiet), Phase::joining);
    EXPECT_EQ(next_phase(Phase::lingering, Trigger::broken), Phase::joining);
    EXPECT_EQ(next_phase(Phase::joining, Trigger::broken), Phase::joining);
    EXPECT_EQ(next_phase(Phase::joining, Trigger::joined), Phase::closing);
    EXPECT_EQ(next_phase(Phase::closing, Trigger::broken), Phase::closing);
    EXPECT_EQ(next_phase(Phase::closing, Trigger::closed), Phase::released);
}

TEST(LifecycleTable, OnlyTheIdleAreRetired) {
    for (std::size_t i = 0; i < phase_count; ++i) {
        const auto phase = static_cast<Phase>(i);
        if (phase == Phase::released) {
            EXPECT_FALSE(has_transition(phase, Trigger::retired));
        } else {
            EXPECT_EQ(next_phase(phase, Trigger::retired),
                      phase == Phase::idle ? Phase::flushing : phase);
        }
    }
}

TEST(LifecycleTable, EveryOpenPhaseCanBreak) {
    for (const Phase phase : open_phases) {
        EXPECT_EQ(next_phase(phase, Trigger::broken), Phase::joining);
    }
}

TEST(LifecycleTable, NothingLeadsOutOfReleasedAndNothingBackToAnOpenPhase) {
    for (std::size_t trigger = 0; trigger < trigger_count; ++trigger) {
        EXPECT_FALSE(has_transition(Phase::released, static_cast<Trigger>(trigger)));
        for (const Phase from :
             {Phase::flushing, Phase::lingering, Phase::joining, Phase::closing}) {
            if (has_transition(from, static_cast<Trigger>(trigger))) {
                EXPECT_GE(next_phase(from, static_cast<Trigger>(trigger)), from);
            }
        }
    }
}

TEST(LifecycleTableDeathTest, ATransitionThatTheTableDoesNotHaveIsABug) {
    EXPECT_FALSE(has_transition(Phase::released, Trigger::closed));
    EXPECT_DEATH(static_cast<void>(next_phase(Phase::released, Trigger::closed)),
                 "no such transition");
    EXPECT_DEATH(static_cast<void>(next_phase(Phase::idle, Trigger::joined)), "no such transition");
}

TEST(LifecycleTable, NamesAreDistinct) {
    std::set<std::string_view> names;
    for (std::size_t i = 0; i < reason_count; ++i) {
        names.insert(name_of(static_cast<Reason>(i)));
    }
    EXPECT_EQ(names.size(), reason_count);
    names.clear();
    for (std::size_t i = 0; i < phase_count; ++i) {
        names.insert(name_of(static_cast<Phase>(i)));
    }
    EXPECT_EQ(names.size(), phase_count);
    names.clear();
    for (std::size_t i = 0; i < trigger_count; ++i) {
        names.insert(name_of(static_cast<Trigger>(i)));
    }
    EXPECT_EQ(names.size(), trigger_count);
    EXPECT_EQ(name_of(Reason::keepalive_timeout), "keepalive_timeout");
    EXPECT_EQ(name_of(Reason::aborted), "aborted");
    EXPECT_EQ(name_of(Phase::released), "released");
    EXPECT_EQ(name_of(Trigger::closed), "closed");
}

// ---- a whole life ------------------------------------------------------------------------------

TEST_F(LifecycleTest, AcceptedArmsTheReceiveAndTimesTheFirstHead) {
    EXPECT_EQ(accept(), does(Actions::arm_receive));
    EXPECT_EQ(phase(), Phase::opening);
    EXPECT_TRUE(machine.receiving());
    EXPECT_FALSE(machine.sending());
    EXPECT_EQ(read_time_ms(), limits.header_timeout_ms);
    EXPECT_EQ(write_time_ms(), never);
    EXPECT_EQ(reason(), Reason::none);
}

TEST_F(LifecycleTest, ARequestAnsweredAtOnceLeadsToIdle) {
    accept();
    EXPECT_EQ(next_message(Need::request, true), does(Actions::send));
    EXPECT_EQ(phase(), Phase::idle);
    EXPECT_TRUE(machine.sending());
    EXPECT_EQ(read_time_ms(), never);
    EXPECT_EQ(write_time_ms(), limits.write_timeout_ms);
    EXPECT_EQ(step_after(700, events::sent(false)), none);
    EXPECT_FALSE(machine.sending());
    EXPECT_EQ(read_time_ms(), limits.keepalive_timeout_ms);
    EXPECT_EQ(write_time_ms(), never);
}

TEST_F(LifecycleTest, AGracefulEndTakesEveryStepOnce) {
    accept();
    EXPECT_EQ(need(Need::nothing, true), does(Actions::send));
    EXPECT_EQ(phase(), Phase::flushing);
    EXPECT_EQ(read_time_ms(), never);
    EXPECT_EQ(step(events::sent(false)), does(Actions::shutdown_write));
    EXPECT_EQ(phase(), Phase::lingering);
    EXPECT_EQ(step(events::peer_finished()), does(Actions::close));
    EXPECT_EQ(phase(), Phase::closing);
    EXPECT_EQ(step(events::closed()), does(Actions::release));
    EXPECT_EQ(phase(), Phase::released);
    EXPECT_EQ(reason(), Reason::client_close);
    EXPECT_EQ(machine.deadline_ms(), never);
}

TEST_F(LifecycleTest, APeerThatStaysSilentAfterTheEndIsClosedAfterLingering) {
    reach_lingering();
    EXPECT_EQ(read_time_ms(), limits.linger_timeout_ms);
    EXPECT_EQ(time_out(), does(Actions::cancel_receive));
    EXPECT_EQ(phase(), Phase::joining);
    EXPECT_EQ(machine.cancels(), 1U);
    EXPECT_EQ(step(events::receive_ended()), none);
    EXPECT_EQ(step(events::cancel_ended()), does(Actions::close));
    EXPECT_EQ(step(events::closed()), does(Actions::release));
    EXPECT_EQ(reason(), Reason::client_close);
}

TEST_F(LifecycleTest, AnEndWithoutOutputIsShutAtOnce) {
    accept();
    EXPECT_EQ(end(Reason::server_close), does(Actions::shutdown_write));
    EXPECT_EQ(phase(), Phase::lingering);
    EXPECT_EQ(reason(), Reason::server_close);
}

TEST_F(LifecycleTest, TheSessionsReasonIsKept) {
    for (const Reason given :
         {Reason::peer, Reason::peer_truncated, Reason::client_close, Reason::server_close,
          Reason::keepalive_requests, Reason::protocol_error, Reason::drain}) {
        Connection connection;
        connection.reach_flushing();
        EXPECT_EQ(connection.reason(), Reason::client_close);
        Connection other;
        other.accept();
        other.end(given, true);
        EXPECT_EQ(other.reason(), given);
        other.step(events::abort());
        EXPECT_EQ(other.reason(), given) << "the first reason is the one";
    }
}

TEST_F(LifecycleTest, AReasonIsOnlyTakenWithTheEnd) {
    accept();
    step(events::progressed({.need = Need::head, .reason = Reason::protocol_error}, false));
    EXPECT_EQ(reason(), Reason::none);
}

// ---- needs -------------------------------------------------------------------------------------

TEST_F(LifecycleTest, EveryNeedFromEveryOpenPhase) {
    for (const Phase from : open_phases) {
        for (const Need given : all_needs) {
            Connection connection;
            connection.reach(from);
            const bool sends = !connection.machine.sending();
            const Actions actions = connection.need(given, true);
            EXPECT_EQ(connection.phase(), phase_of(given)) << name_of(from);
            EXPECT_EQ(actions, sends ? does(Actions::send) : none) << name_of(from);
        }
    }
}

TEST_F(LifecycleTest, EachPhaseHasItsTime) {
    const std::array<std::uint64_t, 6> times{limits.keepalive_timeout_ms,
                                             limits.header_timeout_ms,
                                             limits.body_timeout_ms,
                                             limits.handler_timeout_ms,
                                             never,
                                             never};
    for (const Phase from : {Phase::idle, Phase::handling, Phase::stalled}) {
        for (const Need given : all_needs) {
            if (phase_of(given) == from) {
                continue;
            }
            Connection connection;
            connection.reach(from);
            connection.now_ms += 500;
            connection.need(given, true);
            if (given == Need::request) {
                // Idle time begins when the answer has gone.
                EXPECT_EQ(connection.read_time_ms(), never);
                connection.step_after(300, events::sent(false));
            }
            EXPECT_EQ(connection.read_time_ms(), times[static_cast<std::size_t>(given)])
                << name_of(from) << " to " << name_of(phase_of(given));
        }
    }
}

TEST_F(LifecycleTest, ALimitOfZeroIsNoLimit) {
    limits = {.keepalive_timeout_ms = 0,
              .header_timeout_ms = 0,
              .body_timeout_ms = 0,
              .handler_timeout_ms = 0,
              .write_timeout_ms = 0,
              .connection_max_age_ms = 0,
              .body_bytes_per_s_min = 0,
              .write_bytes_per_s_min = 0};
    accept();
    EXPECT_EQ(machine.deadline_ms(), never);
    for (const Need given : {Need::head, Need::content, Need::answer, Need::room, Need::request}) {
        need(given, true);
        EXPECT_EQ(machine.deadline_ms(), never);
    }
    EXPECT_EQ(step_after(1ULL << 40, events::time_passed()), none);
    EXPECT_EQ(phase(), Phase::idle);
}

// ---- time: the head ----------------------------------------------------------------------------

TEST_F(LifecycleTest, TheFirstHeadIsTimedFromTheAccept) {
    accept();
    now_ms += 4'000;
    need(Need::head);
    EXPECT_EQ(read_time_ms(), limits.header_timeout_ms - 4'000);
}

TEST_F(LifecycleTest, ALaterHeadIsTimedFromItsFirstByte) {
    reach(Phase::idle);
    now_ms += 4'000;
    need(Need::head);
    EXPECT_EQ(read_time_ms(), limits.header_timeout_ms);
}

TEST_F(LifecycleTest, ASecondHeadInTheFirstBytesIsNotTheFirstHead) {
    accept();
    now_ms += 4'000;
    next_message(Need::head, true);
    EXPECT_EQ(read_time_ms(), limits.header_timeout_ms);
}

TEST_F(LifecycleTest, TricklingDoesNotExtendAHead) {
    reach(Phase::head);
    const std::uint64_t deadline_ms = machine.read_deadline_ms();
    for (int i = 0; i < 9; ++i) {
        now_ms += 1'000;
        EXPECT_EQ(need(Need::head), none);
        EXPECT_EQ(machine.read_deadline_ms(), deadline_ms);
    }
}

TEST_F(LifecycleTest, TheNextHeadHasItsOwnTime) {
    reach(Phase::head);
    now_ms += 1'000;
    next_message(Need::head, true);
    EXPECT_EQ(read_time_ms(), limits.header_timeout_ms);
}

TEST_F(LifecycleTest, EmptyLinesInPiecesBeginNothingAnew) {
    reach(Phase::idle);
    now_ms += 70'000;
    need(Need::head);  // a CR
    const std::uint64_t deadline_ms = machine.read_deadline_ms();
    EXPECT_EQ(deadline_ms, now_ms + limits.header_timeout_ms);
    for (int i = 0; i < 20; ++i) {
        now_ms += 400;
        need(Need::request);  // its LF
        EXPECT_EQ(machine.read_deadline_ms(), deadline_ms);
        need(Need::head);  // the next CR, or what is more
        EXPECT_EQ(machine.read_deadline_ms(), deadline_ms);
    }
    next_message(Need::request, true);
    step(events::sent(false));
    EXPECT_EQ(read_time_ms(), limits.keepalive_timeout_ms);
    need(Need::head);
    EXPECT_EQ(read_time_ms(), limits.header_timeout_ms) << "a message has come between";
}

TEST_F(LifecycleTest, EmptyLinesAtTheBeginningDoNotEndTheTimeOfTheFirstHead) {
    accept();
    now_ms += 4'000;
    need(Need::request);
    EXPECT_EQ(phase(), Phase::idle);
    EXPECT_EQ(read_time_ms(), limits.header_timeout_ms - 4'000);
    need(Need::head);
    EXPECT_EQ(read_time_ms(), limits.header_timeout_ms - 4'000);
    EXPECT_EQ(time_out(), does(Actions::time_out));
}

// ---- time: content, handler, idle --------------------------------------------------------------

TEST_F(LifecycleTest, EachPieceOfContentBeginsItsTimeAnew) {
    reach(Phase::content);
    now_ms += 29'000;
    step(events::progressed({.need = Need::content}, false, 1));
    EXPECT_EQ(read_time_ms(), limits.body_timeout_ms);
    now_ms += 29'000;
    need(Need::content);
    EXPECT_EQ(read_time_ms(), limits.body_timeout_ms - 29'000)
        << "a session that goes on without new bytes gives the peer no time";
}

TEST_F(LifecycleTest, EachPieceBeginsTheHandlersTimeAnew) {
    reach(Phase::handling);
    now_ms += 15'000;
    step(events::progressed({.need = Need::answer}, false));
    EXPECT_EQ(read_time_ms(), limits.handler_timeout_ms - 15'000);
    step(events::progressed({.need = Need::answer, .moved = true}, false));
    EXPECT_EQ(read_time_ms(), limits.handler_timeout_ms);
}

TEST_F(LifecycleTest, WhatArrivesWhileAHandlerWorksDoesNotExtendItsTime) {
    reach(Phase::handling);
    now_ms += 1'000;
    need(Need::answer);
    EXPECT_EQ(read_time_ms(), limits.handler_timeout_ms - 1'000);
    next_message(Need::answer, true);
    EXPECT_EQ(read_time_ms(), limits.handler_timeout_ms);
}

TEST_F(LifecycleTest, IdleTimeBeginsWithTheLastAnswerOnly) {
    reach(Phase::idle);
    now_ms += 1'000;
    need(Need::request);
    EXPECT_EQ(read_time_ms(), limits.keepalive_timeout_ms - 1'000);
    next_message(Need::request, true);
    EXPECT_EQ(read_time_ms(), never);
    step_after(200, events::sent(true));
    EXPECT_EQ(read_time_ms(), never);
    step_after(200, events::sent(false));
    EXPECT_EQ(read_time_ms(), limits.keepalive_timeout_ms);
}

TEST_F(LifecycleTest, IdleTimeDoesNotRunWhileAHandlerWorks) {
    limits.handler_timeout_ms = 0;
    reach(Phase::handling);
    EXPECT_EQ(machine.deadline_ms(), never);
    EXPECT_EQ(step_after(10 * limits.keepalive_timeout_ms, events::time_passed()), none);
    EXPECT_EQ(phase(), Phase::handling);
}

// ---- time-outs ---------------------------------------------------------------------------------

TEST_F(LifecycleTest, BeforeTheDeadlineNothingHappens) {
    for (const Phase phase : open_phases) {
        Connection connection;
        connection.reach(phase);
        const std::uint64_t deadline_ms = connection.machine.deadline_ms();
        connection.now_ms = deadline_ms - 1;
        EXPECT_EQ(connection.step(events::time_passed()), none) << name_of(phase);
        EXPECT_EQ(connection.phase(), phase);
        EXPECT_EQ(connection.machine.deadline_ms(), deadline_ms);
        EXPECT_EQ(connection.reason(), Reason::none);
    }
}

TEST_F(LifecycleTest, AnIdleConnectionIsClosedInSilence) {
    reach(Phase::idle);
    EXPECT_EQ(time_out(), does(Actions::shutdown_write));
    EXPECT_EQ(phase(), Phase::lingering);
    EXPECT_EQ(reason(), Reason::keepalive_timeout);
}

TEST_F(LifecycleTest, AConnectionThatNeverSpokeIsClosedInSilence) {
    reach(Phase::opening);
    EXPECT_EQ(time_out(), does(Actions::shutdown_write));
    EXPECT_EQ(phase(), Phase::lingering);
    EXPECT_EQ(reason(), Reason::header_timeout);
}

TEST_F(LifecycleTest, AnAnswerThatIsStillBeingSentIsNoIdleTime) {
    limits.keepalive_timeout_ms = 1'000;
    accept();
    next_message(Need::request, true);
    EXPECT_EQ(step_after(1'500, events::time_passed()), none);
    EXPECT_EQ(phase(), Phase::idle);
    EXPECT_EQ(step(events::sent(true)), does(Actions::send));
    EXPECT_EQ(step(events::sent(false)), none);
    EXPECT_EQ(read_time_ms(), 1'000U);
    EXPECT_EQ(time_out(), does(Actions::shutdown_write));
    EXPECT_EQ(reason(), Reason::keepalive_timeout);
}

TEST_F(LifecycleTest, TheSessionIsToldWhenAnExchangeTakesTooLong) {
    const std::array<std::pair<Phase, Reason>, 3> rows{
        {{Phase::head, Reason::header_timeout},
         {Phase::content, Reason::body_timeout},
         {Phase::handling, Reason::handler_timeout}}};
    for (const auto& [phase, reason] : rows) {
        Connection connection;
        connection.reach(phase);
        EXPECT_EQ(connection.time_out(), does(Actions::time_out));
        EXPECT_EQ(connection.phase(), phase);
        EXPECT_EQ(connection.reason(), reason);
        // The answer, a 408 or 503, does not change why.
        EXPECT_EQ(connection.end(Reason::protocol_error, true), does(Actions::send));
        EXPECT_EQ(connection.phase(), Phase::flushing);
        EXPECT_EQ(connection.reason(), reason);
    }
}

TEST_F(LifecycleTest, ASessionMayHaveNothingToSayAboutATimeOut) {
    reach(Phase::head);
    time_out();
    EXPECT_EQ(end(Reason::header_timeout), does(Actions::shutdown_write));
    EXPECT_EQ(phase(), Phase::lingering);
}

TEST(LifecycleDeathTest, ASessionWhoseTimeIsOverMustEnd) {
    Connection connection;
    connection.reach(Phase::head);
    connection.time_out();
    EXPECT_DEATH(connection.need(Need::head), "its time is over and went on");
}

// ---- output ------------------------------------------------------------------------------------

TEST_F(LifecycleTest, OneSendAtATime) {
    accept();
    EXPECT_EQ(need(Need::answer, true), does(Actions::send));
    EXPECT_EQ(need(Need::answer, true), none);
    EXPECT_EQ(step(events::sent(true)), does(Actions::send));
    EXPECT_EQ(step(events::sent(false)), none);
    EXPECT_EQ(next_message(Need::request, true), does(Actions::send));
}

TEST_F(LifecycleTest, AnOperationWithoutProgressIsFollowedByTheNextAndKeepsItsDeadline) {
    accept();
    need(Need::answer, true);
    now_ms += 1'000;
    EXPECT_EQ(step(events::send_ended()), does(Actions::send));
    EXPECT_EQ(write_time_ms(), limits.write_timeout_ms - 1'000);
}

TEST_F(LifecycleTest, EachPieceThatThePeerTakesBeginsTheWriteTimeAnew) {
    accept();
    need(Need::answer, true);
    now_ms += 59'000;
    EXPECT_EQ(step(events::sent(true)), does(Actions::send));
    EXPECT_EQ(write_time_ms(), limits.write_timeout_ms);
}

TEST_F(LifecycleTest, MoreOutputDoesNotExtendTheWriteTime) {
    accept();
    need(Need::answer, true);
    now_ms += 1'000;
    need(Need::answer, true);
    EXPECT_EQ(write_time_ms(), limits.write_timeout_ms - 1'000);
}

TEST_F(LifecycleTest, OutputIsStillSentAfterAReportWithoutNewOutput) {
    accept();
    need(Need::answer, true);
    EXPECT_EQ(need(Need::answer, false), none);
    EXPECT_TRUE(machine.output_waiting());
    EXPECT_EQ(write_time_ms(), limits.write_timeout_ms);
}

TEST_F(LifecycleTest, APeerThatTakesNothingIsReset) {
    for (const Phase phase : open_phases) {
        Connection connection;
        connection.limits.write_timeout_ms = 5;
        connection.reach(phase);
        if (!connection.machine.sending()) {
            connection.need(Need::answer, true);
        }
        EXPECT_EQ(connection.time_out(), does(Actions::cancel_receive, Actions::cancel_send));
        EXPECT_EQ(connection.phase(), Phase::joining);
        EXPECT_EQ(connection.reason(), Reason::write_timeout);
        EXPECT_EQ(connection.machine.deadline_ms(), never);
        EXPECT_EQ(connection.step(events::send_ended()), none);
        EXPECT_EQ(connection.step(events::cancel_ended()), none);
        EXPECT_EQ(connection.step(events::receive_ended()), none);
        EXPECT_EQ(connection.step(events::cancel_ended()),
                  does(Actions::reset_on_close, Actions::close));
    }
}

TEST_F(LifecycleTest, TheWriteTimeAlsoEndsFlushing) {
    reach_flushing();
    EXPECT_EQ(machine.deadline_ms(), now_ms + limits.write_timeout_ms);
    EXPECT_EQ(time_out(), does(Actions::cancel_receive, Actions::cancel_send));
    EXPECT_EQ(reason(), Reason::client_close) << "the end was decided before";
}

TEST_F(LifecycleTest, WhenBothTimesAreOverTheWriteTimeCounts) {
    limits.write_timeout_ms = limits.keepalive_timeout_ms;
    accept();
    next_message(Need::request, true);
    EXPECT_EQ(time_out(), does(Actions::cancel_receive, Actions::cancel_send));
    EXPECT_EQ(reason(), Reason::write_timeout);
}

TEST_F(LifecycleTest, StalledHasTheWriteTimeOnly) {
    reach(Phase::stalled);
    EXPECT_EQ(read_time_ms(), never);
    EXPECT_EQ(machine.deadline_ms(), now_ms + limits.write_timeout_ms);
    EXPECT_EQ(step(events::sent(true)), does(Actions::send));
    EXPECT_EQ(need(Need::room, true), none);
    EXPECT_EQ(phase(), Phase::stalled);
}

TEST(LifecycleDeathTest, WaitingForRoomInAnEmptyOutputWouldLastForEver) {
    Connection connection;
    connection.accept();
    EXPECT_DEATH(connection.need(Need::room), "waits for room in an output that is empty");
    connection.need(Need::room, true);
    connection.step(events::sent(false));
    EXPECT_DEATH(connection.need(Need::room), "waits for room in an output that is empty");
}

// ---- input -------------------------------------------------------------------------------------

TEST_F(LifecycleTest, AReceiveThatEndedByItselfIsArmedAgain) {
    for (const Phase phase : open_phases) {
        Connection connection;
        connection.reach(phase);
        EXPECT_EQ(connection.step(events::receive_ended()), does(Actions::arm_receive));
    }
    reach_flushing();
    EXPECT_EQ(step(events::receive_ended()), does(Actions::arm_receive));
    step(events::sent(false));
    EXPECT_EQ(step(events::receive_ended()), does(Actions::arm_receive));
}

TEST_F(LifecycleTest, AStarvedReceiveWaitsForBuffers) {
    reach(Phase::idle);
    EXPECT_EQ(step(events::receive_starved()), none);
    EXPECT_TRUE(machine.starved());
    EXPECT_FALSE(machine.receiving());
    EXPECT_EQ(need(Need::request), none);
    EXPECT_EQ(step(events::buffers_returned()), does(Actions::arm_receive));
    EXPECT_FALSE(machine.starved());
    EXPECT_EQ(step(events::buffers_returned()), none);
}

TEST_F(LifecycleTest, AStarvedConnectionStillHasItsTime) {
    reach(Phase::idle);
    step(events::receive_starved());
    EXPECT_EQ(time_out(), does(Actions::shutdown_write));
    EXPECT_EQ(time_out(), does(Actions::close));
    EXPECT_EQ(step(events::buffers_returned()), none);
    EXPECT_EQ(step(events::closed()), does(Actions::release));
}

TEST_F(LifecycleTest, HeldInputCancelsTheReceiveOnceAndArmsItWhenLetGo) {
    accept();
    EXPECT_EQ(hold(Need::answer), does(Actions::cancel_receive));
    EXPECT_EQ(hold(Need::answer), none);
    EXPECT_EQ(step(events::cancel_ended()), none);
    EXPECT_EQ(step(events::receive_ended()), none);
    EXPECT_FALSE(machine.receiving());
    EXPECT_EQ(hold(Need::answer), none);
    EXPECT_EQ(hold(Need::answer, false), does(Actions::arm_receive));
}

TEST_F(LifecycleTest, InputLetGoBeforeTheCancelledReceiveEndedIsArmedAtItsEnd) {
    accept();
    hold(Need::answer);
    EXPECT_EQ(hold(Need::request, false), none);
    EXPECT_EQ(step(events::receive_ended()), does(Actions::arm_receive));
    EXPECT_EQ(step(events::cancel_ended()), none);
    EXPECT_EQ(hold(Need::answer), does(Actions::cancel_receive))
        << "the new receive is another one";
}

TEST_F(LifecycleTest, ASecondCancellationMayBeginBeforeTheFirstWasAnswered) {
    accept();
    hold(Need::answer);
    hold(Need::answer, false);
    step(events::receive_ended());
    hold(Need::answer);
    EXPECT_EQ(machine.cancels(), 2U);
    step(events::abort());
    step(events::cancel_ended());
    EXPECT_EQ(step(events::receive_ended()), none);
    EXPECT_EQ(step(events::cancel_ended()), does(Actions::reset_on_close, Actions::close));
}

TEST_F(LifecycleTest, HeldAndStarvedNeedBothToEnd) {
    accept();
    hold(Need::answer);
    EXPECT_EQ(step(events::receive_starved()), none);
    EXPECT_EQ(hold(Need::answer, false), none);
    EXPECT_EQ(step(events::buffers_returned()), does(Actions::arm_receive));
}

TEST_F(LifecycleTest, HeldInputIsDiscardedWhenTheEndBegins) {
    accept();
    hold(Need::answer);
    step(events::receive_ended());
    step(events::cancel_ended());
    EXPECT_EQ(
        step(events::progressed(
            {.need = Need::nothing, .hold_input = true, .reason = Reason::client_close}, true)),
        does(Actions::send, Actions::arm_receive));
}

TEST_F(LifecycleTest, TheEndOfInputIsNotReadTwice) {
    reach(Phase::handling);
    EXPECT_EQ(step(events::peer_finished()), none);
    EXPECT_TRUE(machine.peer_finished());
    EXPECT_FALSE(machine.receiving());
    EXPECT_EQ(phase(), Phase::handling) << "the session decides what it means";
    EXPECT_EQ(need(Need::answer), none);
    EXPECT_EQ(need(Need::answer, true), does(Actions::send));
}

TEST_F(LifecycleTest, AHalfClosedPeerGetsItsWholeAnswerAndNeedsNoLingering) {
    reach(Phase::handling);
    step(events::peer_finished());
    need(Need::answer);
    EXPECT_EQ(need(Need::nothing, true), does(Actions::send));
    EXPECT_EQ(step(events::sent(true)), does(Actions::send));
    EXPECT_EQ(step(events::sent(false)), does(Actions::close));
    EXPECT_EQ(phase(), Phase::closing);
}

TEST_F(LifecycleTest, APeerThatFinishesWhileIdleIsClosedAtOnce) {
    reach(Phase::idle);
    step(events::peer_finished());
    EXPECT_EQ(end(Reason::peer), does(Actions::close));
    EXPECT_EQ(reason(), Reason::peer);
}

TEST_F(LifecycleTest, APeerThatFinishesWhileFlushingStillGetsTheRest) {
    reach_flushing();
    EXPECT_EQ(step(events::peer_finished()), none);
    EXPECT_EQ(phase(), Phase::flushing);
    EXPECT_EQ(step(events::sent(false)), does(Actions::close));
}

// ---- lingering ---------------------------------------------------------------------------------

TEST_F(LifecycleTest, WhatComesWhileLingeringIsDiscardedWithinBounds) {
    reach_lingering();
    const std::uint64_t end_ms = now_ms + limits.linger_max_ms;
    EXPECT_EQ(step_after(1'500, events::discarded()), none);
    EXPECT_EQ(read_time_ms(), limits.linger_timeout_ms);
    EXPECT_EQ(step_after(1'900, events::discarded()), none);
    EXPECT_EQ(machine.read_deadline_ms(), end_ms) << "never longer than the maximum in all";
    EXPECT_EQ(step_after(1'500, events::discarded()), none);
    EXPECT_EQ(machine.read_deadline_ms(), end_ms);
    EXPECT_EQ(time_out(), does(Actions::cancel_receive));
    EXPECT_EQ(now_ms, end_ms);
}

TEST_F(LifecycleTest, WhatComesWhileFlushingMovesNoDeadline) {
    reach_flushing();
    const std::uint64_t deadline_ms = machine.deadline_ms();
    EXPECT_EQ(step_after(100, events::discarded()), none);
    EXPECT_EQ(machine.deadline_ms(), deadline_ms);
    EXPECT_EQ(read_time_ms(), never);
}

TEST_F(LifecycleTest, TheLingerMaximumAlsoBoundsTheFirstGap) {
    limits.linger_max_ms = 500;
    reach_lingering();
    EXPECT_EQ(read_time_ms(), 500U);
}

TEST_F(LifecycleTest, LingeringForZeroTimeEndsWithTheNextTime) {
    limits.linger_timeout_ms = 0;
    reach_lingering();
    EXPECT_EQ(read_time_ms(), 0U);
    EXPECT_EQ(step(events::time_passed()), does(Actions::cancel_receive));
}

TEST_F(LifecycleTest, AStarvedLingeringConnectionArmsWhenBuffersReturn) {
    reach_lingering();
    EXPECT_EQ(step(events::receive_starved()), none);
    EXPECT_EQ(step(events::buffers_returned()), does(Actions::arm_receive));
}

// ---- breaking ----------------------------------------------------------------------------------

TEST_F(LifecycleTest, AResetByThePeerIsJoinedAndClosed) {
    for (const Phase phase : open_phases) {
        Connection connection;
        connection.reach(phase);
        const bool sending = connection.machine.sending();
        EXPECT_EQ(connection.step(events::receive_broken()),
                  sending ? does(Actions::cancel_send) : does(Actions::close));
        EXPECT_EQ(connection.reason(), Reason::peer_reset);
        if (sending) {
            EXPECT_EQ(connection.step(events::send_broken()), none);
            EXPECT_EQ(connection.step(events::cancel_ended()), does(Actions::close));
        }
    }
}

TEST_F(LifecycleTest, ASendThatFailsBreaksTheConnection) {
    accept();
    need(Need::answer, true);
    EXPECT_EQ(step(events::send_broken()), does(Actions::cancel_receive));
    EXPECT_EQ(reason(), Reason::peer_reset);
    EXPECT_FALSE(machine.output_waiting());
    EXPECT_EQ(step(events::cancel_ended()), none);
    EXPECT_EQ(step(events::receive_broken()), does(Actions::close));
    EXPECT_EQ(reason(), Reason::peer_reset);
}

TEST_F(LifecycleTest, ContentThatCannotBeHadResetsSoThatThePeerCanTell) {
    reach_flushing();
    EXPECT_EQ(step(events::send_failed()), does(Actions::cancel_receive));
    step(events::receive_ended());
    EXPECT_EQ(step(events::cancel_ended()), does(Actions::reset_on_close, Actions::close));
    Connection connection;
    connection.accept();
    connection.need(Need::answer, true);
    connection.step(events::send_failed());
    EXPECT_EQ(connection.reason(), Reason::content_failed);
}

TEST_F(LifecycleTest, AnOutputThatIsNotWholeResetsSoThatThePeerCanTell) {
    for (const Phase phase : open_phases) {
        Connection connection;
        connection.reach(phase);
        const bool sending = connection.machine.sending();
        EXPECT_EQ(connection.step(events::progressed(
                      {.need = Need::nothing, .broken = true, .reason = Reason::overload}, true)),
                  sending ? does(Actions::cancel_receive, Actions::cancel_send)
                          : does(Actions::cancel_receive));
        EXPECT_EQ(connection.phase(), Phase::joining);
        EXPECT_EQ(connection.reason(), Reason::overload);
        connection.step(events::receive_ended());
        if (sending) {
            connection.step(events::send_ended());
            connection.step(events::cancel_ended());
        }
        EXPECT_EQ(connection.step(events::cancel_ended()),
                  does(Actions::reset_on_close, Actions::close));
    }
}

TEST_F(LifecycleTest, AbortCutsEveryPhase) {
    for (const Phase phase : open_phases) {
        Connection connection;
        connection.reach(phase);
        const bool sending = connection.machine.sending();
        EXPECT_EQ(connection.step(events::abort()),
                  sending ? does(Actions::cancel_receive, Actions::cancel_send)
                          : does(Actions::cancel_receive));
        EXPECT_EQ(connection.phase(), Phase::joining);
        EXPECT_EQ(connection.reason(), Reason::aborted);
        connection.step(events::receive_ended());
        if (sending) {
            connection.step(events::send_ended());
            connection.step(events::cancel_ended());
        }
        EXPECT_EQ(connection.step(events::cancel_ended()),
                  does(Actions::reset_on_close, Actions::close));
        EXPECT_EQ(connection.step(events::closed()), does(Actions::release));
    }
}

TEST_F(LifecycleTest, AbortWhileLingeringResets) {
    reach_lingering();
    EXPECT_EQ(step(events::abort()), does(Actions::cancel_receive));
    step(events::receive_ended());
    EXPECT_EQ(step(events::cancel_ended()), does(Actions::reset_on_close, Actions::close));
}

TEST_F(LifecycleTest, WhoJoinsIsNotCutAgain) {
    reach_lingering();
    time_out();
    EXPECT_EQ(step(events::receive_broken()), none);
    EXPECT_EQ(step(events::abort()), none);
    EXPECT_EQ(step(events::cancel_ended()), does(Actions::close)) << "without a reset";
    EXPECT_EQ(step(events::abort()), none);
    EXPECT_EQ(phase(), Phase::closing);
    EXPECT_EQ(step(events::closed()), does(Actions::release));
    EXPECT_EQ(reason(), Reason::client_close);
}

// ---- joining -----------------------------------------------------------------------------------

TEST_F(LifecycleTest, JoiningWaitsForEveryOperationInEveryOrder) {
    // What is outstanding: both operations and both cancellations, which end in any order.
    std::vector<Event> endings{events::receive_ended(), events::send_ended(),
                               events::cancel_ended(), events::cancel_ended()};
    for (std::size_t first = 0; first < endings.size(); ++first) {
        for (std::size_t second = 0; second < endings.size(); ++second) {
            for (std::size_t third = 0; third < endings.size(); ++third) {
                if (first == second || second == third || first == third) {
                    continue;
                }
                Connection connection;
                connection.accept();
                connection.need(Need::answer, true);
                connection.step(events::abort());
                EXPECT_EQ(connection.step(endings[first]), none);
                EXPECT_EQ(connection.step(endings[second]), none);
                EXPECT_EQ(connection.step(endings[third]), none);
                const std::size_t last = 6 - first - second - third;
                EXPECT_EQ(connection.step(endings[last]),
                          does(Actions::reset_on_close, Actions::close));
            }
        }
    }
}

TEST_F(LifecycleTest, WhatEndsWellWhileJoiningBeginsNothing) {
    accept();
    need(Need::answer, true);
    step(events::abort());
    EXPECT_EQ(step(events::sent(true)), none);
    EXPECT_FALSE(machine.sending());
    EXPECT_EQ(machine.deadline_ms(), never);
    EXPECT_EQ(step(events::discarded()), none);
    EXPECT_EQ(step(events::receive_starved()), none);
    EXPECT_EQ(step(events::buffers_returned()), none);
    EXPECT_EQ(step_after(1ULL << 40, events::time_passed()), none);
    EXPECT_EQ(machine.cancels(), 2U);
}

TEST_F(LifecycleTest, AReceiveThatIsAlreadyCancelledIsNotCancelledAgain) {
    accept();
    hold(Need::answer);
    EXPECT_EQ(step(events::abort()), none);
    EXPECT_EQ(machine.cancels(), 1U);
}

TEST_F(LifecycleTest, TheEndOfInputWhileJoiningCountsAsTheReceivesEnd) {
    accept();
    step(events::abort());
    EXPECT_EQ(step(events::peer_finished()), none);
    EXPECT_EQ(step(events::cancel_ended()), does(Actions::reset_on_close, Actions::close));
}

TEST(LifecycleDeathTest, ACancellationThatNeverBeganCannotEnd) {
    Connection connection;
    connection.accept();
    EXPECT_DEATH(connection.step(events::cancel_ended()), "cancellation ended that never began");
}

TEST(LifecycleDeathTest, ADescriptorThatWasNotClosingCannotBeClosed) {
    Connection connection;
    connection.accept();
    EXPECT_DEATH(connection.step(events::closed()), "no such transition");
}

TEST(LifecycleDeathTest, ASessionMustNotRunOnAConnectionThatIsEnding) {
    Connection flushing;
    flushing.reach_flushing();
    EXPECT_DEATH(flushing.need(Need::nothing), "connection that is ending");
    Connection joining;
    joining.accept();
    joining.step(events::abort());
    EXPECT_DEATH(joining.need(Need::request), "connection that is ending");
}

// ---- retiring ----------------------------------------------------------------------------------

TEST_F(LifecycleTest, AnIdleConnectionIsRetiredAtOnce) {
    reach(Phase::idle);
    EXPECT_EQ(step(events::retire(Reason::drain)), does(Actions::shutdown_write));
    EXPECT_EQ(phase(), Phase::lingering);
    EXPECT_EQ(reason(), Reason::drain);
    EXPECT_EQ(read_time_ms(), limits.linger_timeout_ms);
}

TEST_F(LifecycleTest, AnIdleConnectionWhoseAnswerIsBeingSentIsRetiredAfterIt) {
    accept();
    next_message(Need::request, true);
    EXPECT_EQ(step(events::retire(Reason::drain)), none);
    EXPECT_EQ(phase(), Phase::flushing);
    EXPECT_EQ(step(events::sent(false)), does(Actions::shutdown_write));
}

TEST_F(LifecycleTest, ARunningExchangeIsTheLastOne) {
    for (const Phase phase :
         {Phase::opening, Phase::head, Phase::content, Phase::handling, Phase::stalled}) {
        Connection connection;
        connection.reach(phase);
        const std::uint64_t deadline_ms = connection.machine.deadline_ms();
        EXPECT_EQ(connection.step(events::retire(Reason::drain)), none) << name_of(phase);
        EXPECT_EQ(connection.phase(), phase);
        // Who has not said anything gets as long as a lingering connection to begin.
        EXPECT_EQ(connection.machine.deadline_ms(),
                  phase == Phase::opening ? connection.now_ms + connection.limits.last_call_ms
                                          : deadline_ms);
        EXPECT_EQ(connection.reason(), Reason::none);
        if (connection.machine.sending()) {
            connection.step(events::sent(false));
        }
        EXPECT_EQ(connection.need(Need::request), does(Actions::shutdown_write)) << name_of(phase);
        EXPECT_EQ(connection.phase(), Phase::lingering);
        EXPECT_EQ(connection.reason(), Reason::drain);
    }
}

TEST_F(LifecycleTest, ARetiredConnectionSendsItsLastAnswerFirst) {
    reach(Phase::handling);
    step(events::retire(Reason::drain));
    EXPECT_EQ(next_message(Need::request, true), does(Actions::send));
    EXPECT_EQ(phase(), Phase::flushing);
    EXPECT_EQ(read_time_ms(), never);
    EXPECT_EQ(step(events::sent(false)), does(Actions::shutdown_write));
}

TEST_F(LifecycleTest, RetiringChangesNothingOfAnEndThatHasBegun) {
    reach_flushing();
    EXPECT_EQ(step(events::retire(Reason::drain)), none);
    EXPECT_EQ(phase(), Phase::flushing);
    step(events::sent(false));
    EXPECT_EQ(step(events::retire(Reason::drain)), none);
    EXPECT_EQ(phase(), Phase::lingering);
    time_out();
    EXPECT_EQ(step(events::retire(Reason::drain)), none);
    step(events::receive_ended());
    step(events::cancel_ended());
    EXPECT_EQ(step(events::retire(Reason::drain)), none);
    EXPECT_EQ(phase(), Phase::closing);
    EXPECT_EQ(reason(), Reason::client_close);
}

// ---- retiring for another reason than the drain -------------------------------------------------

TEST_F(LifecycleTest, TheReasonOfTheRetirementIsThatOfTheClose) {
    reach(Phase::opening);
    step(events::retire(Reason::connections_per_ip));
    EXPECT_EQ(read_time_ms(), limits.last_call_ms) << "its request must come soon";
    step(events::retire(Reason::drain));
    EXPECT_EQ(time_out(), does(Actions::shutdown_write));
    EXPECT_EQ(reason(), Reason::connections_per_ip);
}

// ---- eviction ----------------------------------------------------------------------------------

TEST_F(LifecycleTest, AnIdleConnectionMakesRoomWithoutLingering) {
    reach(Phase::idle);
    ASSERT_TRUE(machine.evictable());
    EXPECT_EQ(step(events::evict()), does(Actions::cancel_receive));
    EXPECT_EQ(phase(), Phase::joining);
    EXPECT_EQ(reason(), Reason::evicted);
    step(events::receive_ended());
    EXPECT_EQ(step(events::cancel_ended()), does(Actions::close)) << "and no reset";
}

TEST_F(LifecycleTest, ALingeringConnectionStays) {
    reach_lingering();
    EXPECT_FALSE(machine.evictable()) << "a close could destroy the last response on its way";
}

TEST_F(LifecycleTest, WhoWillBeRefusedMakesRoomBeforeAllOthers) {
    reach(Phase::opening);
    EXPECT_FALSE(machine.evictable());
    step(events::retire(Reason::connections_per_ip));
    ASSERT_TRUE(machine.evictable());
    EXPECT_EQ(machine.quiet_since_ms(), 0U);
    EXPECT_EQ(step(events::evict()), does(Actions::cancel_receive));
    EXPECT_EQ(reason(), Reason::connections_per_ip);
    Connection asking;
    asking.accept();
    asking.step(events::retire(Reason::connections_per_ip));
    asking.need(Need::head);
    EXPECT_FALSE(asking.machine.evictable()) << "it gets its refusal";
}

TEST_F(LifecycleTest, OnlyWhoIsOwedNothingMakesRoom) {
    for (const Phase phase : open_phases) {
        Connection connection;
        connection.reach(phase);
        EXPECT_EQ(connection.machine.evictable(), phase == Phase::idle) << name_of(phase);
    }
    accept();
    next_message(Need::request, true);
    EXPECT_FALSE(machine.evictable()) << "its response is being sent";
    step(events::sent(true));
    EXPECT_FALSE(machine.evictable());
    step(events::sent(false));
    EXPECT_TRUE(machine.evictable());
    step(events::abort());
    EXPECT_FALSE(machine.evictable());
}

TEST(LifecycleDeathTest, WhoIsOwedSomethingIsNotEvicted) {
    Connection connection;
    connection.reach(Phase::handling);
    EXPECT_DEATH(connection.step(events::evict()), "evicted in the middle");
}

TEST_F(LifecycleTest, IdleTimeIsCountedFromTheResponsesEnd) {
    accept();
    EXPECT_EQ(machine.phase_begin_ms(), now_ms);
    now_ms += 1'000;
    next_message(Need::request, true);
    step_after(2'000, events::sent(true));
    step_after(2'000, events::sent(false));
    EXPECT_EQ(machine.phase_begin_ms(), now_ms);
    const std::uint64_t begin_ms = now_ms;
    step_after(1'000, events::receive_ended());
    need(Need::request);
    EXPECT_EQ(machine.phase_begin_ms(), begin_ms) << "nothing has happened that ends it";
    next_message(Need::request);
    EXPECT_EQ(machine.phase_begin_ms(), now_ms);
}

// ---- age ---------------------------------------------------------------------------------------

TEST_F(LifecycleTest, AgesAreSpreadByATenthUpAndDown) {
    constexpr std::uint64_t age_ms = 3'600'000;
    std::uint64_t least = never;
    std::uint64_t most = 0;
    for (std::uint32_t draw = 0; draw < 5'000; ++draw) {
        Connection connection;
        connection.limits.connection_max_age_ms = age_ms;
        connection.step(events::accepted(draw));
        const std::uint64_t time_ms = connection.machine.age_deadline_ms() - connection.now_ms;
        least = std::min(least, time_ms);
        most = std::max(most, time_ms);
    }
    EXPECT_EQ(least, age_ms / 10 * 9);
    EXPECT_LE(most, age_ms / 10 * 11);
    EXPECT_GE(most, age_ms / 100 * 109);
}

TEST_F(LifecycleTest, AnOldConnectionIsToldOnceAndLivesOn) {
    for (const Phase phase : open_phases) {
        Connection connection;
        connection.limits = {.keepalive_timeout_ms = 0,
                             .header_timeout_ms = 0,
                             .body_timeout_ms = 0,
                             .write_timeout_ms = 0,
                             .connection_max_age_ms = 50'000,
                             .body_bytes_per_s_min = 0};
        connection.reach(phase);
        EXPECT_EQ(connection.machine.deadline_ms(), connection.now_ms + 45'000);
        EXPECT_EQ(connection.step_after(44'999, events::time_passed()), none);
        EXPECT_EQ(connection.step_after(1, events::time_passed()), does(Actions::age));
        EXPECT_EQ(connection.phase(), phase);
        EXPECT_EQ(connection.machine.deadline_ms(), never);
        EXPECT_EQ(connection.step_after(50'000, events::time_passed()), none) << "once";
        EXPECT_EQ(connection.reason(), Reason::none);
    }
}

TEST_F(LifecycleTest, AnOldConnectionMayTimeOutInTheSameStep) {
    limits.connection_max_age_ms = 11'112;
    reach(Phase::head);
    ASSERT_EQ(machine.age_deadline_ms(), machine.read_deadline_ms() + 1);
    EXPECT_EQ(step_after(10'001, events::time_passed()), does(Actions::age, Actions::time_out));
    EXPECT_EQ(reason(), Reason::header_timeout);
}

TEST_F(LifecycleTest, WhoIsEndingDoesNotGrowOld) {
    limits.connection_max_age_ms = 1'000;
    reach_flushing();
    EXPECT_EQ(machine.age_deadline_ms(), never);
    EXPECT_EQ(step_after(2'000, events::time_passed()), none);
    Connection broken;
    broken.limits.connection_max_age_ms = 1'000;
    broken.reach(Phase::content);
    broken.step(events::receive_broken());
    EXPECT_EQ(broken.machine.deadline_ms(), never);
}

// ---- rates -------------------------------------------------------------------------------------

class LifecycleRateTest : public LifecycleTest {
  protected:
    void receive(std::uint32_t bytes) {
        step(events::progressed({.need = Need::content}, false, bytes));
    }
};

TEST_F(LifecycleRateTest, AContentThatDoesNotComeIsTooSlowAfterTheGrace) {
    limits.body_bytes_per_s_min = 240;
    reach(Phase::content);
    EXPECT_EQ(read_time_ms(), limits.rate_grace_ms);
    EXPECT_EQ(time_out(), does(Actions::time_out));
    EXPECT_EQ(reason(), Reason::body_min_rate);
}

TEST_F(LifecycleRateTest, EachPieceOfContentPaysForItsTime) {
    limits.body_bytes_per_s_min = 100;
    reach(Phase::content);
    const std::uint64_t begin_ms = now_ms;
    for (unsigned second = 1; second <= 20; ++second) {
        receive(110);
        EXPECT_EQ(machine.read_deadline_ms(),
                  begin_ms + std::max<std::uint64_t>(5'000, second * 1'100));
        now_ms += 1'000;
        EXPECT_EQ(step(events::time_passed()), none) << second;
    }
    EXPECT_EQ(time_out(), does(Actions::time_out));
    EXPECT_EQ(reason(), Reason::body_min_rate);
}

TEST_F(LifecycleRateTest, AFastContentThatStopsHasTheTimeOfAGap) {
    limits.body_bytes_per_s_min = 240;
    reach(Phase::content);
    now_ms += 1'000;
    receive(1'000'000);
    EXPECT_EQ(read_time_ms(), limits.body_timeout_ms);
    EXPECT_EQ(time_out(), does(Actions::time_out));
    EXPECT_EQ(reason(), Reason::body_timeout);
}

TEST_F(LifecycleRateTest, AFastContentThatThenTricklesIsTooSlow) {
    limits.body_bytes_per_s_min = 240;
    reach(Phase::content);
    now_ms += 1'000;
    receive(1'000'000);
    now_ms += 29'000;
    receive(1);
    EXPECT_LT(read_time_ms(), 1'100U) << "the gap's time would begin anew, the credit does not";
    time_out();
    EXPECT_EQ(reason(), Reason::body_min_rate);
}

TEST_F(LifecycleRateTest, EachContentIsJudgedByItself) {
    limits.body_bytes_per_s_min = 240;
    reach(Phase::content);
    receive(24'000);
    now_ms += 20'000;
    next_message(Need::content, true);
    EXPECT_EQ(read_time_ms(), limits.rate_grace_ms);
}

TEST_F(LifecycleRateTest, WhatComesWithTheHeadPays) {
    limits.body_bytes_per_s_min = 100;
    accept();
    step(events::progressed({.need = Need::content}, false, 1'000));
    EXPECT_EQ(read_time_ms(), 10'000U);
}

TEST_F(LifecycleRateTest, WhileTheHandlerWantsNoMoreNoTimeIsCounted) {
    limits.body_bytes_per_s_min = 100;
    reach(Phase::content);
    receive(800);
    now_ms += 2'000;
    step(events::progressed({.need = Need::answer}, false, 100));
    EXPECT_EQ(phase(), Phase::handling);
    now_ms += 15'000;
    step(events::progressed({.need = Need::answer}, false, 100));
    now_ms += 1'000;
    step(events::progressed({.need = Need::content}, false, 0));
    EXPECT_EQ(read_time_ms(), 8'000U) << "paid for 10 seconds, of which 2 had passed";
    time_out();
    EXPECT_EQ(reason(), Reason::body_min_rate);
}

TEST_F(LifecycleRateTest, APauseIsNoNewGrace) {
    limits.body_bytes_per_s_min = 100;
    reach(Phase::content);
    for (unsigned pause = 0; pause < 4; ++pause) {
        now_ms += 1'000;
        step(events::progressed({.need = Need::answer, .moved = true}, false, 1));
        now_ms += 10'000;
        step(events::progressed({.need = Need::content}, false, 0));
    }
    EXPECT_EQ(read_time_ms(), 1'000U);
}

TEST_F(LifecycleRateTest, AContentAfterOneThatWasPausedBeginsAnew) {
    limits.body_bytes_per_s_min = 100;
    reach(Phase::content);
    receive(2'000);
    step(events::progressed({.need = Need::answer}, false, 0));
    next_message(Need::content, true);
    EXPECT_EQ(read_time_ms(), limits.rate_grace_ms);
}

TEST_F(LifecycleRateTest, WithoutATimeForGapsTheRateAloneCounts) {
    limits.body_timeout_ms = 0;
    limits.body_bytes_per_s_min = 100;
    reach(Phase::content);
    receive(100'000);
    EXPECT_EQ(read_time_ms(), 1'000'000U);
}

TEST_F(LifecycleRateTest, APeerThatTakesTooLittleIsReset) {
    limits.write_bytes_per_s_min = 100;
    reach(Phase::handling);
    next_message(Need::request, true);
    EXPECT_EQ(write_time_ms(), limits.rate_grace_ms);
    step_after(1'000, events::sent(true, 800));
    EXPECT_EQ(write_time_ms(), 7'000U);
    EXPECT_EQ(time_out(), does(Actions::cancel_receive, Actions::cancel_send));
    EXPECT_EQ(reason(), Reason::write_min_rate);
    step(events::send_ended());
    step(events::cancel_ended());
    step(events::receive_ended());
    EXPECT_EQ(step(events::cancel_ended()), does(Actions::reset_on_close, Actions::close));
}

TEST_F(LifecycleRateTest, AFastReaderThatStopsHasTheWriteTime) {
    limits.write_bytes_per_s_min = 100;
    reach(Phase::handling);
    next_message(Need::request, true);
    step(events::sent(true, 1'000'000));
    EXPECT_EQ(write_time_ms(), limits.write_timeout_ms);
    time_out();
    EXPECT_EQ(reason(), Reason::write_timeout);
}

TEST_F(LifecycleRateTest, EachOutputIsJudgedByItself) {
    limits.write_bytes_per_s_min = 100;
    reach(Phase::handling);
    next_message(Need::request, true);
    step(events::sent(false, 10));
    EXPECT_EQ(machine.write_deadline_ms(), never);
    now_ms += 60'000;
    next_message(Need::request, true);
    EXPECT_EQ(write_time_ms(), limits.rate_grace_ms);
    now_ms += 1'000;
    next_message(Need::request, true);
    EXPECT_EQ(write_time_ms(), limits.rate_grace_ms - 1'000) << "more output is no new beginning";
}

TEST_F(LifecycleRateTest, WhatTheServerWasAbsentDoesNotCountAgainstAReader) {
    limits.write_bytes_per_s_min = 100;
    reach(Phase::handling);
    next_message(Need::request, true);
    now_ms += 20'000;
    limits.absent_ms += 20'000;
    EXPECT_EQ(step(events::time_passed()), none);
    EXPECT_EQ(write_time_ms(), limits.rate_grace_ms) << "its grace is still before it";
    EXPECT_EQ(time_out(), does(Actions::cancel_receive, Actions::cancel_send));
    EXPECT_EQ(reason(), Reason::write_min_rate);
}

TEST_F(LifecycleRateTest, WhatTheServerWasAbsentIsNoTimeToTakeBytesIn) {
    reach(Phase::handling);
    next_message(Need::request, true);
    now_ms += limits.write_timeout_ms;
    limits.absent_ms += limits.write_timeout_ms;
    EXPECT_EQ(step(events::time_passed()), none);
    EXPECT_EQ(write_time_ms(), limits.write_timeout_ms);
    EXPECT_EQ(time_out(), does(Actions::cancel_receive, Actions::cancel_send));
    EXPECT_EQ(reason(), Reason::write_timeout);
}

TEST_F(LifecycleRateTest, WhatTheServerWasAbsentDoesNotCountAgainstASender) {
    limits.body_bytes_per_s_min = 100;
    reach(Phase::content);
    now_ms += 1'000;
    receive(300);
    now_ms += 20'000;
    limits.absent_ms += 20'000;
    EXPECT_EQ(step(events::time_passed()), none);
    EXPECT_EQ(read_time_ms(), limits.rate_grace_ms - 1'000);
    receive(400);
    EXPECT_EQ(read_time_ms(), 6'000U);
    EXPECT_EQ(time_out(), does(Actions::time_out));
    EXPECT_EQ(reason(), Reason::body_min_rate);
}

TEST_F(LifecycleRateTest, AbsenceDoesNotLengthenTheTimeForAGap) {
    limits.body_bytes_per_s_min = 100;
    reach(Phase::content);
    receive(1'000'000);
    now_ms += limits.body_timeout_ms;
    limits.absent_ms += limits.body_timeout_ms;
    EXPECT_EQ(step(events::time_passed()), does(Actions::time_out));
    EXPECT_EQ(reason(), Reason::body_timeout);
}

// ---- the machine as a value --------------------------------------------------------------------

TEST_F(LifecycleTest, TheEarlierDeadlineIsTheOneThatCounts) {
    reach(Phase::handling);
    EXPECT_EQ(machine.deadline_ms(), machine.read_deadline_ms());
    limits.write_timeout_ms = 7;
    need(Need::answer, true);
    EXPECT_EQ(machine.deadline_ms(), machine.write_deadline_ms());
    EXPECT_EQ(machine.deadline_ms(), now_ms + 7);
}

TEST_F(LifecycleTest, ACopyGoesItsOwnWay) {
    static_assert(std::is_trivially_copyable_v<Lifecycle>);
    reach(Phase::idle);
    Lifecycle copy = machine;
    EXPECT_EQ(copy.step(events::abort(), now_ms, limits), does(Actions::cancel_receive));
    EXPECT_EQ(phase(), Phase::idle);
    EXPECT_EQ(copy.phase(), Phase::joining);
}

TEST_F(LifecycleTest, OnlyTheFirstSixPhasesAreOpen) {
    for (const Phase phase : open_phases) {
        Connection connection;
        connection.reach(phase);
        EXPECT_TRUE(connection.machine.is_open());
    }
    reach_flushing();
    EXPECT_FALSE(machine.is_open());
}

}  // namespace
}  // namespace enduring::core
