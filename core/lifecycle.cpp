#include "core/lifecycle.hpp"

#include <algorithm>
#include <utility>

#include "core/check.hpp"

namespace enduring::core {

namespace {

constexpr Trigger trigger_of(Need need) noexcept {
    static_assert(static_cast<int>(Trigger::need_request) == static_cast<int>(Need::request));
    static_assert(static_cast<int>(Trigger::need_nothing) == static_cast<int>(Need::nothing));
    return static_cast<Trigger>(need);
}

constexpr std::uint64_t after(std::uint64_t now_ms, std::uint64_t limit_ms) noexcept {
    return limit_ms == 0 ? Lifecycle::never : now_ms + limit_ms;
}

// A tenth less to a tenth more of the time, by any number.
constexpr std::uint64_t spread(std::uint64_t time_ms, std::uint32_t draw) noexcept {
    constexpr std::uint64_t steps = 1024;
    return time_ms - time_ms / 10 + time_ms / 5 * (draw % steps) / steps;
}

// How far bytes pay in advance: not longer than nothing may come at all. A little more, so that
// with nothing at all it is the time-out that ends it, and is given as the reason.
constexpr std::uint64_t credit_end(std::uint64_t now_ms, std::uint64_t timeout_ms) noexcept {
    return timeout_ms == 0 ? Lifecycle::never : now_ms + timeout_ms + 1;
}

// By the clock, not by the time that the server was there.
std::uint64_t rate_deadline(const RateMeter& meter, const TimeLimits& limits) noexcept {
    return meter.deadline_ms(limits.rate_grace_ms) + limits.absent_ms;
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

Actions Lifecycle::step(Event event, std::uint64_t now_ms, const TimeLimits& limits) {
    Actions actions;
    switch (event.kind) {
        case Event::Kind::accepted:
            phase_begin_ms_ = now_ms;
            read_deadline_ms_ = after(now_ms, limits.header_timeout_ms);
            age_deadline_ms_ = after(now_ms, spread(limits.connection_max_age_ms, event.amount));
            break;
        case Event::Kind::progressed:
            take_progress(event, now_ms, limits);
            break;
        case Event::Kind::discarded:
            if (phase_ == Phase::lingering) {
                read_deadline_ms_ = std::min(now_ms + limits.linger_timeout_ms,
                                             phase_begin_ms_ + limits.linger_max_ms);
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
            if (limits.write_bytes_per_s_min != 0) {
                write_rate_.add(event.amount, limits.write_bytes_per_s_min,
                                credit_end(now_ms - limits.absent_ms, limits.write_timeout_ms));
            }
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
            if (is_open() && now_ms >= age_deadline_ms_) {
                age_deadline_ms_ = never;
                actions.add(Actions::age);
            }
            break;
        case Event::Kind::retire:
            retire(event.reason, now_ms, limits);
            break;
        case Event::Kind::evict:
            ENDURING_CHECK(evictable(), "a connection was evicted in the middle of something");
            give_reason(surplus() ? retire_reason_ : Reason::evicted);
            move(Trigger::evicted, now_ms, limits);
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

void Lifecycle::take_progress(Event event, std::uint64_t now_ms, const TimeLimits& limits) {
    ENDURING_CHECK(is_open(), "a session ran on a connection that is ending");
    const Phase before = phase_;
    ENDURING_CHECK(!timing_out_ || event.need == Need::nothing,
                   "the session was told that its time is over and went on");
    timing_out_ = false;
    hold_input_ = event.hold_input;
    if (event.output_waiting && !output_waiting_) {
        begin_output(now_ms, limits);
    }
    ENDURING_CHECK(!event.broken || event.need == Need::nothing,
                   "a session went on though its output is broken");
    ENDURING_CHECK(event.need != Need::room || output_waiting_ || sending_,
                   "a session waits for room in an output that is empty");
    if (event.need == Need::nothing) {
        ENDURING_CHECK(event.reason != Reason::none, "a session ended without a reason");
        give_reason(event.reason);
    }
    if (event.broken) {
        break_off(event.reason, true, now_ms, limits);
        return;
    }
    phase_ = next_phase(phase_, trigger_of(event.need));
    if (retire_reason_ != Reason::none && phase_ == Phase::idle) {
        give_reason(retire_reason_);
        phase_ = next_phase(phase_, Trigger::retired);
    }
    // A phase's time begins when the phase begins, with some exceptions: the head that opens a
    // connection is timed from the accept; each piece of a content begins its time anew, and so
    // does each that a handler takes or makes; and empty lines, of which a client can send any
    // number in pieces, begin nothing anew.
    const bool continues = phase_ == before && !event.new_message && !event.moved;
    const bool first_head = phase_ == Phase::head && before == Phase::opening && !event.new_message;
    const bool after_empty_lines =
        !event.new_message &&
        ((phase_ == Phase::idle && (before == Phase::opening || before == Phase::head)) ||
         (phase_ == Phase::head && before == Phase::idle && awaits_message_));
    if (after_empty_lines) {
        awaits_message_ = true;
        return;
    }
    if (limits.body_bytes_per_s_min != 0) {
        measure_content(before, event, now_ms, limits);
    }
    if (!continues && !first_head) {
        enter(now_ms, limits);
    } else if (continues && phase_ == Phase::content && event.amount != 0) {
        set_content_deadline(now_ms, limits);
    }
}

// A content's time runs while the session takes more of it, from when it first does; what comes
// while it has stopped pays all the same. Of the receive that brings its beginning all bytes do:
// what was before it there is less than a buffer.
void Lifecycle::measure_content(Phase before, Event event, std::uint64_t now_ms,
                                const TimeLimits& limits) {
    const std::uint64_t present_ms = now_ms - limits.absent_ms;
    const bool had_begun = !event.new_message && (before == Phase::content || content_stopped_);
    const bool stopped = content_stopped_;
    content_stopped_ = false;
    if (!had_begun && phase_ != Phase::content) {
        return;
    }
    if (!had_begun) {
        content_rate_.begin(present_ms);
    } else if (stopped) {
        content_rate_.go_on(present_ms);
    }
    if (event.amount != 0) {
        content_rate_.add(event.amount, limits.body_bytes_per_s_min,
                          credit_end(present_ms, limits.body_timeout_ms));
    }
    if (phase_ == Phase::handling || phase_ == Phase::stalled) {
        content_rate_.stop(present_ms);
        content_stopped_ = true;
    }
}

// Sets the read side's deadline for the phase that has just begun.
void Lifecycle::enter(std::uint64_t now_ms, const TimeLimits& limits) {
    phase_begin_ms_ = now_ms;
    awaits_message_ = false;
    if (!is_open()) {
        age_deadline_ms_ = never;
    }
    switch (phase_) {
        case Phase::idle:
            read_deadline_ms_ =
                output_waiting_ ? never : after(now_ms, limits.keepalive_timeout_ms);
            break;
        case Phase::head:
            read_deadline_ms_ = after(now_ms, limits.header_timeout_ms);
            break;
        case Phase::content:
            set_content_deadline(now_ms, limits);
            break;
        case Phase::handling:
            read_deadline_ms_ = after(now_ms, limits.handler_timeout_ms);
            break;
        case Phase::lingering:
            // Lingering always has an end: here 0 means "not at all".
            read_deadline_ms_ = now_ms + std::min(limits.linger_timeout_ms, limits.linger_max_ms);
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

void Lifecycle::retire(Reason reason, std::uint64_t now_ms, const TimeLimits& limits) {
    retire_reason_ = retire_reason_ == Reason::none ? reason : retire_reason_;
    if (phase_ == Phase::idle) {
        give_reason(retire_reason_);
    } else if (phase_ == Phase::opening) {
        // Its first request may be on the way; but who stays silent cannot delay the end.
        read_deadline_ms_ = std::min(read_deadline_ms_, now_ms + limits.last_call_ms);
    }
    move(Trigger::retired, now_ms, limits);
}

void Lifecycle::begin_output(std::uint64_t now_ms, const TimeLimits& limits) {
    output_waiting_ = true;
    if (limits.write_bytes_per_s_min != 0) {
        write_rate_.begin(now_ms - limits.absent_ms);
    }
    set_write_deadline(now_ms, limits);
}

void Lifecycle::set_write_deadline(std::uint64_t now_ms, const TimeLimits& limits) {
    if (!output_waiting_) {
        write_deadline_ms_ = never;
        return;
    }
    write_deadline_ms_ = after(now_ms, limits.write_timeout_ms);
    write_absent_ms_ = limits.absent_ms;
    write_by_rate_ = false;
    if (limits.write_bytes_per_s_min != 0) {
        const std::uint64_t rate_ms = rate_deadline(write_rate_, limits);
        write_by_rate_ = rate_ms <= write_deadline_ms_;
        write_deadline_ms_ = std::min(write_deadline_ms_, rate_ms);
    }
}

void Lifecycle::set_content_deadline(std::uint64_t now_ms, const TimeLimits& limits) {
    read_deadline_ms_ = after(now_ms, limits.body_timeout_ms);
    read_by_rate_ = false;
    if (limits.body_bytes_per_s_min != 0) {
        const std::uint64_t rate_ms = rate_deadline(content_rate_, limits);
        read_by_rate_ = rate_ms <= read_deadline_ms_;
        read_deadline_ms_ = std::min(read_deadline_ms_, rate_ms);
    }
}

// The server may have been absent since a deadline was set. What came meanwhile is taken first, but
// nothing could be sent: for output all of that time is left out, for input only by the rate.
void Lifecycle::leave_out_absence(std::uint64_t now_ms, const TimeLimits& limits) noexcept {
    if (write_deadline_ms_ != never && now_ms >= write_deadline_ms_) {
        write_deadline_ms_ += limits.absent_ms - std::exchange(write_absent_ms_, limits.absent_ms);
    }
    if (phase_ == Phase::content && read_by_rate_ && now_ms >= read_deadline_ms_) {
        read_deadline_ms_ = rate_deadline(content_rate_, limits);
    }
}

void Lifecycle::take_time(std::uint64_t now_ms, const TimeLimits& limits, Actions& actions) {
    leave_out_absence(now_ms, limits);
    if (now_ms >= write_deadline_ms_ && phase_ < Phase::joining) {
        break_off(write_by_rate_ ? Reason::write_min_rate : Reason::write_timeout, true, now_ms,
                  limits);
        return;
    }
    if (now_ms < read_deadline_ms_) {
        return;
    }
    switch (phase_) {
        case Phase::opening:
        case Phase::idle:
            give_reason(retire_reason_ != Reason::none ? retire_reason_ : timeout_reason(phase_));
            move(Trigger::quiet, now_ms, limits);
            break;
        case Phase::head:
        case Phase::content:
        case Phase::handling:
            give_reason(phase_ == Phase::content && read_by_rate_ ? Reason::body_min_rate
                                                                  : timeout_reason(phase_));
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

}  // namespace enduring::core
