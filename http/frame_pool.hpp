// Memory for the frames of coroutines. Pure.
#pragma once

#include <array>
#include <cstddef>

namespace enduring::http {

/// One per worker; used in its thread only. A block that is given back is kept for the next frame
/// of its size, so that a handler that has been called often enough allocates nothing. It must
/// outlive its blocks.
class FramePool {
  public:
    /// bytes_max: of all frames at once, and of all blocks that are kept; beyond it allocating
    /// fails.
    explicit FramePool(std::size_t bytes_max) noexcept : bytes_max_(bytes_max) {}
    ~FramePool();
    FramePool(const FramePool&) = delete;
    FramePool& operator=(const FramePool&) = delete;

    /// While it lives, this thread's frames come from that pool. They may be given back later.
    class Use {
      public:
        explicit Use(FramePool& pool) noexcept : before_(current()) { current() = &pool; }
        ~Use() { current() = before_; }
        Use(const Use&) = delete;
        Use& operator=(const Use&) = delete;

      private:
        FramePool* before_;
    };

    /// From the pool in use, or from the heap if there is none. Throws std::bad_alloc.
    [[nodiscard]] static void* allocate(std::size_t bytes);
    /// In the pool's thread.
    static void give_back(void* frame) noexcept;

    /// What frames take now.
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
    /// What blocks take that wait to be used again.
    [[nodiscard]] std::size_t kept_bytes() const noexcept { return kept_bytes_; }
    /// An eighth is left to what has begun, so that it can go on.
    [[nodiscard]] bool takes_new() const noexcept { return bytes_ < bytes_max_ - bytes_max_ / 8; }

  private:
    struct Block;

    static constexpr std::size_t step_bytes = 64;
    static constexpr std::size_t kept_bytes_max = 4096;  // larger blocks go back to the heap

    // Of this thread; null: none. A coroutine's frame is made before anything can be told to it.
    static FramePool*& current() noexcept;

    Block* take(std::size_t bytes);
    void keep(Block* block) noexcept;
    void release_kept() noexcept;

    std::array<Block*, kept_bytes_max / step_bytes + 1> kept_{};  // by size in steps
    // Of blocks in use, and of those that wait to be used again.
    std::size_t bytes_ = 0;
    std::size_t kept_bytes_ = 0;
    std::size_t bytes_max_;
};

}  // namespace enduring::http
