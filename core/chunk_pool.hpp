// Large pieces of memory through which files go to sockets. A connection borrows one only while it
// is being filled or sent, never while a slow peer makes room, so that a few serve all. Pure; not
// thread-safe; one per worker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

namespace enduring::core {

struct Chunk {
    static constexpr std::uint32_t size_bytes = 128 * 1024;
    std::uint32_t filled = 0;
    std::unique_ptr<char[]> data = std::make_unique_for_overwrite<char[]>(size_bytes);
};

class ChunkPool {
  public:
    explicit ChunkPool(std::size_t chunks_max) : chunks_max_(chunks_max) {
        chunks_.reserve(chunks_max);
        free_.reserve(chunks_max);
        if (chunks_max > 0) {
            add();
        }
    }

    /// A free chunk, or null when all are out, or memory is. At least one is there, so who waits
    /// for one that comes back does not wait in vain.
    [[nodiscard]] Chunk* take() noexcept {
        if (free_.empty()) {
            if (chunks_.size() == chunks_max_) {
                return nullptr;
            }
            try {
                add();
            } catch (const std::bad_alloc&) {
                return nullptr;
            }
        }
        Chunk* chunk = free_.back();
        free_.pop_back();
        chunk->filled = 0;
        return chunk;
    }
    void give(Chunk* chunk) noexcept { free_.push_back(chunk); }
    [[nodiscard]] std::size_t lent() const noexcept { return chunks_.size() - free_.size(); }

  private:
    void add() {
        chunks_.push_back(std::make_unique<Chunk>());
        free_.push_back(chunks_.back().get());
    }

    std::size_t chunks_max_;
    std::vector<std::unique_ptr<Chunk>> chunks_;
    std::vector<Chunk*> free_;
};

}  // namespace enduring::core
