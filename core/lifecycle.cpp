#include "core/lifecycle.hpp"

#include <algorithm>
#include <array>

#include "core/check.hpp"

namespace enduring::core {

namespace {

constexpr std::array transitions{
    // While the connection is open, the session's need names the phase.
    Transition{Phase::opening, Trigger::need_request, Phase::idle},
    Transition{Phase::opening, Trigger::need_head, Phase::head},
    Transition{Phase::opening, Trigger::need_content, Phase::content},
    Transition{Phase::opening, Trigger::need_answer, Phase::handling},
    Transition{Phase::opening, Trigger::need_room, Phase::stalled},
    Transition{Phase::opening, Trigger::need_nothing, Phase::flushing},
    Transition{Phase::opening, Trigger::quiet, Phase::flushing},
    Transition{Phase::opening, Trigger::retired, Phase::opening},
    Transition{Phase::opening, Trigger::broken, Phase::joining},

    Transition{Phase::idle, Trigger::need_request, Phase::idle},
    Transition{Phase::idle, Trigger::need_head, Phase::head},
    Transition{Phase::idle, Trigger::need_content, Phase::content},
    Transition{Phase::idle, Trigger::need_answer, Phase::handling},
    Transition{Phase::idle, Trigger::need_room, Phase::stalled},
    Transition{Phase::idle, Trigger::need_nothing, Phase::flushing},
    Transition{Phase::idle, Trigger::quiet, Phase::flushing},
    Transition{Phase::idle, Trigger::retired, Phase::flushing},
    Transition{Phase::idle, Trigger::broken, Phase::joining},

    Transition{Phase::head, Trigger::need_request, Phase::idle},
    Transition{Phase::head, Trigger::need_head, Phase::head},
    Transition{Phase::head, Trigger::need_content, Phase::content},
    Transition{Phase::head, Trigger::need_answer, Phase::handling},
    Transition{Phase::head, Trigger::need_room, Phase::stalled},
    Transition{Phase::head, Trigger::need_nothing, Phase::flushing},
    Transition{Phase::head, Trigger::retired, Phase::head},
    Transition{Phase::head, Trigger::broken, Phase::joining},

    Transition{Phase::content, Trigger::need_request, Phase::idle},
    Transition{Phase::content, Trigger::need_head, Phase::head},
    Transition{Phase::content, Trigger::need_content, Phase::content},
    Transition{Phase::content, Trigger::need_answer, Phase::handling},
    Transition{Phase::content, Trigger::need_room, Phase::stalled},
    Transition{Phase::content, Trigger::need_nothing, Phase::flushing},
    Transition{Phase::content, Trigger::retired, Phase::content},
    Transition{Phase::content, Trigger::broken, Phase::joining},

    Transition{Phase::handling, Trigger::need_request, Phase::idle},
    Transition{Phase::handling, Trigger::need_head, Phase::head},
    Transition{Phase::handling, Trigger::need_content, Phase::content},
    Transition{Phase::handling, Trigger::need_answer, Phase::handling},
    Transition{Phase::handling, Trigger::need_room, Phase::stalled},
    Transition{Phase::handling, Trigger::need_nothing, Phase::flushing},
    Transition{Phase::handling, Trigger::retired, Phase::handling},
    Transition{Phase::handling, Trigger::broken, Phase::joining},

    Transition{Phase::stalled, Trigger::need_request, Phase::idle},
    Transition{Phase::stalled, Trigger::need_head, Phase::head},
    Transition{Phase::stalled, Trigger::need_content, Phase::content},
    Transition{Phase::stalled, Trigger::need_answer, Phase::handling},
    Transition{Phase::stalled, Trigger::need_room, Phase::stalled},
    Transition{Phase::stalled, Trigger::need_nothing, Phase::flushing},
    Transition{Phase::stalled, Trigger::retired, Phase::stalled},
    Transition{Phase::stalled, Trigger::broken, Phase::joining},

    // From here on the session is not asked any more.
    Transition{Phase::flushing, Trigger::flushed, Phase::lingering},
    Transition{Phase::flushing, Trigger::retired, Phase::flushing},
    Transition{Phase::flushing, Trigger::broken, Phase::joining},

    Transition{Phase::lingering, Trigger::quiet, Phase::joining},
    Transition{Phase::lingering, Trigger::retired, Phase::lingering},
    Transition{Phase::lingering, Trigger::broken, Phase::joining},

    Transition{Phase::joining, Trigger::retired, Phase::joining},
    Transition{Phase::joining, Trigger::broken, Phase::joining},
    Transition{Phase::joining, Trigger::joined, Phase::closing},

    Transition{Phase::closing, Trigger::retired, Phase::closing},
    Transition{Phase::closing, Trigger::broken, Phase::closing},
    Transition{Phase::closing, Trigger::closed, Phase::released},
};

constexpr std::uint8_t impossible = 0xff;

constexpr auto table = [] {
    std::array<std::array<std::uint8_t, trigger_count>, phase_count> cells{};
    for (auto& row : cells) {
        row.fill(impossible);
    }
    for (const Transition& transition : transitions) {
        cells[static_cast<std::size_t>(transition.from)]
             [static_cast<std::size_t>(transition.trigger)] =
                 static_cast<std::uint8_t>(transition.to);
    }
    return cells;
}();

constexpr Trigger trigger_of(Need need) noexcept {
    static_assert(static_cast<int>(Trigger::need_request) == static_cast<int>(Need::request));
    static_assert(static_cast<int>(Trigger::need_nothing) == static_cast<int>(Need::nothing));
    return static_cast<Trigger>(need);
}

constexpr std::uint64_t after(std::uint64_t now_ms, std::uint64_t limit_ms) noexcept {
    return limit_ms == 0 ? Lifecycle::never : now_ms + limit_ms;
}

constexpr Reason timeout_reason(Phase phase) noexcept {
    switch (phase) {
        case Phase::idle:
            return Reason::keepalive_timeout;
        case Phase::content:
            return Reason::body_timeout;
        case Phase::handling:
            return Reason::handler_timeout;
        default:
            return Reason::header_timeout;
    }
}

}  // namespace

bool has_transition(Phase from, Trigger trigger) noexcept {
    return table[static_cast<std::size_t>(from)][static_cast<std::size_t>(trigger)] != impossible;
}

Phase next_phase(Phase from, Trigger trigger) {
    const std::uint8_t to =
        table[static_cast<std::size_t>(from)][static_cast<std::size_t>(trigger)];
    ENDURING_CHECK(to != impossible, "the lifecycle has no such transition");
    return static_cast<Phase>(to);
}

Actions Lifecycle::step(const Event& event, std::uint64_t now_ms, const TimeLimits& limits) {
    Actions actions;
    switch (event.kind) {
        case Event::Kind::accepted:
            read_deadline_ms_ = after(now_ms, limits.header_timeout_ms);
            break;
        case Event::Kind::progressed:
            take_progress(event, now_ms, limits);
            break;
        case Event::Kind::discarded:
            if (phase_ == Phase::lingering) {
                read_deadline_ms_ = std::min(now_ms + limits.linger_timeout_ms, linger_end_ms_);
            }
            break;
        case Event::Kind::peer_finished:
            receiving_ = false;
            receive_cancelled_ = false;
            peer_finished_ = true;
            break;
        case Event::Kind::receive_starved:
            starved_ = true;
            [[fallthrough]];
        case Event::Kind::receive_ended:
            receiving_ = false;
            receive_cancelled_ = false;
            break;
        case Event::Kind::receive_broken:
            receiving_ = false;
            receive_cancelled_ = false;
            break_off(Reason::peer_reset, false, now_ms, limits);
            break;
        case Event::Kind::buffers_returned:
            starved_ = false;
            break;
        case Event::Kind::sent:
            sending_ = false;
            send_cancelled_ = false;
            output_waiting_ = event.output_waiting;
            set_write_deadline(now_ms, limits);
            if (phase_ == Phase::idle && !output_waiting_) {
                enter(now_ms, limits);  // idle time begins when the response has gone
            }
            break;
        case Event::Kind::send_ended:
            sending_ = false;
            send_cancelled_ = false;
            break;
        case Event::Kind::send_broken:
        case Event::Kind::send_failed:
            sending_ = false;
            send_cancelled_ = false;
            output_waiting_ = false;
            if (event.kind == Event::Kind::send_broken) {
                break_off(Reason::peer_reset, false, now_ms, limits);
            } else {
                break_off(Reason::content_failed, true, now_ms, limits);
            }
            break;
        case Event::Kind::cancel_ended:
            ENDURING_CHECK(cancels_ > 0, "a cancellation ended that never began");
            --cancels_;
            break;
        case Event::Kind::time_passed:
            take_time(now_ms, limits, actions);
            break;
        case Event::Kind::retire:
            retiring_ = true;
            if (phase_ == Phase::idle) {
                give_reason(Reason::drain);
            } else if (phase_ == Phase::opening) {
                // Its first request may be on the way; but who stays silent cannot delay the end.
                read_deadline_ms_ = std::min(read_deadline_ms_, now_ms + limits.linger_timeout_ms);
            }
            move(Trigger::retired, now_ms, limits);
            break;
        case Event::Kind::abort:
            break_off(Reason::aborted, true, now_ms, limits);
            break;
        case Event::Kind::closed:
            move(Trigger::closed, now_ms, limits);
            break;
    }
    settle(now_ms, limits, actions);
    return actions;
}

void Lifecycle::take_progress(const Event& event, std::uint64_t now_ms, const TimeLimits& limits) {
    ENDURING_CHECK(is_open(), "a session ran on a connection that is ending");
    const Phase before = phase_;
    const Progress& progress = event.progress;
    ENDURING_CHECK(!timing_out_ || progress.need == Need::nothing,
                   "the session was told that its time is over and went on");
    timing_out_ = false;
    hold_input_ = progress.hold_input;
    if (event.output_waiting && !output_waiting_) {
        output_waiting_ = true;
        set_write_deadline(now_ms, limits);
    }
    ENDURING_CHECK(progress.need != Need::room || output_waiting_ || sending_,
                   "a session waits for room in an output that is empty");
    if (progress.need == Need::nothing) {
        ENDURING_CHECK(progress.reason != Reason::none, "a session ended without a reason");
        give_reason(progress.reason);
    }
    phase_ = next_phase(phase_, trigger_of(progress.need));
    if (retiring_ && phase_ == Phase::idle) {
        give_reason(Reason::drain);
        phase_ = next_phase(phase_, Trigger::retired);
    }
    // A phase's time begins when the phase begins, with two exceptions: the head that opens a
    // connection is timed from the accept, and each piece of a content begins its time anew.
    const bool continues = phase_ == before && !progress.new_message;
    const bool first_head =
        phase_ == Phase::head && before == Phase::opening && !progress.new_message;
    if (first_head || (continues && phase_ != Phase::content)) {
        return;
    }
    enter(now_ms, limits);
}

// Sets the read side's deadline for the phase that has just begun.
void Lifecycle::enter(std::uint64_t now_ms, const TimeLimits& limits) {
    switch (phase_) {
        case Phase::idle:
            read_deadline_ms_ =
                output_waiting_ ? never : after(now_ms, limits.keepalive_timeout_ms);
            break;
        case Phase::head:
            read_deadline_ms_ = after(now_ms, limits.header_timeout_ms);
            break;
        case Phase::content:
            read_deadline_ms_ = after(now_ms, limits.body_timeout_ms);
            break;
        case Phase::handling:
            read_deadline_ms_ = after(now_ms, limits.handler_timeout_ms);
            break;
        case Phase::lingering:
            // Lingering always has an end: here 0 means "not at all".
            linger_end_ms_ = now_ms + limits.linger_max_ms;
            read_deadline_ms_ = std::min(now_ms + limits.linger_timeout_ms, linger_end_ms_);
            break;
        default:
            read_deadline_ms_ = never;
            break;
    }
}

void Lifecycle::move(Trigger trigger, std::uint64_t now_ms, const TimeLimits& limits) {
    const Phase before = phase_;
    phase_ = next_phase(phase_, trigger);
    if (phase_ != before) {
        enter(now_ms, limits);
    }
}

void Lifecycle::break_off(Reason reason, bool reset, std::uint64_t now_ms,
                          const TimeLimits& limits) {
    if (phase_ < Phase::joining) {
        give_reason(reason);
        reset_ = reset;
    }
    move(Trigger::broken, now_ms, limits);
}

void Lifecycle::set_write_deadline(std::uint64_t now_ms, const TimeLimits& limits) {
    write_deadline_ms_ = output_waiting_ ? after(now_ms, limits.write_timeout_ms) : never;
}

void Lifecycle::take_time(std::uint64_t now_ms, const TimeLimits& limits, Actions& actions) {
    if (now_ms >= write_deadline_ms_ && phase_ < Phase::joining) {
        break_off(Reason::write_timeout, true, now_ms, limits);
        return;
    }
    if (now_ms < read_deadline_ms_) {
        return;
    }
    switch (phase_) {
        case Phase::opening:
        case Phase::idle:
            give_reason(retiring_ ? Reason::drain : timeout_reason(phase_));
            move(Trigger::quiet, now_ms, limits);
            break;
        case Phase::head:
        case Phase::content:
        case Phase::handling:
            give_reason(timeout_reason(phase_));
            timing_out_ = true;
            actions.add(Actions::time_out);
            break;
        case Phase::lingering:
            move(Trigger::quiet, now_ms, limits);
            break;
        default:
            break;
    }
}

// Derives from the state what must be done; every action is asked for once.
void Lifecycle::settle(std::uint64_t now_ms, const TimeLimits& limits, Actions& actions) {
    if (phase_ == Phase::flushing && !output_waiting_ && !sending_) {
        move(Trigger::flushed, now_ms, limits);
        if (!peer_finished_) {
            actions.add(Actions::shutdown_write);
        }
    }
    if (phase_ == Phase::lingering && peer_finished_) {
        move(Trigger::quiet, now_ms, limits);
    }
    if (phase_ < Phase::joining) {
        if (output_waiting_ && !sending_) {
            sending_ = true;
            actions.add(Actions::send);
        }
        const bool held = hold_input_ && is_open();
        if (!receiving_ && !peer_finished_ && !starved_ && !held) {
            receiving_ = true;
            actions.add(Actions::arm_receive);
        }
        if (receiving_ && held && !receive_cancelled_) {
            receive_cancelled_ = true;
            ++cancels_;
            actions.add(Actions::cancel_receive);
        }
        return;
    }
    if (phase_ == Phase::joining) {
        write_deadline_ms_ = never;
        if (receiving_ && !receive_cancelled_) {
            receive_cancelled_ = true;
            ++cancels_;
            actions.add(Actions::cancel_receive);
        }
        if (sending_ && !send_cancelled_) {
            send_cancelled_ = true;
            ++cancels_;
            actions.add(Actions::cancel_send);
        }
        if (!receiving_ && !sending_ && cancels_ == 0) {
            move(Trigger::joined, now_ms, limits);
            if (reset_) {
                actions.add(Actions::reset_on_close);
            }
            actions.add(Actions::close);
        }
        return;
    }
    if (phase_ == Phase::released) {
        actions.add(Actions::release);
    }
}

std::string_view name_of(Reason reason) noexcept {
    constexpr std::array<std::string_view, reason_count> names{
        "none",           "peer",           "peer_truncated",    "peer_reset",
        "client_close",   "server_close",   "keepalive_timeout", "keepalive_requests",
        "header_timeout", "body_timeout",   "handler_timeout",   "write_timeout",
        "protocol_error", "content_failed", "overload",          "drain",
        "aborted"};
    return names[static_cast<std::size_t>(reason)];
}

std::string_view name_of(Phase phase) noexcept {
    constexpr std::array<std::string_view, phase_count> names{
        "opening",  "idle",      "head",    "content", "handling", "stalled",
        "flushing", "lingering", "joining", "closing", "released"};
    return names[static_cast<std::size_t>(phase)];
}

std::string_view name_of(Trigger trigger) noexcept {
    constexpr std::array<std::string_view, trigger_count> names{
        "need_request", "need_head", "need_content", "need_answer", "need_room", "need_nothing",
        "flushed",      "quiet",     "retired",      "broken",      "joined",    "closed"};
    return names[static_cast<std::size_t>(trigger)];
}

}  // namespace enduring::core
