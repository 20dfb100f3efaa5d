// What a connection keeps while a message is incomplete or waits: bytes that are not consumed yet,
// a head half parsed, content half collected, who takes or makes pieces. Borrowed from a pool, so
// that an idle connection holds nothing. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "http/chunked.hpp"
#include "http/framing.hpp"
#include "http/parser.hpp"
#include "http/pieces.hpp"
#include "http/request_head.hpp"
#include "http/router.hpp"

namespace enduring::http {

struct InputBuffer {
    std::string pending;  ///< received; what lies before `consumed` is done with
    std::size_t consumed = 0;
    HeadParser parser;                ///< of the head at the front of the unconsumed bytes
    RequestHead head;                 ///< of that head, or of `head_bytes` while content is awaited
    std::string head_bytes;           ///< the complete head of the request whose content is awaited
    Framing framing;                  ///< of that head; its views point into head_bytes
    Router::Match match;              ///< of that head; its views point into head_bytes
    std::string content;              ///< collected so far
    std::uint64_t content_bytes = 0;  ///< known length: still to come; chunked: came so far
    ChunkedDecoder chunked;
    std::unique_ptr<Pieces> pieces;  ///< of an exchange that comes in pieces
    std::size_t counted_bytes = 0;   ///< of its memory, by the pool

    [[nodiscard]] std::string_view unconsumed() const noexcept {
        return std::string_view(pending).substr(consumed);
    }
    /// Adds bytes; moves the unconsumed ones to the front first, so that memory is not wasted.
    void append(std::string_view bytes) {
        if (consumed > 0) {
            pending.erase(0, consumed);
            consumed = 0;
        }
        pending.append(bytes);
    }

    /// Memory that is held.
    [[nodiscard]] std::size_t memory_bytes() const noexcept {
        return pending.capacity() + head_bytes.capacity() + content.capacity() +
               head.fields.capacity() * sizeof(FieldSpan);
    }

    void clear() {
        pending.clear();
        consumed = 0;
        parser.start();
        head.clear();
        head_bytes.clear();
        content.clear();
    }
};

/// Not thread-safe; one per worker. Keeps a few free ones; large memory is not kept.
class InputBufferPool {
  public:
    InputBufferPool() { free_.reserve(kept_max); }

    [[nodiscard]] std::unique_ptr<InputBuffer> take() {
        std::unique_ptr<InputBuffer> buffer;
        if (free_.empty()) {
            buffer = std::make_unique<InputBuffer>();
        } else {
            buffer = std::move(free_.back());
            free_.pop_back();
        }
        ++lent_;
        return buffer;
    }
    /// Counts what the buffer has grown or shrunk; gives the memory of all that are lent.
    std::uint64_t count(InputBuffer& buffer) noexcept {
        memory_bytes_ -= buffer.counted_bytes;
        buffer.counted_bytes = buffer.memory_bytes();
        memory_bytes_ += buffer.counted_bytes;
        return memory_bytes_;
    }
    void give(std::unique_ptr<InputBuffer> buffer) noexcept {
        --lent_;
        memory_bytes_ -= std::exchange(buffer->counted_bytes, 0);
        if (free_.size() < kept_max && buffer->memory_bytes() <= kept_bytes_max) {
            buffer->clear();
            free_.push_back(std::move(buffer));
        }
    }
    [[nodiscard]] std::size_t lent() const noexcept { return lent_; }

  private:
    static constexpr std::size_t kept_max = 64;
    static constexpr std::size_t kept_bytes_max = 32 * 1024;

    std::vector<std::unique_ptr<InputBuffer>> free_;
    std::size_t lent_ = 0;
    std::uint64_t memory_bytes_ = 0;
};

}  // namespace enduring::http
