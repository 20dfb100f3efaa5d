// Deadlines of many slots: O(1) to set and to cancel, no kernel timer for each. Pure: time comes in
// as an argument. It knows slots only as numbers.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

namespace enduring::core {

/// A hierarchical wheel of six-bit levels. Times are milliseconds of any clock that does not go
/// back; they are rounded up to ticks of 8 ms, so that a timer is never early and at most one tick
/// late. At most one timer for each slot. It reaches 17 years from its construction; a deadline
/// beyond that fires then. Not thread-safe.
class TimerWheel {
  public:
    static constexpr std::uint64_t tick_ms = 8;
    static constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();

    /// Slots are numbered below the capacity; memory is touched as slots are used.
    TimerWheel(std::uint32_t capacity, std::uint64_t now_ms);

    /// Sets or moves the slot's timer. A deadline that has passed fires with the next tick.
    void set(std::uint32_t slot, std::uint64_t deadline_ms);
    /// Removes the slot's timer, if it has one.
    void cancel(std::uint32_t slot);
    /// The deadline in force, rounded up to a tick; never if there is none.
    [[nodiscard]] std::uint64_t deadline_ms(std::uint32_t slot) const;

    /// When expire() should be called next, or never if no timer is set. This may be earlier than
    /// the next deadline: then expire() only sorts far timers into nearer places.
    [[nodiscard]] std::uint64_t next_ms() const;

    /// Calls fire(slot) for every timer whose deadline is not after now; the timer is gone before
    /// the call. fire may set and cancel timers; one that it sets in the past waits for the next
    /// expire(), so that no call can go on without end.
    template <class Fire>
    void expire(std::uint64_t now_ms, Fire&& fire) {
        collect(now_ms);
        while (due_ != nobody) {
            const std::uint32_t slot = due_;
            unlink(slot);
            fire(slot);
        }
    }

    [[nodiscard]] std::uint32_t armed() const noexcept { return armed_; }

  private:
    static constexpr unsigned level_bits = 6;
    static constexpr unsigned levels = 6;
    static constexpr std::uint32_t places = 1U << level_bits;
    static constexpr std::uint32_t nobody = ~0U;
    static constexpr std::uint16_t in_due = 0xffff;
    static constexpr std::uint64_t last_tick = (1ULL << (level_bits * levels)) - 1;

    struct Node {
        std::uint64_t tick : 48;   // at most last_tick
        std::uint64_t place : 16;  // 0: no timer; level * places + index + 1; in_due
        std::uint32_t previous;
        std::uint32_t next;
    };
    static_assert(sizeof(Node) == 16, "every connection has one");

    void collect(std::uint64_t now_ms);
    void place(std::uint32_t slot, std::uint64_t tick);
    void link(std::uint32_t slot, std::uint32_t& head, std::uint16_t where);
    void unlink(std::uint32_t slot);
    [[nodiscard]] std::optional<std::pair<std::uint64_t, std::uint16_t>> next_place() const;

    std::uint32_t capacity_;
    std::unique_ptr<Node[], void (*)(Node*)> nodes_;
    std::array<std::uint32_t, levels * places> heads_;
    std::array<std::uint64_t, levels> occupied_{};
    std::uint32_t due_ = nobody;
    std::uint32_t armed_ = 0;
    std::uint64_t base_ms_;
    std::uint64_t now_tick_ = 0;
};

}  // namespace enduring::core
