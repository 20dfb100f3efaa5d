// The last heads of a worker that had no content, with all that was found out about them. Clients
// repeat themselves: when the next bytes are those of a head that is remembered, octet for octet,
// then what they mean is known, and neither the parser nor the rules of framing nor the router need
// to run. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "http/framing.hpp"
#include "http/request_head.hpp"
#include "http/router.hpp"

namespace enduring::http {

/// A head, its bytes and their meaning.
struct KnownHead {
    static constexpr std::size_t bytes_max = 1024;

    std::uint32_t size = 0;  ///< of the head in `bytes`; 0: nothing is remembered here
    RequestHead head;
    Framing framing;      ///< its views point into `bytes`
    Router::Match match;  ///< its views point into `bytes`
    std::array<char, bytes_max> bytes;
};

/// Not thread-safe; one per worker. What is remembered does not depend on time or on the
/// connection: the same bytes always mean the same.
class HeadMemory {
  public:
    explicit HeadMemory(std::uint32_t fields_max) {
        for (KnownHead& entry : entries_) {
            entry.head.fields.reserve(fields_max);
        }
    }

    /// The entry whose head these bytes begin with, or null.
    [[nodiscard]] KnownHead* find(std::string_view bytes) noexcept {
        for (unsigned i = 0; i < entries_.size(); ++i) {
            KnownHead& entry = entries_[(last_ - i) % entries_.size()];
            if (entry.size != 0 && entry.size <= bytes.size() &&
                std::memcmp(entry.bytes.data(), bytes.data(), entry.size) == 0) {
                return &entry;
            }
        }
        return nullptr;
    }

    /// The entry that has waited longest, forgotten, to parse the next head into. It becomes known
    /// when its size is set.
    [[nodiscard]] KnownHead& next() noexcept {
        last_ = (last_ + 1) % entries_.size();
        KnownHead& entry = entries_[last_];
        entry.size = 0;
        entry.head.clear();
        return entry;
    }

  private:
    std::array<KnownHead, 4> entries_;
    std::size_t last_ = 0;
};

}  // namespace enduring::http
