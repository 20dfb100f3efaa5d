// Counts the allocations of a thread, and lets one fail.
#pragma once

#include <cstdint>

namespace enduring {

/// Allocations of this thread so far.
[[nodiscard]] std::uint64_t allocation_count() noexcept;

/// The number-th allocation of this thread from now on fails (1: the next); 0: none does.
void fail_allocation(std::uint64_t number) noexcept;

/// Whether the one that was to fail is still to come.
[[nodiscard]] bool failure_is_ahead() noexcept;

}  // namespace enduring
