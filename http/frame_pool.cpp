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
    for (Block* block : kept_) {
        while (block != nullptr) {
            Block* const next = block->next;
            ::operator delete(block);
            block = next;
        }
    }
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
    } else {
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
    block->next = first;
    first = block;
}

}  // namespace enduring::http
