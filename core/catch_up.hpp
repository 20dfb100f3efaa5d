// When deadlines may be judged: not before what has arrived until then is taken. A wait may end by
// its time just as bytes arrive; and after the loop could not run for a while (the process was
// stopped, the machine paused, no processor was free), peers who were in time would be blamed for
// our delay. Pure.
#pragma once

#include <algorithm>
#include <cstdint>

namespace enduring::core {

/// Not thread-safe; one per worker.
class CatchUp {
  public:
    /// A turn that begins this much later than planned is late.
    static constexpr std::uint64_t late_ms_min = 20;
    /// A late turn may be followed by as much catching up, however short the delay was: much can
    /// have come in a short time.
    static constexpr std::uint64_t budget_ms_min = 1'000;

    /// A turn begins. It was to begin at planned_ms at the latest; the last one began at last_ms.
    void begin_turn(std::uint64_t planned_ms, std::uint64_t last_ms,
                    std::uint64_t now_ms) noexcept {
        late_now_ = false;
        if (active_) {
            // A stop is no time in which anything could be taken. A turn in which the kernel
            // refused what would take it is not either; but that must not last for ever.
            std::uint64_t& budget_ms = could_take_ ? budget_ms_ : refused_budget_ms_;
            budget_ms -= std::min({budget_ms, now_ms - last_ms, late_ms_min});
        }
        if (now_ms < planned_ms) {
            return;
        }
        const std::uint64_t delay_ms = now_ms - planned_ms;
        late_now_ = delay_ms > late_ms_min;
        const bool begins = !active_ && (late_now_ || planned_ms > last_ms);
        if (begins || (late_now_ && delay_ms > delay_ms_)) {
            late_now_ = true;
            active_ = true;
            delay_ms_ = delay_ms;
            // Not much longer than the delay was: who sends without pause must not put off
            // deadlines.
            const std::uint64_t least_ms = delay_ms > late_ms_min ? budget_ms_min : 0;
            budget_ms_ = std::max({budget_ms_, delay_ms + 1, least_ms});
            refused_budget_ms_ = std::max(refused_budget_ms_, 1'000 + 10 * delay_ms);
        }
    }

    /// The turn has taken so many completions, or so many connections are still to be asked, and
    /// the kernel has all submissions: if not, nothing can have come for those that wait. Whether
    /// deadlines may be judged in it: the first wait after a delay may bring only a part of what is
    /// there, or nothing.
    [[nodiscard]] bool may_judge(unsigned completions, bool all_submitted) noexcept {
        could_take_ = all_submitted;
        if (active_ && (budget_ms_ == 0 || refused_budget_ms_ == 0 ||
                        (!late_now_ && completions == 0 && all_submitted))) {
            active_ = false;
            budget_ms_ = 0;
            refused_budget_ms_ = 0;
        }
        return !active_;
    }

    /// The next turn must not wait.
    [[nodiscard]] bool active() const noexcept { return active_; }

  private:
    std::uint64_t delay_ms_ = 0;   // that is caught up: the longest
    std::uint64_t budget_ms_ = 0;  // how much longer that may take
    std::uint64_t refused_budget_ms_ = 0;
    bool active_ = false;
    bool could_take_ = true;
    bool late_now_ = false;  // what this turn found may be from before the delay
};

}  // namespace enduring::core
