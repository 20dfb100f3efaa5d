#include "core/buffer_ring.hpp"

#include <sys/mman.h>

#include <bit>
#include <new>

namespace enduring::core {

namespace {

// Whole pages, zeroed, touched only when used.
void* map_pages(std::size_t bytes) {
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        throw std::bad_alloc();
    }
    return memory;
}

}  // namespace

BufferRing::BufferRing(std::uint32_t count, std::uint32_t size_bytes)
    : count_(count),
      size_bytes_(size_bytes),
      mask_(static_cast<int>(count) - 1),
      lent_flags_(std::make_unique<bool[]>(count)) {
    ENDURING_CHECK(std::has_single_bit(count) && count <= 32768, "bad number of receive buffers");
    ring_ = static_cast<io_uring_buf_ring*>(map_pages(count * sizeof(io_uring_buf)));
    memory_ = static_cast<char*>(map_pages(memory_bytes()));
    io_uring_buf_ring_init(ring_);
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto buffer = static_cast<std::uint16_t>(i);
        io_uring_buf_ring_add(ring_, at(buffer), size_bytes, buffer, mask_, static_cast<int>(i));
    }
    io_uring_buf_ring_advance(ring_, static_cast<int>(count));
}

BufferRing::~BufferRing() {
    munmap(ring_, count_ * sizeof(io_uring_buf));
    munmap(memory_, memory_bytes());
}

}  // namespace enduring::core
