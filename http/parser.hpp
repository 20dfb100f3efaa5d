// Parses the head of a request in place with llhttp, all its leniency off. It knows syntax only:
// what the fields mean for framing is decided in framing.cpp. Pure; the only file that knows
// llhttp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "http/request_head.hpp"
#include "http/status.hpp"

namespace enduring::http {

struct HeadLimits {
    std::uint32_t head_bytes_max = 16 * 1024;   ///< the whole head: 431
    std::uint32_t target_bytes_max = 8 * 1024;  ///< the request target: 414
    std::uint32_t fields_max = 100;             ///< header fields: 431
};

/// The state of one head being parsed. It holds no pointers between calls, so it may be copied, and
/// the bytes parsed so far may be moved.
class HeadParser {
  public:
    struct Outcome {
        enum class Kind : std::uint8_t {
            incomplete,  ///< all bytes are part of the head, more must come
            complete,    ///< the head ends after `size` bytes
            refused,     ///< the request is answered with `status`, and the connection closed
        };
        Kind kind = Kind::incomplete;
        Status status = Status::ok;
        std::uint32_t size = 0;
    };

    HeadParser() noexcept { start(); }

    /// Ready for a new head.
    void start() noexcept;

    /// Parses base[parsed(), size); base[0, parsed()) are the bytes given before, unchanged. The
    /// outcome depends on the bytes alone, never on how they were split.
    Outcome parse(RequestHead& head, const char* base, std::uint32_t size,
                  const HeadLimits& limits);

    /// Bytes of the head that have been parsed.
    [[nodiscard]] std::uint32_t parsed() const noexcept { return parsed_; }

  private:
    bool pass_minor_version(RequestHead& head, const char* base, std::uint32_t end);
    Outcome judge_error(const RequestHead& head, const char* base, std::uint32_t size,
                        const HeadLimits& limits);

    static constexpr std::size_t state_bytes = 128;
    alignas(8) std::byte state_[state_bytes];
    std::uint32_t parsed_ = 0;
    int error_ = 0;  // llhttp's, once it has met one; the verdict may need more bytes
};
static_assert(std::is_trivially_copyable_v<HeadParser>);

}  // namespace enduring::http
