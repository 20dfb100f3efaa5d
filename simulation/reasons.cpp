// The judge's part that knows reasons: why a request may be refused, and a connection end.
#include <algorithm>

#include "simulation/judge.hpp"
#include "simulation/report.hpp"

namespace enduring::simulation {

bool Judge::is_late(std::uint64_t at_us, std::uint64_t since_us,
                    std::uint64_t limit_ms) const noexcept {
    return limit_ms != 0 && at_us + Plan::slack_us >= since_us + limit_ms * 1'000;
}

bool Judge::aborted() const noexcept {
    const std::uint64_t now_us = scene_.timeline.now_us();
    return (draining() && is_late(now_us, scene_.drain_us,
                                  scene_.plan.drain_delay_ms + scene_.plan.drain_timeout_ms)) ||
           scene_.second_drain_us != Timeline::never;
}

// Whether the client has taken too long to send this request.
bool Judge::timed_out(const Exchange& exchange) const {
    const core::TimeLimits& times = scene_.plan.times;
    const std::uint64_t now_us = scene_.timeline.now_us();
    const std::uint64_t since_us = answered_ == 0 ? connect_us_ : exchange.first_us;
    if (is_late(std::min(exchange.head_us, now_us), since_us, times.header_timeout_ms)) {
        return true;
    }
    // Who is to end soon must hurry.
    if (answered_ == 0 && (draining() || scene_.plan.peer_connections_max != 0) &&
        is_late(std::min(exchange.head_us, now_us), since_us, times.last_call_ms)) {
        return true;
    }
    if (exchange.head_us == Timeline::never) {
        return false;
    }
    const std::uint64_t gap_us =
        exchange.last_us == Timeline::never
            ? std::max(exchange.longest_gap_us, now_us - exchange.latest_us)
            : exchange.longest_gap_us;
    const bool rate_is_low =
        times.body_bytes_per_s_min != 0 &&
        (exchange.too_slow ||
         (exchange.last_us == Timeline::never &&
          now_us + Plan::slack_us >=
              std::max(exchange.paid_until_us, exchange.head_us + times.rate_grace_ms * 1'000)));
    return is_late(gap_us, 0, times.body_timeout_ms) || rate_is_low;
}

bool Judge::refusal_is_right(const Exchange& exchange, unsigned status) const {
    switch (status) {
        case 400:
            return exchange.refused || (finished_ && exchange.last_us == Timeline::never);
        case 408:
            // A head without end takes a slow server long.
            return exchange.refused || timed_out(exchange);
        case 413:
            return exchange.refused || exchange.may_be_too_large;
        case 414:
        case 431:
        case 501:
        case 505:
            return exchange.refused;
        case 429:
            return scene_.plan.peer_connections_max != 0 && answered_ == 0;
        case 503:
            return handler_timed_out(exchange);
        default:
            return false;
    }
}

bool Judge::handler_timed_out(const Exchange& exchange) const {
    const std::uint64_t limit_ms = scene_.plan.times.handler_timeout_ms;
    if (!exchange.verdict) {
        return exchange.delay_us != 0 && is_late(exchange.delay_us, 0, limit_ms);
    }
    // Its time cannot have begun before its head had come. One that waits several times may be
    // stopped in each of them.
    return exchange.head_us != Timeline::never &&
           is_late(scene_.timeline.now_us(), exchange.head_us, limit_ms) &&
           (!exchange.within_us ||
            is_late(*exchange.within_us + scene_.plan.stopped_us, 0, limit_ms));
}

// Where a response has begun, nothing else can be said any more.
bool Judge::may_break_off(const Exchange& exchange) const {
    return exchange.first_us != Timeline::never &&
           (exchange.may_be_cut ||
            (exchange.verdict &&
             (refusal_is_right(exchange, 400) || refusal_is_right(exchange, 408) ||
              refusal_is_right(exchange, 413) || refusal_is_right(exchange, 503))));
}

bool Judge::close_is_right() const {
    const std::uint64_t age_ms = scene_.plan.times.connection_max_age_ms;
    return draining() || finished_ ||
           is_late(scene_.timeline.now_us(), connect_us_, age_ms - age_ms / 10);
}

// Whether the server may end a response, or the connection, in the middle.
bool Judge::may_be_cut() const {
    const core::TimeLimits& times = scene_.plan.times;
    const Socket& socket = scene_.network.socket(socket_);
    // A reset destroys what has been sent before it, too.
    const bool content_may_fail =
        std::any_of(exchanges_.begin() + static_cast<std::ptrdiff_t>(answered_), exchanges_.end(),
                    [this](const Exchange& exchange) { return may_break_off(exchange); });
    if (aborted() || content_may_fail || socket.file_failed || may_end_) {
        return true;
    }
    // Of a stop that ends before the wait in which it began the server knows nothing: to it the
    // kernel has taken nothing for all that time; or too little since the output began, which was
    // not before the connection did.
    const bool by_rate = times.write_bytes_per_s_min != 0;
    const std::uint64_t now_us = scene_.timeline.now_us();
    if (scene_.plan.stopped_us != 0 && scene_.plan.sends_are_refused &&
        (is_late(now_us, socket.last_sent_us, times.write_timeout_ms) ||
         (by_rate && is_late(now_us, connect_us_, times.rate_grace_ms)))) {
        return true;
    }
    if (manner_.reads_slowly()) {
        // Room is told of when a third of the kernel's memory is free.
        const std::uint64_t pieces = socket.output_capacity / manner_.read_piece + 2;
        if (by_rate || is_late(pieces * manner_.read_delay_us, 0, times.write_timeout_ms)) {
            return true;
        }
    }
    // Who sends, or reads, longer than the server lingers may lose what it has not read.
    return (said_close_ || manner_.reads_slowly()) && socket.ended &&
           is_late(scene_.timeline.now_us(), socket.ended_us,
                   std::min(times.linger_timeout_ms, times.linger_max_ms));
}

// Nobody waits for a connection that makes room: what its client sends from the moment at which it
// was chosen, and is no longer received, has the kernel reset it, and that destroys the responses
// on their way.
bool Judge::may_be_reset() const {
    const Socket& socket = scene_.network.socket(socket_);
    return scene_.plan.evicts && socket.ended &&
           std::any_of(exchanges_.begin(), exchanges_.end(), [&](const Exchange& exchange) {
               return exchange.first_us != Timeline::never &&
                      (exchange.latest_us > socket.ended_us ||
                       exchange.latest_us >= socket.deaf_us);
           });
}

bool Judge::may_be_unanswered(const Exchange& exchange) const {
    const core::TimeLimits& times = scene_.plan.times;
    const Socket& socket = scene_.network.socket(socket_);
    if (may_be_cut()) {
        return true;
    }
    // Its beginning crossed the end of a connection that had been idle for too long: all earlier
    // answers had been sent ...
    if (exchange.sent_bytes == answers_end_ &&
        is_late(exchange.first_us, exchange.sent_us,
                answered_ == 0 ? times.header_timeout_ms : times.keepalive_timeout_ms)) {
        return true;
    }
    // ... or that was closed for another reason.
    // (A connection that waited for a place gets none from a server that stops.)
    if (draining() && scene_.plan.evicts && answered_ == 0) {
        return true;
    }
    // A server that stops takes no request behind the responses that it still sends.
    if (draining() && exchange.first_run_us + Plan::slack_us >= scene_.drain_run_us) {
        return true;
    }
    // Who comes from an address that has too many, and has got no answer, is the first to go.
    if (scene_.plan.peer_connections_max != 0 && scene_.plan.evicts && answered_ == 0) {
        return true;
    }
    const bool may_end = scene_.plan.evicts || draining() || scene_.plan.peer_connections_max != 0;
    return may_end &&
           (!socket.accepted || exchange.first_run_us + Plan::slack_us >= socket.ended_run_us);
}

void Judge::end(bool reset) {
    note(scene_.timeline.now_us(), "client {} sees the {}", client_, reset ? "reset" : "end");
    if (scene_.network.socket(socket_).aborted || (reset && may_be_reset())) {
        return;
    }
    if (in_content_ && framing_ == Framing::until_end && !reset) {
        finish_any();
    }
    if (in_response()) {
        if (!may_be_cut()) {
            wrong("a response is cut", head_);
        }
        return;
    }
    if (said_close_ || may_be_cut()) {
        return;
    }
    if (answered_ < exchanges_.size() && exchanges_[answered_].first_us != Timeline::never) {
        if (!may_be_unanswered(exchanges_[answered_])) {
            wrong("a request is not answered", exchanges_[answered_].request.substr(0, 200));
        }
        return;
    }
    if (reset && !draining()) {
        wrong("an idle connection is reset");
    }
    judge_idle_end();
}

// The server has closed a connection on which nothing was going on.
void Judge::judge_idle_end() const {
    const core::TimeLimits& times = scene_.plan.times;
    const Socket& socket = scene_.network.socket(socket_);
    const bool opening = answered_ == 0;
    const std::uint64_t since_us = opening ? connect_us_ : socket.last_sent_us;
    const std::uint64_t limit_ms = opening ? times.header_timeout_ms : times.keepalive_timeout_ms;
    if (!finished_ && !scene_.plan.evicts && !draining() && scene_.plan.peer_connections_max == 0 &&
        !is_late(socket.ended_us, since_us, limit_ms)) {
        wrong("an idle connection is closed too early");
    }
    // By the time that the process has run; after a stop it may take as long again to catch up.
    if (!opening && socket.ended_run_us > socket.last_sent_run_us + limit_ms * 1'000 +
                                              Plan::slack_us + scene_.plan.stopped_us) {
        wrong("an idle connection is closed too late");
    }
}

}  // namespace enduring::simulation
