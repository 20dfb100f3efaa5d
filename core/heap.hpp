// Gives memory that a burst has used back to the system: the heap by itself keeps free pages that
// lie between used ones.
#pragma once

#include <cstddef>
#include <cstdint>

namespace enduring::core {

/// Looks now and then how much of the heap is free. A look takes microseconds; giving memory back
/// takes milliseconds for each hundred megabytes. Not thread-safe; one serves the whole process,
/// since the heap is one.
class HeapTrimmer {
  public:
    static constexpr std::uint64_t interval_ms = 8'000;
    /// Less free memory than that is kept.
    static constexpr std::size_t free_bytes_min = 32UL * 1024 * 1024;

    /// To be called at any time, and often.
    void on_time(std::uint64_t now_ms) {
        if (now_ms >= next_ms_) [[unlikely]] {
            next_ms_ = now_ms + interval_ms;
            look();
        }
    }

    /// How often memory was given back.
    [[nodiscard]] std::uint64_t trims() const noexcept { return trims_; }

  private:
    void look();

    std::uint64_t next_ms_ = 0;
    // What was free after the last trim, as the heap counts it: given back or not, it is free.
    std::size_t trimmed_bytes_ = 0;
    std::uint64_t trims_ = 0;
};

}  // namespace enduring::core
