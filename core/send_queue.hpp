// The ordered output of one connection: bytes, shared bytes and ranges of files, sent in order,
// with one operation in flight. Pure; it performs no I/O: it says what to send next and is told how
// much was sent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "core/block_pool.hpp"

namespace enduring::core {

/// Bytes that stay where they are until they are sent; the owner keeps them alive.
struct SharedPiece {
    const char* data;
    std::size_t size;
    std::shared_ptr<const void> owner;
};

/// A range of an open file; the owner keeps the descriptor open.
struct FilePiece {
    std::uint64_t offset;
    std::uint64_t size;
    std::shared_ptr<const void> owner;
    int descriptor;
};

/// One run of bytes to send.
struct Slice {
    const char* data;
    std::size_t size;
};

/// Holds no memory while it is empty. Not thread-safe.
class SendQueue {
  public:
    SendQueue() = default;
    /// clear() must have been called: the queue does not know its pool.
    ~SendQueue();
    SendQueue(const SendQueue&) = delete;
    SendQueue& operator=(const SendQueue&) = delete;

    [[nodiscard]] bool empty() const noexcept { return head_ == nullptr; }
    /// Bytes queued and not yet sent, those of files included.
    [[nodiscard]] std::uint64_t size_bytes() const noexcept { return size_bytes_; }

    /// At least `bytes` (≤ Block::payload_bytes) contiguous bytes to write to; what is written
    /// counts from the next commit(). Valid until the queue is used again.
    [[nodiscard]] std::span<char> reserve(std::size_t bytes, BlockPool& pool);
    void commit(std::size_t bytes) noexcept;

    /// Copies the bytes.
    void append(std::string_view bytes, BlockPool& pool);
    /// Refers to the bytes until they are sent.
    void append(SharedPiece piece, BlockPool& pool);
    void append(FilePiece piece, BlockPool& pool);

    /// The bytes to send next, in at most slices.size() runs, up to the first file. They stay valid
    /// until as many are consumed, whatever is appended meanwhile.
    [[nodiscard]] std::size_t gather(std::span<Slice> slices) const noexcept;
    /// The file at the front, or null.
    [[nodiscard]] const FilePiece* front_file() const noexcept;

    /// Takes sent bytes off the front.
    void consume(std::uint64_t bytes, BlockPool& pool) noexcept;
    /// Drops everything.
    void clear(BlockPool& pool) noexcept;

  private:
    Block* push(PieceKind kind, BlockPool& pool);
    void pop(BlockPool& pool) noexcept;

    Block* head_ = nullptr;
    Block* tail_ = nullptr;
    std::uint64_t size_bytes_ = 0;
};

}  // namespace enduring::core
