// Functions that a worker calls later, for handlers. Pure: it is told the time.
#pragma once

#include <algorithm>
#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <utility>

namespace enduring::http {

/// Not thread-safe; one per worker, used in its thread only. Thousands of timers may wait: setting,
/// cancelling and running one takes the logarithm of their number.
class Timers {
  public:
    using Function = std::move_only_function<void()>;

    static constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();

    /// Names a timer; stays harmless when it has run or been cancelled.
    struct Id {
        std::uint64_t at_ms = 0;
        std::uint64_t number = 0;

        friend auto operator<=>(const Id&, const Id&) = default;
    };

    /// Calls the function once, not before so much time has passed since this turn of the worker
    /// began; a negative delay is none. What the function holds is destroyed in the worker's
    /// thread: after it ran, when it is cancelled, or when the worker ends. A timer outlives the
    /// connection that it was set for: Responder::on_gone() may cancel it.
    Id after(std::chrono::milliseconds delay, Function function) {
        // The turn's time is cut to milliseconds: the real one is later.
        const auto delay_ms = static_cast<std::uint64_t>(std::max<std::int64_t>(delay.count(), 0));
        const Id id{delay_ms < never - now_ms_ - 1 ? now_ms_ + delay_ms + 1 : never,
                    ++last_number_};
        waiting_.emplace(id, std::move(function));
        return id;
    }
    /// False: it has run, or was cancelled before.
    bool cancel(Id id) { return waiting_.extract(id) ? true : false; }

    /// Calls what is due. A function that it adds meanwhile is not due yet. Gives how many ended
    /// with an exception, which ends there.
    std::uint64_t run(std::uint64_t now_ms) {
        now_ms_ = now_ms;
        std::uint64_t threw = 0;
        while (next_ms() <= now_ms) {
            // It may set and cancel timers itself.
            auto due = waiting_.extract(waiting_.begin());
            try {
                due.mapped()();
            } catch (...) {
                ++threw;
            }
        }
        return threw;
    }
    /// When the next one is due.
    [[nodiscard]] std::uint64_t next_ms() const noexcept {
        return waiting_.empty() ? never : waiting_.begin()->first.at_ms;
    }
    [[nodiscard]] std::size_t size() const noexcept { return waiting_.size(); }
    /// Destroys what waits.
    void clear() noexcept {
        // What a function held may cancel others, or set some.
        while (!waiting_.empty()) {
            static_cast<void>(waiting_.extract(waiting_.begin()));
        }
    }

  private:
    std::map<Id, Function> waiting_;  // the next one first
    std::uint64_t now_ms_ = 0;
    std::uint64_t last_number_ = 0;
};

}  // namespace enduring::http
