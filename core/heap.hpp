// Gives memory that a burst has used back to the system: the heap by itself keeps free pages that
// lie between used ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

namespace enduring::core {

/// Looks now and then how much memory is resident and not in use. A look takes a walk over the
/// heap's free pieces, and giving memory back milliseconds for each hundred megabytes. Not
/// thread-safe; one serves the whole process, since the heap is one.
class HeapTrimmer {
  public:
    static constexpr std::uint64_t interval_ms = 8'000;
    static constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();
    /// Less free memory than that is kept.
    static constexpr std::size_t free_bytes_min = 32UL * 1024 * 1024;

    /// Something was done, or, idle, next_ms() has come. Some time after the last thing that was
    /// done there is one more look, and then none.
    void on_turn(std::uint64_t now_ms, bool idle) {
        if (now_ms >= next_ms_) {
            next_ms_ = never;
            look();
        }
        if (!idle && next_ms_ == never) {
            next_ms_ = now_ms + interval_ms;
        }
    }
    /// When on_turn() is due though nothing was done.
    [[nodiscard]] std::uint64_t next_ms() const noexcept { return next_ms_; }

    /// How often memory was given back.
    [[nodiscard]] std::uint64_t trims() const noexcept { return trims_; }

  private:
    void look();

    std::uint64_t next_ms_ = never;
    std::size_t other_bytes_ = 0;  // resident and not in use after the last trim: not the heap's
    std::uint64_t trims_ = 0;
};

}  // namespace enduring::core
