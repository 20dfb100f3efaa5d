// Assertions for bugs. A peer or the kernel can never make one fail: what they do is an event or a
// Result. Checks stay on in release builds, because a server that goes on after a broken invariant
// may answer one client with the bytes of another.
#pragma once

namespace enduring::core {

/// Prints where and what to standard error and aborts.
[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               const char* message) noexcept;

}  // namespace enduring::core

/// Aborts with the place and the message when the condition is false. Only for bugs of ours.
#define ENDURING_CHECK(condition, message) \
    (static_cast<bool>(condition)          \
         ? static_cast<void>(0)            \
         : ::enduring::core::check_failed(__FILE__, __LINE__, #condition, (message)))
