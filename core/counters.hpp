// What a worker counts: written by the worker's thread only, read by any.
#pragma once

#include <array>
#include <cstdint>

#include "core/counter.hpp"
#include "core/reason.hpp"

namespace enduring::core {

/// A copy is made number by number: while the worker runs, they may be a moment apart.
struct Counters {
    Counter accepted;
    Counter handed_over;
    Counter refused;
    Counter accept_errors;
    Counter bytes_received;
    Counter bytes_sent;
    Counter turns;
    Counter submissions;
    Counter completions;
    Counter late_completions;
    Counter starvations;
    Counter submit_errors;
    Counter timers_due;
    Counter timer_lag_ms;
    std::array<Counter, reason_count> closed{};  ///< connections, by Reason

    Counters& operator+=(const Counters& other) noexcept;
    /// Of all reasons together.
    [[nodiscard]] std::uint64_t closed_total() const noexcept;
};

/// What one of the numbers is called outside, and what it counts.
struct CounterDescription {
    Counter Counters::* counter;
    const char* name;
    const char* meaning;
    unsigned per_unit = 1;  ///< the name speaks of units of which each is so many
};

/// All of them, but for those by reason.
inline constexpr std::array counter_descriptions{
    CounterDescription{&Counters::accepted, "connections_accepted", "Connections given a slot"},
    CounterDescription{&Counters::handed_over, "connections_handed_over",
                       "Connections passed to another worker"},
    CounterDescription{&Counters::refused, "connections_refused",
                       "Connections closed unserved, because the server was draining"},
    CounterDescription{&Counters::accept_errors, "accept_errors",
                       "Accepts that failed, for want of descriptors or otherwise"},
    CounterDescription{&Counters::bytes_received, "received_bytes", "Bytes received"},
    CounterDescription{&Counters::bytes_sent, "sent_bytes", "Bytes that the kernel took"},
    CounterDescription{&Counters::turns, "loop_turns", "Turns of the workers' loops"},
    CounterDescription{&Counters::submissions, "submissions", "Submissions taken by the rings"},
    CounterDescription{&Counters::completions, "completions", "Completions taken from the rings"},
    CounterDescription{&Counters::late_completions, "late_completions",
                       "Completions of an earlier life of their slot; none is expected"},
    CounterDescription{&Counters::starvations, "receive_starvations",
                       "Receives that found no free buffer"},
    CounterDescription{&Counters::submit_errors, "submit_errors",
                       "Submissions that the kernel refused for the moment"},
    CounterDescription{&Counters::timers_due, "timers_due", "Timers of connections that were due"},
    CounterDescription{&Counters::timer_lag_ms, "timer_lag_seconds",
                       "How long after their times due timers were found, in all", 1'000},
};

}  // namespace enduring::core
