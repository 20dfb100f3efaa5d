// Decodes the chunked transfer coding, strictly: RFC 9112 §7.1. Resumable at any byte with a few
// bytes of state. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace enduring::http {

/// Extensions are checked and dropped; trailer fields are checked and dropped, never merged into
/// the head (RFC 9110 §6.5.1).
class ChunkedDecoder {
  public:
    enum class Outcome : std::uint8_t {
        more,      ///< all bytes were taken; the content goes on
        content,   ///< a piece of content was found; call again with the rest
        complete,  ///< the content has ended; what follows is the next message
        invalid,   ///< the framing is broken
    };
    struct Step {
        Outcome outcome;
        std::size_t taken;         ///< bytes taken from the front
        std::string_view content;  ///< with Outcome::content: a part of the bytes taken
    };

    /// The most bytes of all chunk extensions together, and of all trailer fields together.
    static constexpr std::uint32_t overhead_bytes_max = 8 * 1024;
    /// The most digits of a chunk's size, leading zeros included.
    static constexpr std::uint8_t size_digits_max = 128;

    [[nodiscard]] Step decode(std::string_view bytes);

    /// Content that the chunk begun has announced and that has not come yet. Known before any of
    /// it, so that what is too large can be refused at once.
    [[nodiscard]] std::uint64_t announced_bytes() const noexcept {
        return state_ == State::data ? left_ : 0;
    }

  private:
    enum class State : std::uint8_t {
        size_first,
        size,
        size_cr,
        extension_space_before,
        extension_name_first,
        extension_name,
        extension_space_after_name,
        extension_value_first,
        extension_token,
        extension_quoted,
        extension_escaped,
        extension_end,
        data,
        data_cr,
        data_lf,
        trailer_first,
        trailer_name,
        trailer_value,
        trailer_lf,
        last_lf,
        broken,
        ended,
    };

    bool take(char c);
    bool take_extension(char c);
    bool take_trailer(char c);
    bool end_size_line();

    std::uint64_t left_ = 0;
    std::uint32_t overhead_bytes_ = 0;
    std::uint8_t size_digits_ = 0;
    State state_ = State::size_first;
};

}  // namespace enduring::http
