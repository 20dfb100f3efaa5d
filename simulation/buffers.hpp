// The kernel's side of a ring of provided buffers: takes from the memory that core::BufferRing
// writes to, and checks what it finds there.
#pragma once

#include <liburing.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace enduring::simulation {

/// Not thread-safe.
class Buffers {
  public:
    void attach(io_uring_buf_ring* memory, std::uint32_t count, std::uint16_t group);
    [[nodiscard]] bool has(std::uint16_t group) const noexcept {
        return memory_ != nullptr && group == group_;
    }
    /// Looks what has been provided since. What lies in such a buffer is spoilt: nobody may read it
    /// any more.
    void observe();
    /// Buffers that the kernel has.
    [[nodiscard]] std::uint32_t available() const noexcept {
        return static_cast<std::uint16_t>(seen_tail_ - head_);
    }
    [[nodiscard]] std::uint32_t count() const noexcept { return count_; }

    struct Taken {
        std::uint16_t number;
        std::uint32_t size;
    };
    /// Fills the next buffer with the beginning of the bytes; nothing if there is none.
    std::optional<Taken> fill(std::string_view bytes);

  private:
    struct Known {
        std::uint64_t address = 0;
        std::uint32_t size = 0;
        bool provided = false;
    };
    io_uring_buf_ring* memory_ = nullptr;
    std::uint32_t count_ = 0;
    std::uint16_t group_ = 0;
    std::uint16_t head_ = 0;
    std::uint16_t seen_tail_ = 0;
    std::vector<Known> known_;
};

}  // namespace enduring::simulation
