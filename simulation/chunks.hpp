// Reads a content in the chunked coding (RFC 9112 §7.1), as this server sends it: without
// extensions and trailers. By itself, so that it shares no mistake with the server's code.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace enduring::simulation {

/// Not thread-safe; one for each content.
class Chunks {
  public:
    /// Takes bytes from the beginning, and appends to the content what they say. Gives what is
    /// wrong, or null.
    const char* take(std::string_view& bytes, std::string& content);
    [[nodiscard]] bool complete() const noexcept { return complete_; }

  private:
    const char* take_line();

    std::string line_;
    std::uint64_t left_ = 0;  // of the chunk
    bool in_chunk_ = false;
    bool last_ = false;
    bool complete_ = false;
};

}  // namespace enduring::simulation
