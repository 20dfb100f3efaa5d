// When deadlines may be judged after the loop could not run for a while (the process was stopped,
// the machine paused, no processor was free): not before what has arrived meanwhile is taken, else
// peers who were in time would be blamed for our delay. Pure.
#pragma once

#include <cstdint>

namespace enduring::core {

/// Not thread-safe; one per worker.
class CatchUp {
  public:
    /// A turn that begins this much later than planned is late.
    static constexpr std::uint64_t late_ms_min = 20;

    /// A turn begins. It was to begin at planned_ms at the latest; the last one began at last_ms.
    void begin_turn(std::uint64_t planned_ms, std::uint64_t last_ms,
                    std::uint64_t now_ms) noexcept {
        begun_now_ = false;
        if (!active_ && now_ms > late_ms_min && now_ms - late_ms_min > planned_ms) {
            active_ = true;
            begun_now_ = true;
            // Not longer than the delay was: who sends without pause must not put off deadlines.
            end_ms_ = now_ms + (now_ms - last_ms);
        }
    }

    /// The turn has taken so many completions. Whether deadlines may be judged in it: the first
    /// wait after a delay may bring only a part of what is there, or nothing.
    [[nodiscard]] bool may_judge(unsigned completions, std::uint64_t now_ms) noexcept {
        if (active_ && !begun_now_ && (completions == 0 || now_ms >= end_ms_)) {
            active_ = false;
        }
        return !active_;
    }

    /// The next turn must not wait.
    [[nodiscard]] bool active() const noexcept { return active_; }

  private:
    std::uint64_t end_ms_ = 0;
    bool active_ = false;
    bool begun_now_ = false;
};

}  // namespace enduring::core
