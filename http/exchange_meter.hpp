// Counts a worker's answers, by method and class of status, and measures how long exchanges take.
// Pure: it is told the time twice a turn at most, so that an exchange that is answered in the turn
// in which it began costs two increments and no clock.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <vector>

#include "core/counter.hpp"
#include "http/method.hpp"
#include "http/status.hpp"

namespace enduring::http {

/// In place of a method, where what came was no request.
inline constexpr unsigned methodless = method_count;
inline constexpr unsigned status_class_count = 5;  ///< 1xx to 5xx

/// How long exchanges took: how many of them not longer than each bound, and longer than the one
/// before; the last place is for those that took longer than all bounds. Written by one thread,
/// read by any.
struct DurationCounts {
    static constexpr std::array<std::uint64_t, 17> bounds_us{
        50,     100,     250,     500,     1'000,     2'500,     5'000,     10'000,    25'000,
        50'000, 100'000, 250'000, 500'000, 1'000'000, 2'500'000, 5'000'000, 10'000'000};

    std::array<core::Counter, bounds_us.size() + 1> counts{};
    core::Counter sum_us;

    void add(std::uint64_t duration_us, std::uint64_t count) noexcept;
};

/// A copy is made number by number, as of core::Counters.
struct ExchangeCounts {
    /// Answers, by method or methodless, and by the first digit of their status less one.
    std::array<std::array<core::Counter, status_class_count>, method_count + 1> answers{};
    DurationCounts durations;
};

/// Of one worker; not thread-safe, but for what counts() shows.
class ExchangeMeter {
  public:
    /// A moment is the time in steps of 16 µs, without what does not fit: after 19 hours they come
    /// again, and an exchange that takes longer seems to have taken so much less.
    using Moment = std::uint32_t;
    static constexpr std::uint64_t moment_us = 16;

    ExchangeMeter() { late_.reserve(late_reserved); }

    void begin_turn(std::uint64_t now_us) noexcept {
        turn_us_ = now_us;
        turn_ = moment_of(now_us);
    }
    /// When this turn began.
    [[nodiscard]] Moment turn() const noexcept { return turn_; }

    /// An answer is complete. begun: the turn in which its request's head was.
    void answered(unsigned method, Status status, Moment begun) noexcept {
        ++counts_.answers[method][code_of(status) / 100 - 1];
        if (begun == turn_) [[likely]] {
            ++answered_at_once_;
        } else {
            answered_late(begun);
        }
    }

    /// There is something that end_turn() would measure.
    [[nodiscard]] bool measures() const noexcept {
        return answered_at_once_ != 0 || !late_.empty();
    }
    /// What was answered is about to be handed to the kernel.
    void end_turn(std::uint64_t now_us) noexcept {
        if (measures()) {
            measure(now_us);
        }
    }

    [[nodiscard]] const ExchangeCounts& counts() const noexcept { return counts_; }

  private:
    static constexpr std::size_t late_reserved = 256;

    [[nodiscard]] static Moment moment_of(std::uint64_t time_us) noexcept {
        return static_cast<Moment>(time_us / moment_us);
    }
    void answered_late(Moment begun) noexcept;
    void measure(std::uint64_t now_us) noexcept;

    std::uint64_t turn_us_ = 0;
    std::uint64_t answered_at_once_ = 0;  // in this turn, of requests of this turn
    std::vector<Moment> late_;            // when others began that were answered in this turn
    Moment turn_ = 0;
    ExchangeCounts counts_;
};

}  // namespace enduring::http
