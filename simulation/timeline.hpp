// Virtual time, and what will happen in it. Time moves only from one event to the next, and by what
// the simulated process takes for its work.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace enduring::simulation {

/// What an event is for.
enum class Happening : std::uint8_t {
    client_acts,    ///< subject: client, life: its appointment
    client_reads,   ///< subject: client
    operation_due,  ///< subject: operation, life: its number
    answer_due,     ///< subject: number of the answer
    drain,          ///< the server is told to drain
};

/// Not thread-safe.
class Timeline {
  public:
    static constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();

    struct Entry {
        std::uint64_t at_us;
        std::uint64_t order;
        Happening happening;
        std::uint32_t subject;
        std::uint32_t life;
    };

    [[nodiscard]] std::uint64_t now_us() const noexcept { return now_us_; }
    /// The time that the server's process has run, without what it was stopped.
    [[nodiscard]] std::uint64_t run_us() const noexcept {
        return std::min(now_us_, stop_begin_us_) - stopped_us_;
    }
    void advance_to(std::uint64_t at_us) noexcept { now_us_ = std::max(now_us_, at_us); }
    void begin_stop() noexcept { stop_begin_us_ = now_us_; }
    void end_stop() noexcept { stopped_us_ += now_us_ - std::exchange(stop_begin_us_, never); }

    void schedule(std::uint64_t at_us, Happening happening, std::uint32_t subject,
                  std::uint32_t life = 0) {
        entries_.push_back({std::max(at_us, now_us_), ++order_, happening, subject, life});
        std::push_heap(entries_.begin(), entries_.end(), is_later);
    }
    [[nodiscard]] std::uint64_t next_us() const noexcept {
        return entries_.empty() ? never : entries_.front().at_us;
    }
    /// The next event; its time is now.
    Entry take() {
        std::pop_heap(entries_.begin(), entries_.end(), is_later);
        const Entry entry = entries_.back();
        entries_.pop_back();
        advance_to(entry.at_us);
        return entry;
    }
    /// Events so far.
    [[nodiscard]] std::uint64_t count() const noexcept { return order_; }

  private:
    static bool is_later(const Entry& left, const Entry& right) noexcept {
        return left.at_us != right.at_us ? left.at_us > right.at_us : left.order > right.order;
    }

    std::uint64_t now_us_ = 0;
    std::uint64_t stopped_us_ = 0;
    std::uint64_t stop_begin_us_ = never;
    std::uint64_t order_ = 0;
    std::vector<Entry> entries_;
};

}  // namespace enduring::simulation
