// The provided buffers of one ring: the kernel picks one when bytes arrive, lends it to us with the
// completion, and gets it back as soon as the bytes are consumed. Idle connections hold none.
#pragma once

#include <liburing.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "core/check.hpp"
#include "core/result.hpp"

namespace enduring::core {

/// Memory and book-keeping; the ring (real or simulated) only learns the address. Not thread-safe.
class BufferRing {
  public:
    /// count: a power of two, at most 32768. size_bytes: of each buffer.
    BufferRing(std::uint32_t count, std::uint32_t size_bytes);
    ~BufferRing();
    BufferRing(const BufferRing&) = delete;
    BufferRing& operator=(const BufferRing&) = delete;

    /// Tells the ring of the buffers, under this group number.
    template <class RingType>
    Result<void> attach(RingType& ring, std::uint16_t group) {
        return ring.register_buffer_ring(ring_, count_, group);
    }

    /// The bytes of a buffer that a completion brought. It is lent until give_back().
    [[nodiscard]] std::span<const char> lend(std::uint16_t buffer, std::size_t size) {
        ENDURING_CHECK(buffer < count_ && size <= size_bytes_, "no such receive buffer");
        ENDURING_CHECK(!lent_flags_[buffer], "a receive buffer was lent twice");
        lent_flags_[buffer] = true;
        ++lent_;
        return {at(buffer), size};
    }

    /// Returns a lent buffer; the kernel sees it from the next publish() on.
    void give_back(std::uint16_t buffer) {
        ENDURING_CHECK(buffer < count_ && lent_flags_[buffer], "a receive buffer came back twice");
        lent_flags_[buffer] = false;
        --lent_;
        io_uring_buf_ring_add(ring_, at(buffer), size_bytes_, buffer, mask_,
                              static_cast<int>(unpublished_));
        ++unpublished_;
    }

    /// Lets the kernel have what came back. Once a turn.
    void publish() noexcept {
        if (unpublished_ != 0) {
            io_uring_buf_ring_advance(ring_, static_cast<int>(unpublished_));
            unpublished_ = 0;
        }
    }

    [[nodiscard]] std::uint32_t count() const noexcept { return count_; }
    [[nodiscard]] std::uint32_t size_bytes() const noexcept { return size_bytes_; }
    /// Buffers that completions brought and that have not come back.
    [[nodiscard]] std::uint32_t lent() const noexcept { return lent_; }

  private:
    // Between two buffers lies a cache line that nobody uses. Else all would begin at multiples of
    // a power of two, and the caches could hold the beginnings of few: most input is shorter than a
    // line or two, and the kernel takes the buffers in turn.
    static constexpr std::size_t gap_bytes = 64;

    [[nodiscard]] std::size_t memory_bytes() const noexcept {
        return std::size_t{count_} * (size_bytes_ + gap_bytes);
    }
    [[nodiscard]] char* at(std::uint16_t buffer) const noexcept {
        return memory_ + std::size_t{buffer} * (size_bytes_ + gap_bytes);
    }

    std::uint32_t count_;
    std::uint32_t size_bytes_;
    int mask_;
    std::uint32_t lent_ = 0;
    std::uint32_t unpublished_ = 0;
    io_uring_buf_ring* ring_ = nullptr;
    char* memory_ = nullptr;
    std::unique_ptr<bool[]> lent_flags_;
};

}  // namespace enduring::core
