#include "core/send_queue.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "core/check.hpp"

namespace enduring::core {

namespace {

template <class Piece>
Piece* piece_of(Block* block) noexcept {
    static_assert(sizeof(Piece) <= Block::payload_bytes && alignof(Piece) <= 16);
    return std::launder(reinterpret_cast<Piece*>(block->payload));
}

template <class Piece>
const Piece* piece_of(const Block* block) noexcept {
    return std::launder(reinterpret_cast<const Piece*>(block->payload));
}

}  // namespace

SendQueue::~SendQueue() {
    ENDURING_CHECK(head_ == nullptr, "a send queue was destroyed before it was cleared");
}

std::span<char> SendQueue::reserve(std::size_t bytes, BlockPool& pool) {
    ENDURING_CHECK(bytes <= Block::payload_bytes, "reserved more than a block holds");
    Block* block = tail_;
    if (block == nullptr || block->kind != PieceKind::bytes ||
        Block::payload_bytes - block->end < bytes) {
        block = push(PieceKind::bytes, pool);
    }
    return {block->payload + block->end, Block::payload_bytes - block->end};
}

void SendQueue::commit(std::size_t bytes) noexcept {
    ENDURING_CHECK(tail_ != nullptr && tail_->kind == PieceKind::bytes &&
                       Block::payload_bytes - tail_->end >= bytes,
                   "committed more than was reserved");
    tail_->end += static_cast<std::uint32_t>(bytes);
    size_bytes_ += bytes;
}

void SendQueue::append(std::string_view bytes, BlockPool& pool) {
    while (!bytes.empty()) {
        const std::span<char> room = reserve(1, pool);
        const std::size_t count = std::min(room.size(), bytes.size());
        std::memcpy(room.data(), bytes.data(), count);
        commit(count);
        bytes.remove_prefix(count);
    }
}

void SendQueue::append(SharedPiece piece, BlockPool& pool) {
    if (piece.size == 0) {
        return;
    }
    Block* const block = push(PieceKind::shared, pool);
    size_bytes_ += piece.size;
    ::new (static_cast<void*>(block->payload)) SharedPiece(std::move(piece));
}

void SendQueue::append(FilePiece piece, BlockPool& pool) {
    if (piece.size == 0) {
        return;
    }
    Block* const block = push(PieceKind::file, pool);
    size_bytes_ += piece.size;
    ::new (static_cast<void*>(block->payload)) FilePiece(std::move(piece));
}

std::size_t SendQueue::gather(std::span<Slice> slices) const noexcept {
    std::size_t count = 0;
    for (const Block* block = head_; block != nullptr && count < slices.size();
         block = block->next) {
        if (block->kind == PieceKind::file) {
            break;
        }
        if (block->kind == PieceKind::shared) {
            const auto* piece = piece_of<SharedPiece>(block);
            slices[count++] = {piece->data, piece->size};
        } else if (block->end > block->begin) {
            slices[count++] = {block->payload + block->begin, block->end - block->begin};
        }
    }
    return count;
}

const FilePiece* SendQueue::front_file() const noexcept {
    return head_ != nullptr && head_->kind == PieceKind::file ? piece_of<FilePiece>(head_)
                                                              : nullptr;
}

void SendQueue::consume(std::uint64_t bytes, BlockPool& pool) noexcept {
    ENDURING_CHECK(bytes <= size_bytes_, "more was sent than was queued");
    size_bytes_ -= bytes;
    while (head_ != nullptr) {
        std::uint64_t left = 0;
        switch (head_->kind) {
            case PieceKind::bytes: {
                const std::uint64_t taken =
                    std::min<std::uint64_t>(bytes, head_->end - head_->begin);
                head_->begin += static_cast<std::uint32_t>(taken);
                bytes -= taken;
                left = head_->end - head_->begin;
                break;
            }
            case PieceKind::shared: {
                auto* piece = piece_of<SharedPiece>(head_);
                const std::uint64_t taken = std::min<std::uint64_t>(bytes, piece->size);
                piece->data += taken;
                piece->size -= taken;
                bytes -= taken;
                left = piece->size;
                break;
            }
            case PieceKind::file: {
                auto* piece = piece_of<FilePiece>(head_);
                const std::uint64_t taken = std::min(bytes, piece->size);
                piece->offset += taken;
                piece->size -= taken;
                bytes -= taken;
                left = piece->size;
                break;
            }
        }
        if (left > 0) {
            return;
        }
        pop(pool);
    }
}

void SendQueue::clear(BlockPool& pool) noexcept {
    while (head_ != nullptr) {
        pop(pool);
    }
    size_bytes_ = 0;
}

Block* SendQueue::push(PieceKind kind, BlockPool& pool) {
    // A reservation that was not used leaves an empty block, which would hide a file behind it.
    if (tail_ != nullptr && tail_->kind == PieceKind::bytes && tail_->begin == tail_->end) {
        tail_->kind = kind;
        return tail_;
    }
    Block* block = pool.take();
    block->kind = kind;
    if (tail_ != nullptr) {
        tail_->next = block;
    } else {
        head_ = block;
    }
    tail_ = block;
    return block;
}

void SendQueue::pop(BlockPool& pool) noexcept {
    Block* block = head_;
    head_ = block->next;
    if (head_ == nullptr) {
        tail_ = nullptr;
    }
    if (block->kind == PieceKind::shared) {
        piece_of<SharedPiece>(block)->~SharedPiece();
    } else if (block->kind == PieceKind::file) {
        piece_of<FilePiece>(block)->~FilePiece();
    }
    pool.give(block);
}

}  // namespace enduring::core
