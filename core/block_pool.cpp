#include "core/block_pool.hpp"

#include <new>

#include "core/check.hpp"

namespace enduring::core {

namespace {
constexpr std::align_val_t alignment{64};
}

BlockPool::~BlockPool() {
    while (free_ != nullptr) {
        Block* block = free_;
        free_ = block->next;
        ::operator delete(block, alignment);
    }
}

Block* BlockPool::take() {
    Block* block = free_;
    if (block != nullptr) {
        free_ = block->next;
        --kept_;
    } else {
        block = static_cast<Block*>(::operator new(Block::size_bytes, alignment));
    }
    // Only the header is written: the payload may be cold.
    block->next = nullptr;
    block->begin = 0;
    block->end = 0;
    block->kind = PieceKind::bytes;
    ++lent_;
    return block;
}

void BlockPool::give(Block* block) noexcept {
    ENDURING_CHECK(lent_ > 0, "a block came back that was never lent");
    --lent_;
    if (kept_ == kept_max_) {
        ::operator delete(block, alignment);
        return;
    }
    block->next = free_;
    free_ = block;
    ++kept_;
}

}  // namespace enduring::core
