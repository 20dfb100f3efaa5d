// Blocks of memory that connections borrow for their output and give back: an idle connection holds
// none. Pure; not thread-safe; one per worker.
#pragma once

#include <cstddef>
#include <cstdint>

namespace enduring::core {

/// What a block of the output holds.
enum class PieceKind : std::uint8_t {
    bytes,   ///< bytes [begin, end) of the payload
    shared,  ///< a SharedPiece in the payload: bytes that somebody else keeps
    file,    ///< a FilePiece in the payload: a range of an open file
};

/// 4 KiB, its header included: one page, so that the memory of a block that is not full is shared
/// with nothing else.
struct Block {
    static constexpr std::size_t size_bytes = 4096;

    Block* next = nullptr;
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    PieceKind kind = PieceKind::bytes;

    static constexpr std::size_t header_bytes = 32;
    static constexpr std::size_t payload_bytes = size_bytes - header_bytes;
    alignas(16) char payload[payload_bytes];
};
static_assert(sizeof(Block) == Block::size_bytes);

/// Hands out blocks; keeps up to kept_max free ones, most recently used first, and gives the rest
/// back to the heap.
class BlockPool {
  public:
    explicit BlockPool(std::size_t kept_max = 1024) : kept_max_(kept_max) {}
    ~BlockPool();
    BlockPool(const BlockPool&) = delete;
    BlockPool& operator=(const BlockPool&) = delete;

    [[nodiscard]] Block* take();
    void give(Block* block) noexcept;

    /// What a piece of the output keeps besides its block counts too, until it is discharged.
    void charge(std::size_t bytes) noexcept { charged_bytes_ += bytes; }
    void discharge(std::size_t bytes) noexcept { charged_bytes_ -= bytes; }

    /// Blocks that are out.
    [[nodiscard]] std::size_t lent() const noexcept { return lent_; }
    /// Memory of all output: the blocks that are out, and what was charged. What handlers share
    /// with it is theirs and not counted.
    [[nodiscard]] std::size_t output_bytes() const noexcept {
        return lent_ * Block::size_bytes + charged_bytes_;
    }
    [[nodiscard]] std::size_t kept() const noexcept { return kept_; }

  private:
    Block* free_ = nullptr;
    std::size_t kept_ = 0;
    std::size_t kept_max_;
    std::size_t lent_ = 0;
    std::size_t charged_bytes_ = 0;
};

}  // namespace enduring::core
