// What a worker counts. Plain numbers, written by the worker's thread only.
#pragma once

#include <array>
#include <cstdint>

#include "core/lifecycle.hpp"

namespace enduring::core {

struct Counters {
    std::uint64_t accepted = 0;       ///< connections given a slot here
    std::uint64_t handed_over = 0;    ///< connections passed to another worker
    std::uint64_t accept_errors = 0;  ///< accepts that failed, scarcity included
    std::uint64_t refused = 0;        ///< accepted and closed unserved, because of a drain
    std::uint64_t turns = 0;
    std::uint64_t completions = 0;
    std::uint64_t late_completions = 0;  ///< of an earlier life of their slot: none is expected
    std::uint64_t starvations = 0;       ///< receives that found no buffer (ENOBUFS)
    std::uint64_t submit_errors = 0;     ///< submits that the kernel refused (EBUSY, EAGAIN)
    std::uint64_t bytes_received = 0;
    std::uint64_t bytes_sent = 0;
    std::array<std::uint64_t, reason_count> closed{};  ///< by Reason
};

}  // namespace enduring::core
