#include "http/frame_pool.hpp"

#include <new>

#include "core/check.hpp"

namespace enduring::http {

/// Before each frame, as large as the strictest alignment of what operator new gives.
struct alignas(__STDCPP_DEFAULT_NEW_ALIGNMENT__) FramePool::Block {
    FramePool* pool;  // null: from the heap
    union {
        std::size_t bytes;  // with this
        Block* next;        // while it is kept
    };
};

FramePool::~FramePool() {
    ENDURING_CHECK(bytes_ == 0, "a coroutine outlives its worker");
    release_kept();
}

void FramePool::release_kept() noexcept {
    for (Block*& first : kept_) {
        while (first != nullptr) {
            Block* const block = first;
            first = block->next;
            ::operator delete(block);
        }
    }
    kept_bytes_ = 0;
}

void* FramePool::allocate(std::size_t bytes) {
    const std::size_t rounded = (bytes + sizeof(Block) + step_bytes - 1) / step_bytes * step_bytes;
    FramePool* const pool = current();
    Block* const block =
        pool != nullptr ? pool->take(rounded) : static_cast<Block*>(::operator new(rounded));
    block->pool = pool;
    block->bytes = rounded;
    return block + 1;
}

void FramePool::give_back(void* frame) noexcept {
    Block* const block = static_cast<Block*>(frame) - 1;
    if (block->pool != nullptr) {
        block->pool->keep(block);
    } else {
        ::operator delete(block);
    }
}

FramePool::Block* FramePool::take(std::size_t bytes) {
    if (bytes > bytes_max_ - bytes_) {
        throw std::bad_alloc();
    }
    Block* block = nullptr;
    if (bytes <= kept_bytes_max) {
        block = kept_.at(bytes / step_bytes);
    }
    if (block != nullptr) {
        kept_.at(bytes / step_bytes) = block->next;
        kept_bytes_ -= bytes;
    } else {
        if (bytes > bytes_max_ - bytes_ - kept_bytes_) {
            release_kept();  // they are of other sizes
        }
        block = static_cast<Block*>(::operator new(bytes));
    }
    bytes_ += bytes;
    return block;
}

void FramePool::keep(Block* block) noexcept {
    bytes_ -= block->bytes;
    if (block->bytes > kept_bytes_max) {
        ::operator delete(block);
        return;
    }
    Block*& first = kept_.at(block->bytes / step_bytes);
    kept_bytes_ += block->bytes;
    block->next = first;
    first = block;
}

}  // namespace enduring::http
