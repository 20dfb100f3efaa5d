// Room for submissions: everything that the loop submits takes its entry here.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/buffer_ring.hpp"
#include "core/counters.hpp"
#include "core/ring.hpp"

namespace enduring::core {

/// A turn's submissions go to the kernel together, when the loop next waits; only when the queue is
/// nearly full they go earlier.
template <class RingType>
class Submitter {
  public:
    /// The most submissions that one completion, timer or queue entry leads to.
    static constexpr std::uint32_t submissions_per_step = 8;

    Submitter(RingType& ring, BufferRing& buffers, Counters& counters)
        : ring_(ring), buffers_(buffers), counters_(counters), capacity_(ring.sqe_room()) {}

    /// Whether one more step can be taken. If the queue is nearly full it is submitted first; when
    /// the kernel refuses, the caller leaves its work for the next turn.
    bool has_room() {
        if (ring_.sqe_room() >= submissions_per_step) [[likely]] {
            return true;
        }
        buffers_.publish();
        const std::uint32_t room_before = ring_.sqe_room();
        if (ring_.submit() < 0) {
            ++counters_.submit_errors;
        }
        see_submitted(room_before);
        return ring_.sqe_room() >= submissions_per_step;
    }

    /// The next entry. A step that was begun with room always finds one.
    io_uring_sqe& sqe() {
        if (ring_.sqe_room() == 0) [[unlikely]] {
            has_room();
        }
        return ring_.take_sqe();
    }

    /// What was taken last completes when it is submitted, and nobody awaits that: the next wait
    /// does not end for it, but after unawaited_ms_max.
    void note_unawaited() noexcept { ++unawaited_; }
    /// How long it may stay unknown what became of it: it may have failed.
    static constexpr std::uint64_t unawaited_ms_max = 20;

    /// Submits and waits for a completion that somebody awaits; gives up waiting after timeout_ms
    /// (0: at once; nothing: never). Whether the kernel has all submissions now.
    bool submit_and_wait(std::optional<std::uint64_t> timeout_ms) {
        buffers_.publish();
        const std::uint32_t room_before = ring_.sqe_room();
        if (unawaited_ > 0) {
            timeout_ms = std::min(timeout_ms.value_or(unawaited_ms_max), unawaited_ms_max);
        }
        if (ring_.submit_and_wait(timeout_ms, unawaited_ + 1) != 0) {
            ++counters_.submit_errors;
        }
        see_submitted(room_before);
        return ring_.sqe_room() == capacity_;
    }

    /// For plain calls.
    [[nodiscard]] RingType& ring() noexcept { return ring_; }

    /// Changes when all submissions have been taken: memory that they refer to is free again then.
    [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }

  private:
    // The kernel may take only some, when it is short of memory.
    void see_submitted(std::uint32_t room_before) {
        unawaited_ = 0;
        const std::uint32_t room = ring_.sqe_room();
        counters_.submissions += room - room_before;
        if (room == capacity_) [[likely]] {
            ++epoch_;
        }
    }

    RingType& ring_;
    BufferRing& buffers_;
    Counters& counters_;
    std::uint32_t capacity_;
    std::uint64_t epoch_ = 0;
    std::uint32_t unawaited_ = 0;
};

}  // namespace enduring::core
